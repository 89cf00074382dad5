// A file becomes a data set: dropped or chosen, with its target and how it is to be read.
import { html, useRef, useState } from "../../html.js";
import { upload } from "../../api.js";
import { Card, Progress, Trouble } from "../../ui.js";
import { bytes, percent } from "../../format.js";
import { remember } from "./files.js";

const READING = [
  { name: "separator", label: "Separator", hint: "comma, semicolon, tab, bar; worked out unless given" },
  { name: "decimal", label: "Decimal mark", hint: ". or ," },
  { name: "thousands", label: "Mark of thousands", hint: ", . ' _ or a space" },
  { name: "missing", label: "Missing cells", hint: 'texts that mean missing, as ["NA", "-"], or one' },
  { name: "encoding", label: "Encoding", hint: "utf-8, latin-1, utf-16, …" },
  { name: "columns", label: "Kinds of columns", hint: '{"zip": "categorical", "id": "ignore"}' },
];
const START = 65_536;

/** The names in the first line of a text; none of other files. */
async function namesOf(file) {
  const text = await file.slice(0, START).text().catch(() => "");
  if (/[\u0000-\u0008]/.test(text)) return [];
  const line = text.split(/\r?\n/).find((one) => one && !one.startsWith("#") && !one.startsWith("sep=")) || "";
  const separator = [";", "\t", "|", ","].map((one) => [line.split(one).length, one]).sort(([a], [b]) => b - a)[0][1];
  return line.split(separator).map((name) => name.trim().replace(/^\uFEFF?"?|"$/g, "")).filter(Boolean).slice(0, 1000);
}

export function Upload() {
  const [file, setFile] = useState(null);
  const [names, setNames] = useState([]);
  const [target, setTarget] = useState("");
  const [reading, setReading] = useState({});
  const [over, setOver] = useState(false);
  const [sent, setSent] = useState(null);
  const [error, setError] = useState(null);
  const input = useRef(null);

  const choose = async (chosen) => {
    if (!chosen) return;
    setFile(chosen);
    setError(null);
    setTarget("");
    setNames(await namesOf(chosen));
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    choose(event.dataTransfer.files[0]);
  };
  const send = async (event) => {
    event.preventDefault();
    setSent(0);
    setError(null);
    try {
      const made = await sendFile(file, { target, ...reading }, setSent);
      location.hash = `/data/${made.id}`;
    } catch (problem) {
      setError(problem);
      setSent(null);
    }
  };
  return html`<${Card} title="Upload">
    <form class="upload" onSubmit=${send}>
      <div class="drop ${over ? "over" : ""}" onDragOver=${(e) => { e.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)} onDrop=${drop}>
        <label class="button" for="file">${file ? "Another file" : "Choose a file"}</label>
        <input id="file" ref=${input} class="hidden" type="file" accept=".csv,.tsv,.txt,.parquet,.npz,.zip" onChange=${(e) => choose(e.target.files[0])} />
        <span aria-live="polite">${file ? html`<strong>${file.name}</strong> <span class="soft">${bytes(file.size)}</span>` : html`<span class="soft">or drop it here: CSV, Parquet, NPZ, or a zip of images</span>`}</span>
      </div>
      ${file && html`
        <div class="upload-fields">
          <label>Target <input list="names" value=${target} autocomplete="off" spellcheck=${false} placeholder="what shall be predicted" onInput=${(e) => setTarget(e.target.value)} /></label>
          <datalist id="names">${names.map((name) => html`<option value=${name} />`)}</datalist>
          <button class="button primary" disabled=${sent !== null}>${sent === null ? "Upload" : sent < 1 ? percent(sent) : "Reading …"}</button>
        </div>
        <p class="hint">The target can also be named later, by a job.</p>
        <details><summary>How it is to be read</summary><div class="fields">
          ${READING.map((one) => html`<div class="field"><label for="read-${one.name}">${one.label}</label>
            <input id="read-${one.name}" value=${reading[one.name] || ""} spellcheck=${false} aria-describedby="read-${one.name}-hint" aria-invalid=${error?.param === one.name ? "true" : undefined}
              onInput=${(e) => setReading({ ...reading, [one.name]: e.target.value })} /><span class="hint" id="read-${one.name}-hint">${one.hint}</span></div>`)}
          <div class="field"><label for="read-header">First line</label><select id="read-header" value=${reading.header || ""} onChange=${(e) => setReading({ ...reading, header: e.target.value })}>
            <option value="">worked out</option><option value="true">names of columns</option><option value="false">a row</option></select></div>
        </div></details>
        ${sent !== null && html`<${Progress} value=${sent} label="Upload" />`}`}
      <${Trouble} error=${error} />
    </form>
  <//>`;
}

/** Uploads a file with what is said of it, and remembers it for another reading. */
export async function sendFile(file, said, onProgress) {
  const form = new FormData();
  for (const [name, value] of Object.entries(said)) if (value) form.append(name, value);
  form.append("file", file);
  const made = await upload("v1/datasets", form, onProgress);
  remember(made.id, file);
  return made;
}
