// The space of a search: a line for each field that is varied, or all of it as JSON.
import { html, useId, useState } from "../html.js";
import { words } from "../format.js";
import { Add, Figure, Json } from "./fields.js";

const KINDS = { even: "evenly", log: "by its logarithm", values: "one of a list", optional: "on or off" };
const NAMED = { default: "the named techniques' own ranges", auto: "all techniques that fit" };
const OTHERS = [["training.optimizer.learning_rate", "learning rate", { low: 1e-4, high: 1e-1, log: true }], ["training.batch_size", "batch size", { values: [16, 32, 64, 128] }]];

/** Fields that a search may vary, with the range in which each is usually looked for. */
function known(techniques) {
  const own = techniques.flatMap((one) => one.fields.filter((field) => field.search).map((field) => [
    `regularization.${one.name}.${field.name}`, `${one.name} ${words(field.name).toLowerCase()}`, { low: field.search.low, high: field.search.high, ...(field.search.log && { log: true }) },
  ]));
  return [...own, ...OTHERS];
}

const kindOf = (dimension) => (dimension?.optional ? "optional" : dimension?.values ? "values" : dimension?.log ? "log" : "even");

/** The same field in another distribution; a logarithm has no 0. */
function turned(dimension, kind) {
  const { low = 0.0001, high = 1, integer } = dimension;
  if (kind === "optional") return { optional: true };
  if (kind === "values") return { values: dimension.low === undefined ? [] : [low, high] };
  const ends = { low: kind === "log" && low <= 0 ? high / 1000 : low, high, ...(integer && { integer }) };
  return kind === "log" ? { ...ends, log: true } : ends;
}

const read = (text) => {
  try { return JSON.parse(text); } catch { return text; }
};

function Values({ id, label, value, onChange }) {
  const [typed, setTyped] = useState(null);
  const take = (event) => {
    setTyped(event.target.value);
    const parts = event.target.value.split(",").map((part) => part.trim()).filter(Boolean);
    if (parts.length) onChange(parts.map(read));
  };
  // What is no number or name, such as an object, is written in the JSON.
  const simple = value.every((one) => one === null || typeof one !== "object");
  return html`<input id=${id} aria-label=${label} type="text" readonly=${!simple} value=${typed ?? value.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join(", ")}
    placeholder="separated by commas" onInput=${take} onBlur=${() => setTyped(null)} />`;
}

function Dimension({ path, dimension, error, rename, change, remove }) {
  const [typed, setTyped] = useState(null);
  const id = useId();
  const kind = kindOf(dimension);
  const leave = () => {
    if (typed !== null && typed.trim()) rename(typed.trim());
    setTyped(null);
  };
  const end = (name) => html`<label class="line">${name === "low" ? "from" : "to"} <${Figure} common=${{ id: `${id}-${name}`, "aria-label": `${path}: ${name}` }} schema=${{}} value=${dimension[name]} onChange=${(value) => change({ ...dimension, [name]: value })} /></label>`;
  return html`<div class="dimension" role="group" aria-label=${path}>
    <input class="mono" type="text" aria-label="Field that is varied" spellcheck=${false} value=${typed ?? path} onInput=${(event) => setTyped(event.target.value)} onBlur=${leave} />
    <select class="as" aria-label="${path}: how it is drawn" value=${kind} onChange=${(event) => change(turned(dimension, event.target.value))}>
      ${Object.entries(KINDS).map(([name, said]) => html`<option value=${name}>${said}</option>`)}</select>
    ${kind === "values" && html`<${Values} id=${`${id}-values`} label="${path}: values" value=${dimension.values} onChange=${(values) => change({ values })} />`}
    ${(kind === "even" || kind === "log") && html`${end("low")}${end("high")}`}
    <button class="button icon small" type="button" aria-label="Leave out ${path}" title="Leave it out" onClick=${remove}>×</button>
    ${error && html`<div class="hint wrong">${error}</div>`}
  </div>`;
}

/** `value` is a name or `{path: dimension}`. */
export function Space({ context, value, onChange }) {
  const id = useId();
  const [asJson, setAsJson] = useState(false);
  const named = typeof value === "string";
  const entries = named ? [] : Object.entries(value);
  const fields = known(context.techniques);
  const free = fields.filter(([path]) => named || !(path in value));
  const put = (place, path, dimension) => onChange(Object.fromEntries(entries.map((one, other) => (other === place ? [path, dimension] : one))));
  const choose = (event) => onChange(event.target.value === "fields" ? {} : event.target.value);
  const errorOf = (path) => Object.entries(context.errors).find(([param]) => param === `search.space.${path}` || param.startsWith(`search.space.${path}.`))?.[1];
  return html`<fieldset class="group space">
    <legend>Space <select class="as" aria-label="Space: what is varied" value=${named ? value : "fields"} onChange=${choose}>
        ${Object.entries(NAMED).map(([name, said]) => html`<option value=${name}>${said}</option>`)}<option value="fields">these fields</option></select></legend>
    <div class="buttons">${!named && html`<button class="button small" type="button" aria-pressed=${asJson ? "true" : "false"} onClick=${() => setAsJson(!asJson)}>As JSON</button>`}</div>
    ${context.errors["search.space"] && html`<div class="hint wrong">${context.errors["search.space"]}</div>`}
    ${asJson && !named ? html`<${Json} id=${id} value=${value} onChange=${onChange} name="Space" rows="8" />`
      : entries.map(([path, dimension], place) => html`<${Dimension} key=${place} path=${path} dimension=${dimension} error=${errorOf(path)}
          rename=${(next) => put(place, next, dimension)} change=${(next) => put(place, path, next)} remove=${() => onChange(Object.fromEntries(entries.filter((_, other) => other !== place)))} />`)}
    ${!named && !asJson && html`<${Add} label="Vary a field" options=${free.map(([path, said]) => [path, said, ""])} onAdd=${(path) => onChange({ ...value, [path]: fields.find(([one]) => one === path)[2] })} />`}
  </fieldset>`;
}
