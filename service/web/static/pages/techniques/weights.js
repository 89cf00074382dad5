// Pictures of what acts on weights: penalties, decay, constraints.
import { html } from "../../html.js";
import { axis, bars, chance, counted, curve, label, mean, normal, normals, percent, scale, short } from "./drawing.js";

const SPAN = [-1.6, 1.6];
const WEIGHTS = normals(600, 7).map((value) => value * 0.5);
const BINS = 41;
const LAMBDA = { name: "strength", label: "λ, times learning rate and steps", min: 0, max: 1, step: 0.02, value: 0.3 };

/** Weights before and after a map, and the map itself. */
function mapped(map, say) {
  const [left, right, bottom] = [20, 290, 180];
  const x = scale(...SPAN, left, right);
  const after = WEIGHTS.map(map);
  const zeros = after.filter((value) => value === 0).length;
  const before = counted(WEIGHTS, SPAN, BINS);
  const now = counted(after, SPAN, BINS);
  const most = Math.max(...before) * 2.4;
  const capped = now.map((n) => Math.min(n, most));
  const u = scale(...SPAN, 340, 460);
  const v = scale(...SPAN, 180, 60);
  return {
    svg: html`
      ${label(left, 18, "weights before and after")}
      ${bars(before, { left, right, bottom, height: 150, most, className: "before" })}
      ${bars(capped, { left, right, bottom, height: 150, most, className: "after" })}
      ${zeros > 0 && label(x(0) + 8, 40, `${zeros} at 0`, { className: "strong" })}
      ${axis(x, bottom, [-1, 0, 1], { left, right, title: "weight" })}
      ${label(340, 18, "what becomes of w")}
      <line class="axis" x1="340" x2="460" y1=${v(0)} y2=${v(0)} /><line class="axis" x1=${u(0)} x2=${u(0)} y1="60" y2="180" />
      ${curve((w) => w, SPAN, u, v, "faint")}${curve(map, SPAN, u, v, "line")}
      ${label(400, 211, "w", { anchor: "middle", className: "tick" })}`,
    words: say({ zeros, share: zeros / after.length, size: mean(after.map(Math.abs)) / mean(WEIGHTS.map(Math.abs)) }),
  };
}

const soft = (w, t) => Math.sign(w) * Math.max(Math.abs(w) - t, 0) || 0;

/** A matrix of weights as squares whose area is the weight. */
function matrix(rows, left, top, step) {
  return rows.map((row, i) => row.map((w, j) => {
    const side = Math.min(1, Math.abs(w)) ** 0.5 * (step - 3);
    return html`<rect class="cell" x=${left + j * step} y=${top + i * step} width=${step - 1} height=${step - 1} />
      ${side > 0 && html`<rect class=${w < 0 ? "minus" : "after"} x=${left + j * step + (step - 1 - side) / 2} y=${top + i * step + (step - 1 - side) / 2} width=${side} height=${side} />`}`;
  }));
}

