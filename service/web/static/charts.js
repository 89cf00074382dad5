// Pictures: configurations as `/v1/jobs/{id}/chart` answers them, drawn by Chart.js in the colours of
// the page.
import { html, useEffect, useRef } from "./html.js";

let library = null;

/** Chart.js, once a page draws something. */
export async function chartjs() {
  library ??= import("./vendor/chartjs/chart.umd.min.js").then(() => globalThis.Chart);
  return library;
}

// The service's colours stand out from white by 3:1. On dark ground each line takes the light twin
// of its hue, in which they still differ for all eyes (tests/unit/service/charts/test_palette.py);
// what lies in cells stays as it is.
const LIGHT = {
  "#0047AB": "#9EA8FF", "#A63603": "#FF8A57", "#1B7A55": "#018163", "#CC8400": "#FFD41D",
  "#B5409F": "#AA4DA2", "#2498DC": "#00D5E8", "#000000": "#F2F2EC", "#6B6B6B": "#8A8E9A",
};
const TWINS = Object.fromEntries(Object.entries(LIGHT).map(([dark, light]) => [dark.toLowerCase(), light]));

function rgb(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}
const BY_RGB = Object.fromEntries(Object.entries(TWINS).map(([dark, light]) => [rgb(dark).join(), rgb(light)]));

/** The colour as the theme shows it. */
export function shown(colour, dark = document.documentElement.dataset.theme === "dark") {
  if (!dark || typeof colour !== "string") return colour;
  const opaque = /^rgba?\(([^)]+)\)$/.exec(colour);
  if (opaque) {
    const [r, g, b, a = "1"] = opaque[1].split(",").map((part) => part.trim());
    const twin = BY_RGB[[r, g, b].join()];
    // Bands need more of it on dark ground; bars have an edge.
    return twin ? `rgba(${twin.join(", ")}, ${a < 0.5 ? a * 1.4 : a})` : colour;
  }
  return TWINS[colour.toLowerCase()] || colour;
}

export const PALETTE = ["#0047AB", "#A63603", "#1B7A55", "#CC8400", "#B5409F", "#2498DC", "#000000"];

/** Whether a scale's title is written along the left edge. */
const upright = (name, scale) => name === "y" || scale.position === "left" || scale.axis === "y";

/** How much of the height a scale has, where several stand on each other. */
function share(scale, scales) {
  const all = Object.values(scales).filter((other) => other.stack && other.stack === scale.stack);
  return scale.stack ? (scale.stackWeight || 1) / all.reduce((sum, other) => sum + (other.stackWeight || 1), 0) : 1;
}

/** A text in lines that are about so many pixels long: Chart.js cuts off what is longer. */
function inLines(text, pixels) {
  const lines = [];
  for (const word of [text || ""].flat().join(" ").split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && longer.length * 6 <= pixels) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.length > 1 ? lines : lines[0];
}

function themed(configuration, height) {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  const dark = document.documentElement.dataset.theme === "dark";
  const copy = structuredClone(configuration);
  const cells = copy.type === "bar" && copy.options?.plugins?.tooltip?.enabled === false;
  for (const set of copy.data.datasets) {
    if (cells && set.type === "bar") continue;
    for (const part of ["borderColor", "backgroundColor", "pointBackgroundColor", "pointBorderColor"]) {
      if (set[part]) set[part] = Array.isArray(set[part]) ? set[part].map((c) => shown(c, dark)) : shown(set[part], dark);
    }
  }
  const options = (copy.options ||= {});
  options.responsive = true;
  options.maintainAspectRatio = false;
  options.animation = false;
  options.color = of("--text");
  options.borderColor = of("--line");
  for (const [name, scale] of Object.entries(options.scales || {})) {
    scale.ticks = { color: of("--soft"), ...scale.ticks };
    scale.grid = { color: of("--line"), ...scale.grid };
    scale.border = { color: of("--edge"), ...scale.border };
    if (scale.title) scale.title = { color: of("--soft"), ...scale.title, text: upright(name, scale) ? inLines(scale.title.text, (height - 130) * share(scale, options.scales)) : scale.title.text };
  }
  const plugins = (options.plugins ||= {});
  // The title is the card's.
  if (plugins.title) plugins.title.display = false;
  if (plugins.subtitle) {
    const note = [plugins.subtitle.text || []].flat().join(" ");
    plugins.subtitle = { ...plugins.subtitle, display: false, note };
  }
  plugins.legend = { ...plugins.legend, labels: { color: of("--text"), usePointStyle: true, boxHeight: 8, ...plugins.legend?.labels } };
  return copy;
}

/** The note under a picture's title, which the page writes as text. */
export function noteOf(configuration) {
  return [configuration?.options?.plugins?.subtitle?.text || []].flat().join(" ");
}

/**
 * A picture. `configuration` is one of Chart.js; `label` says in words what it shows, for whoever
 * cannot see it. `live` keeps the chart and changes its data, so that what moves does not flash.
 */
export function Chart({ configuration, label, height = 320, live = false }) {
  const canvas = useRef(null);
  const chart = useRef(null);
  useEffect(() => {
    let gone = false;
    const draw = async () => {
      const Library = await chartjs();
      if (gone || !canvas.current) return;
      const made = themed(configuration, height);
      if (chart.current && live) {
        chart.current.data = made.data;
        chart.current.options = made.options;
        chart.current.update("none");
        return;
      }
      chart.current?.destroy();
      chart.current = new Library(canvas.current, made);
    };
    draw();
    document.addEventListener("theme", draw);
    return () => {
      gone = true;
      document.removeEventListener("theme", draw);
    };
  }, [configuration, live, height]);
  useEffect(() => () => chart.current?.destroy(), []);
  return html`<div class="chart" style=${{ height: `${height}px` }}><canvas ref=${canvas} role="img" aria-label=${label}></canvas></div>`;
}
