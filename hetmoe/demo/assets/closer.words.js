// Places in an input, in words: of one of its 1024 numbers, and of the part where most of a sum lies.

const SIDE = 32;

// Parts of a grid: its quarters and its middle, of 256 cells each; of a curve: its quarters.
const GRID_PARTS = [
  (x, y) => x < 16 && y < 16,
  (x, y) => x >= 16 && y < 16,
  (x, y) => x < 16 && y >= 16,
  (x, y) => x >= 16 && y >= 16,
  (x, y) => x >= 8 && x < 24 && y >= 8 && y < 24,
];
const MOST = 0.4; // of a sum: evenly spread, a quarter of it lies in each part

// The middle of each of the 32 mel bands, in Hz: hetmoe/encoding.py, _mel_bands.
const toMel = (hertz) => 2595 * Math.log10(1 + hertz / 700);
const MEL_STEP = (toMel(7600) - toMel(60)) / (SIDE + 1);
const bandOf = (i) => 700 * (10 ** ((toMel(60) + (i + 1) * MEL_STEP) / 2595) - 1);

const rowAndColumn = (i) => [Math.floor(i / SIDE) + 1, (i % SIDE) + 1];

// What is said of each modality, as the family has it:
//   input: what it is; folded: the same where it is drawn as a grid
//   parts: where much of it may lie; place: where one number is
//   along: the order of its numbers; tokens: what the relational expert looks at
//   waves: what a filter of the sequence, which the replica has, lets through, and 1, 32 and 512 cycles in 1024 numbers in
//     its units
const PICTURE = {
  input: "the picture",
  folded: "the picture",
  parts: ["the upper left quarter", "the upper right quarter", "the lower left quarter", "the lower right quarter", "the middle"],
  place(i) {
    const [row, column] = rowAndColumn(i);
    return `row ${row}, column ${column}`;
  },
  along: "the rows, one after another",
  tokens: "rows of the picture",
  waves: ["patterns along the rows", "whole picture", "a row", "2 pixels"],
};
const WORDS = {
  frontier: {
    spatial: PICTURE,
    temporal: {
      input: "the waveform",
      folded: "the waveform, folded into 32 rows",
      parts: ["the first 1/8 s", "1/8 to 1/4 s", "1/4 to 3/8 s", "the last 1/8 s"],
      place: (i) => `${(i / 2048).toFixed(3)} s`,
      along: "the curve",
      tokens: "stretches of 1/64 s",
    },
    spectral: {
      input: "the spectrogram",
      folded: "the spectrogram, time to the right",
      parts: [
        "above 1.8 kHz in the first half second",
        "above 1.8 kHz in the second half",
        "below 1.8 kHz in the first half second",
        "below 1.8 kHz in the second half",
        "0.7 to 3.8 kHz in the middle half second",
      ],
      place: (i) => `${(0.032 * Math.floor(i / SIDE)).toFixed(2)} s, ${(bandOf(i % SIDE) / 1000).toFixed(2)} kHz`,
      along: "the moments, one after another",
      tokens: "moments",
    },
    relational: {
      input: "the distances",
      folded: "the distances",
      parts: [
        "distances among upper rows and left columns",
        "distances from upper to lower rows",
        "distances from left to right columns",
        "distances among lower rows and right columns",
        "distances among middle rows and columns",
      ],
      place(i) {
        const [row, column] = rowAndColumn(i);
        return row < column ? `rows ${row} and ${column}` : row > column ? `columns ${column} and ${row}` : "the diagonal";
      },
      along: "the rows, one after another",
      tokens: "rows of the distances",
    },
  },
  replica: {
    spatial: PICTURE,
    temporal: {
      input: "the waveform",
      folded: "the waveform, folded into 32 rows",
      parts: ["the first quarter second", "0.25 to 0.5 s", "0.5 to 0.75 s", "the last quarter second"],
      place: (i) => `${(i / 1024).toFixed(2)} s`,
      along: "the curve",
      tokens: "stretches of 1/32 s",
      waves: ["frequencies", "1 Hz", "32 Hz", "512 Hz"],
    },
    spectral: {
      input: "the spectrum",
      folded: "the spectrum, folded into 32 rows",
      parts: ["0 to 2 kHz", "2 to 4 kHz", "4 to 6 kHz", "6 to 8 kHz"],
      place: (i) => `${((8 * i) / 1024).toFixed(1)} kHz`,
      along: "the curve",
      tokens: "bands of 250 Hz",
      waves: ["ripples of the spectrum", "8 kHz wide", "250 Hz", "16 Hz"],
    },
    relational: {
      input: "the distances",
      folded: "the distances",
      parts: [
        "distances among the upper rows",
        "distances from upper to lower rows",
        "distances from lower to upper rows",
        "distances among the lower rows",
        "distances among the middle rows",
      ],
      place: (i) => `rows ${rowAndColumn(i).join(" and ")}`,
      along: "the rows, one after another",
      tokens: "rows of the distances",
      waves: ["patterns along the rows", "whole matrix", "a row", "2 cells"],
    },
  },
};
const wordsOf = (modality) => WORDS[hm.state.family][modality];

function isIn(part, modality, i) {
  return hm.isGrid(modality) ? GRID_PARTS[part](...hm.cellOf(modality, i)) : Math.floor(i / 256) === part;
}

// Where most of these numbers, all at least 0, lie.
function mostly(modality, numbers) {
  const { parts } = wordsOf(modality);
  const total = numbers.reduce((sum, number) => sum + number, 0);
  const sums = parts.map((_, part) => numbers.reduce((sum, n, i) => (isIn(part, modality, i) ? sum + n : sum), 0));
  const best = sums.indexOf(Math.max(...sums));
  return sums[best] >= MOST * total ? `mostly ${parts[best]}` : "spread out";
}

// What a row of attributions says: its sums, and where it is strongest.
function summary(modality, values) {
  const sum = (part) => part.reduce((total, value) => total + value, 0);
  const pro = values.map((value) => Math.max(0, value));
  const contra = values.map((value) => Math.max(0, -value));
  const [gain, loss] = [sum(pro), sum(contra)];
  const strongest = values.reduce((best, value, i) => (Math.abs(value) > Math.abs(values[best]) ? i : best), 0);
  const where = mostly(modality, gain >= loss ? pro : contra);
  return { gain, loss, sum: gain - loss, where, strongest: wordsOf(modality).place(strongest) };
}

// What is seen inside an expert. The spectral one has filters of the whole grid in the frontier, of the sequence in the
// replica.
const isGridOfFilters = (view) => Array.isArray(view?.magnitude_response?.[0][0]);
const INSIDE = {
  spatial: ({ folded }) => `Where it is more active, and where less (right), on ${folded} (left).`,
  temporal: ({ along }, view) =>
    `How active it is along ${along}. Where most, it sees the stretch in the bracket: at most ${view.receptive_field} numbers.`,
  spectral: ({ folded, waves }, view) => {
    const n = view.magnitude_response.length;
    return isGridOfFilters(view)
      ? `On ${folded}: which ripples its ${n} learned filters let through, a map each, wide ones in the middle. The same for every input.`
      : `Which ${waves[0]} its ${n} learned filters, a line each, let through. The same for every input.`;
  },
  relational: ({ tokens }) => `Which ${tokens} (down) look at which (across), in its two layers.`,
};
const NOTHING_INSIDE = "A plain network: each of its units sees all 1024 numbers at once, so there is no map to draw.";
