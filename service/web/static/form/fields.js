// Fields made from a schema. An object shows what is set, and offers the rest: what is not set keeps
// its default, so that the specification stays as short as one would write it by hand.
import { html, useId, useState } from "../html.js";
import { words } from "../format.js";
import { alternatives, beginning, brief, fits, isScalar, nameOf, resolved } from "./schema.js";

/** `context`: `{root, errors, techniques, datasets}`. */
export function Field({ context, path, schema, value, onChange, onRemove, label }) {
  const whole = resolved(context.root, schema);
  const choices = alternatives(context.root, whole);
  const chosen = choices.find((choice) => fits(choice, value)) || choices[0];
  const name = label || words(path.split(".").pop());
  const error = context.errors[path];
  const id = useId();
  const described = `${id}-hint`;
  const choose = (event) => onChange(beginning(context.root, choices[Number(event.target.value)]));
  const pick = choices.length > 1 && html`<select class="as" aria-label="${name}: kind of value" value=${choices.indexOf(chosen)} onChange=${choose}>
    ${choices.map((choice, place) => html`<option value=${place}>${nameOf(choice)}</option>`)}</select>`;
  const away = onRemove && html`<button class="button icon small" type="button" aria-label="Leave out ${name}" title="Leave it out" onClick=${onRemove}>×</button>`;
  const hint = html`<div class="hint" id=${described} title=${whole.description || undefined}>${error && html`<span class="wrong">${error}</span> `}${brief(whole.description)}</div>`;
  if (!isScalar(chosen) && !(chosen.type === "array" && isScalar(resolved(context.root, chosen.items)))) {
    return html`<fieldset class="group">
      <legend>${name}${pick}${away}</legend>
      ${hint}
      ${chosen.type === "object" && chosen.properties ? html`<${Members} context=${context} path=${path} schema=${chosen} value=${value || {}} onChange=${onChange} />`
        : html`<${Json} id=${id} described=${described} value=${value} onChange=${onChange} name=${name} />`}
    </fieldset>`;
  }
  return html`<div class="field">
    <div class="field-head"><label for=${id}>${name}</label>${pick}${away}</div>
    <${Scalar} id=${id} described=${described} schema=${chosen} context=${context} value=${value} onChange=${onChange} invalid=${Boolean(error)} />
    ${hint}
  </div>`;
}

function Scalar({ id, described, schema, context, value, onChange, invalid }) {
  const common = { id, "aria-describedby": described, "aria-invalid": invalid ? "true" : undefined };
  if (schema.const !== undefined) return html`<input ...${common} value=${String(schema.const)} disabled />`;
  if (schema.enum) return html`<select ...${common} value=${value} onChange=${(e) => onChange(schema.enum.find((one) => String(one) === e.target.value))}>
    ${schema.enum.map((one) => html`<option value=${one}>${one}</option>`)}</select>`;
  if (schema.type === "boolean") return html`<label class="line switch"><input ...${common} type="checkbox" checked=${value === true} onChange=${(e) => onChange(e.target.checked)} /> ${value ? "yes" : "no"}</label>`;
  if (schema.type === "array") return html`<${List} common=${common} schema=${resolved(context.root, schema.items)} value=${value || []} onChange=${onChange} />`;
  if (schema.type === "string") return html`<input ...${common} type="text" maxlength=${schema.maxLength} value=${value ?? ""} spellcheck=${false} onInput=${(e) => onChange(e.target.value)} />`;
  return html`<${Figure} common=${common} schema=${schema} value=${value} onChange=${onChange} />`;
}

/** A number as typed: `1e-4` and `0.` are on their way to being one. */
export function Figure({ common, schema, value, onChange }) {
  const [typed, setTyped] = useState(null);
  const take = (event) => {
    setTyped(event.target.value);
    const number = Number(event.target.value);
    if (event.target.value.trim() !== "" && !Number.isNaN(number)) onChange(number);
  };
  const shown = typed !== null && Number(typed) === value ? typed : typed !== null && document.activeElement?.id === common.id ? typed : String(value ?? "");
  return html`<input ...${common} type="text" inputmode="decimal" value=${shown} onInput=${take} onBlur=${() => setTyped(null)}
    placeholder=${schema.minimum !== undefined ? `from ${schema.minimum}` : ""} />`;
}

function List({ common, schema, value, onChange }) {
  const [typed, setTyped] = useState(null);
  const numeric = ["number", "integer"].includes(schema.type);
  const take = (event) => {
    setTyped(event.target.value);
    const parts = event.target.value.split(",").map((part) => part.trim()).filter(Boolean);
    const made = numeric ? parts.map(Number) : parts;
    if (!numeric || made.every((one) => !Number.isNaN(one))) onChange(made);
  };
  return html`<input ...${common} type="text" value=${typed ?? value.join(", ")} placeholder="separated by commas" onInput=${take} onBlur=${() => setTyped(null)} />`;
}

