// The compare panel: the three configurations' answers to the open tab's input, in a column each, and what their
// checkpoints say of them, and that of a control. The chosen one obeys the what-if; the others answer as learned.
// Gradio gives: element, props.

const N_RUNNERS_UP = 2;
const MOST_LANES = 2;

const panel = element.querySelector(".hm-compare");

// A text that touches its node only when it has changed.
function text(node) {
  return (words) => node.textContent !== words && (node.textContent = words);
}

function column(configuration) {
  const node = hm.make("article", "hm-column", panel.querySelector(".hm-columns"));
  const title = configuration[0].toUpperCase() + configuration.slice(1);
  node.setAttribute("aria-label", title);
  const heading = hm.make("h3", "", node);
  const button = hm.make("button", "", heading, title);
  button.type = "button";
  button.addEventListener("click", () => {
    if (hm.state.configuration !== configuration) hm.set({ configuration, shares: {}, chosen: {} });
  });
  const note = text(hm.make("span", "hm-column-note", heading));
  const lanes = Array.from({ length: MOST_LANES }, () => laneNode(node));
  const list = hm.make("dl", "", node);
  const [parameters, multiplyAdds, accuracy] = [0, 1, 2].map(() => fact(list));
  const accuracies = lanes.map(() => fact(list));
  return (payload) => {
    const known = props.facts[hm.state.family][configuration];
    parameters("parameters", known.parameters.toLocaleString("en"));
    multiplyAdds("multiply-adds an input", `${(known.multiply_adds / 1e6).toFixed(2)} M`);
    accuracy("test accuracy, all kinds", hm.percent(known.accuracy, 1));
    const isChosen = configuration === hm.state.configuration;
    button.setAttribute("aria-pressed", String(isChosen));
    node.classList.toggle("hm-chosen", isChosen);
    note(isChosen ? (hm.isUntouched ? "on the page" : "your changes") : hm.isUntouched ? "" : "as learned");
    lanes.forEach((show, i) => {
      const lane = payload.inputs[i];
      show(lane, configuration);
      accuracies[i](lane && `… on ${hm.plurals[lane.modality]}`, lane && hm.percent(known.modalities[lane.modality].accuracy, 1));
    });
  };
}

// A fact's name and value; without a name it is hidden.
function fact(list) {
  const row = hm.make("div", "", list);
  const show = [text(hm.make("dt", "", row)), text(hm.make("dd", "", row))];
  return (name, value) => {
    row.hidden = !name;
    show[0](name ?? "");
    show[1](value ?? "");
  };
}

// One modality: the answer, whether it is right, the runners-up, and who answers.
function laneNode(parent) {
  const node = hm.make("div", "hm-column-lane", parent);
  const seenNode = hm.make("p", "hm-column-seen", node);
  const seen = text(seenNode);
  const answer = hm.make("p", "hm-column-answer", node);
  const label = text(hm.make("span", "hm-column-label", answer));
  const number = text(hm.make("span", "hm-number", answer));
  const verdictNode = hm.make("span", "hm-truth", answer);
  const verdict = text(verdictNode);
  const others = text(hm.make("p", "hm-column-others", node));
  const bars = hm.make("ul", "hm-bars", node);
  let rows = [];
  return (lane, configuration) => {
    node.hidden = !lane;
    if (!lane) return;
    const { experts } = lane.models[configuration];
    if (!rows.length) rows = experts.map((expert) => barNode(bars, expert)); // a configuration's are always the same
    const mixed = hm.mix(lane, configuration);
    const [best, ...rest] = mixed.order;
    const truth = hm.payload.asked.example; // examples are named by their true label
    const isRight = lane.labels[best] === truth;
    seenNode.hidden = hm.payload.inputs.length === 1;
    seen(hm.seen[lane.modality][0]);
    label(mixed.answers ? lane.labels[best] : "no answer");
    number(mixed.answers ? hm.percent(mixed.probabilities[best]) : "");
    verdict(truth && mixed.answers ? (isRight ? "✓ right" : "✗ wrong") : "");
    verdictNode.dataset.right = isRight;
    const runnersUp = rest.slice(0, N_RUNNERS_UP);
    const inWords = runnersUp.map((c) => `${lane.labels[c]} (${hm.percent(mixed.probabilities[c])})`).join(", ");
    others(mixed.answers ? `then ${inWords}` : "everyone is muted");
    rows.forEach((show, i) => show(mixed.weights[i]));
  };
}

function barNode(list, expert) {
  const row = hm.make("li", "hm-bar", list);
  row.style.setProperty("--colour", hm.colour(expert));
  hm.make("span", "hm-icon", row).innerHTML = hm.icon(expert);
  hm.make("span", "hm-name", row, hm.name(expert));
  const fill = hm.make("span", "hm-fill", hm.make("span", "hm-track", row));
  const number = text(hm.make("span", "hm-number", row));
  return (weight) => {
    fill.style.width = `${100 * weight}%`;
    number(hm.percent(weight));
  };
}

const columns = hm.configurations.map(column);

const control = panel.querySelector(".hm-control");
control.textContent = `A control, not on the page: one convolutional net of the same size, ${hm.percent(props.control, 1)} on all kinds.`;

function draw() {
  if (hm.isStale) return;
  panel.hidden = !hm.payload;
  control.hidden = hm.state.family !== "frontier"; // with its encodings
  if (hm.payload) for (const show of columns) show(hm.payload);
}

hm.on(draw);
draw();
