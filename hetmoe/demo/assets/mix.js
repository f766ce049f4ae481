// What the page computes itself: the mixture of stored expert outputs, under a what-if. The Python twin is
// hetmoe/analysis.py; tests/browser/test_parity.py compares them.
// A what-if is {routing: "learned" | "uniform" | "top-1", temperature, shares: {expert: share of the weight}}.

// One model's routing weights (E) under a what-if; all 0 if every expert is muted.
function remix({ experts, routing_weights: learned }, { routing, temperature, shares }) {
  const fixed = experts.map((expert) => shares[expert] ?? null);
  const free = experts.map((_, i) => i).filter((i) => fixed[i] === null);
  const taken = fixed.reduce((sum, share) => sum + (share ?? 0), 0);
  if (!free.length || taken > 1) return fixed.map((share) => (taken ? (share ?? 0) / taken : 0));
  const preference = among(free, learned, routing, temperature);
  return fixed.map((share, i) => share ?? (1 - taken) * preference[i]);
}

// How the routing divides a weight of 1 among the free experts (indices); 0 for the others.
function among(free, learned, routing, temperature) {
  const first = free.reduce((best, i) => (learned[i] > learned[best] ? i : best));
  const raw = learned.map((weight, i) => {
    if (!free.includes(i)) return 0;
    if (routing === "top-1") return i === first ? 1 : 0;
    if (routing === "uniform" || !learned[first]) return 1; // the router may have nothing for any of them
    return (weight / learned[first]) ** (1 / temperature);
  });
  const sum = raw.reduce((a, b) => a + b);
  return raw.map((value) => value / sum);
}

function softmax(logits) {
  const top = Math.max(...logits);
  const raw = logits.map((logit) => Math.exp(logit - top));
  const sum = raw.reduce((a, b) => a + b);
  return raw.map((value) => value / sum);
}

// One model's mixture under a what-if: weights (E), contributions w_i f_i[c] (E, C), which add up to the logits (C),
// probabilities (C), the classes from the likeliest on, and whether anybody answers.
function mixture(model, whatIf) {
  const weights = remix(model, whatIf);
  const contributions = model.expert_logits.map((logits, i) => logits.map((logit) => weights[i] * logit));
  const logits = contributions.reduce((sums, row) => sums.map((sum, c) => sum + row[c]));
  const probabilities = softmax(logits);
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  return { weights, contributions, logits, probabilities, order, answers: weights.some((weight) => weight > 0) };
}
