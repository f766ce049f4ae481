// How the page is shown: embedded in another one, presented to the back row, with parts hidden; and dimmed, while what
// stands there is still the other family's.

const hiding = document.head.appendChild(document.createElement("style"));

hm.on(({ embed, present, hide }) => {
  const page = document.documentElement;
  page.classList.toggle("hm-outdated", hm.isStale);
  page.classList.toggle("hm-embed", embed);
  page.classList.toggle("hm-present", present);
  if (page.dataset.hide === hide.join(" ")) return;
  page.dataset.hide = hide.join(" ");
  hiding.textContent = hide.map((name) => `[data-hideable="${name}"] { display: none !important; }`).join("\n");
});
hm.tell();
