// A form to try a prediction, built from the columns of a version.
import { html, useEffect, useRef, useState } from "../../html.js";
import { api } from "../../api.js";
import { Card, Trouble } from "../../ui.js";
import { count, figure } from "../../format.js";
import { targetOf, taskOf } from "./about.js";
import { Answer } from "./answer.js";
import { timed } from "./record.js";

const SHOWN = 24;
const PAUSE = 250;

export function Try({ model, version, columns, record, setRecord, options, setOptions }) {
  const [asJson, setAsJson] = useState(false);
  const [all, setAll] = useState(false);
  const [answer, setAnswer] = useState(null);
  const [error, setError] = useState(null);
  const [truth, setTruth] = useState(null);
  const asked = useRef(0);
  const dataset = version.manifest.dataset;

  const ask = async () => {
    const turn = (asked.current += 1);
    const body = { instances: [filled(columns, record)], ...options };
    try {
      const found = await api(`v1/models/${encodeURIComponent(model.name)}/predict?version=${version.version}`, { method: "POST", body });
      if (turn !== asked.current) return;
      setAnswer(found);
      setError(null);
    } catch (problem) {
      if (turn !== asked.current) return;
      setAnswer(null);
      setError(problem);
    }
  };
  // Once asked, the answer follows what is changed.
  const live = Boolean(answer || error);
  const state = JSON.stringify([record, options]);
  const first = useRef(state);
  useEffect(() => {
    if (first.current === state || !live) return;
    const timer = setTimeout(ask, PAUSE);
    return () => clearTimeout(timer);
  }, [state]);

  const set = (name, value) => {
    setTruth(null);
    setRecord({ ...record, [name]: value });
  };
  const shown = all ? columns : columns.slice(0, SHOWN);
  const plain = columns.every((column) => column.kind !== "image" || column.shape.length === 3);
  const unseen = columns.length < (version.manifest.columns_count ?? 0);
  return html`<${Card} title="Try a prediction" className="try" aside=${html`
      ${typeof dataset === "string" && columns.every((column) => column.kind !== "image") && html`<${FromData} dataset=${dataset} columns=${columns} target=${targetOf(version)} take=${(row, actual) => { setRecord({ ...record, ...row }); setTruth(actual); }} />`}
      ${plain && html`<button class="button" type="button" aria-pressed=${asJson ? "true" : "false"} onClick=${() => setAsJson(!asJson)}>As JSON</button>`}`}>
    <div class="try-parts">
      <form onSubmit=${(event) => { event.preventDefault(); ask(); }}>
        ${unseen && html`<p class="hint">The first ${count(columns.length)} of ${count(version.manifest.columns_count)} columns are shown; ask by the API for the others.</p>`}
        ${asJson || !plain ? html`<${Record} record=${record} setRecord=${setRecord} />`
          : html`<div class="fields">${shown.map((column) => html`<${Field} key=${column.name} column=${column} value=${record[column.name]} set=${(value) => set(column.name, value)} wrong=${error?.param?.endsWith(`.${column.name}`)} />`)}</div>
            ${columns.length > shown.length && html`<button class="button" type="button" onClick=${() => setAll(true)}>All ${count(columns.length)} columns</button>`}`}
        <${Options} options=${options} setOptions=${setOptions} without=${taskOf(version) === "regression" ? ["calibrated"] : []} />
        <div class="buttons"><button class="button primary">Predict</button></div>
      </form>
      <div class="answer" aria-live="polite">
        <${Trouble} error=${error} />
        ${answer ? html`<${Answer} answer=${answer} version=${version} truth=${truth} coverage=${options.coverage} />`
          : !error && html`<p class="soft">The answer stands here, and follows what you change.</p>`}
      </div>
    </div>
  <//>`;
}

/** The record as it is sent: in the order of the columns, null where nothing stands. */
export function filled(columns, record) {
  return Object.fromEntries(columns.map(({ name }) => [name, record[name] === "" || record[name] === undefined ? null : record[name]]));
}

function Field({ column, value, set, wrong }) {
  const id = `field-${column.name.replace(/\s+/g, "_")}`;
  const common = { id, "aria-invalid": wrong ? "true" : undefined, "aria-describedby": `${id}-hint` };
  return html`<div class="field">
    <label for=${id}>${column.name}</label>
    ${column.kind === "numeric" ? html`<input ...${common} type="number" step="any" value=${value ?? ""} placeholder="missing"
        onInput=${(e) => set(e.target.value === "" ? null : Number(e.target.value))} />`
      : column.kind === "date" ? html`<input ...${common} type=${timed(column) ? "datetime-local" : "date"} step=${timed(column) ? "1" : undefined} value=${written(column, value)} onInput=${(e) => set(e.target.value || null)} />`
      : column.kind === "image" ? html`<${Picture} common=${common} value=${value} set=${set} />`
      : column.categories_count > column.categories.length ? html`<input ...${common} list=${`${id}-list`} value=${value ?? ""} onInput=${(e) => set(e.target.value || null)} />
          <datalist id=${`${id}-list`}>${column.categories.map((one) => html`<option value=${one} />`)}</datalist>`
      : html`<select ...${common} value=${value ?? ""} onChange=${(e) => set(e.target.value || null)}>
          <option value="">(missing)</option>
          ${value && !column.categories.includes(value) && html`<option value=${value}>${value} (unknown)</option>`}
          ${column.categories.map((one) => html`<option value=${one}>${one}</option>`)}
        </select>`}
    <span class="hint" id=${`${id}-hint`}>${hint(column, value)}</span>
  </div>`;
}

