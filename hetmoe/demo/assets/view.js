// What the model sees: 1024 numbers as a grid of pixels or as a curve. view(parent, modality) makes the figure and gives
// the function that draws numbers into it.

const SEEN = {
  spatial: ["The picture", "32 × 32 grey pixels"],
  temporal: ["The waveform", "1 second, 1024 samples"],
  spectral: ["The spectrum", "0 to 8 kHz, 1024 bins"],
  relational: ["The distances", "distances between 32 rows"],
};
const RAMP = [[18, 12, 40], [88, 28, 110], [181, 58, 110], [244, 130, 80], [253, 231, 170]]; // dark to bright

function view(parent, modality) {
  const figure = hm.make("figure", `hm-seen hm-seen-${modality}`, parent);
  const words = `${SEEN[modality][0]} that the model sees: ${SEEN[modality][1]}`;
  const draw = modality === "spatial" || modality === "relational" ? grid(figure, modality, words) : curve(figure, modality, words);
  hm.make("figcaption", "", figure, SEEN[modality][1]);
  return draw;
}

function grid(figure, modality, words) {
  const canvas = hm.make("canvas", "", figure);
  canvas.width = canvas.height = 32;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(32, 32);
  return (numbers) => {
    const top = modality === "spatial" ? 1 : Math.max(...numbers) || 1;
    numbers.forEach((number, i) => pixels.data.set(shade(number / top, modality), 4 * i));
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
