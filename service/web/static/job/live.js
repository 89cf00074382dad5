// What a job's stream tells, and the curves that are drawn from it while it trains.
import { html, useEffect, useMemo, useRef, useState } from "../html.js";
import { follow } from "../api.js";
import { Chart, PALETTE } from "../charts.js";
import { words } from "../format.js";

const MOST_POINTS = 400;
const POINTS = ["circle", "rect", "triangle", "rectRot", "crossRot", "star"];

/** Epochs that were told are put behind those that are known; what is told again replaces itself. */
function added(curves, told) {
  const next = new Map(curves);
  for (const line of told.series) {
    const key = `${told.fleet}/${line.configuration ?? line.name}`;
    const old = next.get(key) || { name: line.name, configuration: line.configuration, fleet: told.fleet, trials: line.trials, metrics: {} };
    const metrics = { ...old.metrics };
    for (const [name, values] of Object.entries(line.metrics)) {
      const points = new Map((metrics[name] || []).map((point) => [point.x, point]));
      told.epochs.forEach((x, place) => points.set(x, { x, y: values.mean[place], sd: values.sd[place] }));
      let list = [...points.values()].sort((a, b) => a.x - b.x);
      if (list.length > MOST_POINTS) list = list.filter((_, place) => (list.length - 1 - place) % 2 === 0);
      metrics[name] = list;
    }
    next.set(key, { ...old, metrics });
  }
  return next;
}

/** `{now, advice, log, curves, end}` of a job, as its stream tells. */
export function useLive(id, wanted) {
  const [state, setState] = useState({ now: null, advice: null, log: [], curves: new Map(), end: null });
  useEffect(() => {
    if (!wanted) return;
    return follow(id, ({ event, data }) => setState((old) => {
      if (event === "log") return { ...old, log: [...old.log.filter((line) => line.id !== data.id), data].slice(-200) };
      if (event === "job") return { ...old, now: data };
      if (event === "advice") return { ...old, advice: data.data };
      if (event === "metrics") return { ...old, curves: added(old.curves, data) };
      if (event === "end") return { ...old, end: data };
      return old;
    }));
  }, [id, wanted]);
  return state;
}

