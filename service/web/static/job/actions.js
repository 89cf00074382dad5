// What one can do with a job, and take home from it.
import { html, useState } from "../html.js";
import { api, download } from "../api.js";
import { Card, say } from "../ui.js";
import { keepDraft, shortened } from "../spec.js";

const OPEN = new Set(["queued", "running", "paused"]);

export function Actions({ job, reload }) {
  const [busy, setBusy] = useState(false);
  const ask = async (verb, done, { method = "POST", question } = {}) => {
    if (question && !confirm(question)) return;
    setBusy(true);
    try {
      const answer = await api(`v1/jobs/${job.id}${verb && `/${verb}`}`, { method });
      say(done);
      if (verb === "retry") location.hash = `/jobs/${answer.id}`;
      else if (method === "DELETE") location.hash = "/jobs";
      else reload();
    } catch (error) {
      say(error.message);
    }
    setBusy(false);
  };
  const open = OPEN.has(job.state);
  const promote = async () => {
    setBusy(true);
    await api(`v1/models/${job.model.name}/aliases/production`, { method: "PUT", body: { version: job.model.version } }).then(
      () => say(`Version ${job.model.version} of ${job.model.name} is in production.`), (error) => say(error.message));
    setBusy(false);
  };
  const again = () => { keepDraft(job.spec); location.hash = "/new"; };
  return html`<div class="buttons">
    ${job.model?.version && html`<button class="button primary" type="button" disabled=${busy} title="Let the alias production point at this version" onClick=${promote}>Promote v${job.model.version}</button>`}
    ${open && job.state !== "paused" && html`<button class="button" type="button" disabled=${busy} onClick=${() => ask("pause", "It pauses after its checkpoint.")}>Pause</button>`}
    ${job.state === "paused" && html`<button class="button" type="button" disabled=${busy} onClick=${() => ask("resume", "It goes on.")}>Resume</button>`}
    ${open && html`<button class="button danger" type="button" disabled=${busy} onClick=${() => ask("cancel", "Cancelled.", { question: "Cancel this job? What has finished of it is kept." })}>Cancel</button>`}
    ${["failed", "cancelled"].includes(job.state) && html`<button class="button" type="button" disabled=${busy} onClick=${() => ask("retry", "Accepted once more.")}>Train it once more</button>`}
    ${!shortened(job.spec) && html`<button class="button" type="button" onClick=${again}>Edit and submit</button>`}
    <a class="button" href="#/compare?jobs=${job.id}">Compare</a>
    ${!open && html`<button class="button danger" type="button" disabled=${busy} onClick=${() => ask("", "Deleted.", { method: "DELETE", question: "Delete this job with its trials and files? A model that it made stays." })}>Delete</button>`}
  </div>`;
}

/** Files, fetched so that the key goes with them. */
export function Downloads({ job, report }) {
  const path = `v1/jobs/${job.id}`;
  const held = [["validation", "validation"], ["test", "test"]].filter(([part]) => Object.keys(report?.configurations[0]?.metrics || {}).some((name) => name.startsWith(`${part}_`)));
  const folds = job.spec.split?.folds !== undefined;
  const files = [
    [`${path}/report.md`, "report.md", "Report, Markdown"],
    [`${path}/chart.png?kind=curves&density=2`, "curves.png", "Curves, PNG"],
    ...(job.best && !folds ? held.map(([part]) => [`${path}/predictions?part=${part}&format=csv`, `predictions-${part}.csv`, `Predictions of the ${part} rows, CSV`]) : []),
    ...(job.best && folds ? [[`${path}/predictions?part=out_of_fold&format=csv`, "predictions-out-of-fold.csv", "Predictions out of fold, CSV"]] : []),
    [`${path}/splits?format=csv`, "splits.csv", "Which row is in which part, CSV"],
    ...(job.model?.version ? [[`v1/models/${job.model.name}/versions/${job.model.version}/file`, `${job.model.name}-${job.model.version}.safetensors`, "Model file, safetensors"]] : []),
  ];
  const [busy, setBusy] = useState("");
  const fetchIt = async (address, name) => {
    setBusy(name);
    await download(address, name).catch((error) => say(error.message));
    setBusy("");
  };
  return html`<${Card} title="Take it with you"><ul class="downloads">${files.map(([address, name, words]) => html`<li>
    <button class="link" type="button" disabled=${busy === name} onClick=${() => fetchIt(address, name)}>${words}</button> <span class="hint mono">${name}</span></li>`)}</ul><//>`;
}
