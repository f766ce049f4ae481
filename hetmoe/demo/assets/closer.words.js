// Places in an input, in words: of one of its 1024 numbers, and of the part where most of a sum lies.

const SIDE = 32;
const isGrid = (modality) => modality === "spatial" || modality === "relational";

// Parts of a grid: its quarters and its middle, of 256 cells each; of a curve: its quarters.
const GRID_PARTS = [
  (x, y) => x < 16 && y < 16,
  (x, y) => x >= 16 && y < 16,
  (x, y) => x < 16 && y >= 16,
  (x, y) => x >= 16 && y >= 16,
  (x, y) => x >= 8 && x < 24 && y >= 8 && y < 24,
];
const PARTS = {
  spatial: ["the upper left quarter", "the upper right quarter", "the lower left quarter", "the lower right quarter", "the middle"],
  relational: [
    "distances among the upper rows",
    "distances from upper to lower rows",
    "distances from lower to upper rows",
    "distances among the lower rows",
    "distances among the middle rows",
  ],
  temporal: ["the first quarter second", "0.25 to 0.5 s", "0.5 to 0.75 s", "the last quarter second"],
  spectral: ["0 to 2 kHz", "2 to 4 kHz", "4 to 6 kHz", "6 to 8 kHz"],
};
const MOST = 0.4; // of a sum: evenly spread, a quarter of it lies in each part

function isIn(part, modality, i) {
  return isGrid(modality) ? GRID_PARTS[part](i % SIDE, Math.floor(i / SIDE)) : Math.floor(i / 256) === part;
}

// Where most of these numbers, all at least 0, lie.
function mostly(modality, numbers) {
  const total = numbers.reduce((sum, number) => sum + number, 0);
  const sums = PARTS[modality].map((_, part) => numbers.reduce((sum, n, i) => (isIn(part, modality, i) ? sum + n : sum), 0));
  const best = sums.indexOf(Math.max(...sums));
  return sums[best] >= MOST * total ? `mostly ${PARTS[modality][best]}` : "spread out";
}

function place(modality, i) {
  if (modality === "temporal") return `${(i / 1024).toFixed(2)} s`;
  if (modality === "spectral") return `${((8 * i) / 1024).toFixed(1)} kHz`;
  const [row, column] = [Math.floor(i / SIDE) + 1, (i % SIDE) + 1];
  return modality === "spatial" ? `row ${row}, column ${column}` : `rows ${row} and ${column}`;
}

// What a row of attributions says: its sums, and where it is strongest.
function summary(modality, values) {
  const sum = (part) => part.reduce((total, value) => total + value, 0);
  const pro = values.map((value) => Math.max(0, value));
  const contra = values.map((value) => Math.max(0, -value));
  const [gain, loss] = [sum(pro), sum(contra)];
  const strongest = values.reduce((best, value, i) => (Math.abs(value) > Math.abs(values[best]) ? i : best), 0);
  return { gain, loss, sum: gain - loss, where: mostly(modality, gain >= loss ? pro : contra), strongest: place(modality, strongest) };
}

// What is seen inside an expert.
const TOKENS = {
  spatial: "rows of the picture",
  temporal: "stretches of 1/32 s",
  spectral: "bands of 250 Hz",
  relational: "rows of the distances",
};
const FOLDED = {
  spatial: "the picture",
  temporal: "the waveform, folded into 32 rows",
  spectral: "the spectrum, folded into 32 rows",
  relational: "the distances",
};
// What a filter lets through, and 1, 32 and 512 cycles in 1024 numbers in the units of the input.
const WAVES = {
  spatial: ["patterns along the rows", "whole picture", "a row", "2 pixels"],
  temporal: ["frequencies", "1 Hz", "32 Hz", "512 Hz"],
  spectral: ["ripples of the spectrum", "8 kHz wide", "250 Hz", "16 Hz"],
  relational: ["patterns along the rows", "whole matrix", "a row", "2 cells"],
};
const INSIDE = {
  spatial: (modality) => `Where it is more active, and where less (right), on ${FOLDED[modality]} (left).`,
  temporal: (modality, view) =>
    `How active it is along ${isGrid(modality) ? "the rows, one after another" : "the curve"}. Where most, it sees the stretch in the bracket: at most ${view.receptive_field} numbers.`,
  spectral: (modality, view) =>
    `Which ${WAVES[modality][0]} its ${view.magnitude_response.length} learned filters, a line each, let through. The same for every input.`,
  relational: (modality) => `Which ${TOKENS[modality]} (down) look at which (across), in its two layers.`,
};
const NOTHING_INSIDE = "A plain network: each of its units sees all 1024 numbers at once, so there is no map to draw.";
