// The microphone as the sound input uses it, and its sound as a 16-bit WAV file.

// Browsers would filter and level what they hear, as for a telephone; the models have learned from plain recordings.
const UNCHANGED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const REFUSED = "The microphone is not available. Allow it in the browser, or upload a recording.";

// Opens the microphone through an AudioWorklet processor (its source text, which registers "listener") and hands what
// that posts to `hear`. Resolves to {rate, track, close}; where it is refused or fails, lets go of it, submits a sentence
// and resolves to null.
// rate: samples a second to ask for; without one, or where the browser cannot convert (Firefox), it is the browser's own.
async function openMicrophone(processor, hear, rate) {
  let stream;
  let context;
  let node;
  const close = () => {
    if (node) node.port.onmessage = null; // nothing more is heard, though the context takes a moment to close
    stream?.getTracks().forEach((track) => track.stop());
    context?.close();
  };
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: UNCHANGED });
    let source;
    ({ context, source } = contextFor(stream, rate));
    const module = URL.createObjectURL(new Blob([processor], { type: "text/javascript" }));
    await context.audioWorklet.addModule(module).finally(() => URL.revokeObjectURL(module));
    node = new AudioWorkletNode(context, "listener", { channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }) => hear(data);
    // It plays silence: Safari runs only what is connected to the loudspeaker.
    source.connect(node).connect(context.destination);
    return { rate: context.sampleRate, track: stream.getAudioTracks()[0], close };
  } catch {
    close();
    submit({ problem: REFUSED });
    return null;
  }
}

function contextFor(stream, rate) {
  const context = new AudioContext(rate ? { sampleRate: rate } : {});
  try {
    return { context, source: context.createMediaStreamSource(stream) };
  } catch (error) {
    context.close();
    if (!rate) throw error;
    return contextFor(stream);
  }
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
