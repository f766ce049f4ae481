// The state in the page's address, readable and short: what differs from the page as it opens, of the open tab.
//   ?tab=digit&example=7&family=replica&configuration=hybrid&routing=uniform&temperature=0.5&mute=spatial,temporal&share=spectral:0.3
//   &why=frog&variation=noise:0.4&theme=dark&tour=3&present=1&embed=1&hide=tour,compare
// A recording is seen twice, so that there `why` names who is asked: why=temporal:yes. Uploads and drawings do not fit
// into an address. What is unknown or malformed is ignored, and parameters that are not ours (Gradio's) stay.
// In the middle of the tour, what is shown is the tour's own doing: then its step stands for all of it.

const SEEN_AS = { picture: ["spatial"], sound: ["temporal", "spectral"], digit: ["relational"], evidence: [] };
const PARAMETERS =
  "tab example family configuration routing temperature mute share why variation theme tour present embed hide".split(" ");
const PATIENCE = 300; // ms without a change until the address is written

const oneOf = (values, value) => (values.includes(value) ? value : undefined);
const within = (low, high, text) => (text && Number(text) >= low && Number(text) <= high ? Number(text) : undefined);
const isName = (text) => /^[a-z][a-z_-]*$/.test(text);
const pairs = (text) => list(text).map((pair) => pair.split(":"));
const list = (text) => (text ?? "").split(",").filter(Boolean);

// What an address asks for, as a change of hm.state.
function read(search) {
  const given = new URLSearchParams(search);
  const get = (name) => given.get(name) ?? undefined;
  const tab = oneOf(Object.keys(SEEN_AS), get("tab")) ?? "picture";
  const configuration = oneOf(hm.configurations, get("configuration"));
  const family = oneOf(hm.families, get("family"));
  const experts = hm.experts[family ?? hm.families[0]][configuration ?? hm.configurations[0]];
  const known = ([name, value]) => [oneOf(experts, name.replace("-", " ")), value];
  const shares = [
    ...list(get("mute")).map((name) => known([name, 0])),
    ...pairs(get("share")).map(([name, share]) => known([name, within(0, 1, share)])),
  ].filter(([name, share]) => name && share !== undefined);
  const why = pairs(get("why"))
    .map((pair) => (pair.length === 1 ? [SEEN_AS[tab][0], ...pair] : pair))
    .filter(([modality]) => SEEN_AS[tab].includes(modality));
  const [[name, strength] = []] = pairs(get("variation"));
  const variation = hm.variations[tab]?.includes(name) && { name, strength: within(0, 1, strength) ?? 1 };
  const tour = within(1, 99, get("tour"));
  const change = {
    tab,
    family,
    configuration,
    routing: oneOf(["uniform", "top-1"], get("routing")),
    temperature: within(0.25, 4, get("temperature")),
    shares: Object.fromEntries(shares),
    chosen: Object.fromEntries(why),
    variation: variation ? { [tab]: variation } : {},
    source: get("example") ? { [tab]: { example: get("example") } } : {},
    theme: oneOf(["light", "dark"], get("theme")),
    tour: Number.isInteger(tour) ? tour : undefined,
    present: get("present") === "1",
    embed: get("embed") === "1",
    hide: list(get("hide")).filter(isName),
  };
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

// The address's query for a state: "" or "?…".
function write(state) {
  const { tab, shares } = state;
  const example = state.source[tab]?.example;
  const variation = state.variation[tab];
  const experts = Object.keys(shares);
  const short = (expert) => expert.replace(" ", "-");
  const asked = SEEN_AS[tab].filter((modality) => state.chosen[modality] !== undefined);
  const shown = {
    tab: tab !== "picture" && tab,
    example: example !== hm.examples[tab]?.[0] && example,
    family: state.family !== hm.families[0] && state.family,
    configuration: state.configuration !== hm.configurations[0] && state.configuration,
    routing: state.routing !== "learned" && state.routing,
    temperature: state.temperature !== 1 && state.temperature,
    mute: experts.filter((expert) => shares[expert] === 0).map(short).join(),
    share: experts.filter((expert) => shares[expert]).map((expert) => `${short(expert)}:${shares[expert]}`).join(),
    why: asked.map((modality) => (tab === "sound" ? `${modality}:` : "") + state.chosen[modality]).join(),
    variation: variation && `${variation.name}:${variation.strength}`,
  };
  const values = {
    ...(state.tour ? {} : shown),
    theme: state.theme,
    tour: state.tour,
    present: state.present && 1,
    embed: state.embed && 1,
    hide: state.hide.join(),
  };
  const foreign = [...new URLSearchParams(location.search)].filter(([name]) => !PARAMETERS.includes(name));
  const all = [...PARAMETERS.map((name) => [name, values[name]]).filter(([, value]) => value), ...foreign];
  const readable = (text) => encodeURIComponent(text).replaceAll("%2C", ",").replaceAll("%3A", ":");
  return all.length ? `?${all.map(([name, value]) => `${readable(name)}=${readable(value)}`).join("&")}` : "";
}

async function until(found) {
  for (;;) {
    const node = found();
    if (node) return node;
    await new Promise(requestAnimationFrame);
  }
}

// Opens what the address asks for, once Gradio has made it.
async function arrive({ tab, source }) {
  await until(() => document.querySelector('[role="tab"]'));
  if (tab !== "picture") hm.open(tab);
  const example = source[tab]?.example;
  if (!example || tab === "evidence") return;
  await until(() => hm.examples[tab]);
  const buttons = document.querySelectorAll(".hm-example");
  [...buttons].find((button) => button.dataset.name === example && button.checkVisibility())?.click();
}

let writing = 0;

function writeSoon() {
  clearTimeout(writing);
  writing = setTimeout(
    () => history.replaceState(history.state, "", location.pathname + write(hm.state) + location.hash),
    PATIENCE,
  );
}

hm.address = { read, write, link: (change) => location.origin + location.pathname + write({ ...hm.state, ...change }) };
const asked = read(location.search);
hm.set(asked);
hm.arrived = arrive(asked).then(() => hm.on(writeSoon));
