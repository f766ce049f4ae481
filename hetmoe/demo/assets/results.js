// The results of one kind of input: what the model sees, who answers, the answer, and why. One state feeds every part,
// so all of them change together; each node is made once and then only updated. A lane is one modality: a picture and a
// digit have one, a recording two, side by side.
// Gradio gives: element, props, watch.

// One sentence for each part, behind the question mark beside its heading.
const ABOUT_PICTURE = "The picture as 1024 numbers, its 32 × 32 grey values: all that the experts and the router are given.";
const ABOUT_INPUT = {
  frontier: {
    spatial: ABOUT_PICTURE,
    temporal: "The loudest half second as 1024 numbers, a value for each moment: all that the experts and the router are given.",
    spectral: "The recording as 1024 numbers, the loudness of 32 pitches at 32 moments: the model answers it as an input of its own.",
    relational:
      "The digit as 1024 numbers, how much each row of pixels differs from each other row, and each column from each other column: all that the model is given.",
  },
  replica: {
    spatial: ABOUT_PICTURE,
    temporal: "The recording as 1024 numbers, a value for each moment: all that the experts and the router are given.",
    spectral: "The recording as 1024 numbers, the strength of each frequency: the model answers it as an input of its own.",
    relational: "The digit as 1024 numbers, how much each row of pixels differs from each other one: all that the model is given.",
  },
};
const ABOUT = {
  routing: "How much the router lets each expert count; mute one, or drag its bar, and the others share the rest.",
  answer: "The likeliest of ten classes, with the probabilities that the model gives them; click one to ask why.",
  why: "What each expert adds to the score of this class, weight times its own score, and what it would say alone.",
};
const WARNING = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M8 1.5 15.5 14.5H.5z" fill="currentColor"/><path d="M8 6v4M8 11.6v1.6" stroke="var(--hm-paper)" stroke-width="1.7"/></svg>';
const ROUTINGS = { learned: "learned", uniform: "equal", "top-1": "one only" };

const results = element.querySelector(".hm-results");
results.dataset.lanes = props.modalities.length;
let experts = []; // of the configuration that is shown

// A list of rows, of which as many are made as are needed: make(parent) gives a row's function to update it.
function rows(parent, className, make) {
  const list = hm.make("ul", className, parent);
  const made = [];
  return (items) => {
    while (made.length < items.length) made.push(make(hm.make("li", "", list)));
    items.forEach((item, i) => made[i](item));
  };
}

// Who answers: a row for each expert, with a bar to drag, a mark where the router had it, mute and solo.
function routingRow(item) {
  item.className = "hm-bar";
  const label = hm.expertLabel(item);
  const track = hm.make("span", "hm-track", item);
  const fill = hm.make("span", "hm-fill", track);
  const mark = hm.make("span", "hm-mark", track);
  const slider = hm.make("input", "hm-drag", track);
  Object.assign(slider, { type: "range", min: 0, max: 100, step: 1 });
  const number = hm.make("span", "hm-number", item);
  const buttons = hm.make("span", "hm-mix", item);
  const mute = hm.make("button", "", buttons, "mute");
  const solo = hm.make("button", "", buttons, "solo");
  mute.type = solo.type = "button";
  const expert = () => item.dataset.expert;
  slider.addEventListener("input", () => hm.share(expert(), slider.value / 100));
  mute.addEventListener("click", () => hm.mute(expert()));
  solo.addEventListener("click", () => hm.solo(expert(), experts));
  return ({ expert: name, weight, learned, key }) => {
    if (label(name)) {
      slider.setAttribute("aria-label", `Weight of ${hm.name(name)}`);
      for (const [button, word, keys] of [[mute, "Mute", `${key}`], [solo, "Solo", `Shift+${key}`]]) {
        button.setAttribute("aria-label", `${word} ${hm.name(name)}`);
        button.setAttribute("aria-keyshortcuts", keys);
        button.title = `${word} ${hm.name(name)} (${keys})`;
      }
    }
    const share = hm.state.shares[name];
    item.classList.toggle("hm-muted", share === 0);
    item.classList.toggle("hm-fixed", share > 0);
    fill.style.width = `${100 * weight}%`;
    mark.style.left = `${100 * learned}%`;
    mark.hidden = hm.isUntouched;
    number.textContent = hm.percent(weight);
    if (!slider.matches(":active")) slider.value = 100 * weight;
    slider.setAttribute("aria-valuetext", hm.percent(weight));
    mute.setAttribute("aria-pressed", String(share === 0));
    solo.setAttribute("aria-pressed", String(hm.isSolo(name, experts)));
  };
}

