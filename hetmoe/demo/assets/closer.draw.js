// Drawings on canvases: what an expert answered to, over the input, and what is inside it. For is filled with the
// expert's colour, against is hatched.

const WIDTH = 512; // of every canvas, in pixels of its own
const STRETCH = 16; // numbers of a curve that are marked as one
const CELL = WIDTH / SIDE;

function canvasNode(parent) {
  const canvas = hm.make("canvas", "", parent);
  canvas.width = WIDTH;
  canvas.setAttribute("role", "img");
  return canvas;
}

// An empty sheet of a height, and the colours of the theme.
function sheet(canvas, height) {
  canvas.height = height; // which also clears it
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name);
  return { context: canvas.getContext("2d"), ink: colour("--hm-ink"), quiet: colour("--hm-quiet"), colour: colour("--colour") };
}

function drawAttributions(canvas, expert, modality, encoding, values) {
  const paper = sheet(canvas, hm.isGrid(modality) ? WIDTH : WIDTH / 2);
  if (hm.isGrid(modality)) {
    greyCells(paper, modality, encoding, WIDTH, expert.startsWith("ffn") ? 0.2 : 0.5); // a plain network's colour is a grey, too
    const strong = strengths(values);
    marks(paper, inPlace(modality, values), inPlace(modality, strong), SIDE, canvas.height / SIDE);
    return;
  }
  const stretches = Array.from({ length: 1024 / STRETCH }, (_, i) =>
    values.slice(STRETCH * i, STRETCH * (i + 1)).reduce((sum, value) => sum + value),
  );
  const strong = strengths(stretches);
  marks(paper, stretches, strong.map((strength) => 0.6 * strength), stretches.length, canvas.height);
  const { quiet, ink, colour } = paper;
  const colours = stretches.map((value, i) => (strong[i] < 0.1 ? quiet : value > 0 ? colour : ink));
  curve(paper, encoding, canvas.height, colours);
}

// From 0 to 1, which a few of the strongest share.
function strengths(values) {
  const sizes = values.map(Math.abs);
  const full = [...sizes].sort((a, b) => a - b)[Math.floor(0.98 * sizes.length)] || 1;
  return sizes.map((size) => Math.min(1, size / full));
}

function marks({ context, ink, colour }, values, opacities, columns, height) {
  const hatch = hatching(context, ink);
  const width = WIDTH / columns;
  values.forEach((value, i) => {
    context.globalAlpha = opacities[i];
    context.fillStyle = value > 0 ? colour : hatch;
    context.fillRect((i % columns) * width, Math.floor(i / columns) * height, width, height);
  });
  context.globalAlpha = 1;
}