/** Whatever has no field of its own: as JSON. */
export function Json({ id, described, value, onChange, name, rows }) {
  const [typed, setTyped] = useState(null);
  const [wrong, setWrong] = useState("");
  const take = (event) => {
    setTyped(event.target.value);
    try {
      onChange(JSON.parse(event.target.value));
      setWrong("");
    } catch (error) {
      setWrong(error.message);
    }
  };
  const text = typed ?? JSON.stringify(value, null, 1);
  return html`<textarea id=${id} aria-label="${name} as JSON" aria-describedby=${described} aria-invalid=${wrong ? "true" : undefined} spellcheck=${false}
    rows=${rows || Math.min(12, text.split("\n").length + 1)} value=${text} onInput=${take} onBlur=${() => wrong || setTyped(null)}></textarea>
    ${wrong && html`<div class="hint wrong">${wrong}</div>`}`;
}

/** The members of an object: those that are set, and a list of those that could be. */
export function Members({ context, path, schema, value, onChange, only, always = [], addLabel }) {
  const names = Object.keys(schema.properties).filter((name) => !only || only.includes(name));
  const required = new Set(schema.required || []);
  const isKind = (name) => resolved(context.root, schema.properties[name]).const !== undefined;
  const shown = names.filter((name) => !isKind(name) && (name in value || required.has(name) || always.includes(name)));
  const rest = names.filter((name) => !isKind(name) && !shown.includes(name));
  const set = (name, part) => onChange({ ...value, [name]: part });
  const without = (name) => onChange(Object.fromEntries(Object.entries(value).filter(([other]) => other !== name)));
  return html`<div class="members">
    ${shown.map((name) => html`<${Field} key=${name} context=${context} path=${path ? `${path}.${name}` : name} schema=${schema.properties[name]}
      value=${value[name] ?? beginning(context.root, schema.properties[name])} onChange=${(part) => set(name, part)} onRemove=${required.has(name) || always.includes(name) ? null : () => without(name)} />`)}
    ${rest.length > 0 && html`<${Add} label=${addLabel || (path ? `Add to ${words(path.split(".").pop())}` : "Add a setting")} options=${rest.map((name) => [name, words(name), brief(resolved(context.root, schema.properties[name]).description)])}
      onAdd=${(name) => set(name, beginning(context.root, schema.properties[name]))} />`}
  </div>`;
}

export function Add({ label, options, onAdd }) {
  return html`<select class="add" aria-label=${label} value="" onChange=${(e) => { if (e.target.value) onAdd(e.target.value); e.target.value = ""; }}>
    <option value="">+ ${label} …</option>
    ${options.map(([value, name, hint]) => html`<option value=${value} title=${hint}>${name}${hint ? `: ${hint.length > 70 ? `${hint.slice(0, 68)}…` : hint}` : ""}</option>`)}
  </select>`;
}

/** The techniques of one configuration, chosen from the catalogue. */
export function Techniques({ context, path, value, onChange }) {
  const schema = context.root.Regularization;
  const long = (name, part) => {
    // A number alone is a technique's main field, and true all its defaults.
    const technique = context.techniques.find((one) => one.name === name);
    if (typeof part === "number" && technique?.main_field) return { [technique.main_field]: part };
    return part === true || part === null ? {} : part;
  };
  const set = (name, part) => onChange({ ...value, [name]: part });
  const without = (name) => onChange(Object.fromEntries(Object.entries(value).filter(([other]) => other !== name)));
  const begin = (name) => {
    const { properties, required = [] } = alternatives(context.root, schema.properties[name])[0];
    const main = context.techniques.find((one) => one.name === name)?.main_field;
    const wanted = [...new Set([...required, ...(main ? [main] : [])])];
    return Object.fromEntries(wanted.map((field) => [field, beginning(context.root, properties[field])]));
  };
  const present = Object.keys(value);
  const free = context.techniques.filter((one) => !present.includes(one.name) && !one.conflicts.some((other) => present.includes(other)));
  return html`<div class="techniques">
    ${present.length === 0 && html`<p class="hint">No technique: nothing holds the network back.</p>`}
    ${present.map((name) => {
      const object = alternatives(context.root, schema.properties[name] || {}).find((one) => one.properties);
      if (!object) return null;
      const error = context.errors[`${path}.${name}`];
      return html`<fieldset class="group technique" key=${name}>
        <legend>${context.techniques.find((one) => one.name === name)?.title || name}
          <button class="button icon small" type="button" aria-label="Leave out ${name}" title="Leave it out" onClick=${() => without(name)}>×</button></legend>
        ${error && html`<div class="hint wrong">${error}</div>`}
        <${Members} context=${context} path=${`${path}.${name}`} schema=${object} value=${long(name, value[name])} onChange=${(part) => set(name, part)} />
      </fieldset>`;
    })}
    <${Add} label="Add a technique" options=${free.map((one) => [one.name, one.title, one.summary])} onAdd=${(name) => set(name, begin(name))} />
  </div>`;
}
