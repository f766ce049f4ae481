// The header: which configuration answers, and the theme.
// Gradio gives: element.

const part = (name) => element.querySelector(`[data-part="${name}"]`);

const radios = hm.configurations.map((configuration) => {
  const label = hm.make("label", "", part("configurations"));
  const radio = hm.make("input", "", label);
  Object.assign(radio, { type: "radio", name: "hm-configuration", value: configuration });
  radio.addEventListener("change", () => hm.set({ configuration, shares: {}, chosen: {} }));
  hm.make("span", "", label, configuration[0].toUpperCase() + configuration.slice(1));
  return radio;
});

part("theme").addEventListener("click", () => hm.set({ theme: hm.isDark() ? "light" : "dark" }));

hm.on(({ configuration, theme }) => {
  for (const radio of radios) radio.checked = radio.value === configuration;
  if (theme) document.body.classList.toggle("dark", theme === "dark");
  part("theme").textContent = hm.isDark() ? "Light" : "Dark";
});
hm.tell();
