// What the three inputs share: examples, upload, drop and clear. `show(value, url)`, which each input's own script
// defines, displays a value; url is where the browser finds its file, if there is one.
// What is submitted carries the family that is to answer and the open experiment's variation of the kind. When one of
// them changes, it is submitted again, if its tab is open, or else when that is opened.
// Gradio gives: element, props, trigger, upload.

const part = (name) => element.querySelector(`[data-part="${name}"]`);
const exampleButtons = [...element.querySelectorAll(".hm-example")];
element.dataset.hideable = "input";
hm.examples[props.kind] = exampleButtons.map((button) => button.dataset.name);
let latest = 0; // number of the latest submission, so that a slow upload cannot overtake it
let held = props.value; // what the input holds: the latest value, without a variation
let variation; // that was submitted with it
let family = "frontier"; // likewise; the page is built with its answers
let sent = 0; // how often something was submitted: the answer repeats the number

function submit(value, url = null) {
  latest += 1;
  display(value, url);
  held = value;
  send();
}

function send() {
  variation = hm.state.variation?.[props.kind];
  family = hm.state.family;
  sent += 1;
  props.value = { ...held, ...(variation && { variation }), family, number: sent };
  trigger("input");
}

hm.on((state) => {
  if (state.tab !== props.kind) return;
  if (state.variation?.[props.kind] !== variation || state.family !== family) send();
});

function display(value, url) {
  hm.state.source = { ...hm.state.source, [props.kind]: value }; // told to the others with the answer to it
  for (const button of exampleButtons) button.setAttribute("aria-pressed", String(button.dataset.name === value?.example));
  show(value, url);
}

async function submitFile(file) {
  if (!file) return;
  if (file.size > props.max_megabytes * 1e6)
    return submit({ problem: `This file has more than ${props.max_megabytes} MB. Please use a smaller one.` });
  latest += 1;
  const mine = latest;
  try {
    const { path } = await upload(file);
    if (mine !== latest) return;
    submit({ file: { path, orig_name: file.name, meta: { _type: "gradio.FileData" } } }, previewUrl(file));
  } catch (error) {
    const [, reason] = /"detail": ?"(.+?)"/.exec(error.message) ?? []; // what the server says, if that can be reached
    if (mine === latest) submit({ problem: reason ?? "This file could not be sent to the server. Please try again." });
  }
}

let preview = null; // of the latest file

function previewUrl(file) {
  if (preview) URL.revokeObjectURL(preview);
  preview = file.size ? URL.createObjectURL(file) : null;
  return preview;
}

for (const button of exampleButtons)
  button.addEventListener("click", () => submit({ example: button.dataset.name }, button.dataset.url));

part("choose").addEventListener("click", () => part("file").click());
part("file").addEventListener("change", () => {
  submitFile(part("file").files[0]);
  part("file").value = ""; // so that choosing the same file again is a change too
});
part("clear").addEventListener("click", () => submit(null));

const surface = part("surface");
surface.addEventListener("dragover", (event) => {
  event.preventDefault();
  surface.classList.add("hm-over");
});
surface.addEventListener("dragleave", () => surface.classList.remove("hm-over"));
surface.addEventListener("drop", (event) => {
  event.preventDefault();
  surface.classList.remove("hm-over");
  submitFile(event.dataTransfer.files[0]);
});
