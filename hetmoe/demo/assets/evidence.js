// The evidence: claims with their verdicts, questions with their answers, figures. Everything is fetched when the tab is
// first opened, for only then does Gradio run this.
// Gradio gives: element, props, server.

const SECTIONS = {
  realdata: ["Real data", "Real data"],
  synthetic: ["Synthetic", "Synthetic regression"],
  controls: ["Controls", "Controls: what could explain it away"],
  frontier: ["Frontier", "Beyond the paper: the frontier family"],
  audit: ["Audit", "Fairness audit"],
};
const SIGNS = {
  holds: '<path d="M2.5 8.5 6.5 12.5 13.5 3.5" fill="none" stroke="currentColor" stroke-width="2.5"/>',
  "holds partly": '<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2"/><path d="M8 2a6 6 0 0 0 0 12z"/>',
  "does not hold": '<path d="M3 3 13 13M13 3 3 13" stroke="currentColor" stroke-width="2.5"/>',
  "not measured": '<path d="M3 8H13" stroke="currentColor" stroke-width="2.5" stroke-dasharray="2.5 1.25"/>',
};
const root = element.querySelector(".hm-evidence");
const part = (name) => element.querySelector(`[data-part="${name}"]`);

function make(tag, className, parent, text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.textContent = text;
  parent.append(node);
  return node;
}

// Text as it is set: a number keeps its unit, and a minus is as long as a plus.
function set(text) {
  return text.replaceAll(" %", "\u00a0%").replaceAll(" = ", "\u00a0=\u00a0").replace(/(^|[\s(])-(?=\d)/g, "$1−");
}

// A section with its heading, and the button that leads to it.
function section(name, heading) {
  const made = make("section", "hm-evidence-section", root);
  const title = make("h2", "", made, heading);
  title.tabIndex = -1;
  made.setAttribute("aria-label", heading);
  const button = make("button", "", part("contents"), name);
  button.type = "button";
  button.addEventListener("click", () => {
    made.scrollIntoView();
    title.focus({ preventScroll: true });
  });
  return made;
}

function verdictNode(parent, verdict, text = verdict) {
  const node = make("span", "hm-verdict", parent);
  node.style.setProperty("--colour", `var(--verdict-${verdict.replaceAll(" ", "-")})`);
  node.innerHTML = `<svg viewBox="0 0 16 16" fill="currentColor" aria-hidden="true">${SIGNS[verdict]}</svg>`;
  make("span", "", node, text);
}

function showClaims(claims) {
  const parent = section("Claims", "What the paper claims, and what we measured");
  const count = make("p", "hm-tally", parent);
  for (const verdict of Object.keys(SIGNS)) {
    const n = claims.filter((claim) => claim.verdict === verdict).length;
    if (n) verdictNode(count, verdict, `${n} ${n === 1 ? verdict : verdict.replace("holds", "hold").replace("does", "do")}`);
  }
  const list = make("ul", "hm-claims", parent);
  for (const { claim, source, verdict, measured, command, rule } of claims) {
    const item = make("li", "hm-claim", list);
    verdictNode(item, verdict);
    const said = make("div", "", item);
    const sentence = make("p", "hm-claim-sentence", said, `${set(claim)} `);
    make("span", "hm-quiet", sentence, source);
    make("p", "hm-measured", said, set(measured));
    const how = make("details", "", said);
    make("summary", "", how, "Rule and command");
    make("p", "hm-quiet", how, set(rule));
    commandNode(how, command);
  }
}

function commandNode(parent, command) {
  const node = make("div", "hm-command", parent);
  const code = make("code", "", node);
  for (const word of command.split(" ")) code.append(make("span", "", code, word), " "); // lines break between words only
  if (!navigator.clipboard) return; // over plain http a browser lets pages copy nothing
  const button = make("button", "", node, "Copy");
  button.type = "button";
  button.setAttribute("aria-label", `Copy the command ${command}`);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}

function showQuestions(questions) {
  const list = make("div", "hm-questions", section("Questions", "Four questions"));
  for (const { question, answer, rule } of questions) {
    const node = make("div", "", list);
    make("h3", "", node, question);
    const [opening, ...numbers] = set(answer).split(/(?<=^[^.:]*:) /); // the answer in words, then its numbers
    make("p", "hm-opening", node, opening);
    make("p", "", node, numbers.join(" "));
    make("p", "hm-quiet", node, `By the rule: ${set(rule)}`);
  }
}

function showFigure(parent, entry) {
  const node = make("article", "hm-figure", parent);
  make("h3", "", node, set(entry.title));
  make("p", "hm-quiet", node, set(entry.subtitle));
  const picture = make("div", "hm-plot", node);
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", entry.alt);
  const details = make("details", "", node);
  make("summary", "", details, "Numbers as a table");
  details.addEventListener("toggle", () => showTables(details, entry), { once: true });
  plot(picture, entry);
}

function showTables(details, entry) {
  const scrolled = make("div", "hm-tables", details);
  scrolled.tabIndex = 0; // so that arrow keys scroll it
  scrolled.setAttribute("role", "region");
  scrolled.setAttribute("aria-label", `Numbers: ${entry.title}`);
  scrolled.append(...tables(entry.figure));
}

function show({ message, claims, questions, figures }) {
  part("message").textContent = message ?? "";
  part("message").hidden = !message;
  if (message) return;
  showClaims(claims);
  showQuestions(questions);
  for (const [name, [short, heading]] of Object.entries(SECTIONS)) {
    const mine = figures.filter((figure) => figure.section === name);
    if (!mine.length) continue;
    const parent = section(short, heading);
    mine.forEach((figure) => showFigure(parent, figure));
  }
  if (figures.length) inTurn(() => loadPlotly().catch(() => {})); // while the claims are read; each chart says if it fails
}

const LOST = { message: "The evidence could not be fetched. Please reload the page." };
server.load_evidence().then((evidence) => show(evidence ?? LOST)); // without an answer, Gradio gives undefined
