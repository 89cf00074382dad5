// Pictures over time: averages of the path of weights, and the end of a training.
import { html } from "../../html.js";
import { axis, chance, label, mean, normal, path, percent, scale, short } from "./drawing.js";

const STEPS = 120;

/** Noisy descent in a valley that is long in one direction. */
function descent(seed, { after = (w) => w } = {}) {
  const random = chance(seed);
  let w = [-3.4, 1.7];
  const points = [w];
  for (let step = 1; step <= STEPS; step += 1) {
    w = [w[0] - 0.12 * w[0] + 0.3 * normal(random), w[1] - 0.4 * w[1] + 0.3 * normal(random)];
    w = after(w, step);
    points.push(w);
  }
  return points;
}

const [X, Y] = [scale(-3.8, 1.8, 20, 460), scale(-2.1, 2.1, 215, 10)];
const drawn = (points) => path(points.map(([u, v]) => [X(u), Y(v)]));
const valley = html`${[0.6, 1.2, 1.9, 2.7].map((r) => html`<ellipse class="axis open" cx=${X(0)} cy=${Y(0)} rx=${r * 118} ry=${r * 34} />`)}`;

/** How far the last quarter of a path lies from the middle of the valley, in the mean. */
const distance = (points) => mean(points.slice(-Math.ceil(points.length / 4)).map(([u, v]) => Math.hypot(u, v)));

function averaged(points, average, say, more = "") {
  const [w, a] = [points.at(-1), average.at(-1)];
  return {
    svg: html`<g clip-path="inset(0)">${valley}<path class="faint" d=${drawn(points)} />${more}<path class="line" d=${drawn(average)} />
      <circle class="open" cx=${X(w[0])} cy=${Y(w[1])} r="5" /><circle class="second-end" cx=${X(a[0])} cy=${Y(a[1])} r="5" /></g>
      ${label(20, 226, "faint: the weights · bold: the average · dot: its end", { className: "tick" })}`,
    words: `${say} Over the last quarter the weights lie ${short(distance(points))} from the middle of the valley, the average ${short(distance(average))}.`,
  };
}

const train = (t) => 0.16 + 0.85 * Math.exp(-t / 9);
const WOBBLE = (() => {
  const random = chance(4);
  return Array.from({ length: 61 }, () => normal(random) * 0.018);
})();
const validation = (t) => 0.3 + 0.72 * Math.exp(-t / 8) + 0.00016 * t * t + WOBBLE[t];

