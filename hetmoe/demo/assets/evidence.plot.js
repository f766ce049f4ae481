// Drawing with Plotly. A chart is drawn when it comes near the screen, then again, in place, when its width or the
// page's theme changes.

const NARROW = 640; // pixels: below, panels stand below one another
const LEGEND_LINE = 19; // pixels

// Figures are made for a light page.
function inTheme(value) {
  const text = JSON.stringify(value);
  const isDark = document.body.classList.contains("dark");
  return JSON.parse(isDark ? text.replace(/#[0-9a-f]{6}/g, (colour) => props.on_dark[colour] ?? colour) : text);
}

function layoutFor({ figure, narrow }, width) {
  const colour = (name) => getComputedStyle(document.body).getPropertyValue(`--hm-${name}`);
  const isNarrow = width < NARROW;
  const layout = inTheme(isNarrow ? narrow : figure.layout);
  const size = isNarrow ? 12 : 14;
  const axis = { title: { font: { size, color: colour("quiet") } }, tickfont: { color: colour("quiet") } };
  const entries = layout.showlegend ? figure.data.filter((trace) => trace.showlegend !== false).length : 0;
  return {
    ...layout,
    width,
    height: layout.height + (isNarrow ? LEGEND_LINE * Math.max(0, entries - 4) : 0), // there, entries stand in a column
    legend: { ...layout.legend, xref: "container", maxheight: 1 },
    uirevision: "kept", // zoom and hidden traces outlive a redraw
    template: { layout: { xaxis: axis, yaxis: axis, polar: { radialaxis: axis } } },
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", // a finger scrolls the page
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: getComputedStyle(element).fontFamily, size, color: colour("ink") },
    hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("rule"), font: { color: colour("ink"), size: 14 } },
  };
}

let queue = Promise.resolve();

// One task a frame, so that the first chart is seen before the next is computed.
function inTurn(task) {
  queue = queue.then(() => new Promise(requestAnimationFrame)).then(task);
}

// Draws a figure of the evidence file into a node whenever it is, or comes, near the screen.
function plot(node, entry) {
  node.style.minHeight = `${(element.clientWidth < NARROW ? entry.narrow : entry.figure.layout).height}px`;
  let isNear = false;
  let drawn = "";
  async function draw() {
    const width = Math.floor(node.clientWidth);
    const state = `${width} ${document.body.className}`;
    if (!isNear || !width || state === drawn) return;
    try {
      const Plotly = await loadPlotly();
      drawn = state;
      const layout = layoutFor(entry, width);
      node.style.minHeight = `${layout.height}px`;
      await Plotly.react(node, inTheme(entry.figure.data), layout, { displayModeBar: false });
    } catch (error) {
      node.textContent = `${error.message} The numbers stand below.`;
    }
  }
  const approach = (changes) => {
    isNear = changes.at(-1).isIntersecting; // the latest of those since the last call
    inTurn(draw);
  };
  new IntersectionObserver(approach, { rootMargin: "600px" }).observe(node);
  new ResizeObserver(() => inTurn(draw)).observe(node);
  new MutationObserver(() => inTurn(draw)).observe(document.body, { attributeFilter: ["class"] });
}
