// Plotly's script, loaded once for all components when the first of them draws.
// Gradio gives: props, with the script's address at `plotly`.

function loadPlotly() {
  hm.plotly ??= new Promise((done, failed) => {
    const tag = document.createElement("script");
    tag.src = props.plotly;
    tag.onload = () => done(window.Plotly);
    tag.onerror = () => failed(new Error("The script that draws the figures could not be loaded."));
    document.head.append(tag);
  });
  return hm.plotly;
}