export const paths = {
  ema: {
    drawn: true,
    sliders: [{ name: "decay", label: "β, how much stays", min: 0, max: 0.99, step: 0.01, value: 0.9 }],
    draw: ({ decay }, seed) => {
      const points = descent(seed);
      let a = points[0];
      const average = points.map((w, step) => (a = step ? a.map((value, k) => decay * value + (1 - decay) * w[k]) : w));
      return averaged(points, average, `The average keeps ${percent(decay)} of itself at each step and lags about ${short(1 / (1 - decay), 0)} steps behind.`);
    },
  },
  swa: {
    drawn: true,
    sliders: [{ name: "start", label: "start, share of the training", min: 0, max: 0.95, step: 0.05, value: 0.5, show: percent }],
    draw: ({ start }, seed) => {
      const points = descent(seed);
      const first = Math.round(start * STEPS);
      let a = points[first];
      const ends = points.slice(first).filter((_, n) => n % 5 === 0);
      const average = ends.map((w, n) => (a = a.map((value, k) => value + (w[k] - value) / (n + 1))));
      return averaged(points, average, `The plain mean of the weights at the ends of ${ends.length} epochs, from ${percent(start)} of the training on.`,
        html`${ends.map(([u, v]) => html`<circle class="after" cx=${X(u)} cy=${Y(v)} r="2.5" />`)}`);
    },
  },
  lookahead: {
    drawn: true,
    sliders: [{ name: "steps", label: "k, fast steps between slow ones", min: 1, max: 20, step: 1, value: 5 }, { name: "size", label: "α, how far the slow one goes", min: 0.05, max: 1, step: 0.05, value: 0.5 }],
    draw: ({ steps, size: alpha }, seed) => {
      let slow = [-3.4, 1.7];
      const average = [slow];
      const points = descent(seed, {
        after: (w, step) => {
          if (step % steps) return w;
          slow = slow.map((value, k) => value + alpha * (w[k] - value));
          average.push(slow);
          return slow;
        },
      });
      return averaged(points, average, `After every ${steps} fast steps the slow weights go ${percent(alpha)} of the way to the fast ones, and these begin again there.`);
    },
  },
  snapshot_ensemble: {
    sliders: [{ name: "members", label: "M, members", min: 2, max: 8, step: 1, value: 3 }],
    draw: ({ members }) => {
      const epochs = 60;
      const cycle = epochs / members;
      const x = scale(0, epochs, 40, 450);
      const y = scale(0, 1, 180, 25);
      const points = Array.from({ length: 481 }, (_, n) => (n / 480) * epochs).map((t) => [x(t), y((1 + Math.cos((Math.PI * Math.min(t % cycle, cycle)) / cycle)) / 2)]);
      return {
        svg: html`${axis(x, 180, [0, 20, 40, 60], { left: 40, right: 450, title: "epoch" })}${label(40, 16, "learning rate")}
          <path class="line" d=${path(points)} />${Array.from({ length: members }, (_, n) => html`<circle class="second-end" cx=${x((n + 1) * cycle)} cy=${y(0)} r="6" />${label(x((n + 1) * cycle) - 10, 170, n + 1, { anchor: "end", className: "strong" })}`)}`,
        words: `The learning rate falls ${members} times and begins again; the weights at the end of each cycle of ${short(cycle, 1)} epochs are a member. The ${members} members answer as their mean.`,
      };
    },
  },
  early_stopping: {
    sliders: [{ name: "patience", label: "patience, epochs without improvement", min: 1, max: 25, step: 1, value: 5 }, { name: "delta", label: "min_delta", min: 0, max: 0.05, step: 0.005, value: 0 }],
    draw: ({ patience, delta }) => {
      let [best, at, end] = [Infinity, 0, 60];
      for (let t = 0; t <= 60; t += 1) {
        if (validation(t) < best - delta) [best, at] = [validation(t), t];
        else if (t - at >= patience) {
          end = t;
          break;
        }
      }
      const x = scale(0, 60, 40, 450);
      const y = scale(0, 1.1, 185, 15);
      const all = Array.from({ length: 61 }, (_, t) => t);
      return {
        svg: html`<rect class="area" x=${x(at)} y="15" width=${x(end) - x(at)} height="170" />${axis(x, 185, [0, 15, 30, 45, 60], { left: 40, right: 450, title: "epoch" })}
          <path class="faint" d=${path(all.map((t) => [x(t), y(validation(t))]))} />
          <path class="line" d=${path(all.slice(0, end + 1).map((t) => [x(t), y(validation(t))]))} /><path class="second" d=${path(all.slice(0, end + 1).map((t) => [x(t), y(train(t))]))} />
          <circle class="second-end" cx=${x(at)} cy=${y(validation(at))} r="5" />
          ${label(450, y(validation(60)) - 10, "validation", { anchor: "end" })}${label(x(Math.min(end, 52)) + 4, y(train(Math.min(end, 52))) - 8, "training")}
          ${label(x(at), 30, `best: ${at}`, { anchor: "middle", className: "strong" })}${end < 60 && label(x(end) + 5, 50, `stops: ${end}`, { className: "strong" })}`,
        words: `${end < 60 ? `Stops after epoch ${end}, ${patience} epochs after the last improvement, and saves ${60 - end} epochs` : "Does not stop before epoch 60"}. The trial ends with the weights of epoch ${at}, where the validation loss is ${short(best, 3)}.`,
      };
    },
  },
};
