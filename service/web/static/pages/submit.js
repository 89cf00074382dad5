// The form of a new job: made from the OpenAPI schema and the catalogue, beside what it would cost.
import { html, useEffect, useMemo, useState } from "../html.js";
import { api, useQuery } from "../api.js";
import { Card, Code, Loading, Trouble, useTitle } from "../ui.js";
import { bytes, count, plural, span } from "../format.js";
import { curl, takeDraft, written } from "../spec.js";
import { AdviceList } from "../job/advice.js";
import { Field, Members, Techniques } from "../form/fields.js";
import { alternatives, resolved } from "../form/schema.js";
import { Space } from "../form/space.js";

const AFTER = 450;
/** What the card of the data has; the cards below it have the rest. */
const DATA = ["target", "task", "columns", "split", "preprocessing", "positive", "sample_weight", "offset", "missing", "decimal"];
const ELSEWHERE = [...DATA, "dataset", "network", "training", "regularization", "compare", "search"];

/** What the service would say, asked when the typing pauses. */
function useDryRun(spec) {
  const [state, setState] = useState({ answer: null, error: null, busy: true });
  const text = JSON.stringify(spec);
  useEffect(() => {
    const abort = new AbortController();
    setState((old) => ({ ...old, busy: true }));
    const timer = setTimeout(() => api("v1/jobs/validate", { method: "POST", body: text, signal: abort.signal }).then(
      (answer) => setState({ answer, error: null, busy: false }),
      (error) => error.name === "AbortError" || setState({ answer: null, error, busy: false }),
    ), AFTER);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [text]);
  return state;
}

const errorsOf = (error) => Object.fromEntries([
  ...(error?.param ? [[error.param, error.message]] : []),
  ...(error?.errors || []).map((one) => [one.param, one.message]),
]);

function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function Data({ context, spec, change }) {
  const datasets = useQuery("v1/datasets?limit=100").data?.data || [];
  const builtin = context.root.BuiltinName.enum;
  const current = typeof spec.dataset === "string" ? spec.dataset : `builtin:${spec.dataset?.builtin}`;
  const choose = (value) => change({ dataset: value.startsWith("builtin:") ? { builtin: value.slice(8) } : value });
  const object = alternatives(context.root, context.schema.properties.dataset).find((one) => one.properties);
  return html`<${Card} title="Data">
    <div class="members">
      <div class="field"><div class="field-head"><label for="dataset">Data set</label></div>
        <select id="dataset" value=${current} onChange=${(e) => choose(e.target.value)}>
          <optgroup label="Built in">${builtin.map((name) => html`<option value="builtin:${name}">${name}</option>`)}</optgroup>
          ${datasets.length > 0 && html`<optgroup label="Uploaded">${datasets.map((one) => html`<option value=${one.id}>${one.name || one.id}</option>`)}</optgroup>`}
        </select>
        <div class="hint">${context.errors.dataset && html`<span class="wrong">${context.errors.dataset}</span>`} One that is built in, or one that was uploaded.</div></div>
    </div>
    ${current === "builtin:circle" && html`<${Members} context=${context} path="dataset" schema=${{ ...object, properties: { rows: object.properties.rows, seed: object.properties.seed }, required: [] }} value=${spec.dataset} onChange=${(dataset) => change({ dataset })} />`}
    <${Members} context=${context} path="" schema=${{ ...context.schema, required: [] }} only=${DATA} addLabel="Add to Data" value=${spec} onChange=${(next) => change(next, true)} />
  <//>`;
}

function Configurations({ context, spec, change }) {
  const compare = spec.compare;
  const set = (place, entry) => change({ compare: compare.map((old, other) => (other === place ? entry : old)) });
  const variant = context.root.Variant;
  if (spec.regularization === "auto") {
    return html`<${Card} title="Regularization"><p>A search tries all techniques that fit. <button class="link" type="button" onClick=${() => change({ regularization: {} })}>Choose them by hand</button></p><//>`;
  }
  if (!compare) {
    return html`<${Card} title="Regularization" aside=${html`<button class="button" type="button" onClick=${() => change({ compare: [{ name: "none", regularization: {} }, { name: "this", regularization: spec.regularization || {} }], regularization: undefined, search: undefined })}>Compare several</button>`}>
      <${Techniques} context=${context} path="regularization" value=${spec.regularization || {}} onChange=${(regularization) => change({ regularization })} />
    <//>`;
  }
  return html`<${Card} title="Compared: ${plural(compare.length, "configuration")}" aside=${html`<button class="button" type="button" onClick=${() => change({ compare: [...compare, { name: `configuration ${compare.length + 1}`, regularization: {} }] })}>Add one</button>`}>
    <div class="entries">${compare.map((entry, place) => html`<fieldset class="group entry" key=${place}>
      <legend>${place + 1}. ${entry.name || "without a name"}
        ${compare.length > 1 && html`<button class="button icon small" type="button" aria-label="Leave out ${entry.name}" onClick=${() => change({ compare: compare.filter((_, other) => other !== place) })}>×</button>`}</legend>
      <${Field} context=${context} path=${`compare.${place}.name`} schema=${variant.properties.name} value=${entry.name} onChange=${(name) => set(place, { ...entry, name })} />
      <${Techniques} context=${context} path=${`compare.${place}.regularization`} value=${entry.regularization || {}} onChange=${(regularization) => set(place, { ...entry, regularization })} />
      <${Members} context=${context} path=${`compare.${place}`} schema=${variant} only=${["network", "training"]} addLabel="Own network or training" value=${entry} onChange=${(next) => set(place, next)} />
    </fieldset>`)}</div>
    <div class="buttons top-gap"><button class="link" type="button" onClick=${() => change({ compare: undefined, regularization: compare.at(-1).regularization || {} })}>Train one configuration instead</button></div>
  <//>`;
}

function Search({ context, spec, change }) {
  if (!spec.search) {
    if (spec.compare) return null;
    return html`<${Card} title="Search" aside=${html`<button class="button" type="button" onClick=${() => change({ search: { method: "random", trials: 64, space: "default" } })}>Search for values</button>`}>
      <p class="hint">Vary any fields instead of guessing; many small configurations cost little more than a few.</p><//>`;
  }
  return html`<${Card} title="Search" aside=${html`<button class="button" type="button" onClick=${() => change({ search: undefined })}>No search</button>`}>
    <${Members} context=${context} path="search" schema=${context.root.SearchSpec} value=${spec.search} onChange=${(search) => change({ search })} only=${Object.keys(context.root.SearchSpec.properties).filter((name) => name !== "space")} />
    <${Space} context=${context} value=${spec.search.space ?? "default"} onChange=${(space) => change({ search: { ...spec.search, space } })} /><//>`;
}

function Estimate({ run }) {
  const { answer, error, busy } = run;
  if (error) return html`<${Trouble} error=${error} />`;
  if (!answer) return html`<${Loading} what="Trying it out" />`;
  const { estimate, understood } = answer;
  return html`<dl class="facts" aria-live="polite" aria-busy=${busy ? "true" : "false"}>
    <div><dt>Takes about</dt><dd>${estimate.seconds === null ? estimate.reason || "not known" : html`${span(estimate.seconds)} <span class="soft">(${span(estimate.low)} to ${span(estimate.high)})</span>`}</dd></div>
    <div><dt>Trials</dt><dd>${count(answer.trials)} in ${plural(answer.fleets, "fleet")}</dd></div>
    <div><dt>Memory</dt><dd>${bytes(estimate.bytes)}</dd></div>
    <div><dt>Parameters</dt><dd>${count(answer.parameters)}</dd></div>
    <div><dt>Predicts</dt><dd>${understood.target || "the target"} (${understood.task}), ${plural(understood.rows.used, "row")}</dd></div>
  </dl>`;
}

export default function Submit() {
  useTitle("New job");
  const [draft] = useState(takeDraft);
  const document_ = useQuery("openapi.json");
  const catalogue = useQuery("v1/techniques");
  const examples = document_.data?.paths["/v1/jobs"].post.requestBody.content["application/json"].examples;
  const [spec, setSpec] = useState(draft);
  useEffect(() => { if (!spec && examples) setSpec(structuredClone(examples.comparison.value)); }, [examples]);
  const trouble = document_.error || catalogue.error;
  if (trouble) return html`<h1>New job</h1><${Trouble} error=${trouble} />`;
  if (!spec || !document_.data || !catalogue.data) return html`<h1>New job</h1><${Loading} what="Loading the form" />`;
  return html`<${Form} spec=${spec} setSpec=${setSpec} examples=${examples} root=${document_.data.components.schemas} techniques=${catalogue.data.data} />`;
}

function Form({ spec, setSpec, examples, root, techniques }) {
  const run = useDryRun(spec);
  const [refused, setRefused] = useState(null);
  const [busy, setBusy] = useState(false);
  const [typed, setTyped] = useState(null);
  const errors = useMemo(() => errorsOf(run.error || refused), [run.error, refused]);
  const context = { root, techniques, errors, schema: resolved(root, { $ref: "#/components/schemas/JobSpec" }) };
  const change = (part, whole = false) => {
    const next = whole ? part : { ...spec, ...part };
    setSpec(Object.fromEntries(Object.entries(next).filter(([, value]) => value !== undefined)));
    setRefused(null);
  };
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const job = await api("v1/jobs", { method: "POST", body: spec, headers: { "Idempotency-Key": newKey() } });
      location.hash = `/jobs/${job.id}`;
    } catch (error) {
      setRefused(error);
      setBusy(false);
    }
  };
  const wrongJson = (() => {
    if (typed === null) return "";
    try { JSON.parse(typed); return ""; } catch (error) { return error.message; }
  })();
  const typeJson = (event) => {
    setTyped(event.target.value);
    try { change(JSON.parse(event.target.value), true); } catch { /* it is said beneath the text */ }
  };
  const network = resolved(root, context.schema.properties.network);
  return html`<form class="submit" onSubmit=${submit}>
    <div class="head">
      <h1 class="grow">New job</h1>
      <label class="line">Start from <select value="" onChange=${(e) => { if (e.target.value) change(structuredClone(examples[e.target.value].value), true); e.target.value = ""; }}>
        <option value="">an example …</option>${Object.entries(examples).map(([name, one]) => html`<option value=${name}>${one.summary}</option>`)}</select></label>
      <button class="button primary" disabled=${busy}>${busy ? "Submitting …" : "Submit"}</button>
    </div>
    <div class="submit-columns">
      <div class="stack-cards">
        <${Card} title="Job">
          <${Members} context=${context} path="" schema=${{ ...context.schema, required: [] }} only=${Object.keys(context.schema.properties).filter((name) => !ELSEWHERE.includes(name))}
            always=${["name"]} value=${spec} onChange=${(next) => change(next, true)} />
        <//>
        <${Data} context=${context} spec=${spec} change=${change} />
        <${Card} title="Network and training">
          <${Field} context=${context} path="network" schema=${network} value=${spec.network || { kind: "mlp" }} onChange=${(value) => change({ network: value })} />
          <${Field} context=${context} path="training" schema=${context.schema.properties.training} value=${spec.training || {}} onChange=${(value) => change({ training: value })} />
        <//>
        <${Configurations} context=${context} spec=${spec} change=${change} />
        <${Search} context=${context} spec=${spec} change=${change} />
        <div class="buttons"><button class="button primary" disabled=${busy}>Submit this job</button></div>
      </div>
      <div class="beside">
        <${Card} title="What it would cost"><${Estimate} run=${run} /><//>
        ${refused && html`<${Trouble} error=${refused} />`}
        <${Card} title="Advice">${run.answer?.advice.length ? html`<${AdviceList} advice=${run.answer.advice} spec=${spec} onApply=${(fixed) => change(fixed, true)} />`
          : html`<p class="hint">${run.answer ? "Nothing to say against it." : "It comes with the dry run."}</p>`}<//>
        <${Card} title="The same as curl"><${Code} text=${curl("v1/jobs", spec)} label="The request as curl" copyLabel="Copy curl" /><//>
        <${Card} title="As JSON">
          <textarea aria-label="The specification as JSON" rows="14" spellcheck=${false} aria-invalid=${wrongJson ? "true" : undefined}
            value=${typed ?? written(spec)} onInput=${typeJson} onBlur=${() => wrongJson || setTyped(null)}></textarea>
          ${wrongJson && html`<p class="hint wrong">${wrongJson}</p>`}
          <p class="hint">Whatever has no field here can be written there.</p>
        <//>
      </div>
    </div>
  </form>`;
}