// The answer: a row for each of the likeliest classes; a click asks why.
function answerRow(modality) {
  return (item) => {
    const button = hm.make("button", "hm-bar", item);
    button.type = "button";
    const name = hm.make("span", "hm-name", button);
    const fill = hm.make("span", "hm-fill", hm.make("span", "hm-track", button));
    const number = hm.make("span", "hm-number", button);
    button.addEventListener("click", () => hm.set({ chosen: { ...hm.state.chosen, [modality]: name.textContent } }));
    return ({ label, probability, isChosen }) => {
      name.textContent = label;
      fill.style.width = `${100 * probability}%`;
      number.textContent = hm.percent(probability);
      button.setAttribute("aria-pressed", String(isChosen));
      button.title = `Why ${label}?`;
    };
  };
}

// Why: what each expert adds to the class's logit. Bars begin where the one before has ended; the last is the sum.
function whyRow(item) {
  item.className = "hm-bar";
  const label = hm.expertLabel(item);
  const note = hm.make("span", "hm-note", item);
  const track = hm.make("span", "hm-track hm-waterfall", item);
  const zero = hm.make("span", "hm-zero", track);
  const fill = hm.make("span", "hm-fill", track);
  const number = hm.make("span", "hm-number", item);
  return ({ expert, says, from, to, at }) => {
    if (expert) label(expert);
    else item.querySelector(".hm-name").textContent = "Sum";
    note.textContent = says;
    zero.style.left = `${at(0)}%`;
    fill.style.left = `${at(Math.min(from, to))}%`;
    fill.style.width = `${Math.abs(at(to) - at(from))}%`;
    number.textContent = hm.signed(to - from);
  };
}

// From logits to per cent of a track's width: it holds all of them and 0, and moves in steps rather than all the time.
function scale(logits) {
  const nice = (x) => (x > 0 ? 5 * Math.ceil(x / 5) : 0);
  const [low, high] = [-nice(-Math.min(...logits)), nice(Math.max(...logits))];
  return (logit) => (100 * (logit - low)) / (high - low || 1);
}

function agreement(lane, { expert_logits, experts }, c) {
  const same = expert_logits.filter((logits) => logits.indexOf(Math.max(...logits)) === c).length;
  const n = experts.length;
  return `${same === n ? `All ${n}` : same ? `${same} of ${n}` : "None"} alone would say ${lane.labels[c]}.`;
}

// Whether an input is like nothing that the model was trained on. A recording's spectrum tells, for both of its lanes.
function isForeign() {
  return hm.payloads[props.kind].inputs.some(({ models }) => models[hm.state.configuration].foreign);
}

// How far the answer is to be trusted.
function trust(lane, mixed) {
  const { calibration } = lane.models[hm.state.configuration];
  if (!mixed.answers) return "Everyone is muted: nobody answers.";
  if (isForeign()) return "This does not look like anything it was trained on: don’t trust the answer.";
  if (!hm.isUntouched) return "How often it is right is known only for the mixture as it was learned.";
  const sure = Math.max(...hm.softmax(mixed.logits.map((logit) => logit / calibration)));
  return `When it is this sure of a ${hm.nouns[lane.modality]}, it is right about ${hm.percent(sure)} of the time.`;
}

// How the router is overruled. Every lane obeys, so there is one for both.
function consoleNode(parent) {
  const node = hm.make("div", "hm-console", parent);
  node.dataset.hideable = "console";
  const strip = hm.make("div", "hm-strip", node);
  strip.setAttribute("role", "group");
  strip.setAttribute("aria-label", "Routing");
  const buttons = Object.entries(ROUTINGS).map(([routing, text]) => {
    const button = hm.make("button", "", strip, text);
    button.type = "button";
    button.addEventListener("click", () => hm.set({ routing }));
    return [routing, button];
  });
  const label = hm.make("label", "hm-temperature", node);
  hm.make("span", "", label, "sharp");
  const slider = hm.make("input", "", label);
  Object.assign(slider, { type: "range", min: -2, max: 2, step: 0.05 });
  slider.setAttribute("aria-label", "Temperature of the router");
  hm.make("span", "", label, "flat");
  slider.addEventListener("input", () => hm.set({ temperature: Number((2 ** slider.value).toPrecision(3)) }));
  const reset = hm.make("button", "hm-reset", node, "Reset");
  reset.type = "button";
  reset.title = "Back to what the router says (0)";
  reset.setAttribute("aria-keyshortcuts", "0");
  reset.addEventListener("click", () => hm.set(hm.untouched));
  return () => {
    for (const [routing, button] of buttons) button.setAttribute("aria-pressed", String(routing === hm.state.routing));
    slider.value = Math.log2(hm.state.temperature);
    slider.setAttribute("aria-valuetext", hm.state.temperature.toFixed(2));
    slider.disabled = hm.state.routing !== "learned";
    reset.disabled = hm.isUntouched;
  };
}

