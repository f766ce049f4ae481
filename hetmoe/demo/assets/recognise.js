// When a word counts as recognised. A point is what the rolling second said at one time: {heard: milliseconds,
// probabilities: of each class, the average of the two lanes; null in a pause}.

// Chosen on validation words in a row with pauses between them: of 100 words, 61 are recognised and 14 others reported;
// one by one and cut out, the model knows 69 of them.
const SURE = 0.55;
const DIP = SURE / 2; // below, a word has ended
const AGAIN = 800; // milliseconds after which the same word may come again in any case

const likeliest = (probabilities) => probabilities.indexOf(Math.max(...probabilities));

// Whether the last but one of the points (oldest first) is the peak of a word → its class, or −1. A word is likeliest at
// two neighbouring points at least. A point that is the peak of one has its class as `word`.
function peakOf(points) {
  const [before, point, after] = points.slice(-3).map(({ probabilities }) => probabilities);
  if (points.length < 3 || !point) return -1;
  const c = likeliest(point);
  if (point[c] < SURE || point[c] < before?.[c] || point[c] < after?.[c]) return -1;
  if (![before, after].some((neighbour) => neighbour && likeliest(neighbour) === c)) return -1;
  const peak = points.at(-2);
  const last = points.findLastIndex(({ word }) => word === c);
  if (last < 0 || peak.heard - points[last].heard >= AGAIN) return c;
  const between = points.slice(last + 1, -2);
  return between.some(({ probabilities }) => !probabilities || probabilities[c] < DIP) ? c : -1;
}
