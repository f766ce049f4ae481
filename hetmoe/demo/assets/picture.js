// The picture input: preview, paste and webcam.

let stream = null; // the open camera

function show(value, url) {
  closeCamera();
  const preview = part("preview");
  preview.hidden = !url;
  part("hint").hidden = Boolean(url);
  part("hint").textContent = "Drop or paste a picture";
  if (url) preview.src = url;
  else preview.removeAttribute("src");
}

// A file that the server can read and the browser cannot show (TIFF, say), or that nobody can read.
part("preview").addEventListener("error", () => {
  if (!part("preview").hasAttribute("src")) return;
  part("preview").hidden = true;
  part("hint").hidden = false;
  part("hint").textContent = "No preview of this file";
});

document.addEventListener("paste", (event) => {
  if (!element.checkVisibility()) return;
  const file = [...event.clipboardData.files].find((candidate) => candidate.type.startsWith("image/"));
  if (file) submitFile(file);
});

part("paste").addEventListener("click", async () => {
  try {
    for (const item of await navigator.clipboard.read()) {
      const type = item.types.find((candidate) => candidate.startsWith("image/"));
      if (type) return submitFile(new File([await item.getType(type)], "pasted.png", { type }));
    }
    submit({ problem: "There is no picture on the clipboard. Copy one first." });
  } catch {
    submit({ problem: "The browser does not let this button paste. Press Ctrl+V or ⌘V instead." });
  }
});

part("snap").addEventListener("click", async () => {
  const camera = part("camera");
  if (stream) {
    const canvas = document.createElement("canvas");
    canvas.width = camera.videoWidth;
    canvas.height = camera.videoHeight;
    canvas.getContext("2d").drawImage(camera, 0, 0);
    canvas.toBlob((blob) => submitFile(new File([blob], "webcam.png", { type: "image/png" })));
    return;
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: true });
  } catch {
    return submit({ problem: "The webcam is not available. Allow it in the browser, or upload a picture." });
  }
  camera.srcObject = stream;
  camera.hidden = false;
  part("preview").hidden = part("hint").hidden = true;
  await camera.play();
  part("snap").textContent = "Take it";
});

function closeCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  part("camera").srcObject = null;
  part("camera").hidden = true;
  part("snap").textContent = "Webcam";
}

if (props.value?.example) display(props.value, exampleButtons.find((b) => b.dataset.name === props.value.example).dataset.url);
