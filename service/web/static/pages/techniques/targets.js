// Pictures of what acts on targets and answers.
import { html } from "../../html.js";
import { axis, curve, label, percent, scale, short } from "./drawing.js";

/** Bars with names, from 0 to `most`. */
function columns(items, most, { left = 40, right = 440, bottom = 185, height = 150 } = {}) {
  const step = (right - left) / items.length;
  return html`<line class="axis" x1=${left} x2=${right} y1=${bottom} y2=${bottom} />${items.map(({ name, value, was, text, className = "after" }, place) => {
    const x = left + place * step + step * 0.18;
    const width = step * 0.64;
    return html`${was !== undefined && html`<rect class="before" x=${x} width=${width} y=${bottom - (was / most) * height} height=${(was / most) * height} />`}
      <rect class=${className} x=${x} width=${width} y=${bottom - (value / most) * height} height=${(value / most) * height} />
      ${label(x + width / 2, bottom - (Math.max(value, was ?? 0) / most) * height - 6, text, { anchor: "middle", className: "strong" })}${label(x + width / 2, bottom + 16, name, { anchor: "middle", className: "tick" })}`;
  })}`;
}

const entropy = (p) => -(p * Math.log(p) + (1 - p) * Math.log(1 - p));

export const targets = {
  label_smoothing: {
    sliders: [{ name: "s", label: "s, the smoothing", min: 0, max: 0.9, step: 0.05, value: 0.1 }],
    draw: ({ s }) => {
      const classes = ["cat", "dog", "owl", "fox"];
      const value = (place) => (place === 1 ? 1 - s : 0) + s / classes.length;
      return {
        svg: columns(classes.map((name, place) => ({ name, value: value(place), was: place === 1 ? 1 : 0, text: short(value(place), 3) })), 1),
        words: `The row is a dog. Its target asks for ${short(value(1), 3)} instead of 1, and for ${short(value(0), 3)} of each other class instead of 0.`,
      };
    },
  },
  class_weights: {
    sliders: [{ name: "share", label: "share of the rare class", min: 0.02, max: 0.5, step: 0.02, value: 0.1, show: percent }],
    draw: ({ share }) => {
      const weight = (own) => 1 / (2 * own);
      return {
        svg: html`${label(40, 18, "rows")}${columns([{ name: "common", value: 1 - share, text: percent(1 - share), className: "before" }, { name: "rare", value: share, text: percent(share), className: "before" }], 1, { right: 160, height: 140 })}
          ${label(190, 18, "weight of a row")}${columns([{ name: "common", value: Math.min(weight(1 - share), 8), text: short(weight(1 - share)) }, { name: "rare", value: Math.min(weight(share), 8), text: short(weight(share)) }], 8, { left: 190, right: 310, height: 140 })}
          ${label(340, 18, "in the loss")}${columns([{ name: "common", value: 0.5, text: "50 %" }, { name: "rare", value: 0.5, text: "50 %" }], 1, { left: 340, right: 460, height: 140 })}`,
        words: `Balanced: ${percent(share)} of the rows are of the rare class. A row of it counts ${short(weight(share))} times, one of the common class ${short(weight(1 - share))} times, so that both classes weigh the same.`,
      };
    },
  },
  confidence_penalty: {
    sliders: [{ name: "strength", label: "λ", min: 0, max: 1, step: 0.05, value: 0.3 }],
    draw: ({ strength }) => {
      const span = [0.01, 0.9999];
      const loss = (p) => -Math.log(p) - strength * entropy(p);
      let best = span[1];
      for (let p = span[0]; p < span[1]; p += 0.0005) if (loss(p) < loss(best)) best = p;
      const x = scale(0, 1, 40, 450);
      const y = scale(-0.6, 2.5, 190, 20);
      const clipped = (of) => (p) => Math.min(2.5, of(p));
      return {
        svg: html`${axis(x, 190, [0, 0.25, 0.5, 0.75, 1], { left: 40, right: 450, title: "probability of the true class" })}
          ${curve(clipped((p) => -Math.log(p)), span, x, y, "faint")}${curve(clipped(loss), span, x, y, "line")}
          <circle class="second-end" cx=${x(best)} cy=${y(loss(best))} r="5" />${label(x(best) - 8, y(loss(best)) - 10, `best at ${short(best)}`, { anchor: "end", className: "strong" })}`,
        words: `The loss of a row with the penalty, and without it (faint). Without it certainty is best; with λ = ${short(strength)} the loss is least at a probability of ${short(best)}.`,
      };
    },
  },
  jacobian: {
    sliders: [{ name: "strength", label: "λ", min: 0, max: 2, step: 0.05, value: 0.4 }],
    draw: ({ strength }) => {
      const steep = 3 / (1 + strength * 2.5);
      const x = scale(-2, 2, 40, 450);
      const y = scale(-1.3, 1.3, 190, 20);
      return {
        svg: html`${axis(x, 190, [-2, -1, 0, 1, 2], { left: 40, right: 450, title: "input x" })}
          ${curve((u) => Math.tanh(3 * u), [-2, 2], x, y, "faint")}${curve((u) => Math.tanh(steep * u), [-2, 2], x, y, "line")}
          ${curve((u) => steep * u, [-1 / steep, 1 / steep], x, y, "second")}
          ${label(60, 36, `largest slope ${short(steep)}`, { className: "strong" })}`,
        words: `A sketch: the score by one input, without the penalty (faint) and with it. The steepest slope falls from 3 to ${short(steep)}, so that a small change of the input moves the score less.`,
      };
    },
  },
};
