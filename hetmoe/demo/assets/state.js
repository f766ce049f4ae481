// The state of the page, shared by its components as window.hm, and the words and marks that they have in common.
// Whoever changes it calls `hm.set`; whoever shows it gives `hm.on` a function, which is called after each change.
// theme.py gives: EXPERTS, VARIATIONS.

const CONFIGURATIONS = ["heterogeneous", "hybrid", "homogeneous"];
const UNTOUCHED = { routing: "learned", temperature: 1, shares: {} }; // the what-if that changes nothing
const NOUNS = { spatial: "picture", temporal: "waveform", spectral: "spectrum", relational: "digit" };
const PLURALS = { spatial: "pictures", temporal: "waveforms", spectral: "spectra", relational: "digits" };
const ICONS = {
  spatial: '<rect x="1" y="1" width="6" height="6"/><rect x="9" y="1" width="6" height="6" opacity=".45"/><rect x="1" y="9" width="6" height="6" opacity=".45"/><rect x="9" y="9" width="6" height="6"/>',
  temporal: '<path d="M1 8c2.3-9 4.7-9 7 0s4.7 9 7 0" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"/>',
  spectral: '<rect x="1" y="9" width="2.6" height="6"/><rect x="4.8" y="3" width="2.6" height="12"/><rect x="8.6" y="6" width="2.6" height="9"/><rect x="12.4" y="11" width="2.6" height="4"/>',
  relational: '<path d="M3.5 12.5 8 3.5l4.5 9z" fill="none" stroke="currentColor" stroke-width="1.5"/><circle cx="8" cy="3.5" r="2.5"/><circle cx="3.5" cy="12.5" r="2.5"/><circle cx="12.5" cy="12.5" r="2.5"/>',
  ffn: '<rect x="1" y="3" width="14" height="3"/><rect x="1" y="10" width="14" height="3"/>',
};

