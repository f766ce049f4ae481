// Where it lies: the routing weights of the test inputs as points in the tetrahedron whose corners are the experts, and
// beside it their means as a heat map. Plotly draws the points when the panel comes near the screen, and again when the
// family, the configuration, the theme or the width changes. The corners' names and the stars, which are the current
// input, lie over its drawing: to move a star redraws nothing.
// Gradio gives: element, props, server.

const HEIGHT = 1 / 3; // of the centre over the base
const BASE = [90, 210, 330].map((degrees) => (degrees * Math.PI) / 180);
const RADIUS = Math.sqrt(8) / 3;
const CORNERS = [...BASE.map((angle) => [RADIUS * Math.cos(angle), RADIUS * Math.sin(angle), -HEIGHT]), [0, 0, 1]];
const CAMERA = { eye: { x: 1.22, y: -0.64, z: 0.3 }, center: { x: 0, y: 0, z: 0.06 } };
const SYMBOLS = { spatial: "square", temporal: "circle", spectral: "cross", relational: "diamond" };
const MODALITIES = Object.keys(hm.plurals);
const STAR = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="m12 1 3.2 7.4 8 .7-6 5.3 1.8 7.8L12 18.1l-7 4.1 1.8-7.8-6-5.3 8-.7z"/></svg>';
const LOST = { message: "The test inputs could not be fetched. Please reload the page." };

const part = (name) => element.querySelector(`[data-part="${name}"]`);
const panel = element.querySelector(".hm-landscape");
const plot = part("plot");
const capital = (text) => text[0].toUpperCase() + text.slice(1);
let landscape = null; // as demo.landscape sends it
let isNear = false;
let drawn = ""; // what the drawing shows
let drawing = Promise.resolve();

const legend = MODALITIES.map((modality) => {
  const label = hm.make("label", "", part("legend"));
  const box = hm.make("input", "", label);
  Object.assign(box, { type: "checkbox", checked: true });
  box.addEventListener("change", update);
  const name = namePlate(label);
  name(modality, capital(hm.plurals[modality]));
  return { box, name };
});
const heads = CORNERS.map(() => namePlate(hm.make("th", "", part("experts"))));
const means = MODALITIES.map((modality) => tableRow("means", modality, capital(hm.plurals[modality])));
const corners = CORNERS.map(() => namePlate(hm.make("span", "hm-landscape-corner", part("marks"))));
const stars = [0, 1].map(() => {
  const node = hm.make("span", "hm-landscape-star", part("marks"));
  node.innerHTML = `${STAR}<b></b>`;
  node.hidden = true; // until it has a place
  return node;
});
const yours = stars.map(() => tableRow("yours"));
for (const node of part("experts").querySelectorAll("th")) node.scope = "col";

// An icon and a name in an expert's colour: gives the function that sets them.
function namePlate(parent) {
  const icon = hm.make("span", "hm-icon", parent);
  const name = hm.make("span", "", parent);
  return (expert, text = hm.name(expert)) => {
    parent.style.setProperty("--colour", hm.colour(expert));
    icon.innerHTML = hm.icon(expert);
    name.textContent = text;
  };
}

function tableRow(body, modality, text) {
  const node = hm.make("tr", "", part(body));
  const head = hm.make("th", "", node);
  head.scope = "row";
  const plate = namePlate(head);
  if (modality) plate(modality, text);
  const cells = CORNERS.map(() => hm.make("td", "", node));
  return (weights, experts, name) => {
    node.hidden = !weights;
    if (!weights) return;
    if (name) plate(...name);
    cells.forEach((cell, i) => {
      cell.textContent = hm.percent(weights[i]);
      cell.style.setProperty("--weight", weights[i]);
      cell.style.setProperty("--colour", hm.colour(experts[i]));
    });
  };
}

function update() {
  panel.hidden = !hm.payload;
  if (!isNear || !hm.payload) return;
  if (!landscape) return load();
  if (landscape.message) return;
  showTable();
  placeStars();
  draw();
}

let load = () => {
  load = () => {}; // once
  server.load_landscape().then((answer) => {
    landscape = answer ?? LOST; // without an answer, Gradio gives undefined
    say(landscape.message);
    part("body").hidden = Boolean(landscape.message);
    part("body").classList.remove("hm-waiting");
    update();
  });
};

