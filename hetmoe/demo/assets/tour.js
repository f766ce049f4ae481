// The tour: steps that drive the page itself, told on a card beside the part that they are about. `hm.state.tour` is the
// number of the step, from 1 on, or null; whoever sets it starts, moves or ends the tour. What it changes on the page
// (tab, family, configuration, what-if, examples) is put back at its end, but for an input that a person has filled or
// emptied meanwhile; one without an answer before (empty, or a file that cannot be used) is empty then.
// Gradio gives: element, props.

const [FAMILY, CONFIGURATION] = ["frontier", "heterogeneous"]; // which the tour is about
const AS_GOOD = 0.005; // difference of two accuracies below which neither is called better
const GAP = 20; // between the card and its target, in pixels
const PATIENCE = 2000; // how long a step waits for a tab or an answer, in ms

// title; target: selector of the part it is about; enter: what it does to the page, which is as learned before;
// text: its sentences, 45 words at most, asked for after that.
const STEPS = [
  {
    title: "What a mixture of experts is",
    target: ".hm-routing",
    enter: () => show("picture", "horse"),
    text: () =>
      "Four small networks, the experts, each score the ten possible answers. A router looks at the same input and " +
      "decides how much each of them counts. The answer is the weighted sum of their scores.",
  },
  {
    title: "Four ways to look at the same 1024 numbers",
    target: ".hm-sees",
    enter: () => show("picture", "horse"),
    text: () =>
      "This is all that the model gets. Spatial reads the numbers as a 32 × 32 picture, Temporal as a sequence, " +
      "Spectral by their frequencies, Relational as 32 rows that it compares with one another.",
  },
  {
    title: "Who takes what",
    target: ".hm-routing",
    enter: async () => {
      await show("picture", "horse");
      await show("digit", "3");
    },
    text: () => {
      const [onPicture, onDigit] = [leader("picture"), leader("digit")];
      const [pictures, digits] = [usualLeader("spatial"), usualLeader("relational")];
      return (
        `On the picture, ${onPicture.name} counted most (${onPicture.percent}); on this digit, ${onDigit.name} does ` +
        `(${onDigit.percent}). Nobody tells the router what kind of input it has. Means over the test sets: ` +
        `${pictures} on pictures, ${digits} on digits.`
      );
    },
  },
  {
    title: "Mute one",
    target: ".hm-routing",
    enter: async () => {
      await show("digit", "3");
      hm.mute(leaderOf(lane("digit")));
    },
    text: () => {
      const { name, percent } = leader("digit");
      const [before, after] = [answer("digit", hm.untouched), answer("digit", hm.state)];
      const change = before.label === after.label ? "stays" : "becomes";
      return (
        `${name} counted most (${percent}). Now it is muted, and the others share its weight: ` +
        `“${before.label}” (${before.percent}) ${change} “${after.label}” (${after.percent}). ` +
        "Mute, solo or drag any bar yourself."
      );
    },
  },
  {
    title: "Four different, four equal, and one",
    target: ".hm-compare",
    enter: () => show("picture", "horse"),
    text: () => {
      const [different, equal] = ["heterogeneous", "homogeneous"].map((name) => props.facts[FAMILY][name].accuracy);
      const margin = different - props.control;
      const verdict = {
        "-1": "So here it is the convolution that pays, not the mixture.",
        0: "So convolution alone does as well as the mixture.",
        1: "So the mixture is better than convolution alone, too.",
      }[Math.abs(margin) < AS_GOOD ? 0 : Math.sign(margin)];
      return (
        `With as many parameters, four different experts reach ${hm.percent(different, 1)} test accuracy, four equal ` +
        `plain ones ${hm.percent(equal, 1)}, and one convolutional net of the whole size ${hm.percent(props.control, 1)}. ` +
        verdict
      );
    },
  },
  {
    title: "Where it fails",
    target: ".hm-answer",
    enter: () => show("picture", "bird"),
    text: () => {
      const { label, percent } = answer("picture", hm.untouched);
      const truth = hm.state.source.picture?.example;
      const here = truth && truth !== label ? `This is labelled ${truth}; the model says ${label} (${percent}). ` : "";
      const { spatial, temporal } = props.facts[FAMILY][CONFIGURATION].modalities;
      const [pictures, waveforms] = [spatial, temporal].map(({ accuracy }) => hm.percent(1 - accuracy));
      return (
        `${here}It gets ${pictures} of the test pictures wrong, and ${waveforms} of the waveforms. ` +
        "Anything foreign still gets one of its ten labels: do not trust that answer."
      );
    },
  },
];

