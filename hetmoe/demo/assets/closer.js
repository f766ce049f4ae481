// Look closer: for each expert a picture of the input with what it answered to, and what is inside it. It asks the
// server, once the panel is nearly in sight and nothing has changed for a while; until the answer is there, the old
// drawing stays, dimmed. Attributions are of an expert's own logit, so that a what-if changes nothing here.
// Gradio gives: element, server.

const STILL = 250; // milliseconds
const LOST = "This could not be fetched. It is asked for again when something changes.";

const capital = (text) => text[0].toUpperCase() + text.slice(1);
const part = (name) => element.querySelector(`[data-part="${name}"]`);
const panel = element.querySelector(".hm-closer");
const answers = new WeakMap(); // encoding: {configuration and label: the server's answer}
let isNear = false;
let isPressed = false; // a pen or a slider may be under way
let isAsking = false;
let due = null; // what is about to be asked: {encoding, key, timer}
let looked = ""; // the modality that was last looked at
let drawn = []; // what the drawing is made of

// What is to be looked at now; null where there is nothing.
function subject() {
  if (!hm.payload) return null;
  const lane = hm.payload.inputs.find(({ modality }) => modality === looked) ?? hm.payload.inputs[0];
  const { family, configuration } = hm.state;
  const label = lane.labels[hm.classOf(lane)];
  return { lane, family, configuration, label, key: `${configuration} ${label}` };
}

function update() {
  if (hm.isStale) return schedule(null);
  panel.hidden = !hm.payload;
  if (!hm.payload) return schedule(null);
  const now = subject();
  showLanes(now.lane);
  const answer = answers.get(now.lane.encoding)?.[now.key];
  panel.classList.toggle("hm-stale", !answer);
  panel.setAttribute("aria-busy", String(!answer));
  schedule(isNear && !answer ? now : null);
  if (answer) show(now, answer);
}

// Asks when a question has stood for a while; what does not change it, as a what-if, does not put it off.
function schedule(now) {
  if (now && due?.encoding === now.lane.encoding && due.key === now.key) return;
  clearTimeout(due?.timer);
  due = now && { encoding: now.lane.encoding, key: now.key, timer: setTimeout(ask, STILL) };
}

async function ask() {
  due = null;
  const now = subject();
  if (!now || isPressed || isAsking || hm.state.live) return; // update comes again when that has ended
  isAsking = true;
  const { lane, family, configuration, label, key } = now;
  const question = { family, configuration, modality: lane.modality, label, encoding: lane.encoding };
  const answer = await server.ask_closer(question).catch(() => undefined); // Gradio may also give undefined
  isAsking = false;
  say(answer ? answer.message : LOST);
  if (answer && !answer.message) answers.set(lane.encoding, { ...answers.get(lane.encoding), [key]: answer });
  const next = subject();
  if (answers.get(lane.encoding)?.[key] || next?.lane !== lane || next.key !== key) update();
}

function say(message = "") {
  part("message").textContent = message;
  part("message").hidden = !message;
}

// A switch between the views of a sound; nothing where there is one.
function showLanes({ modality }) {
  const modalities = hm.payload.inputs.map((lane) => lane.modality);
  part("lanes").hidden = modalities.length < 2;
  for (const button of laneButtons) {
    button.hidden = !modalities.includes(button.value);
    button.textContent = capital(hm.nouns[button.value]);
    button.setAttribute("aria-pressed", String(button.value === modality));
  }
}

const laneButtons = ["temporal", "spectral"].map((modality) => {
  const button = hm.make("button", "", part("lanes"));
  Object.assign(button, { type: "button", value: modality });
  button.addEventListener("click", () => {
    looked = modality;
    update();
  });
  return button;
});

function show({ lane, label, key }, answer) {
  const made = [lane.encoding, key, hm.isDark()];
  if (made.every((one, i) => one === drawn[i])) return;
  drawn = made;
  panel.classList.remove("hm-empty");
  say();
  part("label").textContent = label;
  Object.entries(answer.attributions).forEach(([expert, values], i) => {
    panel.style.setProperty(`--colour-${i}`, hm.colour(expert));
    const told = summary(lane.modality, values);
    cards[i]({ expert, lane, label, values, told, view: answer.inside[expert] });
    lines[i](expert, told);
  });
}

function cardNode() {
  const card = hm.make("figure", "hm-closer-card", part("cards"));
  const head = hm.make("figcaption", "", card);
  const icon = hm.make("span", "hm-icon", head);
  const name = hm.make("span", "hm-name", head);
  const number = hm.make("span", "hm-number", head);
  const picture = canvasNode(card);
  const caption = hm.make("p", "hm-closer-says", card);
  const within = canvasNode(card);
  const axis = hm.make("p", "hm-closer-axis", card);
  const ticks = [0, 1, 2].map(() => hm.make("span", "", axis));
  const note = hm.make("p", "hm-closer-note", card);
  return ({ expert, lane: { modality, encoding }, label, values, told, view }) => {
    const words = wordsOf(modality);
    if (card.dataset.expert !== expert) {
      card.dataset.expert = expert;
      card.style.setProperty("--colour", hm.colour(expert));
      icon.innerHTML = hm.icon(expert);
      name.textContent = hm.name(expert);
    }
    number.textContent = hm.signed(told.sum);
    const side = hm.signed(told.sum) === "0.0" ? "neither for nor against" : told.sum < 0 ? "against" : "for";
    const says = `${side} ${label}: ${told.where}`;
    caption.textContent = says;
    picture.setAttribute("aria-label", `What ${hm.name(expert)} answered to in ${words.input}. ${hm.signed(told.sum)}, ${says}.`);
    drawAttributions(picture, expert, modality, encoding, values);
    note.textContent = view ? INSIDE[expert](words, view) : NOTHING_INSIDE;
    within.hidden = !view;
    axis.hidden = expert !== "spectral" || isGridOfFilters(view);
    if (!axis.hidden) ticks.forEach((tick, i) => (tick.textContent = words.waves[i + 1]));
    if (!view) return;
    within.setAttribute("aria-label", `Inside ${hm.name(expert)}. ${note.textContent}`);
    DRAW_INSIDE[expert](within, view, modality, encoding);
  };
}

function lineNode() {
  const row = hm.make("tr", "", part("table"));
  const head = hm.make("th", "", row);
  head.scope = "row";
  const cells = [0, 1, 2, 3].map(() => hm.make("td", "", row));
  return (expert, { gain, loss, sum, strongest }) => {
    head.textContent = hm.name(expert);
    [hm.signed(gain), hm.signed(-loss), hm.signed(sum), strongest].forEach((text, i) => (cells[i].textContent = text));
  };
}

const EXPERTS = 4; // of every configuration
const cards = Array.from({ length: EXPERTS }, cardNode);
const lines = Array.from({ length: EXPERTS }, lineNode);

function press(isDown) {
  isPressed = isDown;
  if (!isDown) update();
}
addEventListener("pointerdown", () => press(true), true);
for (const event of ["pointerup", "pointercancel"]) addEventListener(event, () => press(false), true);
new IntersectionObserver(
  (entries) => {
    isNear = entries.at(-1).isIntersecting; // several come at once where the page is busy
    update();
  },
  { rootMargin: "300px" },
).observe(panel);
hm.on(update);
update();
