// One job: the verdict first, then how it went.
import { html, useEffect } from "../html.js";
import { useQuery } from "../api.js";
import { Card, Loading, Progress, State, Trouble, useTitle } from "../ui.js";
import { count, jobTitle, percent, span } from "../format.js";
import { Chart } from "../charts.js";

const ENDED = new Set(["succeeded", "failed", "cancelled"]);

export default function Job({ params }) {
  const path = `v1/jobs/${params.id}`;
  const { data: job, error, reload } = useQuery(path);
  const over = job && ENDED.has(job.state);
  useEffect(() => {
    if (!job || over) return;
    const timer = setInterval(reload, 1000);
    return () => clearInterval(timer);
  }, [Boolean(job), over]);
  useTitle(job && jobTitle(job));
  const { data: report } = useQuery(over ? `${path}/report` : null);
  const { data: curves } = useQuery(job ? `${path}/chart?kind=curves` : null, { every: over ? 0 : 1000 });
  if (error && !job) return html`<h1>Job</h1><${Trouble} error=${error} retry=${reload} />`;
  if (!job) return html`<${Loading} what="Loading the job" />`;
  return html`
    <div class="head"><h1 class="grow">${jobTitle(job)}</h1><${State} state=${job.state} /></div>
    ${report?.verdict && html`<p class="verdict">${report.verdict}</p>`}
    ${!over && html`<div class="live"><${Progress} value=${job.progress.fraction} label="Progress" />
      <span class="hint">${percent(job.progress.fraction)} · epoch ${count(job.progress.epoch)} of ${count(job.progress.epochs)}
      ${job.progress.eta_seconds !== null && ` · about ${span(job.progress.eta_seconds)} left`}</span></div>`}
    ${curves && html`<${Card} title="Curves"><${Chart} configuration=${curves} label="Objective over the epochs" live /><//>`}`;
}
