// What the model sees: 1024 numbers as a grid of cells or as a curve. view(parent, modality) makes the figure and gives
// the function that draws numbers into it, as the family has them.

// A modality's name, what its numbers are and, where that is not in words, the same in words.
const SEEN_IN_BOTH = { spatial: ["The picture", "32 × 32 grey pixels"] };
const SEEN = {
  frontier: {
    ...SEEN_IN_BOTH,
    temporal: ["The waveform", "loudest 0.5 s, 1024 samples"],
    spectral: ["The spectrogram", "1 s →, 60 Hz to 7.6 kHz ↑", "time to the right, low frequencies below"],
    relational: ["The distances", "32 rows above, 32 columns below", "between 32 rows above the diagonal, between 32 columns below it"],
  },
  replica: {
    ...SEEN_IN_BOTH,
    temporal: ["The waveform", "1 second, 1024 samples"],
    spectral: ["The spectrum", "0 to 8 kHz, 1024 bins"],
    relational: ["The distances", "distances between 32 rows"],
  },
};
const RAMP = [[18, 12, 40], [88, 28, 110], [181, 58, 110], [244, 130, 80], [253, 231, 170]]; // dark to bright

const isSpectrogram = (modality) => modality === "spectral" && hm.state.family === "frontier";
const isGrid = (modality) => modality === "spatial" || modality === "relational" || isSpectrogram(modality);
// Where in a grid a number is drawn, column and row: row by row; a spectrogram, which comes moment by moment from low to
// high, as people expect it, time to the right and low frequencies below.
const cellOf = (modality, i) => (isSpectrogram(modality) ? [Math.floor(i / 32), 31 - (i % 32)] : [i % 32, Math.floor(i / 32)]);

function view(parent, modality) {
  const figure = hm.make("figure", `hm-seen hm-seen-${modality}`, parent);
  let family;
  let draw;
  return (numbers) => {
    if (family !== hm.state.family) {
      family = hm.state.family;
      figure.replaceChildren();
      const [name, what, words = what] = SEEN[family][modality];
      draw = (isGrid(modality) ? grid : curve)(figure, modality, `${name} that the model sees: ${words}`);
      hm.make("figcaption", "", figure, what);
    }
    draw(numbers);
  };
}

function grid(figure, modality, words) {
  const canvas = hm.make("canvas", "", figure);
  canvas.width = canvas.height = 32;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(32, 32);
  return (numbers) => {
    const low = modality === "spectral" ? Math.min(...numbers) : 0; // it is logarithmic
    const range = modality === "spatial" ? 1 : Math.max(...numbers) - low || 1;
    numbers.forEach((number, i) => {
      const [x, y] = cellOf(modality, i);
      pixels.data.set(shade((number - low) / range, modality), 4 * (32 * y + x));
    });
    context.putImageData(pixels, 0, 0);
  };
}

function shade(fraction, modality) {
  if (modality === "spatial") return [255 * fraction, 255 * fraction, 255 * fraction, 255];
  const step = Math.min(RAMP.length - 1.001, fraction * (RAMP.length - 1));
  const [low, high] = [RAMP[Math.floor(step)], RAMP[Math.floor(step) + 1]];
  return [...low.map((from, channel) => from + (high[channel] - from) * (step % 1)), 255];
}

function curve(figure, modality, words) {
  figure.insertAdjacentHTML(
    "beforeend",
    `<svg viewBox="0 0 1023 100" preserveAspectRatio="none" role="img" aria-label="${words}">` +
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
