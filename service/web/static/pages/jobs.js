// The list of jobs, newest on top.
import { html, useEffect, useState } from "../html.js";
import { api, useQuery } from "../api.js";
import { Card, Empty, Loading, Progress, State, Trouble, useTitle } from "../ui.js";
import { ago, count, figure, jobTitle, moment, percent, plural, span, words } from "../format.js";

const STATES = ["queued", "running", "paused", "succeeded", "failed", "cancelled"];
const OPEN = new Set(["queued", "running", "paused"]);
const PAGE = 25;

function How({ job }) {
  if (job.state === "running" || job.state === "paused") {
    return html`<${Progress} value=${job.progress.fraction} label="Progress of ${jobTitle(job)}" />
      <span class="hint">${percent(job.progress.fraction)} · ${job.trials.finished ? `${count(job.trials.finished)} of ${plural(job.trials.total, "trial")}` : plural(job.trials.total, "trial")}
      ${job.state === "running" && job.progress.eta_seconds !== null && ` · about ${span(job.progress.eta_seconds)} left`}</span>`;
  }
  if (job.state === "queued") return html`<span class="hint">${job.waiting_for ? `Waits for ${job.waiting_for}` : plural(job.trials.total, "trial")}</span>`;
  if (job.state === "failed") return html`<span class="hint">${job.error?.message}</span>`;
  if (job.best) {
    return html`${job.best.name} <span class="hint">${words(job.objective)} ${figure(job.best.value)} · ${plural(job.trials.total, "trial")}</span>`;
  }
  return html`<span class="hint">${plural(job.trials.finished, "trial")} of ${count(job.trials.total)}</span>`;
}

export default function Jobs({ query }) {
  useTitle("Jobs");
  const state = query.state || "";
  const address = (more) => `v1/jobs?${new URLSearchParams({ limit: PAGE, ...(state && { state }), ...more })}`;
  const [pages, setPages] = useState([]);
  const [more, setMore] = useState(null);
  const [open, setOpen] = useState(true);
  const { data, error, loading, reload } = useQuery(address({}), { every: open ? 1500 : 5000 });
  useEffect(() => { setPages([]); setMore(null); }, [state]);
  const seen = new Set();
  const jobs = [...(data?.data || []), ...pages].filter((job) => !seen.has(job.id) && seen.add(job.id));
  const has = more ?? data?.has_more;
  useEffect(() => setOpen(jobs.some((job) => OPEN.has(job.state))), [data]);
  const [chosen, setChosen] = useState([]);
  const choose = (id) => setChosen((old) => (old.includes(id) ? old.filter((other) => other !== id) : [...old, id]));

  const next = async () => {
    const page = await api(address({ after: jobs.at(-1).id }));
    setPages([...pages, ...page.data]);
    setMore(page.has_more);
  };
  return html`
    <div class="head">
      <h1 class="grow">Jobs</h1>
      <div class="filters">
        <label class="line">State <select value=${state} onChange=${(e) => { location.hash = e.target.value ? `/jobs?state=${e.target.value}` : "/jobs"; }}>
          <option value="">all</option>${STATES.map((s) => html`<option value=${s}>${s}</option>`)}
        </select></label>
        <a class="button" href=${chosen.length ? `#/compare?jobs=${chosen.join()}` : undefined} aria-disabled=${chosen.length < 1 ? "true" : undefined} hidden=${!chosen.length}>Compare ${chosen.length}</a>
        <a class="button primary" href="#/new">New job</a>
      </div>
    </div>
    <${Trouble} error=${error} retry=${reload} />
    ${loading && html`<${Loading} what="Loading jobs" />`}
    ${data && !jobs.length && html`<${Card}><${Empty}>
      <p>${state ? `No job is ${state}.` : "No job yet. A first one compares four ways to regularize a small network, and takes a few seconds."}</p>
      ${!state && html`<a class="button primary" href="#/new">Submit the first job</a>`}
    <//><//>`}
    ${jobs.length > 0 && html`<${Card} className="flush">
      <div class="scroll" tabindex="0" role="region" aria-label="Jobs">
        <table class="job-list stack"><caption class="hidden">Jobs, newest first</caption>
          <thead><tr><th scope="col"><span class="hidden">Choose to compare</span></th><th scope="col">Job</th><th scope="col">State</th><th scope="col">How far, what came of it</th><th scope="col">Data</th><th scope="col">When</th></tr></thead>
          <tbody>${jobs.map((job) => html`<tr key=${job.id}>
            <td class="tick"><input type="checkbox" aria-label="Compare ${jobTitle(job)}" checked=${chosen.includes(job.id)} onChange=${() => choose(job.id)} /></td>
            <td class="job-name"><a href="#/jobs/${job.id}">${jobTitle(job)}</a>
              ${job.advice_count > 0 && html` <span class="hint short" title="Advice on this job">· ${plural(job.advice_count, "hint")}</span>`}
              ${job.model && html`<div class="hint">model ${job.model.name}${job.model.version ? ` v${job.model.version}` : ""}</div>`}</td>
            <td><${State} state=${job.state} /></td>
            <td class="job-how"><${How} job=${job} /></td>
            <td class="mono">${job.dataset || "–"}</td>
            <td class="when"><time datetime=${job.created_at} title=${moment(job.created_at)}>${ago(job.created_at)}</time>
              ${job.finished_at && job.started_at && html`<div class="hint">took ${span((new Date(job.finished_at) - new Date(job.started_at)) / 1000)}</div>`}</td>
          </tr>`)}</tbody>
        </table>
      </div>
    <//>
    ${has && html`<div class="buttons"><button class="button" type="button" onClick=${next}>Older jobs</button></div>`}`}`;
}
