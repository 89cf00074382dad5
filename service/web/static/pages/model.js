// One model: what it predicts, a form to try it, its versions and names, its certificate, how it was
// trained, and how other programs ask it.
import { html, useEffect, useState } from "../html.js";
import { api, download, useQuery } from "../api.js";
import { Card, Loading, Trouble, metricName, say, useTitle } from "../ui.js";
import { bytes, count, datasetName, figure, moment, plural, words } from "../format.js";
import { Aliases, modelPath, predicts, scoreOf, targetOf, taskOf } from "./model/about.js";
import { Certificate } from "./model/certificate.js";
import { Snippets } from "./model/snippets.js";
import { Try } from "./model/try.js";
import { useColumns, useRecord } from "./model/record.js";

const PRODUCTION = "production";

/** The version that answers unless one is asked for: as the service chooses it. */
const answering = (model) => model.aliases[PRODUCTION] ?? model.latest;

function Head({ model, version, number }) {
  const score = version && scoreOf(version);
  const go = (event) => { location.hash = modelPath(model.name, event.target.value).slice(1); };
  return html`<div class="head">
      <h1 class="grow">${model.name}</h1>
      <div class="filters"><label class="line">Version <select aria-label="Version" value=${number} onChange=${go}>
        ${[...model.versions].reverse().map((one) => html`<option value=${one}>${one}${one === answering(model) ? " (answers)" : ""}</option>`)}
      </select></label></div>
    </div>
    ${version && html`<p class="verdict">Predicts ${predicts(version)} from ${plural(version.manifest.columns_count ?? version.understood?.features ?? 0, "column")}${version.served === "ensemble" ? `, as the mean of ${plural(version.manifest.ensemble?.networks ?? 0, "network")}` : ""}.
      ${score && html` <span class="soft">${words(score.name)} ${figure(score.value)}.</span>`}</p>`}`;
}

function Promote({ model, number, changed }) {
  const [alias, setAlias] = useState(PRODUCTION);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const now = model.aliases[alias];
  const ask = async (event, options, done) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await api(`v1/models/${encodeURIComponent(model.name)}/aliases/${encodeURIComponent(alias)}`, options);
      say(done);
      changed();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const set = (event) => ask(event, { method: "PUT", body: { version: number } }, `${alias} is version ${number} now.`);
  const remove = (event) => ask(event, { method: "DELETE" }, `${alias} is deleted; version ${now} stays.`);
  return html`<form class="promote" onSubmit=${set}>
    <label>Alias <input list="aliases" required pattern="[A-Za-z][A-Za-z0-9_.\\-]{0,63}" value=${alias} autocomplete="off" spellcheck=${false}
      onInput=${(e) => setAlias(e.target.value)} aria-describedby="alias-hint" /></label>
    <datalist id="aliases">${[...new Set([PRODUCTION, ...Object.keys(model.aliases)])].map((name) => html`<option value=${name} />`)}</datalist>
    <button class="button primary" disabled=${busy || now === number}>${busy ? "Certifying …" : now === undefined ? `Set to version ${number}` : now === number ? `Is version ${number}` : `Move from ${now} to ${number}`}</button>
    ${now !== undefined && html`<button type="button" class="button" disabled=${busy} onClick=${remove}>Delete the alias</button>`}
    <p class="hint" id="alias-hint">The version is loaded and certified first; one that does not pass is refused. <code>production</code> answers whoever asks for no version.</p>
    <${Trouble} error=${error} />
  </form>`;
}

function Versions({ model, number, changed }) {
  return html`<${Card} title="Versions and aliases">
    <ul class="versions">${[...model.versions].reverse().map((one) => html`<li>
      <a href=${modelPath(model.name, one)} aria-current=${one === number ? "true" : undefined}>Version ${one}</a>
      <span><${Aliases} aliases=${model.aliases} of=${one} /></span>
      <span class="hint">${one === answering(model) ? "answers" : ""}</span>
    </li>`)}</ul>
    <${Promote} model=${model} number=${number} changed=${changed} />
  <//>`;
}

const SHOWN = ["loss", "balanced_accuracy", "accuracy", "auc", "f1", "brier", "ece", "rmse", "r2"];