function say(message) {
  part("message").textContent = message ?? "";
  part("message").hidden = !message;
}

const model = () => landscape.families[hm.state.family][hm.state.configuration];

let tabled = null; // the model whose means the table shows
function showTable() {
  const { experts, modalities } = model();
  hm.payload.inputs.forEach((lane, i) => {
    yours[i](hm.mix(lane).weights, experts, [lane.modality, `★ ${hm.nouns[lane.modality]}`]);
  });
  if (hm.payload.inputs.length < 2) yours[1](null);
  if (tabled === model()) return;
  tabled = model();
  experts.forEach((expert, i) => [heads, corners].forEach((plates) => plates[i](expert)));
  MODALITIES.forEach((modality, i) => {
    const name = [modality, capital(hm.plurals[modality])];
    legend[i].name(...name);
    means[i](modalities[modality].mean, experts, name);
  });
  part("sentence").textContent = inWords(experts, modalities);
  part("flagged").replaceChildren(...MODALITIES.map((modality) => flagged(modality, modalities[modality].flagged)));
}

function inWords(experts, modalities) {
  const tops = MODALITIES.map((modality) => {
    const share = Math.max(...modalities[modality].mean);
    return { share, name: capital(hm.plurals[modality]), expert: hm.name(experts[modalities[modality].mean.indexOf(share)]) };
  }).sort((a, b) => b.share - a.share);
  const [first, last] = [tops[0], tops.at(-1)];
  return (
    `${first.name} lie furthest towards a corner: ${first.expert} has ${hm.percent(first.share)} of their weight. ` +
    `${last.name} lie nearest the middle: no expert has more than ${hm.percent(last.share)}.`
  );
}

function flagged(modality, shares) {
  const list = shares && Object.entries(shares).map(([kind, share]) => `${kind === "test" ? "known ones" : kind} ${hm.percent(share)}`);
  return hm.make("li", "", null, `${capital(hm.plurals[modality])}: ${list ? list.join(", ") : "their spectrum tells"}.`);
}

// Where routing weights lie in the tetrahedron.
function inside(weights) {
  return [0, 1, 2].map((axis) => weights.reduce((sum, weight, i) => sum + weight * CORNERS[i][axis], 0));
}

function traces() {
  const colours = getComputedStyle(panel);
  const { modalities } = model();
  const points = MODALITIES.map((modality, m) => {
    const bytes = Uint8Array.from(atob(modalities[modality].routing), (character) => character.charCodeAt(0));
    const at = [[], [], []];
    for (let i = 0; i < bytes.length; i += 4) {
      inside([...bytes.subarray(i, i + 4)].map((byte) => byte / 255)).forEach((value, axis) => at[axis].push(value));
    }
    const color = colours.getPropertyValue(`--expert-${modality}`).trim();
    return trace(at, { mode: "markers", visible: legend[m].box.checked, marker: { size: 2, opacity: 0.5, color, symbol: SYMBOLS[modality] } });
  });
  const edges = [0, 1, 2, 0, 3, 1, 2, 3].map((i) => CORNERS[i]);
  const color = colours.getPropertyValue("--hm-rule").trim();
  return [...points, trace([0, 1, 2].map((axis) => edges.map((corner) => corner[axis])), { mode: "lines", line: { color, width: 2 } })];
}

function trace([x, y, z], more) {
  return { type: "scatter3d", x, y, z, hoverinfo: "skip", ...more };
}

function layout() {
  const axis = { visible: false, range: [-1, 1] };
  return {
    width: plot.clientWidth,
    height: plot.clientHeight,
    margin: { l: 0, r: 0, t: 0, b: 0 },
    showlegend: false,
    paper_bgcolor: "transparent",
    uirevision: "kept", // zoom and camera outlive a redraw
    scene: {
      xaxis: axis,
      yaxis: axis,
      zaxis: axis,
      aspectmode: "cube",
      camera: plot.layout?.scene.camera ?? CAMERA,
      dragmode: "orbit",
      hovermode: false,
    },
  };
}

