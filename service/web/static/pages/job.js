// One job: the verdict first, then how it went, what to change, and what is left of it.
import { html, useEffect } from "../html.js";
import { useQuery } from "../api.js";
import { chartjs } from "../charts.js";
import { Card, Code, Loading, Progress, State, Trouble, useTitle } from "../ui.js";
import { count, datasetName, figure, jobTitle, moment, percent, plural, span, words } from "../format.js";
import { curl, written } from "../spec.js";
import { LiveCurves, useLive } from "../job/live.js";
import { AdviceList } from "../job/advice.js";
import { Leaderboard } from "../job/leaderboard.js";
import { EndedCurves, Pictures } from "../job/pictures.js";
import { Sparsity } from "../job/sparsity.js";
import { Actions, Downloads } from "../job/actions.js";

chartjs(); // fetched while the job is asked for

const ENDED = new Set(["succeeded", "failed", "cancelled"]);

/** The first sentence: what came of it, or how far it is. */
function Opening({ job, report, now }) {
  if (job.state === "failed") return html`<div class="trouble" role="alert"><strong>It failed.</strong><p>${job.error?.param && html`<code>${job.error.param}</code> `}${job.error?.message}</p></div>`;
  if (job.state === "succeeded") {
    if (report?.verdict) return html`<p class="verdict">${capital(report.verdict)}</p>`;
    if (!job.best) return html`<p class="verdict">It succeeded.</p>`;
    return html`<p class="verdict">${job.best.name} is best: ${words(job.objective).toLowerCase()} ${figure(job.best.value)}.</p>`;
  }
  if (job.state === "cancelled") return html`<p class="verdict">It was cancelled after ${plural(job.trials.finished, "trial")} of ${count(job.trials.total)}.</p>`;
  const { fraction, epoch, epochs, eta_seconds: eta } = now.progress;
  const leading = now.best && `Leading: ${now.best.name}, ${words(now.objective).toLowerCase()} ${figure(now.best.value)}.`;
  return html`<div class="live">
    <p class="verdict">${now.waiting_for ? `It waits for ${now.waiting_for}.` : now.state === "paused" ? "It is paused." : now.state === "queued" ? "It is about to begin." : `It trains${eta !== null ? `; about ${span(eta)} left` : ""}.`}</p>
    <${Progress} value=${fraction} label="Progress of the job" />
    <p class="hint">${percent(fraction)} · epoch ${count(epoch)} of ${count(epochs)} · ${count(now.trials.finished)} of ${plural(now.trials.total, "trial")} ended${now.trials.failed ? `, ${count(now.trials.failed)} failed` : ""}${leading ? ` · ${leading}` : ""}</p>
  </div>`;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function Facts({ job }) {
  const { understood } = job;
  const took = job.finished_at && job.started_at ? (new Date(job.finished_at) - new Date(job.started_at)) / 1000 : null;
  const network = job.spec.network;
  return html`<dl class="facts">
    <div><dt>Data</dt><dd>${datasetName(job.spec.dataset)}${understood ? ` · ${plural(understood.rows.used, "row")}, ${plural(understood.features, "feature")}` : ""}</dd></div>
    ${understood && html`<div><dt>Predicts</dt><dd>${understood.target || "the target"} (${understood.task}${understood.classes_count ? `, ${understood.classes_count} classes` : ""})</dd></div>`}
    ${network && html`<div><dt>Network</dt><dd>${network.kind}${network.hidden ? ` ${network.hidden.join("–")}` : ""}</dd></div>`}
    <div><dt>Trials</dt><dd>${count(job.trials.total)}</dd></div>
    <div><dt>Chosen by</dt><dd>${words(job.objective)}</dd></div>
    ${job.model && html`<div><dt>Model</dt><dd>${job.model.version ? html`<a href="#/models/${job.model.name}">${job.model.name} v${job.model.version}</a>` : job.model.name}</dd></div>`}
    <div><dt>Accepted</dt><dd>${moment(job.created_at)}</dd></div>
    ${took !== null && html`<div><dt>Took</dt><dd>${span(took)}</dd></div>`}
    ${!job.exact && html`<div><dt>Exact</dt><dd>no: it went on elsewhere</dd></div>`}
    ${job.retry_of && html`<div><dt>Once more</dt><dd><a href="#/jobs/${job.retry_of}">${job.retry_of}</a></dd></div>`}
  </dl>`;
}

function Log({ job, live, over }) {
  const { data } = useQuery(over ? `v1/jobs/${job.id}/events?limit=100` : null);
  const lines = over ? data?.data || live.log : live.log;
  return html`<${Card} title="Log"><ol class="log" tabindex="0" aria-label="Log of the job">${lines.map((line) => html`<li key=${line.id} class=${line.level}>
    <time class="soft" datetime=${line.created_at}>${new Date(line.created_at).toLocaleTimeString("en", { hour12: false })}</time> <span>${line.message}</span></li>`)}</ol><//>`;
}

export default function Job({ params }) {
  const path = `v1/jobs/${params.id}`;
  const { data: job, error, reload } = useQuery(path);
  const over = Boolean(job && ENDED.has(job.state));
  const live = useLive(params.id, Boolean(job) && !over);
  // The stream tells what moves; all of the job is read again when it changes its state.
  const state = live.end?.state || live.now?.state;
  useEffect(() => { if (job && state && state !== job.state) reload(); }, [state]);
  useTitle(job && jobTitle(job));
  // Without what a search found, which takes the longest: the pictures ask for it once they are seen.
  const { data: report, error: unreported } = useQuery(over ? `${path}/report?search=false` : null);
  if (error && !job) return html`<h1>Job</h1><${Trouble} error=${error} retry=${reload} />`;
  if (!job) return html`<${Loading} what="Loading the job" />`;
  const now = live.now && !over ? live.now : job;
  const advice = (!over && live.advice) || job.advice;
  return html`
    <div class="head">
      <div class="grow"><h1>${jobTitle(job)}</h1><div class="hint"><${State} state=${now.state} /> · <span class="mono">${job.id}</span></div></div>
      <${Actions} job=${{ ...job, state: now.state }} reload=${reload} />
    </div>
    <${Opening} job=${{ ...job, state: over ? job.state : now.state }} report=${report} now=${now} />
    <${Facts} job=${job} />
    ${over ? html`<${Card} title="Curves"><${EndedCurves} job=${job} /><//>`
      : live.curves.size > 0 && html`<${Card} title="Curves" aside=${html`<span class="hint">live</span>`}><${LiveCurves} curves=${live.curves} objective=${job.objective} epochs=${job.spec.training?.epochs ?? 50} /><//>`}
    ${advice.length > 0 && html`<${Card} title="Advice"><${AdviceList} advice=${advice} spec=${job.spec} /><//>`}
    ${(over || now.trials.finished > 0) && (over && !report && !unreported
      ? html`<${Card} title="Leaderboard"><${Loading} /><//>`
      : html`<${Leaderboard} job=${over ? job : { ...job, trials: now.trials }} report=${report} />`)}
    ${over && report && html`<${Pictures} job=${job} /><${Sparsity} report=${report} job=${job} />`}
    <div class="columns">
      ${over && html`<${Downloads} job=${job} report=${report} />`}
      <${Log} job=${job} live=${live} over=${over} />
    </div>
    <${Card} title="What was posted" aside=${html`<span class="hint">the same job from a shell</span>`}>
      <${Code} text=${curl("v1/jobs", job.spec)} label="The request as curl" copyLabel="Copy curl" />
    <//>`;
}