const card = element.querySelector(".hm-tour");
const part = (name) => card.querySelector(`[data-part="${name}"]`);
const tourButton = document.querySelector('.hm-header [data-part="tour"]');
let shown = null; // number of the step on the card
let target = null; // the part it is about, if it is in sight
let before = null; // the page as it was before the tour
let isFollowing = false;

// What the steps' texts are made of.
const lane = (kind) => hm.payloads[kind].inputs[0];
const largest = (numbers) => numbers.indexOf(Math.max(...numbers));

function leaderOf({ models }) {
  const { experts, routing_weights } = models[CONFIGURATION];
  return experts[largest(routing_weights)];
}

function leader(kind) {
  const { routing_weights } = lane(kind).models[CONFIGURATION];
  return { name: hm.name(leaderOf(lane(kind))), percent: hm.percent(Math.max(...routing_weights)) };
}

function usualLeader(modality) {
  const routing = Object.entries(props.facts[FAMILY][CONFIGURATION].modalities[modality].routing);
  const [expert, weight] = routing[largest(routing.map(([, mean]) => mean))];
  return `${hm.name(expert)} ${hm.percent(weight)}`;
}

function answer(kind, whatIf) {
  const { order, probabilities } = hm.mix(lane(kind), CONFIGURATION, whatIf);
  return { label: lane(kind).labels[order[0]], percent: hm.percent(probabilities[order[0]]) };
}

// What the steps do to the page.
const visible = (selector) => [...document.querySelectorAll(selector)].find((node) => node.checkVisibility()) ?? null;
const exampleButton = (name) => document.querySelector(`.hm-example[data-name="${name}"]`);
const clearButton = (example) => exampleButton(example).closest(".hm-input").querySelector('[data-part="clear"]');

async function until(condition) {
  const end = performance.now() + PATIENCE;
  while (!condition() && performance.now() < end) await new Promise(requestAnimationFrame);
}

// Opens a tab with an example in it, unless there is an answer to something of the person's own.
async function show(kind, example) {
  hm.open(kind);
  await until(() => hm.state.tab === kind && hm.payloads[kind]?.asked.family === FAMILY && visible(".hm-results"));
  const held = hm.state.source[kind]?.example;
  const payload = hm.payloads[kind];
  if (held === example || (!held && !payload.message)) return;
  if (!(kind in before.examples)) before.examples[kind] = held;
  exampleButton(example).click();
  await until(() => hm.payloads[kind] !== payload && !hm.payloads[kind].message);
}

function remember() {
  const { tab, family, configuration, routing, temperature, shares, chosen } = hm.state;
  const state = { family, configuration, routing, temperature, shares, chosen };
  const focus = document.activeElement === document.body ? tourButton : document.activeElement;
  return { tab, state, focus, scroll: window.scrollY, examples: {} };
}

function restore() {
  hm.open(before.tab);
  hm.set(before.state);
  for (const [kind, example] of Object.entries(before.examples)) {
    const held = hm.state.source[kind]?.example;
    if (!held || held === example) continue;
    (example ? exampleButton(example) : clearButton(held)).click();
  }
  window.scrollTo({ top: before.scroll, behavior: "instant" });
  before.focus.focus({ preventScroll: true });
  before = null;
}

