// Pictures of what acts on units and layers: dropout in all forms, normalization, noise.
import { html } from "../../html.js";
import { axis, bars, chance, counted, deviation, label, mean, normal, normals, percent, scale, short } from "./drawing.js";

const P = (value, max = 0.9) => ({ name: "p", label: "p, the probability of dropping", min: 0, max, step: 0.05, value });

const LAYERS = [4, 8, 8, 2];
const at = (layer, unit) => [60 + layer * 120, 115 + (unit - (LAYERS[layer] - 1) / 2) * 25];

/** A network; `alive(layer, unit)` and `joined(layer, from, to)` say what is there. */
function network(alive, joined) {
  const lines = [];
  const circles = [];
  LAYERS.forEach((size, layer) => {
    for (let unit = 0; unit < size; unit += 1) {
      const [x, y] = at(layer, unit);
      if (layer + 1 < LAYERS.length && alive(layer, unit)) {
        for (let next = 0; next < LAYERS[layer + 1]; next += 1) {
          if (!alive(layer + 1, next) || !joined(layer, unit, next)) continue;
          const [u, v] = at(layer + 1, next);
          lines.push(`M${x} ${y}L${u} ${v}`);
        }
      }
      circles.push(alive(layer, unit) ? html`<circle class="after" cx=${x} cy=${y} r="8" />`
        : html`<circle class="open" cx=${x} cy=${y} r="8" /><path class="cross" d="M${x - 4} ${y - 4}l8 8m0 -8l-8 8" />`);
    }
  });
  return html`<path class="wire" d=${lines.join("")} />${circles}
    ${["input", "hidden", "hidden", "output"].map((name, layer) => label(60 + layer * 120, 228, name, { anchor: "middle", className: "tick" }))}`;
}

function dropped(layers, p, seed) {
  const random = chance(seed);
  return LAYERS.map((size, layer) => Array.from({ length: size }, () => layers.includes(layer) && random() < p));
}

const BLOCKS = 6;

/** A chain of residual blocks, each with what is written in it and how strong it is. */
function chain(blocks) {
  const step = 74;
  return html`${blocks.map(({ text, strength, note }, place) => {
    const x = 22 + place * step;
    return html`<path class="wire thick" d="M${x} 150h${step}" /><path class=${strength ? "wire thick" : "wire off"} d="M${x + 6} 150v-66h14m34 0h14v66" />
      <rect class="back" x=${x + 18} y="62" width="40" height="44" rx="5" /><rect class=${strength ? "box" : "box off"} x=${x + 18} y="62" width="40" height="44" rx="5" fill-opacity=${Math.min(1, Math.abs(strength))} />
      ${label(x + 38, 54, text, { anchor: "middle", className: "strong" })}${label(x + 37, 178, note, { anchor: "middle", className: "tick" })}`;
  })}${label(22, 205, "h passes below; the branches F(h) above are added to it")}`;
}

/** A distribution before and after. */
function spread(before, after, span, say) {
  const [left, right, bottom] = [20, 460, 180];
  const x = scale(...span, left, right);
  const [a, b] = [counted(before, span, 48), counted(after, span, 48)];
  const most = Math.max(...a) * 1.8;
  return {
    svg: html`${label(left, 18, "activations before and after")}
      ${bars(a, { left, right, bottom, height: 150, most, className: "before" })}
      ${bars(b.map((n) => Math.min(n, most)), { left, right, bottom, height: 150, most, className: "after" })}
      ${axis(x, bottom, [-4, -2, 0, 2, 4], { left, right, title: "activation" })}`,
    words: say,
  };
}

const SELU = { lambda: 1.0507009873554805, alpha: 1.6732632423543772 };

/** A matrix of activations as cells from minus (one colour) to plus (another). */
function heat(rows, left, top, title) {
  const step = 30;
  return html`${label(left, top - 10, title)}${rows.map((row, i) => row.map((value, j) => html`<rect class="cell" x=${left + j * step} y=${top + i * step} width=${step - 2} height=${step - 2} />
    <rect class=${value < 0 ? "minus" : "after"} x=${left + j * step} y=${top + i * step} width=${step - 2} height=${step - 2} fill-opacity=${Math.min(1, Math.abs(value) / 2.2).toFixed(2)} />`))}`;
}

function activations(spread_) {
  const values = normals(30, 3);
  const shifts = [1.6, -1.2, 0.2, 2.2, -0.6, 0.9];
  return Array.from({ length: 5 }, (_, row) => shifts.map((shift, unit) => values[row * 6 + unit] * (1 + spread_ * (unit % 3) * 0.5) + shift * spread_));
}

