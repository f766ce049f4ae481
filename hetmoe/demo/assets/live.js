// Speaking live: while the microphone is open, its last second is submitted several times a second, as a WAV within the
// value; the answers form the ribbon.

const LIVE_RATE = 16000; // samples a second: what the encoding starts from
const LIVE_STEP = 150; // milliseconds at least from one second submitted to the next
const LIVE_PATIENCE = 2000; // milliseconds after which the next is submitted, even if the answer is still to come
// A second whose root mean square is lower is a pause. The encoding would raise it to full volume, noise and all. Of the
// test words, 95 in 100 are louder.
const PAUSE = 0.01;
const LISTENER = `registerProcessor("listener", class extends AudioWorkletProcessor {
  ring = new Float32Array(sampleRate);
  at = 0; // of the oldest sample
  fresh = 0; // samples since the last post
  process([[channel]]) {
    if (!channel) return true;
    for (const sample of channel) {
      this.ring[this.at] = sample;
      this.at = (this.at + 1) % this.ring.length;
    }
    this.fresh += channel.length;
    if (this.fresh >= sampleRate / 40) {
      this.fresh = 0;
      const second = new Float32Array(this.ring.length);
      second.set(this.ring.subarray(this.at));
      second.set(this.ring.subarray(0, this.at), this.ring.length - this.at);
      this.port.postMessage(second, [second.buffer]);
    }
    return true;
  }
});`;
let live = null; // {microphone, waiting: seconds that have been submitted and not answered, tried: when one was last judged}

async function startLive() {
  part("live").disabled = part("record").disabled = true; // while the browser asks
  const microphone = await openMicrophone(LISTENER, hearSecond, LIVE_RATE);
  part("live").disabled = false;
  part("record").disabled = Boolean(microphone);
  if (!microphone) return;
  live = { microphone, waiting: [], tried: 0 };
  microphone.track.onended = stopLive;
  hm.ribbon.start(playSecond);
  showLive();
  hm.set({ live: true });
  if (hm.state.tab !== "sound" || document.hidden) stopLive(); // gone while the browser asked
}

// The last second that was heard stays as the input.
function stopLive() {
  if (!live) return;
  live.microphone.close();
  live = null;
  hm.ribbon.stop();
  part("record").disabled = false;
  showLive();
  if (props.value?.live) play(props.value.live);
  hm.set({ live: false });
}

function showLive() {
  part("live").toggleAttribute("data-open", Boolean(live));
  part("live-text").textContent = live ? "Stop" : "Live";
  part("live-level").style.removeProperty("--level");
}

function hearSecond(second) {
  if (!live) return; // the microphone opens a moment before
  const now = performance.now();
  part("live-level").style.setProperty("--level", Math.max(...second.subarray(-400).map(Math.abs)).toFixed(2));
  const last = live.waiting.at(-1);
  if (last ? now - last.heard < LIVE_PATIENCE : now - live.tried < LIVE_STEP) return;
  live.tried = now;
  const power = second.reduce((sum, sample) => sum + sample * sample, 0) / second.length;
  if (Math.sqrt(power) < PAUSE) {
    live.waiting = []; // an answer that is still to come would stand before the pause
    return hm.ribbon.add({ heard: now, lanes: null });
  }
  const value = { live: dataUrl(wav([second], live.microphone.rate)) };
  submit(value);
  live.waiting = [...live.waiting.slice(-4), { heard: now, value, number: props.value.number }];
}

function dataUrl(view) {
  const letters = Array.from(new Uint8Array(view.buffer), (byte) => String.fromCharCode(byte));
  return `data:audio/wav;base64,${btoa(letters.join(""))}`;
}

// A second that was heard before comes back as the input.
function playSecond(value) {
  stopLive();
  submit(value);
  part("player").play().catch(() => {}); // rejected if interrupted by another
}

hm.on(({ tab }) => {
  if (!live) return;
  if (tab !== "sound") return stopLive();
  // An experiment that changes asks anew about the latest second: what answers first counts.
  if (!hm.payloads.sound) return; // no answer of this family yet
  const { asked, message, inputs } = hm.payloads.sound;
  const answered = live.waiting.findLast(({ number }) => number <= asked.number);
  if (!answered) return;
  live.waiting = live.waiting.filter(({ number }) => number > answered.number);
  hm.ribbon.add({ heard: answered.heard, value: answered.value, lanes: message ? null : inputs });
});
document.addEventListener("visibilitychange", () => document.hidden && stopLive());
part("live").addEventListener("click", () => (live ? stopLive() : startLive()));
