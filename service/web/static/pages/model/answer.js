// What a model says of one row: bars for classes, a number for a regression, and warnings in words.
import { html } from "../../html.js";
import { Code } from "../../ui.js";
import { figure, plural } from "../../format.js";
import { targetOf } from "./about.js";

const MOST = 10;
const share = (value) => (value >= 0.9995 || value < 0.0005 ? figure(value) : `${(value * 100).toFixed(1)} %`);

export function Answer({ answer, version, truth, coverage }) {
  const [prediction] = answer.predictions;
  const target = targetOf(version);
  return html`
    <p class="said"><span class="soft">${target} is</span> <strong>${prediction.label ?? figure(prediction.value)}</strong>
      ${typeof prediction.deviation === "number" && html` <span class="soft">± ${figure(prediction.deviation)}</span>`}</p>
    ${prediction.interval && html`<${Interval} prediction=${prediction} coverage=${coverage} />`}
    ${prediction.probabilities && html`<${Bars} prediction=${prediction} />`}
    ${prediction.prediction_set && html`<p>The true class is among ${prediction.prediction_set.map((name) => html`<code>${name}</code> `)}in ${figure(coverage * 100)} % of all rows.</p>`}
    ${Number.isFinite(prediction.entropy) && html`<p class="hint">Entropy ${figure(prediction.entropy)} nats; ${figure(prediction.mutual_information)} of it is what the passes disagree in.</p>`}
    ${truth?.value !== undefined && truth?.value !== null && html`<p>Row ${truth.row + 1} of the data has <code>${String(truth.value)}</code>${prediction.label !== undefined && (String(truth.value) === prediction.label ? ": right." : ": wrong.")} <span class="hint">It may be a row that trained it.</span></p>`}
    ${answer.warnings?.length > 0 && html`<ul class="advice">${answer.warnings.map((warning) => html`<li class="warning"><span class="kind">Warning: ${warning.column}</span><span>${warning.message}</span></li>`)}</ul>`}
    <p class="hint">${answer.model}, version ${answer.version}${answer.warnings?.length === 0 ? ". Nothing in the row is unlike the training rows." : ""}</p>
    <details><summary>As the service sends it</summary><${Code} text=${JSON.stringify(answer, null, 2)} label="The answer as JSON" /></details>`;
}

function Bars({ prediction }) {
  const classes = Object.entries(prediction.probabilities).sort(([, a], [, b]) => b - a);
  const deviation = typeof prediction.deviation === "object" ? prediction.deviation || {} : {};
  return html`<ol class="bars" aria-label="Probabilities">${classes.slice(0, MOST).map(([name, value]) => html`<li class=${name === prediction.label ? "chosen" : ""}>
      <span class="bar-name">${name}</span>
      <span class="share-of" aria-hidden="true"><span style=${{ width: `${value * 100}%` }}></span></span>
      <span class="bar-value">${share(value)}${Number.isFinite(deviation[name]) && html` <span class="soft">± ${figure(deviation[name] * 100)}</span>`}</span>
    </li>`)}</ol>
    ${classes.length > MOST && html`<p class="hint">and ${plural(classes.length - MOST, "class").replace("classs", "classes")} below ${share(classes[MOST - 1][1])}</p>`}`;
}

function Interval({ prediction, coverage }) {
  const [low, high] = prediction.interval;
  const pad = (high - low) / 2 || 1;
  const at = (value) => `${Math.max(0, Math.min(100, ((value - low + pad) / (high - low + 2 * pad)) * 100))}%`;
  return html`<div class="interval" aria-hidden="true"><span class="range" style=${{ left: at(low), right: `calc(100% - ${at(high)})` }}></span><span class="point" style=${{ left: at(prediction.value) }}></span></div>
    <p>Between <strong>${figure(low)}</strong> and <strong>${figure(high)}</strong> in ${figure(coverage * 100)} % of all rows.</p>`;
}