function hatching(context, ink) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = CELL;
  const pen = tile.getContext("2d");
  pen.strokeStyle = ink;
  pen.lineWidth = 4;
  for (const shift of [-CELL, 0, CELL]) {
    pen.moveTo(shift - 4, CELL + 4);
    pen.lineTo(shift + CELL + 4, -4);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

// A cell of a grid, on whole pixels: there are no seams.
function fillCell(context, x, y, width, height, left = 0, top = 0) {
  const [x0, x1, y0, y1] = [x * width, (x + 1) * width, y * height, (y + 1) * height].map(Math.round);
  context.fillRect(left + x0, top + y0, x1 - x0, y1 - y0);
}

// 1024 numbers in the order in which their cells are drawn, row by row.
function inPlace(modality, numbers) {
  const placed = Array(numbers.length);
  numbers.forEach((number, i) => {
    const [x, y] = hm.cellOf(modality, i);
    placed[SIDE * y + x] = number;
  });
  return placed;
}

// 1024 numbers as a square of grey cells, so faint that one can draw on them.
function greyCells({ context }, modality, numbers, size, opacity = 0.5) {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const cell = size / SIDE;
  context.globalAlpha = opacity;
  numbers.forEach((number, i) => {
    const grey = (255 * (number - low)) / (high - low || 1);
    context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    fillCell(context, ...hm.cellOf(modality, i), cell, cell);
  });
  context.globalAlpha = 1;
}

// 1024 numbers as a curve, in equally long pieces of these colours.
function curve({ context }, numbers, height, colours) {
  const largest = Math.max(...numbers.map(Math.abs)) || 1;
  const low = numbers.some((number) => number < 0) ? -largest : 0;
  const y = (number) => height * (0.98 - (0.96 * (number - low)) / (largest - low));
  const length = numbers.length / colours.length;
  context.lineWidth = 2;
  context.lineJoin = "round";
  colours.forEach((colour, piece) => {
    context.beginPath();
    for (let i = piece * length; i <= Math.min(1023, (piece + 1) * length); i++) context.lineTo((WIDTH * i) / 1023, y(numbers[i]));
    context.strokeStyle = colour;
    context.stroke();
  });
}

// Rows of numbers, at least 0, as cells from empty to the expert's colour.
function map({ context, colour }, rows, left, width, height, top = 0) {
  const largest = Math.max(...rows.flat()) || 1;
  const [w, h] = [width / rows[0].length, height / rows.length];
  context.fillStyle = colour;
  rows.forEach((row, y) =>
    row.forEach((number, x) => {
      context.globalAlpha = number / largest;
      fillCell(context, x, y, w, h, left, top);
    }),
  );
  context.globalAlpha = 1;
  frame(context, left, width, height, top);
}

function frame(context, left, width, height, top = 0) {
  context.strokeStyle = "rgb(128 128 128 / 0.5)";
  context.lineWidth = 2;
  context.strokeRect(left + 1, top + 1, width - 2, height - 2);
}

// Rows of a grid as the modality's own cells lie.
const turned = (modality, rows) =>
  hm.isSpectrogram(modality) ? rows[0].map((_, x) => rows.map((row) => row[x])).reverse() : rows;

// A filter's gains at 0 to 16 cycles across, and down 0 to 15 and −16 to −1: those at −16 to 15 both ways, 0 in the
// middle. Those at −1 across are those at 1, down and up exchanged.
function aroundTheMiddle(gains) {
  const middle = SIDE / 2;
  const cycles = Array.from({ length: SIDE }, (_, i) => i - middle);
  const gain = (down, across) => (across < 0 ? gain(-down, -across) : gains[(down + SIDE) % SIDE][across]);
  return cycles.map((down) => cycles.map((across) => gain(down, across)));
}

const HALF = WIDTH / 2 - 8; // two squares side by side
const DRAW_INSIDE = {
  spatial(canvas, { activation }, modality, encoding) {
    const paper = sheet(canvas, HALF);
    greyCells(paper, modality, encoding, HALF);
    frame(paper.context, 0, HALF, HALF);
    const least = Math.min(...activation.flat());
    const above = activation.map((row) => row.map((number) => number - least));
    map(paper, turned(modality, above), WIDTH - HALF, HALF, HALF);
  },
  temporal(canvas, { activation, receptive_field: field }, modality, encoding) {
    const paper = sheet(canvas, HALF);
    const { context, ink, quiet, colour } = paper;
    const at = (i) => (WIDTH * i) / 1024;
    const largest = Math.max(...activation) || 1;
    const most = activation.indexOf(Math.max(...activation));
    const last = (1024 / activation.length) * most;
    const first = Math.max(0, last - field + 1);
    curve(paper, encoding, 96, [quiet]);
    context.beginPath(); // the bracket
    for (const [x, y] of [[first, 104], [first, 116], [last, 116], [last, 104]]) context.lineTo(at(x), y);
    context.strokeStyle = ink;
    context.lineWidth = 4;
    context.stroke();
    activation.forEach((number, i) => {
      const height = (116 * number) / largest;
      context.fillStyle = i === most ? ink : colour;
      context.fillRect((WIDTH / activation.length) * i, HALF - height, WIDTH / activation.length - 2, height);
    });
  },
  spectral(canvas, view, modality) {
    const { magnitude_response: response } = view;
    const paper = sheet(canvas, HALF);
    if (!isGridOfFilters(view)) return map(paper, [...response].reverse(), 0, WIDTH, HALF); // low ones below
    const columns = Math.ceil(Math.sqrt(2 * response.length)); // the sheet is about twice as wide as high
    const step = WIDTH / columns;
    response.forEach((gains, i) => {
      const [left, top] = [step * (i % columns), step * Math.floor(i / columns)].map(Math.round);
      map(paper, turned(modality, aroundTheMiddle(gains)), left, step - 8, step - 8, top);
    });
  },
  relational(canvas, { attention }) {
    const paper = sheet(canvas, HALF);
    attention.forEach((rows, block) => map(paper, rows, block * (WIDTH - HALF), HALF, HALF));
  },
};