function draw() {
  const { family, configuration } = hm.state;
  const state = [family, configuration, plot.clientWidth, document.body.className, ...legend.map(({ box }) => box.checked)].join();
  if (!plot.clientWidth || state === drawn) return;
  drawn = state;
  drawing = drawing.then(plotPoints).catch((error) => say(`${error.message} The table has the numbers.`));
}

async function plotPoints() {
  if (!hasWebGL()) throw new Error("This browser cannot draw in three dimensions: it has no WebGL.");
  const Plotly = await loadPlotly();
  await Plotly.react(plot, traces(), layout(), { displayModeBar: false, scrollZoom: false });
  follow(plot._fullLayout.scene._scene.glplot);
  const { modalities } = model();
  const each = atob(modalities.spatial.routing).length / 4;
  const all = MODALITIES.reduce((sum, modality) => sum + modalities[modality].n, 0);
  part("count").textContent = `${each.toLocaleString("en")} of each kind, of ${all.toLocaleString("en")} in all`;
}

const hasWebGL = () => Boolean(document.createElement("canvas").getContext("webgl"));

// Whenever Plotly has drawn a frame, the marks move to where it shows their places.
let followed = null;
function follow(glplot) {
  if (glplot !== followed) {
    const { onrender } = glplot;
    glplot.onrender = () => {
      onrender();
      placeCorners();
      placeStars();
    };
    followed = glplot;
  }
  placeCorners();
  placeStars();
}

function placeCorners() {
  part("marks").querySelectorAll(".hm-landscape-corner").forEach((node, i) => {
    const [x] = place(node, CORNERS[i].map((value) => 1.12 * value));
    node.style.translate = `${60 * x - 80}% -50%`; // outwards
  });
}

// The label of the higher star stands above it, that of the other below.
function placeStars() {
  const heights = stars.map((node, i) => {
    const lane = hm.payload?.inputs[i];
    const mixed = lane && hm.mix(lane);
    node.hidden = !mixed?.answers || !followed;
    if (node.hidden) return Infinity;
    node.style.setProperty("--colour", hm.colour(lane.modality));
    node.querySelector("b").textContent = `this ${hm.nouns[lane.modality]}`;
    return place(node, inside(mixed.weights))[1];
  });
  stars.forEach((node, i) => node.classList.toggle("hm-higher", heights[i] < heights[1 - i]));
}

// Puts a mark to where a point of the scene is seen, by the matrices, column by column, of Plotly's own camera. Gives that
// place, in parts of the width and height.
function place(node, point) {
  const { glplot, dataScale } = plot._fullLayout.scene._scene;
  const { model, view, projection } = glplot.cameraParams;
  const scaled = [...point.map((value, axis) => value * dataScale[axis]), 1];
  const [x, y, , w] = [model, view, projection].reduce(
    (vector, matrix) => [0, 1, 2, 3].map((row) => vector.reduce((sum, value, column) => sum + value * matrix[4 * column + row], 0)),
    scaled,
  );
  const seen = [(1 + x / w) / 2, (1 - y / w) / 2];
  [node.style.left, node.style.top] = seen.map((share) => `${100 * share}%`);
  return seen;
}

// The wheel scrolls the page; Plotly would catch it even where it does not zoom.
plot.addEventListener("wheel", (event) => event.stopPropagation(), { capture: true, passive: true });

// Turning, for keys and fingers.
let turned = 0;
part("turn").addEventListener("input", () => {
  if (!followed) return;
  const { eye } = plot.layout.scene.camera;
  const angle = ((part("turn").value - turned) * Math.PI) / 180;
  turned = part("turn").value;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const to = { x: cos * eye.x - sin * eye.y, y: sin * eye.x + cos * eye.y, z: eye.z };
  window.Plotly.relayout(plot, { "scene.camera.eye": to });
});

hm.on(update);
new IntersectionObserver((changes) => {
  isNear = changes.at(-1).isIntersecting; // the latest of those since the last call
  update();
}, { rootMargin: "200px" }).observe(panel);
new ResizeObserver(update).observe(plot);
new MutationObserver(update).observe(document.body, { attributeFilter: ["class"] });
update();