function Training({ version }) {
  const { manifest, metrics } = version;
  const techniques = Object.entries(manifest.settings.regularization || {});
  const training = manifest.settings.training || {};
  const parts = ["train", "validation", "test"].filter((part) => SHOWN.some((name) => `${part}_${name}` in metrics));
  const names = SHOWN.filter((name) => parts.some((part) => Number.isFinite(metrics[`${part}_${name}`])));
  const data = manifest.dataset;
  return html`<${Card} title="How it was trained" aside=${html`<a class="button" href="#/jobs/${version.job}">Its job</a>`}>
    <dl class="facts">
      <div><dt>Network</dt><dd>${manifest.network.kind}${manifest.network.hidden?.length ? ` ${manifest.network.hidden.join("–")}` : ""}${manifest.network.activation ? `, ${manifest.network.activation}` : ""}</dd></div>
      <div><dt>Parameters</dt><dd>${manifest.file ? count(manifest.file.parameters.total) : "–"}</dd></div>
      <div><dt>Regularization</dt><dd>${techniques.length ? techniques.map(([name, fields], place) => html`${place > 0 && ", "}<a href="#/techniques/${name}">${name}</a>${mainOf(fields)}`) : "none"}</dd></div>
      <div><dt>Training</dt><dd>${training.epochs ? `${count(training.epochs)} epochs, ${training.optimizer?.kind}, learning rate ${figure(training.optimizer?.learning_rate)}` : "–"}</dd></div>
      <div><dt>Data</dt><dd>${typeof data === "string" ? html`<a href="#/data/${data}">${data}</a>` : datasetName(data) || "–"}</dd></div>
      <div><dt>Registered</dt><dd>${moment(version.created_at)}</dd></div>
    </dl>
    ${names.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="Final metrics"><table class="metrics">
      <caption class="hidden">Final metrics${version.n > 1 ? `, means over ${version.n} repeats and folds` : ""}</caption>
      <thead><tr><th scope="col">Final metrics</th>${parts.map((part) => html`<th scope="col" class="number">${words(part)}</th>`)}</tr></thead>
      <tbody>${names.map((name) => html`<tr><th scope="row">${metricName(name)}</th>${parts.map((part) => html`<td class="number">${figure(metrics[`${part}_${name}`])}</td>`)}</tr>`)}</tbody>
    </table></div>`}
    ${version.network?.statement && html`<p class="hint">${version.network.statement}</p>`}
    ${manifest.incomplete && html`<p class="trouble">${manifest.incomplete}</p>`}
  <//>`;
}

/** `(λ …)`, `(p …)`: the number that a technique's settings are mostly about. */
function mainOf(fields) {
  const value = fields.strength ?? fields.p ?? Object.values(fields).find((one) => typeof one === "number");
  return value === undefined || typeof value === "object" ? "" : ` ${figure(value)}`;
}

const FILES = [
  { format: "safetensors", title: "safetensors", about: "weights, preprocessing and manifest, in this project's own form" },
  { format: "onnx", title: "ONNX", about: "a graph from raw columns to answers, for ONNX Runtime and others" },
  { format: "pt2", title: "PT2", about: "an archive for torch.export.load" },
];

function Files({ model, version }) {
  const [busy, setBusy] = useState(null);
  const [error, setError] = useState(null);
  const get = async (format) => {
    setBusy(format);
    setError(null);
    try {
      await download(`v1/models/${encodeURIComponent(model.name)}/export?format=${format}&version=${version.version}`, `${model.name}-${version.version}.${format}`);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(null);
    }
  };
  return html`<${Card} title="Files">
    <ul class="files">${FILES.map((file) => html`<li>
      <button class="button" type="button" disabled=${busy !== null} onClick=${() => get(file.format)}>${busy === file.format ? "Making …" : file.title}<span class="hidden">, download</span></button>
      <span class="hint">${file.about}</span>
    </li>`)}</ul>
    <p class="hint">Each is run and compared with the model that serves before it is given out. The stored file has ${bytes(version.bytes)}, SHA-256 <code>${version.sha256}</code>.</p>
    <${Trouble} error=${error} />
  <//>`;
}

export default function Model({ params, query }) {
  useTitle(params.name);
  const path = `v1/models/${encodeURIComponent(params.name)}`;
  const { data: model, error, reload } = useQuery(path);
  const number = model && (Number(query.version) || answering(model));
  const { data: version, error: missing } = useQuery(number ? `${path}/versions/${number}` : null);
  const { data: certificate, error: uncertified } = useQuery(number ? `${path}/certificate?version=${number}` : null);
  const columns = useColumns(version);
  const [record, setRecord] = useRecord(version, columns);
  const [options, setOptions] = useState({});
  useEffect(() => { if (query.version) scrollTo({ top: 0 }); }, [query.version]);
  if (error && !model) return html`<h1>${params.name}</h1><${Trouble} error=${error} retry=${reload} />`;
  if (!model) return html`<${Loading} what="Loading the model" />`;
  if (!number) return html`<h1>${model.name}</h1><p class="soft">No version of it is left.</p>`;
  return html`
    <${Head} model=${model} version=${version} number=${number} />
    <${Trouble} error=${missing} />
    ${!version && !missing && html`<${Loading} what="Loading version ${number}" />`}
    ${version && columns && html`<${Try} key=${`try-${number}`} model=${model} version=${version} columns=${columns} record=${record} setRecord=${setRecord} options=${options} setOptions=${setOptions} />`}
    ${version && html`
      <div class="columns">
        <${Versions} model=${model} number=${number} changed=${reload} />
        <${Certificate} certificate=${certificate} error=${uncertified} />
      </div>
      <${Training} version=${version} />
      ${columns && html`<${Snippets} model=${model} version=${version} columns=${columns} record=${record} options=${options} />`}
      <${Files} model=${model} version=${version} />`}`;
}
