// Share: the link, the code of an iframe, a picture of the view, its numbers; and presenter mode.
// Gradio gives: element, props.

const part = (name) => element.querySelector(`[data-part="${name}"]`);
const popover = element.querySelector(".hm-share");
const NOT_IN_LINK = "Your own file or drawing cannot travel in a link: it opens with an example instead.";

function say(words) {
  part("said").textContent = words;
}

// Over plain http the browser offers no clipboard (except on this machine): then the text stands there, selected.
async function copy(text, done) {
  const { tab, source } = hm.state;
  const note = source[tab] && !source[tab].example ? ` ${NOT_IN_LINK}` : "";
  try {
    await navigator.clipboard.writeText(text);
    say(done + note);
  } catch {
    part("text").hidden = false;
    part("text").value = text;
    part("text").select();
    say(`Press Ctrl+C or ⌘C to copy it.${note}`);
  }
}

// A text as it is written between the double quotes of an HTML attribute.
const attribute = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

function save(blob, extension) {
  const link = hm.make("a");
  link.href = URL.createObjectURL(blob);
  link.download = `hetmoe-${hm.state.tab}.${extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  say(`Saved as ${link.download}.`);
}

function numbers() {
  const inputs = (hm.payload?.inputs ?? []).map((lane) => {
    const models = hm.configurations.map((configuration) => {
      const { order, answers, ...mixture } = hm.mix(lane, configuration);
      return [configuration, { ...lane.models[configuration], mixture: answers ? mixture : null }];
    });
    return { ...lane, models: Object.fromEntries(models) };
  });
  const numbers = { address: hm.address.link(), state: hm.state, inputs };
  return new Blob([JSON.stringify(numbers, null, 1)], { type: "application/json" });
}

part("link").addEventListener("click", () => copy(hm.address.link({ embed: false, present: false }), "Link copied."));
part("code").addEventListener("click", () => {
  const address = attribute(hm.address.link({ embed: true, present: false, tour: null }));
  const permissions = "microphone; camera; clipboard-read; clipboard-write";
  copy(`<iframe src="${address}" width="960" height="540" title="HetMoE" allow="${permissions}"></iframe>`, "Code copied.");
});
part("picture").addEventListener("click", async () => {
  say("Drawing …");
  try {
    save(await snapshot(props.library), "png");
  } catch {
    say("This browser could not draw the picture. Please take a screenshot instead.");
  }
});
part("numbers").addEventListener("click", () => save(numbers(), "json"));
part("present").addEventListener("click", () => {
  hm.set({ present: !hm.state.present });
  popover.hidePopover();
});
popover.addEventListener("beforetoggle", () => {
  part("text").hidden = true;
  say("");
});
popover.addEventListener("toggle", ({ newState }) => newState === "open" && part("link").focus());

hm.on(({ present }) => part("present").setAttribute("aria-pressed", String(present)));
hm.tell();
