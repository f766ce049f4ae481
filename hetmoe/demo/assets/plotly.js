// Plotly, loaded when the first component draws.
// Gradio gives: props, with the script's address at `plotly`.

async function loadPlotly() {
  await hm.loadScript(props.plotly);
  return window.Plotly;
}