/** A date as the field takes it. */
function written(column, value) {
  const text = String(value ?? "");
  if (!timed(column)) return text.slice(0, 10);
  return text.includes("T") || !text ? text : `${text}T00:00:00`;
}

function hint(column, value) {
  const { minimum: low, maximum: high } = column;
  if (column.kind === "categorical") return `${count(column.categories_count)} categor${column.categories_count === 1 ? "y" : "ies"}`;
  if (column.kind === "image") return `${column.shape.join(" × ")} (channels, height, width)`;
  if (low === null || high === null) return column.kind;
  const seen = column.kind === "date" ? `seen: ${day(low)} to ${day(high)}` : `seen: ${figure(low)} to ${figure(high)}`;
  const outside = value !== null && value !== undefined && (column.kind === "date" ? day(value) < day(low) || day(value) > day(high) : value < low || value > high);
  return outside ? html`<span class="outside">outside · ${seen}</span>` : seen;
}

const day = (when) => String(when).slice(0, 10);

/** A picture is sent as the file that was chosen. */
function Picture({ common, value, set }) {
  const read = (event) => {
    const [file] = event.target.files;
    if (!file) return set(null);
    const reader = new FileReader();
    reader.onload = () => set(reader.result.split(",")[1]);
    reader.readAsDataURL(file);
  };
  return html`<input ...${common} type="file" accept="image/png,image/jpeg" onChange=${read} />
    ${typeof value === "string" && html`<img class="picture" src=${`data:image/*;base64,${value}`} alt="The chosen picture" />`}`;
}

function Record({ record, setRecord }) {
  const [text, setText] = useState(() => JSON.stringify(record, null, 2));
  const [wrong, setWrong] = useState("");
  const read = (value) => {
    setText(value);
    try {
      const found = JSON.parse(value);
      if (found === null || typeof found !== "object" || Array.isArray(found)) throw new Error("write one object");
      setWrong("");
      setRecord(found);
    } catch (error) {
      setWrong(`This is not JSON yet: ${error.message}.`);
    }
  };
  return html`<label>One row <textarea rows="12" spellcheck=${false} value=${text} aria-invalid=${wrong ? "true" : undefined} onInput=${(e) => read(e.target.value)}></textarea></label>
    <p class="hint" role="status">${wrong}</p>`;
}

/** Fills the form with rows of the data set that it was trained on, one after the other. */
function FromData({ dataset, columns, target, take }) {
  const [rows, setRows] = useState(null);
  const [place, setPlace] = useState(0);
  const [gone, setGone] = useState(false);
  const next = async () => {
    let known = rows;
    if (!known) {
      try {
        const preview = await api(`v1/datasets/${dataset}/preview?rows=50`);
        known = preview.rows.map((cells) => Object.fromEntries(preview.columns.map((column, n) => [column.name, cells[n]])));
      } catch {
        return setGone(true);
      }
      setRows(known);
    }
    const row = known[place % known.length];
    setPlace(place + 1);
    take(Object.fromEntries(columns.filter((column) => column.name in row).map((column) => [column.name, row[column.name]])), { row: place % known.length, value: row[target] });
  };
  if (gone) return html`<span class="hint">The data set is gone.</span>`;
  return html`<button class="button" type="button" onClick=${next}>${rows ? "Next row of the data" : "A row of the data"}</button>`;
}

/** How to answer: whatever the service's own description of a request offers beside the rows. */
function Options({ options, setOptions, without }) {
  const [fields, setFields] = useState(null);
  const open = async (event) => {
    if (!event.target.open || fields) return;
    try {
      const document = await api("openapi.json");
      const properties = document.components.schemas.PredictRequest.properties;
      setFields(Object.entries(properties).filter(([name]) => !["instance", "instances", "extra", "warnings", ...without].includes(name)));
    } catch {
      setFields([]);
    }
  };
  const set = (name, value) => {
    const { [name]: _, ...rest } = options;
    setOptions(value === null ? rest : { ...rest, [name]: value });
  };
  return html`<details class="options" onToggle=${open}><summary>How to answer</summary>
    ${!fields ? html`<p class="hint" role="status">Loading …</p>` : fields.map(([name, schema]) => {
      const kind = schema.type || schema.anyOf?.find((one) => one.type !== "null")?.type;
      const about = plainly(schema.description);
      const bounds = schema.type ? schema : schema.anyOf?.find((one) => one.type !== "null") || {};
      return html`<div class="field">
        ${kind === "boolean"
          ? html`<label class="line"><input type="checkbox" checked=${Boolean(options[name])} onChange=${(e) => set(name, e.target.checked || null)} aria-describedby=${`option-${name}`} /> <span class="mono">${name}</span></label>`
          : html`<label for=${`set-${name}`} class="mono">${name}</label><input id=${`set-${name}`} type="number" step=${kind === "integer" ? "1" : "any"} min=${bounds.minimum ?? bounds.exclusiveMinimum} max=${shortBound(bounds)}
              value=${options[name] ?? ""} placeholder="as it is" onInput=${(e) => set(name, e.target.value === "" ? null : Number(e.target.value))} aria-describedby=${`option-${name}`} />`}
        <span class="hint" id=${`option-${name}`}>${about}</span>
      </div>`;
    })}
  </details>`;
}

const shortBound = ({ maximum, exclusiveMaximum }) => (Number.isSafeInteger(maximum ?? exclusiveMaximum) || maximum < 1e9 ? maximum ?? exclusiveMaximum : undefined);

/** The first sentences of a description, without its marks of code. */
function plainly(description = "") {
  const text = description.replaceAll("`", "").replace(/\s+/g, " ");
  return text.length > 220 ? `${text.slice(0, text.lastIndexOf(". ", 220) + 1) || text.slice(0, 220)}` : text;
}