const standard = (values) => {
  const [centre, size] = [mean(values), Math.sqrt(deviation(values) ** 2 + 1e-5)];
  return values.map((value) => (value - centre) / size);
};
const turned = (rows) => rows[0].map((_, j) => rows.map((row) => row[j]));

function normalization(by, say) {
  return {
    sliders: [{ name: "spread", label: "how different the units are", min: 0, max: 1.5, step: 0.1, value: 0.8 }],
    draw: ({ spread: amount }) => {
      const before = activations(amount);
      const after = by === "columns" ? turned(turned(before).map(standard)) : before.map(standard);
      return {
        svg: html`${heat(before, 30, 50, "before")}${heat(after, 262, 50, "after")}
          ${label(120, 222, "6 units", { anchor: "middle", className: "tick" })}${label(352, 222, "6 units", { anchor: "middle", className: "tick" })}
          ${label(238, 128, "→", { anchor: "middle", className: "strong" })}`,
        words: say(before, after),
      };
    },
  };
}

export const units = {
  dropout: {
    drawn: true,
    sliders: [P(0.5), { name: "input", label: "input_p, at the input", min: 0, max: 0.9, step: 0.05, value: 0 }],
    draw: ({ p, input }, seed) => {
      const hidden = dropped([1, 2], p, seed);
      const inputs = dropped([0], input, seed + 1000);
      const gone = (layer, unit) => (layer === 0 ? inputs : hidden)[layer][unit];
      const n = hidden.flat().filter(Boolean).length;
      const m = inputs.flat().filter(Boolean).length;
      return {
        svg: network((layer, unit) => !gone(layer, unit), () => true),
        words: `${n} of 16 hidden units${m ? ` and ${m} of 4 inputs` : ""} are dropped in this step; what the other hidden units say is multiplied by ${short(1 / (1 - p))}. The next batch has other masks; in eval mode nothing is dropped.`,
      };
    },
  },
  spatial_dropout: {
    drawn: true,
    sliders: [P(0.2)],
    draw: ({ p }, seed) => {
      const random = chance(seed);
      const maps = Array.from({ length: 8 }, () => random() < p);
      const size = 88;
      return {
        svg: maps.map((gone, n) => {
          const [left, top] = [30 + (n % 4) * 110, 12 + Math.floor(n / 4) * 106];
          const cells = Array.from({ length: 36 }, (_, k) => [k % 6, Math.floor(k / 6), 0.5 + 0.5 * Math.sin((k % 6) * (0.5 + n * 0.23) + Math.floor(k / 6) * (1.3 - n * 0.19) + n)]);
          return gone ? html`<rect class="open" x=${left} y=${top} width=${size} height=${size} rx="4" /><path class="cross" d="M${left + 30} ${top + 30}l28 28m0 -28l-28 28" />`
            : html`<rect class="frame" x=${left} y=${top} width=${size} height=${size} />${cells.map(([i, j, value]) => html`<rect class="after" x=${left + i * 14.6} y=${top + j * 14.6} width="14.6" height="14.6" fill-opacity=${value.toFixed(2)} />`)}`;
        }),
        words: `${maps.filter(Boolean).length} of 8 feature maps are dropped whole; the others are multiplied by ${short(1 / (1 - p))}.`,
      };
    },
  },
  alpha_dropout: {
    sliders: [P(0.1, 0.6)],
    draw: ({ p }) => {
      const before = normals(1500, 21);
      const random = chance(22);
      const [q, low] = [1 - p, -SELU.lambda * SELU.alpha];
      const a = (q + low * low * q * p) ** -0.5;
      const b = -a * p * low;
      const after = before.map((h) => a * (random() < p ? low : h) + b);
      return spread(before, after, [-4.5, 4.5], `A share of ${percent(p)} is set to one low value, and all are scaled and shifted: mean ${short(mean(before))} and deviation ${short(deviation(before))} before, ${short(mean(after))} and ${short(deviation(after))} after.`);
    },
  },
  drop_connect: {
    drawn: true,
    sliders: [P(0.5)],
    draw: ({ p }, seed) => {
      const random = chance(seed);
      let [gone, all] = [0, 0];
      const svg = network(() => true, () => {
        all += 1;
        const drop = random() < p;
        if (drop) gone += 1;
        return !drop;
      });
      return { svg, words: `${gone} of ${all} weights are dropped in this step, and all units stay; the other weights are multiplied by ${short(1 / (1 - p))}.` };
    },
  },
  stochastic_depth: {
    drawn: true,
    sliders: [{ ...P(0.5), label: "p, of the last branch" }],
    draw: ({ p }, seed) => {
      const random = chance(seed);
      const blocks = Array.from({ length: BLOCKS }, (_, place) => {
        const own = (p * (place + 1)) / BLOCKS;
        const there = random() >= own;
        return { text: there ? `×${short(1 / (1 - own))}` : "skipped", strength: there ? 1 : 0, note: `p ${short(own)}` };
      });
      return { svg: chain(blocks), words: `For this row ${blocks.filter((one) => one.strength).length} of ${BLOCKS} branches are there. Earlier branches are skipped less often than later ones; in eval mode all are there.` };
    },
  },
  shake_drop: {
    drawn: true,
    sliders: [{ ...P(0.5), label: "p, of the last branch" }],
    draw: ({ p }, seed) => {
      const random = chance(seed);
      const blocks = Array.from({ length: BLOCKS }, (_, place) => {
        const own = (p * (place + 1)) / BLOCKS;
        const [keep, alpha] = [random() >= own, random() * 2 - 1];
        const factor = keep ? 1 : alpha;
        return { text: `×${short(factor)}`, strength: factor, note: `p ${short(own)}` };
      });
      return { svg: chain(blocks), words: `For this row ${blocks.filter((one) => one.text !== "×1").length} of ${BLOCKS} branches are shaken: multiplied by a number from −1 to 1, drawn anew in the backward pass. In eval mode each has its mean, 1 − p.` };
    },
  },
  shake_shake: {
    sliders: [{ name: "alpha", label: "α, drawn anew for each row and pass", min: 0, max: 1, step: 0.05, value: 0.3 }],
    draw: ({ alpha }) => ({
      svg: html`<path class="wire thick" d="M40 115H440" /><path class="wire thick" d="M90 115V55H180M270 55H370V115M90 115V175H180M270 175H370V115" />
        <rect class="back" x="180" y="30" width="90" height="50" /><rect class="back" x="180" y="150" width="90" height="50" /><rect class="box" x="180" y="30" width="90" height="50" rx="6" fill-opacity=${alpha} /><rect class="box" x="180" y="150" width="90" height="50" rx="6" fill-opacity=${1 - alpha} />
        ${label(225, 22, "F₁", { anchor: "middle", className: "strong" })}${label(225, 142, "F₂", { anchor: "middle", className: "strong" })}
        ${label(300, 46, `×${short(alpha)}`, { className: "strong" })}${label(300, 196, `×${short(1 - alpha)}`, { className: "strong" })}${label(60, 108, "h", { className: "strong" })}`,
      words: `In this pass the first branch counts ${percent(alpha)} and the second ${percent(1 - alpha)}. In eval mode both count one half.`,
    }),
  },
  batch_norm: normalization("columns", (before, after) => `Each column, a unit over the rows of the batch, is brought to mean 0 and deviation 1. Unit 1 had mean ${short(mean(turned(before)[0]))} and deviation ${short(deviation(turned(before)[0]))}, and has ${short(mean(turned(after)[0]))} and ${short(deviation(turned(after)[0]))} now. A row depends on the rows beside it, in training only.`),
  layer_norm: normalization("rows", (before, after) => `Each row is brought to mean 0 and deviation 1 over its units. Row 1 had mean ${short(mean(before[0]))} and deviation ${short(deviation(before[0]))}, and has ${short(mean(after[0]))} and ${short(deviation(after[0]))} now. No row depends on another.`),
  noise: {
    drawn: true,
    sliders: [{ name: "sigma", label: "σ, in deviations of the input", min: 0, max: 1, step: 0.05, value: 0.2 }],
    draw: ({ sigma }, seed) => {
      const random = chance(5);
      const moved = chance(seed + 50);
      const [x, y] = [(value) => 240 + value * 62, (value) => 115 - value * 40];
      const points = Array.from({ length: 60 }, (_, n) => [normal(random) * 0.55 + (n % 2 ? 1.2 : -1.2), normal(random) * 0.9, n % 2]);
      return {
        svg: points.map(([u, v, side]) => {
          const [a, b] = [u + sigma * normal(moved), v + sigma * normal(moved)];
          return html`<line class="faint" x1=${x(u)} y1=${y(v)} x2=${x(a)} y2=${y(b)} /><circle class="open" cx=${x(u)} cy=${y(v)} r="3" />${side ? html`<circle class="after" cx=${x(a)} cy=${y(b)} r="3.5" />` : html`<rect class="minus" x=${x(a) - 3} y=${y(b) - 3} width="6" height="6" />`}`;
        }),
        words: `Rows of two classes, moved by normal noise of deviation ${short(sigma)}; open circles are where they were. Each step has other noise, and predictions have none.`,
      };
    },
  },
};
