// The digit input: a pad to draw on, white ink on black as in MNIST. While the pen is down, every animation frame with
// new ink submits the pad.

const pad = part("pad");
const ink = pad.getContext("2d");
const PEN = pad.width / 13; // its width
let isPending = false; // whether a frame is due that will submit the pad
let picture = null; // an example or an upload that is to be shown, until something else is

function show(value, url) {
  if (value?.drawing) return;
  clearPad();
  picture = null;
  part("hint").hidden = Boolean(url);
  if (!url) return;
  const image = (picture = new Image());
  image.onload = () => {
    if (image !== picture) return; // it comes too late
    const scale = Math.min(pad.width / image.width, pad.height / image.height);
    const [width, height] = [image.width * scale, image.height * scale];
    ink.drawImage(image, (pad.width - width) / 2, (pad.height - height) / 2, width, height);
  };
  image.src = url;
}

function clearPad() {
  ink.fillStyle = "#000";
  ink.fillRect(0, 0, pad.width, pad.height);
}

function point(event) {
  const box = pad.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * pad.width, ((event.clientY - box.top) / box.height) * pad.height];
}

function submitPad() {
  if (isPending) return;
  isPending = true;
  requestAnimationFrame(() => {
    isPending = false;
    submit({ drawing: pad.toDataURL("image/png") });
  });
}

pad.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  pad.setPointerCapture(event.pointerId);
  if (!props.value?.drawing) clearPad(); // an example or an upload gives way to the drawing
  picture = null;
  part("hint").hidden = true;
  ink.fillStyle = ink.strokeStyle = "#fff";
  ink.lineWidth = PEN;
  ink.lineCap = ink.lineJoin = "round";
  ink.beginPath();
  ink.arc(...point(event), PEN / 2, 0, 2 * Math.PI); // a dot, should the pen not move
  ink.fill();
  ink.beginPath();
  ink.moveTo(...point(event));
  submitPad();
});

pad.addEventListener("pointermove", (event) => {
  if (!pad.hasPointerCapture(event.pointerId)) return;
  for (const step of event.getCoalescedEvents?.() ?? [event]) ink.lineTo(...point(step));
  ink.stroke();
  submitPad();
});

clearPad();
if (props.value?.example) display(props.value, exampleButtons.find((b) => b.dataset.name === props.value.example).dataset.url);
