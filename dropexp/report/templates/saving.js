"use strict";
// Saves a chart as a picture: white, with its title, and without the settings that are hidden.
const saveChart = async (page, panel, kind, hidden) => {
  const WIDTH = 880; // pixels, as in compare --plot
  const PNG_SCALE = 3;
  const spec = {
    ...panel.spec,
    width: WIDTH,
    autosize: { type: "fit-x", contains: "padding" },
    padding: 16,
    title: { text: panel.title, subtitle: panel.subtitle },
  };
  const config = { ...page.config, background: "white" };
  const options = { mode: "vega-lite", renderer: "svg", actions: false, config };
  const { view } = await vegaEmbed(document.createElement("div"), spec, options);
  if (panel.toggles) view.signal(page.hidden, hidden);
  await view.runAsync();
  const name = `${panel.name}.${kind}`;
  let blob;
  if (kind === "svg") {
    blob = new Blob([await view.toSVG()], { type: "image/svg+xml" });
  } else {
    const canvas = await view.toCanvas(PNG_SCALE);
    blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  }
  view.finalize();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};