const hm = {
  configurations: CONFIGURATIONS,
  untouched: UNTOUCHED,
  families: Object.keys(EXPERTS),
  experts: EXPERTS, // family: configuration: the names of its experts
  variations: VARIATIONS, // kind: the names of its variations
  state: {
    tab: "picture", // which tab is open: picture, sound, digit, evidence
    family: "frontier", // whose models answer
    configuration: "heterogeneous",
    ...UNTOUCHED,
    chosen: {}, // modality: the label that "why" is asked for, if it is not the likeliest
    variation: {}, // kind: {name, strength}, what is done to its input
    live: false, // whether the microphone streams: answers then come several times a second
    source: {}, // kind: {example: name} and the like, what its input holds
    theme: undefined, // light or dark, if a person has chosen
    tour: null, // the number of the tour's step, from 1 on
    present: false, // larger and fewer, for the back row
    embed: false, // the stage alone, for another page
    hide: [], // the names of parts to hide, as in data-hideable
  },
  examples: {}, // kind: the names of its examples, from when it is there
  payloads: {}, // kind: what demo.classify.answer has returned for it
  listeners: [],

  on(listener) {
    hm.listeners.push(listener);
  },
  set(change) {
    Object.assign(hm.state, change);
    hm.tell();
  },
  // An answer of the other family comes too late, or, while the page is being built, too early: another one is asked for.
  receive(kind, payload) {
    if (payload.asked.family === hm.state.family) hm.payloads[kind] = payload;
    hm.tell();
  },
  tell() {
    for (const listener of hm.listeners) listener(hm.state);
  },

  // The open tab's payload: null on the evidence tab, and where there is a message instead of an answer.
  get payload() {
    const payload = hm.payloads[hm.state.tab];
    return payload && !payload.message ? payload : null;
  },
  // Whether the open tab's answer is still that of the other family.
  get isStale() {
    const payload = hm.payloads[hm.state.tab];
    return Boolean(payload) && payload.asked.family !== hm.state.family;
  },
  get isUntouched() {
    const { routing, temperature, shares } = hm.state;
    return routing === "learned" && temperature === 1 && !Object.keys(shares).length;
  },
  // A lane's mixture by a configuration: the page's as the what-if has it, the others as learned.
  mix(lane, configuration = hm.state.configuration, whatIf = hm.whatIfOf(configuration)) {
    return mixture(lane.models[configuration], whatIf);
  },
  whatIfOf(configuration) {
    return configuration === hm.state.configuration ? hm.state : UNTOUCHED;
  },
  // The index of the class that "why" is asked for.
  classOf(lane, mixed = hm.mix(lane)) {
    const chosen = lane.labels.indexOf(hm.state.chosen[lane.modality]);
    return chosen < 0 ? mixed.order[0] : chosen;
  },
  // Fixes an expert's share of the weight; null sets it free.
  share(expert, share) {
    const { [expert]: _, ...shares } = hm.state.shares;
    hm.set({ shares: share === null ? shares : { ...shares, [expert]: share } });
  },
  mute(expert) {
    hm.share(expert, hm.state.shares[expert] === 0 ? null : 0);
  },
  // Mutes all others; a second time, frees all.
  solo(expert, experts) {
    const others = Object.fromEntries(experts.filter((other) => other !== expert).map((other) => [other, 0]));
    hm.set({ shares: hm.isSolo(expert, experts) ? {} : others });
  },
  isSolo(expert, experts) {
    const { shares } = hm.state;
    return experts.length > 1 && experts.every((other) => (other === expert ? shares[other] !== 0 : shares[other] === 0));
  },

  isDark() {
    return document.body.classList.contains("dark");
  },
  // Opens a tab: picture, sound, digit or evidence.
  open(tab) {
    [...document.querySelectorAll('[role="tab"]')].find((node) => node.textContent.trim().toLowerCase() === tab)?.click();
  },

  scripts: {}, // address: a promise of a script that was asked for
  // A script of our own server, loaded once for all that need it; after a failure it is asked for again.
  loadScript(address) {
    hm.scripts[address] ??= new Promise((done, failed) => {
      const onerror = () => {
        delete hm.scripts[address];
        failed(new Error("A script could not be loaded."));
      };
      document.head.append(Object.assign(hm.make("script"), { src: address, onload: done, onerror }));
    });
    return hm.scripts[address];
  },

  softmax,
  view,
  isSpectrogram,
  isGrid,
  cellOf,
  // What a modality is called, as the family has it: in the view's heading, one of them, and many.
  get seen() {
    return SEEN[hm.state.family];
  },
  get nouns() {
    return hm.state.family === "replica" ? NOUNS : { ...NOUNS, spectral: "spectrogram" };
  },
  get plurals() {
    return hm.state.family === "replica" ? PLURALS : { ...PLURALS, spectral: "spectrograms" };
  },
  make(tag, className, parent, text = "") {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text) node.textContent = text;
    parent?.append(node);
    return node;
  },
  icon(expert) {
    return `<svg viewBox="0 0 16 16" fill="currentColor" aria-hidden="true">${ICONS[expert.split(" ")[0]] ?? ICONS.ffn}</svg>`;
  },
  colour(expert) {
    return `var(--expert-${expert.replace(" ", "-")})`;
  },
  // An expert's icon, colour and name in a node: gives the function that sets them, and says whether they have changed.
  expertLabel(node) {
    const icon = hm.make("span", "hm-icon", node);
    const name = hm.make("span", "hm-name", node);
    return (expert) => {
      if (node.dataset.expert === expert) return false;
      node.dataset.expert = expert;
      node.style.setProperty("--colour", hm.colour(expert));
      icon.innerHTML = hm.icon(expert);
      name.textContent = hm.name(expert);
      return true;
    };
  },
  name(expert) {
    return expert.startsWith("ffn") ? expert.toUpperCase() : expert[0].toUpperCase() + expert.slice(1);
  },
  percent(fraction, decimals = 0) {
    return `${(100 * fraction).toFixed(decimals)}\u202f%`;
  },
  signed(number) {
    const text = Math.abs(number).toFixed(1);
    return text === "0.0" ? text : `${number < 0 ? "−" : "+"}${text}`;
  },
};
window.hm = hm;
