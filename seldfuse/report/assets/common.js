"use strict";
// What all pages share: their data, and plots in the colors of the page.

const page = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 800px)");
const coarse = matchMedia("(pointer: coarse)");
const plots = [];

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/* Plotly takes some tags in texts for markup, and entities for the signs they stand for. */
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function colorsOf(layout) {
  const axis = { gridcolor: color("line"), linecolor: color("line"), zerolinecolor: color("line") };
  const changes = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", "font.color": color("text") };
  for (const name of ["xaxis", "yaxis", "polar.angularaxis", "polar.radialaxis"]) {
    if (name.startsWith("polar") !== ("polar" in layout)) continue;
    for (const [key, value] of Object.entries(axis)) {
      if (!(key === "zerolinecolor" && name.startsWith("polar"))) changes[`${name}.${key}`] = value;
    }
  }
  if (layout.polar) changes["polar.bgcolor"] = "rgba(0,0,0,0)";
  changes["hoverlabel.bgcolor"] = color("raised");
  changes["hoverlabel.font.color"] = color("text");
  return changes;
}

function setPath(object, path, value) {
  const keys = path.split(".");
  const last = keys.pop();
  for (const key of keys) object = object[key] ??= {};
  object[last] = value;
}

async function draw(element, figure) {
  const layout = structuredClone(figure.layout);
  for (const [path, value] of Object.entries(colorsOf(layout))) setPath(layout, path, value);
  layout.font = { ...layout.font, family: "system-ui, sans-serif", size: 12 };
  layout.margin ??= { l: 8, r: 8, t: 10, b: 34 };
  if (layout.yaxis) layout.yaxis.automargin = true;
  layout.dragmode = coarse.matches ? false : layout.dragmode ?? "zoom";
  await Plotly.newPlot(element, figure.data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
  plots.push(element);
  return element;
}

dark.addEventListener("change", () => {
  for (const element of plots) Plotly.relayout(element, colorsOf(element.layout));
});
