// Drawing with Plotly: its script is fetched when the first chart comes near the screen, and a chart is drawn when it
// comes near itself, then again, in place, when its width or the page's theme changes.

const NARROW = 640; // pixels: below, panels stand below one another

let plotly = null;

function loadPlotly() {
  plotly ??= new Promise((done, failed) => {
    const tag = document.createElement("script");
    tag.src = props.plotly;
    tag.onload = () => done(window.Plotly);
    tag.onerror = () => failed(new Error("The script that draws the figures could not be loaded."));
    document.head.append(tag);
  });
  return plotly;
}

// Figures are made for a light page.
function inTheme(value) {
  const text = JSON.stringify(value);
  const isDark = document.body.classList.contains("dark");
  return JSON.parse(isDark ? text.replace(/#[0-9a-f]{6}/g, (colour) => props.on_dark[colour] ?? colour) : text);
}

function layoutFor({ figure, narrow }, width) {
  const colour = (name) => getComputedStyle(document.body).getPropertyValue(`--hm-${name}`);
  const layout = inTheme(width < NARROW ? narrow : figure.layout);
  const size = width < NARROW ? 12 : 14;
  const axis = { title: { font: { size, color: colour("quiet") } }, tickfont: { color: colour("quiet") } };
  return {
    ...layout,
    width,
    uirevision: "kept", // zoom and hidden traces outlive a redraw
    template: { layout: { xaxis: axis, yaxis: axis, polar: { radialaxis: axis } } },
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", // a finger scrolls the page
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: getComputedStyle(element).fontFamily, size, color: colour("ink") },
    legend: { ...layout.legend, itemsizing: "constant" },
    hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("rule"), font: { color: colour("ink"), size: 14 } },
  };
}

// Draws a figure of the evidence file into a node whenever it is, or comes, near the screen.
function plot(node, entry) {
  node.style.minHeight = `${(element.clientWidth < NARROW ? entry.narrow : entry.figure.layout).height}px`;
  let isNear = false;
  let drawn = "";
  async function draw() {
    const width = Math.floor(node.clientWidth);
    if (!isNear || !width) return;
    try {
      const Plotly = await loadPlotly();
      const state = `${width} ${document.body.className}`;
      if (state === drawn) return;
      drawn = state;
      const layout = layoutFor(entry, width);
      node.style.minHeight = `${layout.height}px`;
      await Plotly.react(node, inTheme(entry.figure.data), layout, { displayModeBar: false });
    } catch (error) {
      node.textContent = `${error.message} The numbers stand below.`;
    }
  }
  new IntersectionObserver(([{ isIntersecting }]) => ((isNear = isIntersecting), draw()), { rootMargin: "600px" }).observe(node);
  new ResizeObserver(draw).observe(node);
  new MutationObserver(draw).observe(document.body, { attributeFilter: ["class"] });
}