export const weights = {
  l1: {
    sliders: [LAMBDA],
    draw: ({ strength }) => mapped((w) => soft(w, strength), ({ zeros, share }) => `Proximal steps move every weight by ${short(strength)} towards zero and stop there: ${zeros} of ${WEIGHTS.length} weights, ${percent(share)}, are exactly zero. Large weights lose as much as small ones.`),
  },
  l2: {
    sliders: [LAMBDA],
    draw: ({ strength }) => mapped((w) => w / (1 + 2 * strength), ({ size }) => `Every weight shrinks by the same factor, ${short(1 / (1 + 2 * strength))}: weights have ${percent(size)} of their size, and none is zero.`),
  },
  elastic_net: {
    sliders: [LAMBDA, { name: "ratio", label: "ρ, the share of L1", min: 0, max: 1, step: 0.05, value: 0.5 }],
    draw: ({ strength, ratio }) => mapped((w) => soft(w, strength * ratio) / (1 + 2 * strength * (1 - ratio)), ({ zeros, share, size }) => `Weights move by ${short(strength * ratio)} towards zero, then shrink by the factor ${short(1 / (1 + 2 * strength * (1 - ratio)))}: ${zeros} of ${WEIGHTS.length}, ${percent(share)}, are exactly zero, and the mean size is ${percent(size)} of what it was.`),
  },
  weight_decay: {
    sliders: [{ name: "strength", label: "λ, times learning rate", min: 0, max: 0.05, step: 0.001, value: 0.01 }, { name: "steps", label: "steps", min: 0, max: 200, step: 5, value: 50 }],
    draw: ({ strength, steps }) => mapped((w) => w * (1 - strength) ** steps, () => `Decoupled: each of ${steps} steps keeps ${short(100 - strength * 100, 1)} % of every weight, so that ${percent((1 - strength) ** steps)} is left where the gradient is 0. None is zero.`),
  },
  group_lasso: {
    sliders: [LAMBDA],
    draw: ({ strength }) => {
      const values = normals(60, 5);
      const groups = Array.from({ length: 10 }, (_, g) => Array.from({ length: 6 }, (__, i) => values[g * 6 + i] * (0.08 + 0.09 * ((g * 7) % 10))));
      const after = groups.map((group) => {
        const norm = Math.hypot(...group);
        const kept = Math.max(1 - (strength * Math.sqrt(6)) / norm, 0);
        return group.map((w) => w * kept);
      });
      const gone = after.filter((group) => group.every((w) => w === 0)).length;
      return {
        svg: html`${label(20, 18, "before: a row a feature")}${matrix(groups, 20, 28, 19)}
          ${label(250, 18, "after")}${matrix(after, 250, 28, 19)}
          ${after.map((group, g) => group.every((w) => w === 0) && label(372, 28 + g * 19 + 13, "unused", { className: "strong" }))}`,
        words: `The weights that leave one feature are a group, with one norm. ${gone} of 10 groups are zero as a whole: the network no longer sees these features; the others keep their proportions.`,
      };
    },
  },
  orthogonality: {
    sliders: [{ name: "steps", label: "steps of the penalty alone", min: 0, max: 120, step: 1, value: 15 }],
    draw: ({ steps }) => {
      let [a, b] = [[1.35, 0.35], [1.0, 0.75]];
      const start = [a, b];
      for (let step = 0; step < steps; step += 1) {
        const dot = a[0] * b[0] + a[1] * b[1];
        const [na, nb] = [a[0] ** 2 + a[1] ** 2 - 1, b[0] ** 2 + b[1] ** 2 - 1];
        const next = (u, v, n) => u.map((value, i) => value - 0.02 * 4 * (n * value + dot * v[i]));
        [a, b] = [next(a, b, na), next(b, a, nb)];
      }
      const [x, y] = [(value) => 240 + value * 72, (value) => 120 - value * 72];
      const arrow = (vector, className) => html`<line class=${className} x1=${x(0)} y1=${y(0)} x2=${x(vector[0])} y2=${y(vector[1])} /><circle class=${`${className}-end`} cx=${x(vector[0])} cy=${y(vector[1])} r="4" />`;
      const angle = (Math.acos((a[0] * b[0] + a[1] * b[1]) / Math.hypot(...a) / Math.hypot(...b)) * 180) / Math.PI;
      return {
        svg: html`<circle class="axis open" cx=${x(0)} cy=${y(0)} r="72" />${label(x(0), 212, "length 1", { anchor: "middle" })}
          ${start.map((vector) => arrow(vector, "faint"))}${arrow(a, "line")}${arrow(b, "second")}`,
        words: `The weights of two units, as arrows. After ${steps} steps they stand at ${Math.round(angle)}° to each other and are ${short(Math.hypot(...a))} and ${short(Math.hypot(...b))} long; they began at 22°, and end at 90° and length 1.`,
      };
    },
  },
  max_norm: {
    sliders: [{ name: "norm", label: "c, the largest norm", min: 0.5, max: 5, step: 0.1, value: 3 }],
    draw: ({ norm }) => {
      const random = chance(11);
      const vectors = Array.from({ length: 40 }, () => [normal(random) * 1.7, normal(random) * 1.7]);
      const [x, y] = [(value) => 240 + value * 21, (value) => 115 - value * 21];
      let moved = 0;
      const marks = vectors.map((vector) => {
        const size = Math.hypot(...vector);
        if (size <= norm) return html`<circle class="after" cx=${x(vector[0])} cy=${y(vector[1])} r="3.5" />`;
        moved += 1;
        const [u, v] = vector.map((value) => (value * norm) / size);
        return html`<line class="faint" x1=${x(vector[0])} y1=${y(vector[1])} x2=${x(u)} y2=${y(v)} /><circle class="open" cx=${x(vector[0])} cy=${y(vector[1])} r="3" /><circle class="minus" cx=${x(u)} cy=${y(v)} r="3.5" />`;
      });
      return {
        svg: html`<circle class="area" cx="240" cy="115" r=${norm * 21} />${marks}`,
        words: `Each point is the weights that enter one unit. ${moved} of 40 lay outside the circle of radius ${short(norm)} and were pulled back onto it; those inside stay as they are.`,
      };
    },
  },
};
