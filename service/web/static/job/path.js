// The path over λ: one slider moves the coefficients and the loss together.
import { html, useEffect, useMemo, useState } from "../html.js";
import { Chart, PALETTE } from "../charts.js";
import { figure } from "../format.js";

export function PathPicture({ configuration, path }) {
  const trained = path.values.map((_, place) => place).filter((place) => path.train_loss[place] !== null);
  const losses = path.validation_loss.some((value) => value !== null) ? path.validation_loss : path.train_loss;
  const best = trained.reduce((low, place) => (losses[place] !== null && (low === null || losses[place] < losses[low]) ? place : low), null);
  const [at, setAt] = useState(best ?? trained[0] ?? 0);
  useEffect(() => { if (best !== null) setAt(best); }, [best]);
  const marked = useMemo(() => {
    const copy = structuredClone(configuration);
    const x = path.log[at];
    for (const [name, scale] of Object.entries(copy.options.scales)) {
      if (!/^y\d*$/.test(name)) continue;
      copy.data.datasets.push({
        type: "line", label: "", yAxisID: name, data: [{ x, y: scale.min }, { x, y: scale.max }], borderColor: "#B5409F", borderWidth: 2,
        pointRadius: 0, pointHitRadius: 0, pointStyle: false, order: 90,
      });
    }
    copy.options.plugins.legend = { ...copy.options.plugins.legend, labels: { ...copy.options.plugins.legend.labels } };
    return copy;
  }, [configuration, at]);
  const largest = Math.max(...path.weights.flatMap((weight) => weight.values.map((value) => Math.abs(value ?? 0))), 1e-9);
  const bars = useMemo(() => ({
    type: "bar",
    data: {
      labels: path.weights.map((weight) => (weight.output ? `${weight.feature} → ${weight.output}` : weight.feature)),
      datasets: [{ label: "Coefficient", data: path.weights.map((weight) => weight.values[at]), backgroundColor: PALETTE[0], maxBarThickness: 18 }],
    },
    options: {
      indexAxis: "y",
      scales: { x: { min: -largest * 1.05, max: largest * 1.05, title: { display: true, text: "Coefficient, as preprocessed" }, ticks: { maxTicksLimit: 7, format: { maximumSignificantDigits: 2 } } }, y: { ticks: { autoSkip: false } } },
      plugins: { legend: { display: false } },
    },
  }), [path, at, largest]);
  const zero = path.weights.filter((weight) => weight.values[at] === 0).length;
  return html`<div class="path">
    <label><span><code>${path.over}</code> = <output>${figure(path.values[at])}</output></span>
      <input type="range" min="0" max=${path.values.length - 1} step="1" value=${path.values.length - 1 - at} aria-valuetext="λ ${figure(path.values[at])}"
        onInput=${(event) => setAt(path.values.length - 1 - Number(event.target.value))} /></label>
    <dl class="facts" aria-live="polite">
      <div><dt>Validation loss</dt><dd>${figure(path.validation_loss[at])}${path.validation_error?.[at] ? ` ± ${figure(path.validation_error[at])}` : ""}</dd></div>
      <div><dt>Training loss</dt><dd>${figure(path.train_loss[at])}</dd></div>
      <div><dt>Coefficients not 0</dt><dd>${path.weights.length - zero} of ${path.weights.length}</dd></div>
      <div><dt>Least validation loss at</dt><dd><button class="link" type="button" onClick=${() => setAt(best)}>λ = ${figure(path.values[best])}</button></dd></div>
    </dl>
    <div class="columns">
      <${Chart} configuration=${marked} live height=${560} label="Weights, how many are not 0, and the loss, over log λ" />
      <${Chart} configuration=${bars} live height=${Math.max(200, 60 + 26 * path.weights.length)} label="Coefficients at λ = ${figure(path.values[at])}" />
    </div>
  </div>`;
}