function lineSets(line, number, metric, { dashed = false, name }) {
  const colour = PALETTE[number % PALETTE.length];
  const points = (line.metrics[metric] || []).filter((point) => point.y !== null);
  const edge = { type: "line", label: "", borderWidth: 0, borderColor: "transparent", pointRadius: 0, pointHitRadius: 0, pointStyle: false, order: 100 };
  const spread = points.filter((point) => point.sd !== null);
  const [r, g, b] = [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
  const bands = spread.length > 1 && !dashed
    ? [
        { ...edge, data: spread.map(({ x, y, sd }) => ({ x, y: Math.max(y - sd, y / 4) })), fill: false },
        { ...edge, data: spread.map(({ x, y, sd }) => ({ x, y: y + sd })), fill: "-1", backgroundColor: `rgba(${r}, ${g}, ${b}, 0.15)` },
      ]
    : [];
  return [
    ...bands,
    {
      type: "line", label: name, data: points, borderColor: colour, backgroundColor: colour, borderWidth: dashed ? 1.5 : 2,
      borderDash: dashed ? [7, 4] : [], pointRadius: dashed ? 0 : points.map((_, place) => (place === points.length - 1 ? 4 : 0)),
      pointStyle: dashed ? "line" : POINTS[number % POINTS.length], pointHitRadius: 6, tension: 0,
    },
  ];
}

/** Logarithmic as in the service's own pictures: where the largest value is 8 times the smallest. */
function isWide(sets) {
  const values = sets.filter((set) => set.label).flatMap((set) => set.data.map((point) => point.y));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low > 0 && high / low >= 8 && high / low < 10_000;
}

function configuration(sets, label, epochs) {
  const log = isWide(sets);
  return {
    type: "line",
    data: { datasets: sets },
    options: {
      parsing: false,
      interaction: { mode: "nearest", intersect: false },
      scales: {
        x: { type: "linear", min: 1, suggestedMax: epochs, title: { display: true, text: "Epoch" }, ticks: { precision: 0 } },
        y: { type: log ? "logarithmic" : "linear", title: { display: true, text: log ? `${label}, logarithmic` : label }, ticks: log ? { maxTicksLimit: 8, format: { maximumSignificantDigits: 2 } } : {} },
      },
      plugins: { legend: { position: "bottom", labels: {} } },
    },
  };
}

/** Of many configurations each fleet tells its best and its mean: drawn as those of all fleets. */
function together(lines) {
  const several = lines.filter((line) => line.configuration === null);
  const fleets = new Set(several.map((line) => line.fleet));
  if (fleets.size < 2) return lines;
  const joined = ["best", "mean"].map((name) => {
    const alike = several.filter((line) => line.name === name);
    const metrics = {};
    for (const metric of new Set(alike.flatMap((line) => Object.keys(line.metrics)))) {
      const at = new Map();
      for (const line of alike) {
        for (const point of line.metrics[metric] || []) if (point.y !== null) at.set(point.x, [...(at.get(point.x) || []), { ...point, trials: line.trials }]);
      }
      const most = name === "best" && isLarger(several, metric);
      metrics[metric] = [...at.entries()].sort(([a], [b]) => a - b).map(([x, points]) => ({ x, ...(name === "best" ? { y: (most ? Math.max : Math.min)(...points.map((p) => p.y)), sd: null } : pooled(points)) }));
    }
    return { ...alike[0], metrics, trials: alike.reduce((sum, line) => sum + line.trials, 0), fleet: 0 };
  });
  return [...lines.filter((line) => line.configuration !== null), ...joined];
}

/** Whether more of a metric is better: then the best is above the mean. */
function isLarger(lines, metric) {
  const last = (name) => lines.find((line) => line.name === name)?.metrics[metric]?.at(-1)?.y;
  return last("best") > last("mean");
}

/** Mean and deviation of groups together, by those of each. */
function pooled(points) {
  const n = points.reduce((sum, p) => sum + p.trials, 0);
  const y = points.reduce((sum, p) => sum + p.trials * p.y, 0) / n;
  const squares = points.reduce((sum, p) => sum + (p.trials - 1) * (p.sd ?? 0) ** 2 + p.trials * (p.y - y) ** 2, 0);
  return { y, sd: n > 1 ? Math.sqrt(squares / (n - 1)) : null };
}

/** Honest losses in eval mode, and beside them what the optimizer saw. */
export function LiveCurves({ curves, objective, epochs }) {
  const lines = together([...curves.values()]);
  const fleets = new Set(lines.map((line) => line.fleet)).size;
  const nameOf = (line) => (fleets > 1 ? `${line.name} (fleet ${line.fleet})` : line.name);
  const held = lines.some((line) => line.metrics.validation_loss);
  const other = !["objective", "train_loss", "validation_loss"].includes(objective) && lines.some((line) => line.metrics[objective]);
  const honest = useMemo(() => configuration(lines.flatMap((line, number) => held
    ? [...lineSets(line, number, "validation_loss", { name: nameOf(line) }), ...lineSets(line, number, "train_loss", { name: `training: ${nameOf(line)}`, dashed: true })]
    : lineSets(line, number, "train_loss", { name: nameOf(line) })), held ? "Loss in eval mode" : "Training loss in eval mode", epochs), [curves]);
  const second = other ? objective : "objective";
  const seen = useMemo(() => configuration(lines.flatMap((line, number) => lineSets(line, number, second, { name: nameOf(line) })), words(second), epochs), [curves]);
  if (!lines.length) return null;
  return html`<div class="columns">
    <figure><h3>${held ? "Honest losses: validation full, training dashed" : "Honest loss of the training rows"}</h3>
      <${Chart} configuration=${honest} live label="Losses in eval mode over the epochs, ${lines.length} lines" /></figure>
    <figure><h3>${other ? words(objective) : "What the optimizer saw: training mode, penalty included"}</h3>
      <${Chart} configuration=${seen} live label="${words(second)} over the epochs" /></figure>
  </div>`;
}
