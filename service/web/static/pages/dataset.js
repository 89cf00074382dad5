// One data set: what was read and how it was understood, what was found, its columns and first rows;
// and what a job is to say where it was read otherwise than meant.
import { html, useEffect, useState } from "../html.js";
import { api, useQuery } from "../api.js";
import { Card, Code, Empty, Loading, Marked, Progress, Trouble, say, useTitle } from "../ui.js";
import { ago, bytes, count, moment, percent, plural } from "../format.js";
import { Columns } from "./data/columns.js";
import { merged, useDraft } from "./data/draft.js";
import { remembered } from "./data/files.js";
import { sendFile } from "./data/upload.js";
import { keepDraft } from "../spec.js";

const ROWS = 100;
const SHOWN = 20;

export default function DataSet({ params }) {
  const path = `v1/datasets/${params.id}`;
  const { data, error, reload } = useQuery(path);
  const { data: preview } = useQuery(data ? `${path}/preview?rows=${ROWS}` : null);
  const [draft, setDraft] = useDraft(params.id);
  const [deleting, setDeleting] = useState(null);
  useTitle(data?.name);
  if (error && !data) return html`<h1>Data set</h1><${Trouble} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} what="Loading the data set" />`;
  const remove = async () => {
    if (!confirm(`Delete ${data.name}? Models that were trained on it keep working.`)) return;
    try {
      await api(path, { method: "DELETE" });
      say("Deleted.");
      location.hash = "/data";
    } catch (problem) {
      setDeleting(problem);
    }
  };
  return html`
    <div class="head">
      <h1 class="grow">${data.name}</h1>
      <div class="buttons"><button class="button danger" type="button" onClick=${remove}>Delete</button>
        <${NewJob} data=${data} draft=${draft}>New job with it<//></div>
    </div>
    <${Trouble} error=${deleting} />
    <${Understood} data=${data} draft=${draft} setDraft=${setDraft} />
    <${Draft} data=${data} draft=${draft} setDraft=${setDraft} />
    <${Findings} findings=${data.findings} draft=${draft} setDraft=${setDraft} />
    <${Columns} data=${data} preview=${preview} draft=${draft} setDraft=${setDraft} />
    <${Preview} preview=${preview} />`;
}

/** The way to the form of a job, with this data set and what is said of it. */
function NewJob({ data, draft, children }) {
  return html`<a class="button primary" href="#/new" onClick=${() => keepDraft({ dataset: data.id, ...draft })}>${children}</a>`;
}

const WHY_OUT = { constant: "one value only", empty: "no values", ignored: "ignored", folds: "it names the folds", groups: "it names the groups", order: "it orders the rows" };

export function Statement({ understood }) {
  const { task, classes, classes_count: all, positive, why, rows, left_out: out } = understood;
  const lost = Object.entries(rows.left_out);
  return html`<p><strong>${understood.target}</strong> is learnt as ${task === "regression" ? "a number" : task === "binary" ? "one of two classes" : `one of ${count(all)} classes`}${
    classes.length > 0 && html`: ${classes.slice(0, 12).map((name, place) => html`${place > 0 && ", "}<code>${name}</code>${name === positive && html` <span class="soft">(positive)</span>`}`)}${all > 12 && ", …"}`}. <span class="soft"><${Marked} text=${why} /></span></p>
    <p class="soft">${plural(rows.used, "row")} ${rows.used === 1 ? "is" : "are"} used${lost.length > 0 && `, left out: ${lost.map(([reason, n]) => `${count(n)} (${reason.replaceAll("_", " ")})`).join(", ")}`};
      the network sees ${plural(understood.features, "column")}${Object.keys(out).length > 0 && html`, without ${Object.entries(out).map(([name, reason], place) => html`${place > 0 && ", "}<code>${name}</code> (${WHY_OUT[reason] || reason})`)}`}.</p>`;
}

function Understood({ data, draft, setDraft }) {
  const choose = (target) => {
    const { target: _, ...rest } = draft;
    setDraft(target === (data.target || "") ? rest : { ...rest, target });
  };
  return html`<${Card} title="As it was understood" aside=${html`<label class="line">Target <select aria-label="Target" value=${draft.target || data.target || ""} onChange=${(e) => choose(e.target.value)}>
      ${!data.target && html`<option value="">none</option>`}${data.columns.slice(0, 1000).map(({ name }) => html`<option value=${name}>${name}</option>`)}</select></label>`}>
    <div class="said-of">
      ${data.understood ? html`<${Statement} understood=${data.understood} />`
        : html`<p>${data.target ? html`The target <code>${data.target}</code> cannot be learnt as it stands; the first finding says why.` : "No target was named. Choose one here, or in a job."}</p>`}
      <dl class="facts">
        <div><dt>Rows</dt><dd>${count(data.rows)}</dd></div>
        <div><dt>Columns</dt><dd>${count(data.columns_count)}</dd></div>
        <div><dt>File</dt><dd>${data.source ? html`${data.source.filename || "without a name"}, ${bytes(data.source.bytes)}` : "not kept"}</dd></div>
        <div><dt>Uploaded</dt><dd><time datetime=${data.created_at} title=${moment(data.created_at)}>${ago(data.created_at)}</time></dd></div>
        <div><dt>Id</dt><dd class="mono">${data.id}</dd></div>
      </dl>
    </div>
  <//>`;
}

