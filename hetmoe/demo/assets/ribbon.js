// The ribbon of live sound: how each lane was routed over the last ten seconds, how likely the leading word was, and the
// words that were recognised. live.js calls hm.ribbon. A point is {heard: milliseconds, lanes: the answer's or null in a
// pause, value: the input, probabilities, word}; what is drawn is mixed anew, so what-ifs act on all of it.
// Gradio gives: element.

const SECONDS = 10; // that are kept
const NARROW = 600; // pixels, below which half of them are shown
const KEPT_WORDS = 12;
const ROWS = { words: [0, 24], temporal: [26, 44], spectral: [76, 44], sure: [130, 44], time: [178, 16] }; // top, height
const part = (name) => element.querySelector(`[data-part="${name}"]`);
const ribbon = part("ribbon");
const canvas = part("canvas");
const context = canvas.getContext("2d");

let points = []; // oldest first
let lags = []; // [time, milliseconds] of the answers drawn in the last seconds
let isLive = false;
let isDue = false; // whether a frame is due that will draw
let told = 0; // when the numbers in words were last written
let playSecond = null;
let shownExperts = "";

hm.ribbon = {
  // play: brings a value back as the input
  start(play) {
    points = [];
    lags = [];
    told = 0;
    playSecond = play;
    part("words").replaceChildren();
    part("heard").hidden = true;
    ribbon.hidden = false;
    setLive(true);
  },
  add(point) {
    const cut = point.heard - 1000 * SECONDS - 1000;
    points = points.filter(({ heard }) => heard > cut);
    points.push({ ...point, family: hm.state.family, probabilities: point.lanes && average(point.lanes.map((lane) => hm.mix(lane).probabilities)) });
    const c = peakOf(points);
    if (c >= 0) recognised(points.at(-2), c);
    draw();
  },
  stop() {
    setLive(false);
  },
  close() {
    ribbon.hidden = true;
  },
};
part("close").addEventListener("click", () => hm.ribbon.close());

function setLive(on) {
  isLive = on;
  part("close").hidden = on; // Stop comes first
  draw();
}

function average(rows) {
  return rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);
}

function recognised(point, c) {
  point.word = c;
  const label = point.lanes[0].labels[c];
  const words = part("words");
  const button = hm.make("button", "", hm.make("li", "", words), label);
  button.type = "button";
  button.title = "Look at this second";
  button.addEventListener("click", () => playSecond(point.value));
  if (words.children.length > KEPT_WORDS) words.firstChild.remove();
  words.scrollLeft = words.scrollWidth; // on a phone they stand in one line
  part("heard").hidden = false;
}

// One drawing a frame, after everything else in it.
function draw() {
  points = points.filter(({ family }) => family === hm.state.family); // answers of one family stand there
  if (isDue || ribbon.hidden) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    if (!canvas.clientWidth) return; // another tab is open
    paint();
    for (const point of points) {
      if (point.isDrawn) continue;
      point.isDrawn = true;
      if (point.lanes) lags.push([point.heard, performance.now() - point.heard]);
    }
    tell();
  });
}

function paint() {
  const scale = (canvas.getBoundingClientRect().width / canvas.offsetWidth) * devicePixelRatio; // also under CSS zoom
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * scale)) [canvas.width, canvas.height] = [width * scale, height * scale].map(Math.round);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(ribbon);
  const colour = (name) => style.getPropertyValue(name);
  context.font = `13px ${style.fontFamily}`;
  const end = points.at(-1)?.heard ?? 0;
  const seconds = width < NARROW ? SECONDS / 2 : SECONDS;
  const x = (time) => Math.round(width * (1 - (end - time) / 1000 / seconds)); // whole pixels, so that no seam shows
  const newest = points.findLast(({ lanes }) => lanes);
  showKey(newest);
  for (const name of ["temporal", "spectral", "sure"]) {
    context.fillStyle = colour("--hm-raised");
    context.fillRect(0, ROWS[name][0], width, ROWS[name][1]);
  }
  if (newest) {
    newest.lanes.forEach((lane, i) => paintRouting(x, i, lane, colour));
    paintSureness(x, width, colour);
    paintWords(x, width, colour);
  }
  paintTime(width, seconds, colour);
}

// Calls draw(from, to, before, point) for each point that has an answer; after a pause, it is its own predecessor.
function eachStep(x, draw) {
  points.forEach((point, i) => {
    if (!point.lanes) return;
    const before = points[i - 1];
    const from = before ? x(before.heard) : x(point.heard) - 2;
    draw(from, x(point.heard), before?.lanes ? before : point, point);
  });
}

function band(from, to, lows, highs) {
  context.beginPath();
  context.moveTo(from, lows[0]);
  context.lineTo(from, highs[0]);
  context.lineTo(to, highs[1]);
  context.lineTo(to, lows[1]);
  context.fill();
}

