// The sound input: records from the microphone what the browser hears, unchanged, as a 16-bit WAV file.

const MAX_SECONDS = 3;
const RECORDER = `registerProcessor("listener", class extends AudioWorkletProcessor {
  process([[channel]]) {
    if (channel) this.port.postMessage(channel.slice());
    return true;
  }
});`;
let recording = null; // {microphone, chunks, timer} while recording

function show(value, url) {
  if (live && value?.live) return; // it is spoken at this moment
  stopLive();
  if (!value?.live) hm.ribbon?.close(); // which is not there yet while the page is being built
  play(value?.live ?? url);
}

function play(url) {
  const player = part("player");
  if (url) player.src = url;
  else player.removeAttribute("src");
  player.load();
}

async function start() {
  const chunks = [];
  part("record").disabled = part("live").disabled = true; // while the browser asks
  const microphone = await openMicrophone(RECORDER, (chunk) => {
    chunks.push(chunk);
    part("level").style.setProperty("--level", Math.max(...chunk.map(Math.abs)).toFixed(2));
  });
  part("record").disabled = false;
  part("live").disabled = Boolean(microphone);
  if (!microphone) return;
  recording = { microphone, chunks, timer: setTimeout(stop, MAX_SECONDS * 1000) };
  part("record").setAttribute("aria-pressed", "true");
  part("record-text").textContent = "Stop";
}

function stop() {
  const { microphone, chunks, timer } = recording;
  recording = null;
  clearTimeout(timer);
  microphone.close();
  part("live").disabled = false;
  part("record").setAttribute("aria-pressed", "false");
  part("record-text").textContent = "Record";
  part("level").style.removeProperty("--level");
  submitFile(new File([wav(chunks, microphone.rate)], "recording.wav", { type: "audio/wav" }));
}

part("record").addEventListener("click", () => (recording ? stop() : start()));
for (const button of exampleButtons)
  // Not when an address has chosen it. Rejected if interrupted by another.
  button.addEventListener("click", (event) => event.isTrusted && part("player").play().catch(() => {}));
if (props.value?.example) display(props.value, exampleButtons.find((b) => b.dataset.name === props.value.example).dataset.url);
