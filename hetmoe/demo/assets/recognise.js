// When a word counts as recognised. A point is what the rolling second said at one time: {heard: milliseconds,
// probabilities: of each class, the average of the two lanes; null in a pause}.

// Chosen on validation words in a row with pauses between them. Of 100 words, frontier's heterogeneous recognises 80 and
// reports 5 others; the replica's 62 and 14. One by one and cut out, they know 92 and 73 of them.
const SURE = 0.55;
const AGAIN = 1000; // milliseconds that the same word is not reported again: so long it stays within the rolling second

const likeliest = (probabilities) => probabilities.indexOf(Math.max(...probabilities));

// Whether the last but one of the points (oldest first) is the peak of a word → its class, or −1. There the word is sure
// and more likely than at either neighbour, at one of which it leads too. Points that were such a peak have their class
// as `word`.
function peakOf(points) {
  if (points.length < 3) return -1;
  const [before, peak, after] = points.slice(-3);
  if (!peak.probabilities) return -1;
  const c = likeliest(peak.probabilities);
  const neighbours = [before.probabilities, after.probabilities].filter(Boolean);
  if (peak.probabilities[c] < SURE || neighbours.some((beside) => beside[c] > peak.probabilities[c])) return -1;
  if (!neighbours.some((beside) => likeliest(beside) === c)) return -1;
  return points.some(({ word, heard }) => word === c && peak.heard - heard < AGAIN) ? -1 : c;
}
