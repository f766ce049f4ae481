// Try this: an input beside itself, changed by a ready-made experiment, or beside another one that has been kept.
// Gradio gives: element, props.

const INVITATION = "Change the input, or keep it and choose another one: who notices?";
const KEPT = "The input on the left stays. Choose, draw or record another one to stand beside it.";

const part = (name) => element.querySelector(`[data-part="${name}"]`);
const kept = {}; // kind: the payload that stays on the left
const comparisons = {}; // kind: its two columns, made when they are first needed
const player = new Audio();

// The open experiment of a kind, whoever has set it.
const variationOf = (kind) => hm.state.variation?.[kind];

function vary(kind, variation) {
  const { [kind]: _, ...others } = hm.state.variation ?? {};
  hm.set({ variation: variation ? { ...others, [kind]: variation } : others });
}

// The buttons of a kind: its experiments, and to keep the input.
function choicesNode(kind) {
  const node = hm.make("div", "hm-choices", part("choices"));
  node.setAttribute("role", "group");
  node.setAttribute("aria-label", "Experiments");
  const button = (text, act) => {
    const made = hm.make("button", "", node, text);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  };
  const buttons = props.experiments[kind].map(({ name, label, strength }) => {
    const toggle = () => vary(kind, variationOf(kind)?.name === name ? null : { name, strength: strength ?? 0 });
    return [name, button(label, toggle)];
  });
  const keep = button("Keep this one", () => {
    if (kept[kind]) delete kept[kind];
    else kept[kind] = hm.payload;
    vary(kind, null);
  });
  keep.classList.add("hm-keep");
  return () => {
    node.hidden = kind !== hm.state.tab;
    for (const [name, made] of buttons) made.setAttribute("aria-pressed", String(name === variationOf(kind)?.name));
    keep.textContent = kept[kind] ? "Let go" : "Keep this one";
  };
}

// Two columns: update(names, left, right) shows two answers, and below each pair of lanes what has changed, in words.
function comparisonNode(kind, modalities) {
  const node = hm.make("div", "hm-comparison", part("comparisons"));
  const headings = [0, 1].map(() => headingNode(node, kind));
  const pairs = modalities.map((modality) => ({
    sides: [0, 1].map(() => sideNode(node, kind, modality)),
    words: hm.make("p", "hm-change", node),
    prefix: () => (modalities.length > 1 ? `${hm.seen[modality][0]}: ` : ""),
  }));
  return {
    node,
    update(names, ...answers) {
      answers.forEach((answer, side) => headings[side](names[side], answer.file));
      pairs.forEach(({ sides, words, prefix }, i) => {
        const [left, right] = answers.map(({ inputs }) => inputs[i]);
        answers.forEach((answer, side) => sides[side](names[side], answer.inputs[i], answer.file));
        words.textContent = prefix() + changeInWords(left, right);
      });
      return pairs.map(({ words }) => words.textContent).join(" ");
    },
  };
}

// A column's name, and for a sound a button that plays it.
function headingNode(parent, kind) {
  const node = hm.make("div", "hm-side-heading", parent);
  const heading = hm.make("h3", "", node);
  const play = kind === "sound" ? hm.make("button", "", node, "▶ Play") : null;
  if (play) play.type = "button";
  play?.addEventListener("click", () => {
    player.src = play.dataset.file;
    player.play().catch(() => {}); // rejected if interrupted by the other one
  });
  return (name, file) => {
    heading.textContent = name;
    if (!play) return;
    play.dataset.file = file;
    play.setAttribute("aria-label", `Play: ${name}`);
  };
}

// One lane in one column: how it looks, what is answered and by whom.
function sideNode(parent, kind, modality) {
  const node = hm.make("div", "hm-side", parent);
  node.setAttribute("role", "group");
  const looks = hm.make("div", "hm-looks", node);
  // A picture is what the model sees; a sound is played.
  const drawn = kind === "digit" ? hm.make("img", "", hm.make("figure", "hm-seen", looks)) : null;
  if (drawn) hm.make("figcaption", "", drawn.parentNode, "the digit");
  const seen = hm.view(looks, modality);
  const says = hm.make("div", "hm-says", node);
  const answer = hm.make("p", "hm-said", says);
  const label = hm.make("span", "hm-name", answer);
  const probability = hm.make("span", "hm-number", answer);
  const list = hm.make("ul", "hm-bars", says);
  const rows = [];
  let encoding;
  return (name, lane, file) => {
    const { experts } = lane.models[hm.state.configuration];
    const mixed = hm.mix(lane);
    const [best] = mixed.order;
    node.setAttribute("aria-label", `${name}: ${hm.seen[modality][0].toLowerCase()}`);
    if (drawn && drawn.src !== file) Object.assign(drawn, { src: file, alt: `The digit: ${name}` });
    if (lane.encoding !== encoding) seen((encoding = lane.encoding));
    label.textContent = mixed.answers ? lane.labels[best] : "nobody answers";
    probability.textContent = mixed.answers ? hm.percent(mixed.probabilities[best]) : "";
    while (rows.length < experts.length) rows.push(expertRow(hm.make("li", "hm-bar", list)));
    experts.forEach((expert, i) => rows[i](expert, mixed.weights[i]));
  };
}

