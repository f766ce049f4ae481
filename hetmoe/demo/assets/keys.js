// Keys: 1–4 mute an expert, with shift they solo it, 0 gives the router its say again.

document.addEventListener("keydown", (event) => {
  const number = /^(?:Digit|Numpad)([0-4])$/.exec(event.code)?.[1];
  const isTyping = event.target.closest?.("input:not([type=range], [type=radio], [type=checkbox]), textarea, select, [contenteditable]");
  if (!number || isTyping || event.ctrlKey || event.altKey || event.metaKey || !hm.payload) return;
  const { experts } = hm.payload.inputs[0].models[hm.state.configuration];
  const expert = experts[number - 1];
  if (number === "0") hm.set(hm.untouched);
  else if (event.shiftKey) hm.solo(expert, experts);
  else hm.mute(expert);
  event.preventDefault();
});