/** What a job is to say of the data, tried by a dry run. */
function Draft({ data, draft, setDraft }) {
  const [checked, setChecked] = useState({ of: null, found: null, error: null });
  const [sent, setSent] = useState(null);
  const [failed, setFailed] = useState(null);
  const spec = { dataset: data.id, ...draft };
  const text = JSON.stringify(spec, null, 2);
  const empty = !Object.keys(draft).length;
  const target = draft.target || data.target;
  useEffect(() => {
    if (empty || !target) return;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      api("v1/jobs/validate", { method: "POST", body: text, signal: abort.signal }).then(
        (found) => setChecked({ of: text, found, error: null }),
        (error) => error.name === "AbortError" || setChecked({ of: text, found: null, error }),
      );
    }, 200);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text, empty]);
  if (empty) return null;
  const file = remembered(data.id);
  const again = async () => {
    setSent(0);
    setFailed(null);
    try {
      const { columns, missing, ...others } = draft;
      const said = { target: target || "", ...Object.fromEntries(Object.entries(others).map(([name, value]) => [name, String(value)])) };
      const kinds = { ...data.reading.columns, ...columns };
      if (Object.keys(kinds).length) said.columns = JSON.stringify(kinds);
      if (missing) said.missing = JSON.stringify(missing);
      const made = await sendFile(file, said, setSent);
      setDraft({});
      say("Uploaded again, and read so.");
      location.hash = `/data/${made.id}`;
    } catch (problem) {
      setFailed(problem);
    } finally {
      setSent(null);
    }
  };
  return html`<${Card} title="Read otherwise" className="draft" aside=${html`<button class="button" type="button" onClick=${() => setDraft({})}>As it was read</button>`}>
    <div class="columns">
      <div class="stacked"><p>The file is kept, so a job says it, without a second upload:</p><${Code} text=${text} label="Fields of a job" /></div>
      <div class="stacked" aria-live="polite">
        ${!target && html`<p>Name a target in the form of the job to see what becomes of it.</p>`}
        ${target && checked.of !== text && html`<p class="soft">Trying it …</p>`}
        ${checked.of === text && checked.error && html`<${Trouble} error=${checked.error} />`}
        ${checked.of === text && checked.found && html`<p class="state-succeeded"><strong><span aria-hidden="true">✓</span> It can be read so.</strong></p><${Statement} understood=${checked.found.understood} />`}
        <div class="buttons"><${NewJob} data=${data} draft=${draft}>New job so<//>
          ${file && html`<button class="button" type="button" disabled=${sent !== null} onClick=${again}>${sent === null ? "Upload again so" : percent(sent)}</button>`}</div>
        ${sent !== null && html`<${Progress} value=${sent} label="Upload" />`}
        <${Trouble} error=${failed} />
      </div>
    </div>
  <//>`;
}

const KINDS = { error: "Error", warning: "Warning", info: "Note" };

function Findings({ findings, draft, setDraft }) {
  const [all, setAll] = useState(false);
  if (!findings.length) return html`<${Card} title="Findings"><p class="soft">Nothing was found that may be meant otherwise.</p><//>`;
  const shown = all ? findings : findings.slice(0, 8);
  const holds = (change) => JSON.stringify(merged(draft, change)) === JSON.stringify(draft);
  return html`<${Card} title="Findings" aside=${html`<span class="hint">${plural(findings.length, "finding")}</span>`}>
    <ul class="advice">${shown.map((one) => html`<li class=${one.severity}>
      <span class="kind">${KINDS[one.severity] || one.severity}${one.column && html`: ${one.column}`}</span>
      <span><${Marked} text=${one.message} /></span>
      ${one.fix && html`<span class="soft"><${Marked} text=${one.fix} /></span>`}
      ${one.change && html`<div class="buttons"><code>${JSON.stringify(one.change)}</code>
        <button class="button" type="button" disabled=${holds(one.change)} onClick=${() => { setDraft(merged(draft, one.change)); say("Taken."); }}>${holds(one.change) ? "Taken ✓" : "Take it"}<span class="hidden">: ${JSON.stringify(one.change)}</span></button></div>`}
    </li>`)}</ul>
    ${findings.length > shown.length && html`<div class="buttons rest"><button class="button" type="button" onClick=${() => setAll(true)}>All ${count(findings.length)}</button></div>`}
  <//>`;
}

function Preview({ preview }) {
  if (!preview) return null;
  const rows = preview.rows.slice(0, SHOWN);
  if (preview.columns.every((column) => column.kind === "image")) return html`<${Card} title="First rows"><${Empty}><p>Pictures are not shown here.</p><//><//>`;
  return html`<${Card} title="First rows" className="flush" aside=${html`<span class="hint">${count(rows.length)} of ${count(preview.rows_count)}, as they were read</span>`}>
    <div class="scroll preview" tabindex="0" role="region" aria-label="Table of first rows"><table>
      <caption class="hidden">First rows, as they were read</caption>
      <thead><tr>${preview.columns.map((column) => html`<th scope="col" class=${column.kind === "numeric" ? "number" : ""}>${column.name}</th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`<tr>${row.map((cell, place) => html`<td class=${preview.columns[place].kind === "numeric" ? "number" : ""}>${cell === null ? html`<span class="soft">${preview.columns[place].kind === "image" ? "image" : "missing"}</span>` : String(cell)}</td>`)}</tr>`)}</tbody>
    </table></div>
  <//>`;
}