function expertRow(item) {
  const label = hm.expertLabel(item);
  const fill = hm.make("span", "hm-fill", hm.make("span", "hm-track", item));
  const number = hm.make("span", "hm-number", item);
  return (expert, weight) => {
    label(expert);
    fill.style.width = `${100 * weight}%`;
    number.textContent = hm.percent(weight);
  };
}

// What is different between two lanes: the expert whose weight moves most, and the answer.
function changeInWords(left, right) {
  if (left.encoding.every((number, i) => number === right.encoding[i])) return "All 1024 numbers are the same.";
  const [before, after] = [hm.mix(left), hm.mix(right)];
  if (!before.answers) return "Everyone is muted.";
  const moves = before.weights.map((weight, i) => Math.abs(after.weights[i] - weight));
  const i = moves.indexOf(Math.max(...moves));
  const name = hm.name(left.models[hm.state.configuration].experts[i]);
  const [from, to] = [before, after].map(({ order: [best] }) => left.labels[best]);
  const [was, is] = [before, after].map(({ probabilities, order: [best] }) => hm.percent(probabilities[best]));
  const answer = from === to ? `still ${to}, ${was} → ${is}` : `${from} → ${to}`;
  return `${name} ${hm.percent(before.weights[i])} → ${hm.percent(after.weights[i])}; ${answer}.`;
}

function drawStrength(experiment, variation) {
  part("strength").hidden = (experiment?.strength ?? null) === null;
  if (part("strength").hidden) return;
  [part("weakest").textContent, part("strongest").textContent] = experiment.ends;
  part("slider").setAttribute("aria-label", `How much: ${experiment.label}`);
  if (!part("slider").matches(":active")) part("slider").value = variation.strength;
  part("slider").setAttribute("aria-valuetext", hm.percent(variation.strength));
}

part("slider").addEventListener("input", () => {
  const kind = hm.state.tab;
  vary(kind, { name: variationOf(kind).name, strength: Number(part("slider").value) });
});

const updateChoices = Object.keys(props.experiments).map(choicesNode);
let speaking = 0;

function draw() {
  if (hm.isStale) return;
  const { payload } = hm;
  element.querySelector("section").hidden = !payload;
  if (!payload) return;
  const kind = hm.state.tab;
  const variation = variationOf(kind);
  // One comparison at a time, and none of two families, which see other numbers.
  if (variation || kept[kind]?.asked.family !== hm.state.family) delete kept[kind];
  const asked = variation && payload.asked.variation; // while the next one is on its way, the last one stands
  const named = (wanted) => props.experiments[kind].find(({ name }) => name === wanted?.name);
  const experiment = named(asked);
  for (const update of updateChoices) update();
  part("sentence").textContent = kept[kind] ? KEPT : (experiment?.sentences[hm.state.family] ?? INVITATION);
  part("sentence").classList.toggle("hm-look", Boolean(kept[kind] ?? experiment));
  drawStrength(named(variation), variation);
  drawComparison(kind, kept[kind] ?? payload, kept[kind] ? payload : variation && payload.variation);
}

// left, right: answers; right is missing if there is nothing to compare.
function drawComparison(kind, left, right) {
  const isShown = Boolean(right && !right.message);
  if (isShown) comparisons[kind] ??= comparisonNode(kind, left.inputs.map(({ modality }) => modality));
  for (const [other, { node }] of Object.entries(comparisons)) node.hidden = !isShown || other !== kind;
  const names = kept[kind] ? ["Kept", "Now"] : ["As it is", "Changed"];
  const words = isShown ? comparisons[kind].update(names, left, right) : (right?.message ?? "");
  part("problem").textContent = isShown ? "" : words;
  clearTimeout(speaking);
  speaking = setTimeout(() => (part("spoken").textContent = words), 800);
}

hm.on(draw);
draw();