function paintRouting(x, i, { modality, models }, colour) {
  const [top, height] = ROWS[modality];
  const weights = new Map(points.map((point) => [point, point.lanes && hm.mix(point.lanes[i]).weights]));
  const colours = models[hm.state.configuration].experts.map((expert) => colour(`--expert-${expert.replace(" ", "-")}`));
  eachStep(x, (from, to, before, point) => {
    let lows = [top + height, top + height];
    colours.forEach((fill, e) => {
      const highs = [before, point].map((at, side) => lows[side] - height * weights.get(at)[e]);
      context.fillStyle = fill;
      band(from, to, lows, highs);
      lows = highs;
    });
  });
  label(hm.nouns[modality], 6, top + 14, colour);
}

function paintSureness(x, width, colour) {
  const [top, height] = ROWS.sure;
  const y = (probability) => top + height * (1 - probability);
  const sure = new Map(points.map((point) => [point, point.lanes && Math.max(...leading(point))]));
  context.fillStyle = colour("--hm-quiet");
  eachStep(x, (from, to, before, point) => band(from, to, [y(0), y(0)], [y(sure.get(before)), y(sure.get(point))]));
  context.strokeStyle = colour("--hm-ink");
  context.lineWidth = 1;
  context.setLineDash([4, 4]);
  context.beginPath();
  context.moveTo(0, y(SURE));
  context.lineTo(width, y(SURE));
  context.stroke();
  context.setLineDash([]);
  label("leading word", 6, top + 14, colour);
}

const leading = ({ lanes }) => average(lanes.map((lane) => hm.mix(lane).probabilities));

// Text on a plate, legible on every colour.
function label(text, left, baseline, colour) {
  context.fillStyle = colour("--hm-paper");
  context.globalAlpha = 0.8;
  context.fillRect(left - 4, baseline - 12, context.measureText(text).width + 8, 17);
  context.globalAlpha = 1;
  context.fillStyle = colour("--hm-ink");
  context.fillText(text, left, baseline);
}

function paintWords(x, width, colour) {
  context.save();
  context.font = `650 18px ${getComputedStyle(ribbon).fontFamily}`;
  context.textAlign = "center";
  for (const { heard, word, lanes } of points) {
    if (word === undefined) continue;
    const at = x(heard);
    const text = lanes[0].labels[word];
    const half = context.measureText(text).width / 2;
    context.fillStyle = colour("--hm-ink");
    context.fillText(text, Math.min(at, width - half), ROWS.words[0] + 17);
    context.fillRect(at - 0.5, ROWS.temporal[0] - 4, 1, ROWS.sure[0] + ROWS.sure[1] - ROWS.temporal[0] + 4);
  }
  context.restore();
}

function paintTime(width, seconds, colour) {
  context.save();
  context.fillStyle = colour("--hm-quiet");
  context.textAlign = "right";
  const baseline = ROWS.time[0] + 12;
  context.fillText("now", width, baseline);
  context.textAlign = "center";
  for (let ago = seconds / 5; ago < seconds; ago += seconds / 5)
    context.fillText(`−${ago} s`, width * (1 - ago / seconds), baseline);
  context.restore();
}

function showKey(point) {
  const experts = point?.lanes[0].models[hm.state.configuration].experts ?? [];
  if (experts.join() === shownExperts) return;
  shownExperts = experts.join();
  part("key").replaceChildren();
  for (const expert of experts) {
    const item = hm.make("li", "", part("key"));
    const icon = hm.make("span", "hm-icon", item);
    icon.innerHTML = hm.icon(expert);
    icon.style.setProperty("--colour", hm.colour(expert));
    hm.make("span", "", item, hm.name(expert));
  }
}

// What is seen, in words: the leading word with every drawing, the rest once a second.
function tell() {
  const point = points.at(-1);
  const probabilities = point?.lanes && leading(point);
  const c = probabilities ? likeliest(probabilities) : 0;
  part("word").textContent = probabilities ? point.lanes[0].labels[c] : isLive ? "listening…" : "";
  part("sure").textContent = probabilities ? hm.percent(probabilities[c]) : "";
  ribbon.dataset.pause = String(!probabilities);
  if (!point || point.heard - told < 1000) return;
  told = point.heard;
  tellPace(point.heard);
  canvas.setAttribute("aria-label", inWords(point, probabilities, c));
}

function tellPace(now) {
  lags = lags.filter(([time]) => time > now - 3000);
  const gaps = lags.slice(1).map(([time], i) => time - lags[i][0]);
  if (gaps.length < 3) return;
  const rate = 1000 / median(gaps);
  const lag = median(lags.map(([, lag]) => lag));
  ribbon.dataset.rate = rate.toFixed(2);
  ribbon.dataset.lag = lag.toFixed(0);
  part("pace").textContent = `${rate.toFixed(1)} a second, ${lag.toFixed(0)} ms behind`;
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

function inWords(point, probabilities, c) {
  if (!probabilities) return "A pause: nothing is being said.";
  const shares = point.lanes.map((lane) => {
    const { weights } = hm.mix(lane);
    const experts = lane.models[hm.state.configuration].experts.map((expert, i) => `${hm.name(expert)} ${hm.percent(weights[i])}`);
    return `The ${hm.nouns[lane.modality]} is routed to ${experts.join(", ")}.`;
  });
  return `${shares.join(" ")} The leading word is ${point.lanes[0].labels[c]}, ${hm.percent(probabilities[c])}.`;
}

hm.on(draw);
new ResizeObserver(draw).observe(canvas);
