// Draws what the model answers. One value feeds every part, so all of them change together; each node is made once and
// then only updated. A lane is one modality: a picture and a digit have one, a recording two, side by side.
// Gradio gives: element, props, watch.

const ICONS = {
  spatial: '<rect x="1" y="1" width="6" height="6"/><rect x="9" y="1" width="6" height="6" opacity=".45"/><rect x="1" y="9" width="6" height="6" opacity=".45"/><rect x="9" y="9" width="6" height="6"/>',
  temporal: '<path d="M1 8c2.3-9 4.7-9 7 0s4.7 9 7 0" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"/>',
  spectral: '<rect x="1" y="9" width="2.6" height="6"/><rect x="4.8" y="3" width="2.6" height="12"/><rect x="8.6" y="6" width="2.6" height="9"/><rect x="12.4" y="11" width="2.6" height="4"/>',
  relational: '<path d="M3.5 12.5 8 3.5l4.5 9z" fill="none" stroke="currentColor" stroke-width="1.5"/><circle cx="8" cy="3.5" r="2.5"/><circle cx="3.5" cy="12.5" r="2.5"/><circle cx="12.5" cy="12.5" r="2.5"/>',
  ffn: '<rect x="1" y="3" width="14" height="3"/><rect x="1" y="10" width="14" height="3"/>',
};
const SEEN = {
  spatial: ["The picture", "32 × 32 grey pixels"],
  temporal: ["The waveform", "1 second, 1024 samples"],
  spectral: ["The spectrum", "0 to 8 kHz, 1024 bins"],
  relational: ["The distances", "distances between 32 rows"],
};
const RAMP = [[18, 12, 40], [88, 28, 110], [181, 58, 110], [244, 130, 80], [253, 231, 170]]; // dark to bright

const results = element.querySelector(".hm-results");
results.dataset.lanes = props.modalities.length;

function make(tag, className, parent, html = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.innerHTML = html;
  parent.append(node);
  return node;
}

function percent(fraction) {
  return `${Math.round(100 * fraction)}\u202f%`;
}

function expertName(expert) {
  return expert.startsWith("ffn") ? expert.toUpperCase() : expert[0].toUpperCase() + expert.slice(1);
}

// A list of bars: rows of {expert, name, note, value}, made when first needed.
function bars(parent) {
  const list = make("ul", "hm-bars", parent);
  const rows = [];
  function row() {
    const item = make("li", "hm-bar", list);
    const icon = make("span", "hm-icon", item);
    icon.setAttribute("aria-hidden", "true");
    return {
      item,
      icon,
      name: make("span", "hm-name", item),
      note: make("span", "hm-note", item),
      fill: make("span", "hm-fill", make("span", "hm-track", item)),
      number: make("span", "hm-number", item),
    };
  }
  return (items) => {
    while (rows.length < items.length) rows.push(row());
    items.forEach(({ expert, name, note, value }, i) => {
      const { item, icon, ...nodes } = rows[i];
      if (expert && item.dataset.expert !== expert) {
        item.dataset.expert = expert;
        item.style.setProperty("--colour", `var(--expert-${expert.replace(" ", "-")})`);
        icon.innerHTML = `<svg viewBox="0 0 16 16" fill="currentColor">${ICONS[expert.split(" ")[0]] ?? ICONS.ffn}</svg>`;
      }
      nodes.name.textContent = name;
      nodes.note.textContent = note ?? "";
      nodes.fill.style.width = `${100 * value}%`;
      nodes.number.textContent = percent(value);
    });
  };
}

// What the model sees: 1024 numbers as a grid of pixels or as a curve.
function view(parent, modality) {
  const figure = make("figure", `hm-seen hm-seen-${modality}`, parent);
  const draw = modality === "spatial" || modality === "relational" ? grid(figure, modality) : curve(figure, modality);
  make("figcaption", "", figure, SEEN[modality][1]);
  return draw;
}

function grid(figure, modality) {
  const canvas = make("canvas", "", figure);
  canvas.width = canvas.height = 32;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${SEEN[modality][0]} that the model sees: ${SEEN[modality][1]}`);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(32, 32);
  return (numbers) => {
    const top = modality === "spatial" ? 1 : Math.max(...numbers) || 1;
    numbers.forEach((number, i) => pixels.data.set(colour(number / top, modality), 4 * i));
    context.putImageData(pixels, 0, 0);
  };
}

function colour(fraction, modality) {
  if (modality === "spatial") return [255 * fraction, 255 * fraction, 255 * fraction, 255];
  const step = Math.min(RAMP.length - 1.001, fraction * (RAMP.length - 1));
  const [low, high] = [RAMP[Math.floor(step)], RAMP[Math.floor(step) + 1]];
  return [...low.map((from, channel) => from + (high[channel] - from) * (step % 1)), 255];
}

function curve(figure, modality) {
  figure.insertAdjacentHTML(
    "beforeend",
    `<svg viewBox="0 0 1023 100" preserveAspectRatio="none" role="img" aria-label="${SEEN[modality][0]} that the model sees: ${SEEN[modality][1]}">` +
      '<path vector-effect="non-scaling-stroke"></path></svg>',
  );
  const path = figure.querySelector("path");
  return (numbers) => {
    const top = Math.max(...numbers.map(Math.abs)) || 1;
    const y = modality === "temporal" ? (number) => 50 - (48 * number) / top : (number) => 99 - (97 * number) / top;
    const line = numbers.map((number, i) => `${i} ${y(number).toFixed(1)}`).join("L");
    path.setAttribute("d", modality === "temporal" ? `M${line}` : `M0 100L${line}L1023 100Z`);
  };
}

function lane(modality) {
  const node = make("div", "hm-lane", results);
  const section = (name, heading) => {
    const made = make("section", `hm-section hm-${name}`, node, `<h2>${heading}</h2>`);
    made.setAttribute("aria-label", props.modalities.length > 1 ? `${heading}, ${modality}` : heading);
    return made;
  };
  const seen = view(section("sees", props.modalities.length > 1 ? `${SEEN[modality][0]} it sees` : "What the model sees"), modality);
  const routing = bars(section("routing", "Who answers"));
  const answer = bars(section("answer", "The answer"));
  const alone = bars(section("alone", "Each expert alone would say"));
  return ({ encoding, experts, routing_weights, top, alone: opinions }) => {
    seen(encoding);
    routing(experts.map((expert, i) => ({ expert, name: expertName(expert), value: routing_weights[i] })));
    answer(top.map(([name, value]) => ({ name, value })));
    alone(experts.map((expert, i) => ({ expert, name: expertName(expert), note: opinions[i][0], value: opinions[i][1] })));
  };
}

const lanes = props.modalities.map(lane);
const message = make("p", "hm-message", results);
const spoken = make("p", "hm-visually-hidden", results);
spoken.setAttribute("role", "status");
let speaking = 0;

function draw() {
  const value = props.value;
  results.dataset.state = value.message ? "message" : "answer";
  message.textContent = value.message ?? "";
  value.predictions.forEach((prediction, i) => lanes[i](prediction));
  clearTimeout(speaking);
  speaking = setTimeout(() => (spoken.textContent = value.message ?? value.predictions.map(inWords).join(" ")), 800);
}

function inWords({ experts, routing_weights, top }) {
  const first = routing_weights.indexOf(Math.max(...routing_weights));
  return `${top[0][0]}, ${percent(top[0][1])}. ${expertName(experts[first])} answers most, ${percent(routing_weights[first])}.`;
}

watch("value", draw);
draw();
