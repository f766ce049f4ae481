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
  cancel();
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
  latest += 1; // what is still being uploaded would end the recording
  recording = { microphone, chunks, timer: setTimeout(stop, MAX_SECONDS * 1000) };
  microphone.track.onended = stop;
  showRecording();
  if (hm.state.tab !== "sound" || document.hidden) cancel(); // gone while the browser asked
}

function stop() {
  const { microphone, chunks } = recording;
  cancel();
  submitFile(new File([wav(chunks, microphone.rate)], "recording.wav", { type: "audio/wav" }));
}

// Ends a recording; nothing is submitted.
function cancel() {
  if (!recording) return;
  clearTimeout(recording.timer);
  recording.microphone.close();
  recording = null;
  part("live").disabled = false;
  showRecording();
}

function showRecording() {
  part("record").toggleAttribute("data-open", Boolean(recording));
  part("record-text").textContent = recording ? "Stop" : "Record";
  part("level").style.removeProperty("--level");
}

hm.on(({ tab }) => tab !== "sound" && cancel());
document.addEventListener("visibilitychange", () => document.hidden && cancel());
part("record").addEventListener("click", () => (recording ? stop() : start()));
for (const button of exampleButtons)
  // Not when an address has chosen it. Rejected if interrupted by another.
  button.addEventListener("click", (event) => event.isTrusted && part("player").play().catch(() => {}));
if (props.value?.example) display(props.value, exampleButtons.find((b) => b.dataset.name === props.value.example).dataset.url);