// The question mark beside a heading, which opens one sentence below it: gives the function that sets that.
function about(section, heading) {
  const button = hm.make("button", "hm-about", heading.parentElement, "?");
  const sentence = hm.make("p", "hm-quiet", section);
  button.type = "button";
  const open = (isOpen) => {
    sentence.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
  };
  button.addEventListener("click", () => open(sentence.hidden));
  open(false);
  return (words) => {
    button.setAttribute("aria-label", `About “${heading.textContent}”`);
    sentence.textContent = words;
  };
}

function laneNode(modality) {
  const node = hm.make("div", "hm-lane", results);
  const several = props.modalities.length > 1;
  const section = (name, heading) => {
    const made = hm.make("section", `hm-section hm-${name}`, node);
    made.dataset.hideable = name;
    made.setAttribute("aria-label", several ? `${heading}, ${modality}` : heading);
    const title = hm.make("h2", "", hm.make("div", "hm-heading", made), heading);
    const tell = about(made, title);
    if (name in ABOUT) tell(ABOUT[name]);
    return [made, title, tell];
  };
  const [sees, seesHeading, tellSeen] = section("sees", "What the model sees");
  const seen = hm.view(sees, modality);
  const [routingSection] = section("routing", "Who answers");
  const routing = rows(routingSection, "hm-bars", routingRow);
  const updateConsole = modality === props.modalities[0] ? consoleNode(several ? results : routingSection) : () => {};
  const [answerSection] = section("answer", "The answer");
  const answer = rows(answerSection, "hm-bars", answerRow(modality));
  const trusted = hm.make("p", "hm-trust", answerSection);
  trusted.innerHTML = `${WARNING}<span></span>`;
  const [whySection, whyHeading] = section("why", "Why");
  const why = rows(whySection, "hm-bars", whyRow);
  const agree = hm.make("p", "hm-agreement", whySection);
  return (lane) => {
    const model = lane.models[hm.state.configuration];
    const mixed = hm.mix(lane);
    const c = hm.classOf(lane, mixed);
    experts = model.experts;
    if (lane.encoding !== node.encoding) { // the mixture changes far more often
      seen((node.encoding = lane.encoding));
      if (several) seesHeading.textContent = `${hm.seen[modality][0]} it sees`;
      tellSeen(ABOUT_INPUT[hm.state.family][modality]);
    }
    routing(experts.map((expert, i) => ({ expert, weight: mixed.weights[i], learned: model.routing_weights[i], key: i + 1 })));
    updateConsole();
    node.classList.toggle("hm-nobody", !mixed.answers);
    answer(
      mixed.order
        .slice(0, several ? 3 : 5)
        .map((i) => ({ label: lane.labels[i], probability: mixed.probabilities[i], isChosen: i === c })),
    );
    trusted.classList.toggle("hm-foreign", mixed.answers && isForeign());
    trusted.lastChild.textContent = trust(lane, mixed);
    whyHeading.textContent = mixed.answers ? `Why “${lane.labels[c]}”?` : "Why";
    const ends = [0];
    for (const row of mixed.contributions) ends.push(ends.at(-1) + row[c]);
    const at = scale(ends);
    why([
      ...experts.map((expert, i) => {
        const alone = hm.softmax(model.expert_logits[i]);
        const best = alone.indexOf(Math.max(...alone));
        return { expert, says: `${lane.labels[best]} ${hm.percent(alone[best])}`, from: ends[i], to: ends[i + 1], at };
      }),
      { says: "the logit", from: 0, to: ends.at(-1), at },
    ]);
    agree.textContent = agreement(lane, model, c);
  };
}

const lanes = props.modalities.map(laneNode);
const message = hm.make("p", "hm-message", results);
const spoken = hm.make("p", "hm-visually-hidden", results);
spoken.setAttribute("role", "status");
let speaking = 0;

function draw() {
  const payload = hm.payloads[props.kind];
  if (!payload || hm.isStale) return; // what is there is the other family's: its own answer is on its way
  results.dataset.state = payload.message ? "message" : "answer";
  message.textContent = payload.message ?? "";
  payload.inputs.forEach((lane, i) => lanes[i](lane));
  clearTimeout(speaking);
  speaking = setTimeout(() => (spoken.textContent = payload.message ?? payload.inputs.map(inWords).join(" ")), 800);
}

function inWords(lane) {
  const mixed = hm.mix(lane);
  if (!mixed.answers) return "Everyone is muted.";
  const first = mixed.weights.indexOf(Math.max(...mixed.weights));
  const [best] = mixed.order;
  const name = hm.name(lane.models[hm.state.configuration].experts[first]);
  return `${lane.labels[best]}, ${hm.percent(mixed.probabilities[best])}. ${name} answers most, ${hm.percent(mixed.weights[first])}. ${trust(lane, mixed)}`;
}

hm.on(({ tab }) => tab === props.kind && draw());
watch("value", () => hm.receive(props.kind, props.value));
hm.receive(props.kind, props.value); // the other parts wait for it: a tab is made when it is first opened
