// A picture of what is in sight: the parts of the page that a person looks at, one below another, under a title line and
// above a line that says what answered and when. html-to-image, which draws them, is loaded when first needed.

const TITLE_HEIGHT = 72; // CSS pixels, as everything here
const FOOT_HEIGHT = 48;
const MARGIN = 32;
const SHARPNESS = 2; // pixels of the picture per CSS pixel
const SVG_PROPERTIES = ["fill", "stroke", "stroke-width", "opacity", "font", "text-anchor", "visibility", "display"];

// In sight: a third of the part, or of the window, at least.
function isInSight(node) {
  const { top, bottom, height } = node.getBoundingClientRect();
  const seen = Math.min(bottom, innerHeight) - Math.max(top, 0);
  return node.checkVisibility() && height > 0 && seen > Math.min(height, innerHeight) / 3;
}

// What the models say, in a line.
function title() {
  const { tab, configuration } = hm.state;
  const said = (hm.payload?.inputs ?? []).map((lane) => {
    const mixed = hm.mix(lane, configuration);
    const [best] = mixed.order;
    return mixed.answers ? `${lane.labels[best]}, ${hm.percent(mixed.probabilities[best])}` : "everyone is muted";
  });
  return [tab[0].toUpperCase() + tab.slice(1), ...(said.length ? [said.join(" · ")] : [])].join(" → ");
}

// Of a WebGL canvas nothing can be copied once its frame is shown: for so long a picture lies over it.
async function standIn(plot) {
  const { clientWidth: width, clientHeight: height } = plot;
  const picture = hm.make("img");
  picture.src = await Plotly.toImage(plot, { format: "png", width, height });
  await picture.decode();
  Object.assign(picture.style, { position: "absolute", inset: "0", width: `${width}px`, height: `${height}px`, maxWidth: "none" });
  plot.append(picture);
  return picture;
}

// html-to-image copies a drawing (SVG) without what style sheets say of its shapes; so they say it themselves meanwhile.
async function draw(node, paper) {
  const pictures = await Promise.all([...node.querySelectorAll(".js-plotly-plot:has(canvas)")].map(standIn));
  for (const box of node.querySelectorAll("[type=checkbox]")) box.toggleAttribute("checked", box.checked);
  const shapes = [...node.querySelectorAll("svg *")];
  const own = shapes.map((shape) => shape.getAttribute("style"));
  const shown = shapes.map((shape) => {
    const computed = getComputedStyle(shape);
    return SVG_PROPERTIES.map((property) => `${property}:${computed.getPropertyValue(property)}`).join(";");
  });
  shapes.forEach((shape, i) => shape.setAttribute("style", `${own[i] ?? ""};${shown[i]}`));
  try {
    const filter = ({ hidden }) => !hidden; // above all the camera that is not open, which cannot be copied
    const style = { margin: "0" }; // the picture is as large as the node without its margin
    return await htmlToImage.toCanvas(node, { pixelRatio: SHARPNESS, backgroundColor: paper, skipFonts: true, filter, style });
  } finally {
    pictures.forEach((picture) => picture.remove());
    shapes.forEach((shape, i) => (own[i] === null ? shape.removeAttribute("style") : shape.setAttribute("style", own[i])));
  }
}

async function snapshot(library) {
  await hm.loadScript(library);
  const nodes = [...document.querySelectorAll(".hm-stage, .hm-panel, .hm-evidence-section")].filter(isInSight);
  const style = getComputedStyle(nodes[0]);
  const [ink, quiet, paper] = ["ink", "quiet", "paper"].map((name) => style.getPropertyValue(`--hm-${name}`));
  const drawn = [];
  for (const node of nodes) drawn.push(await draw(node, paper));
  const canvas = hm.make("canvas");
  canvas.width = Math.max(...drawn.map(({ width }) => width)) + 2 * MARGIN * SHARPNESS;
  const heights = drawn.reduce((sum, { height }) => sum + height + MARGIN * SHARPNESS, 0);
  canvas.height = heights + (TITLE_HEIGHT + FOOT_HEIGHT) * SHARPNESS;
  const context = canvas.getContext("2d");
  context.fillStyle = paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  const text = (words, size, weight, colour, y) => {
    context.fillStyle = colour;
    context.font = `${weight} ${size * SHARPNESS}px ${style.fontFamily}`;
    context.fillText(words, MARGIN * SHARPNESS, y);
  };
  text(title(), 26, 700, ink, 46 * SHARPNESS);
  let y = TITLE_HEIGHT * SHARPNESS;
  for (const part of drawn) {
    context.drawImage(part, MARGIN * SHARPNESS, y);
    y += part.height + MARGIN * SHARPNESS;
  }
  const date = new Date().toLocaleDateString("en-CA"); // year-month-day, here and now
  text(`HetMoE · ${hm.state.family} · ${hm.state.configuration} · ${date}`, 16, 400, quiet, canvas.height - 20 * SHARPNESS);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