// One step after another, each to its end, until the card shows the one that is asked for.
async function follow() {
  isFollowing = true;
  try {
    while (hm.state.tour !== shown) await go(hm.state.tour);
  } finally {
    isFollowing = false;
  }
}

async function go(number) {
  const step = STEPS[number - 1];
  if (!step) return end();
  before ??= remember();
  hm.set({ ...hm.untouched, family: FAMILY, configuration: CONFIGURATION, chosen: {} });
  await step.enter();
  shown = number;
  part("progress").textContent = `${number} of ${STEPS.length}`;
  card.querySelector("h2").textContent = step.title;
  card.querySelector("#hm-tour-text").textContent = step.text();
  part("back").disabled = number === 1;
  part("next").textContent = number === STEPS.length ? "Finish" : "Next";
  const isFirst = card.hidden;
  card.hidden = false;
  point(visible(step.target));
  const focused = document.activeElement;
  if (isFirst || focused === document.body || focused.disabled || !focused.checkVisibility()) card.focus({ preventScroll: true });
}

function end() {
  shown = null;
  card.hidden = true;
  point(null);
  if (before) restore();
  hm.set({ tour: null });
}

// Outlines a part of the page and brings it, and the card beside it, into sight.
function point(node) {
  target?.classList.remove("hm-tour-target");
  target = node;
  if (!target) return place();
  target.classList.add("hm-tour-target");
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
  const bottom = target.getBoundingClientRect().bottom + window.scrollY;
  if (matchMedia("(max-width: 640px)").matches) target.scrollIntoView({ behavior, block: "start" });
  else if (bottom + GAP < window.innerHeight) window.scrollTo({ behavior, top: 0 }); // the input is in sight, too
  else target.scrollIntoView({ behavior, block: "nearest" });
  place();
}

// The card stands below its target, or above, left or right of it, where there is room; or else in a corner. Without a
// target it stands in the middle. (On a phone, the style sheet has it at the bottom.)
function place() {
  if (card.hidden) return;
  const { width, height } = card.getBoundingClientRect();
  const box = target?.getBoundingClientRect();
  const [right, bottom] = [document.documentElement.clientWidth - GAP - width, window.innerHeight - GAP - height];
  const inside = (x, most) => Math.max(GAP, Math.min(x, most));
  const places = box
    ? [
        [inside(box.left, right), box.bottom + GAP],
        [inside(box.left, right), box.top - GAP - height],
        [box.left - GAP - width, inside(box.top, bottom)],
        [box.right + GAP, inside(box.top, bottom)],
        [right, bottom],
      ]
    : [[(right + GAP) / 2, (bottom + GAP) / 2]];
  const fits = ([x, y]) => x >= GAP && x <= right && y >= GAP && y <= bottom;
  const [x, y] = places.find(fits) ?? places.at(-1);
  const zoom = card.currentCSSZoom ?? 1; // of a page made larger for a projector
  card.style.setProperty("--left", `${x / zoom}px`);
  card.style.setProperty("--top", `${y / zoom}px`);
}

const turn = (number) => number >= 1 && number <= STEPS.length && hm.set({ tour: number });
const stop = () => hm.set({ tour: null });

tourButton.addEventListener("click", () => turn(1));
part("end").addEventListener("click", stop);
part("back").addEventListener("click", () => turn(hm.state.tour - 1));
part("next").addEventListener("click", () => (hm.state.tour === STEPS.length ? stop() : turn(hm.state.tour + 1)));
document.addEventListener("keydown", (event) => {
  if (shown === null || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape") return stop();
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || !(card.contains(document.activeElement) || document.activeElement === document.body)) return;
  event.preventDefault();
  turn(hm.state.tour + step);
});
window.addEventListener("scroll", place, { passive: true });
window.addEventListener("resize", place);

const react = ({ tour }) => tour !== shown && !isFollowing && follow();
hm.arrived.then(() => {
  hm.on(react);
  react(hm.state); // a link may have asked for it
});
