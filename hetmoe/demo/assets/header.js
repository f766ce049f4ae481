// The header: which family's models answer and which configuration, and the theme.
// Gradio gives: element, props.

const RECIPES = {
  frontier: "our own encodings and training",
  replica: "the paper’s encodings and training",
};
const part = (name) => element.querySelector(`[data-part="${name}"]`);
const capital = (text) => text[0].toUpperCase() + text.slice(1);

// A strip of radio buttons for a part of the state, which starts the experts and the question why afresh.
function strip(node, name, values) {
  const radios = values.map((value) => {
    const label = hm.make("label", "", node);
    const radio = hm.make("input", "", label);
    Object.assign(radio, { type: "radio", name: `hm-${name}`, value });
    radio.addEventListener("change", () => hm.set({ [name]: value, shares: {}, chosen: {} }));
    hm.make("span", "", label, capital(value));
    return radio;
  });
  return (state) => radios.forEach((radio) => (radio.checked = radio.value === state[name]));
}

const strips = [
  strip(part("families"), "family", hm.families),
  strip(part("configurations"), "configuration", hm.configurations),
];

// What the family is, and how often this configuration is right in it and in the other one.
function familyInWords({ family, configuration }) {
  const other = hm.families.find((one) => one !== family);
  const [here, there] = [family, other].map((one) => hm.percent(props.facts[one][configuration].accuracy, 1));
  return `${capital(family)}: ${RECIPES[family]}. ${capital(configuration)}: ${here} test accuracy, as ${other} ${there}.`;
}

part("theme").addEventListener("click", () => hm.set({ theme: hm.isDark() ? "light" : "dark" }));

hm.on((state) => {
  const { theme } = state;
  for (const update of strips) update(state);
  part("family").textContent = familyInWords(state);
  if (theme) document.body.classList.toggle("dark", theme === "dark");
  part("theme").textContent = hm.isDark() ? "Light" : "Dark";
});
hm.tell();
