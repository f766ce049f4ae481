// The sound input: records from the microphone what the browser hears, unchanged, as a 16-bit WAV file.

const MAX_SECONDS = 3;
const RECORDER = `registerProcessor("recorder", class extends AudioWorkletProcessor {
  process([[channel]]) {
    if (channel) this.port.postMessage(channel.slice());
    return true;
  }
});`;
let recording = null; // {context, stream, chunks, timer} while recording

function show(value, url) {
  const player = part("player");
  if (url) player.src = url;
  else player.removeAttribute("src");
  player.load();
}

async function start() {
  let stream;
  part("record").disabled = true; // while the browser asks
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    return submit({ problem: "The microphone is not available. Allow it in the browser, or upload a recording." });
  } finally {
    part("record").disabled = false;
  }
  const context = new AudioContext();
  const module = URL.createObjectURL(new Blob([RECORDER], { type: "text/javascript" }));
  await context.audioWorklet.addModule(module);
  URL.revokeObjectURL(module);
  const recorder = new AudioWorkletNode(context, "recorder", { channelCount: 1, channelCountMode: "explicit" });
  const chunks = [];
  recorder.port.onmessage = ({ data }) => {
    chunks.push(data);
    part("level").style.setProperty("--level", Math.max(...data.map(Math.abs)).toFixed(2));
  };
  // It plays silence: Safari runs only what is connected to the loudspeaker.
  context.createMediaStreamSource(stream).connect(recorder).connect(context.destination);
  recording = { context, stream, chunks, timer: setTimeout(stop, MAX_SECONDS * 1000) };
  part("record").setAttribute("aria-pressed", "true");
  part("record-text").textContent = "Stop";
}

function stop() {
  const { context, stream, chunks, timer } = recording;
  recording = null;
  clearTimeout(timer);
  stream.getTracks().forEach((track) => track.stop());
  context.close();
  part("record").setAttribute("aria-pressed", "false");
  part("record-text").textContent = "Record";
  part("level").style.removeProperty("--level");
  submitFile(new File([wav(chunks, context.sampleRate)], "recording.wav", { type: "audio/wav" }));
}

function wav(chunks, rate) {
  const n = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * n));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * n, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // length of the format chunk
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // one channel
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); // bytes a second
  view.setUint16(32, 2, true); // bytes a sample
  view.setUint16(34, 16, true); // bits a sample
  text(36, "data");
  view.setUint32(40, 2 * n, true);
  let at = 44;
  for (const chunk of chunks)
    for (const sample of chunk) {
      view.setInt16(at, Math.round(Math.min(1, Math.max(-1, sample)) * 32767), true);
      at += 2;
    }
  return view;
}

part("record").addEventListener("click", () => (recording ? stop() : start()));
for (const button of exampleButtons)
  // Not when an address has chosen it. Rejected if interrupted by another.
  button.addEventListener("click", (event) => event.isTrusted && part("player").play().catch(() => {}));
if (props.value?.example) display(props.value, exampleButtons.find((b) => b.dataset.name === props.value.example).dataset.url);
