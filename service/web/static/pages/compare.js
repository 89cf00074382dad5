// Any jobs and trials side by side: what came of them, how they got there, what sets them apart.
import { html, useEffect, useMemo, useState } from "../html.js";
import { api, useQuery } from "../api.js";
import { Card, Empty, Loading, State, Table, Trouble, useTitle } from "../ui.js";
import { Chart, PALETTE } from "../charts.js";
import { ago, datasetName, figure, jobTitle, words } from "../format.js";
import { shownMetrics } from "../job/leaderboard.js";

const MOST = 12;
const PAGES = 20;
const POINTS = ["circle", "rect", "triangle", "rectRot", "crossRot", "star"];

/** `jobs=a,b` stand for their best trials, `trials=job:trial,…` for themselves. */
function wanted(query) {
  const jobs = (query.jobs || "").split(",").filter(Boolean).map((job) => ({ job, trial: null }));
  const trials = (query.trials || "").split(",").filter(Boolean).map((pair) => {
    const [job, trial] = pair.split(":");
    return { job, trial };
  });
  return [...jobs, ...trials].slice(0, MOST);
}

const keyOf = ({ job, trial }) => (trial ? `${job}:${trial}` : job);

function address(entries) {
  const jobs = entries.filter((one) => !one.trial).map((one) => one.job);
  const trials = entries.filter((one) => one.trial).map(keyOf);
  const parts = new URLSearchParams({ ...(jobs.length && { jobs: jobs.join() }), ...(trials.length && { trials: trials.join() }) });
  return `/compare?${decodeURIComponent(parts)}`;
}

async function trialOf(job, trial) {
  let after = "";
  for (let page = 0; page < PAGES; page += 1) {
    const answer = await api(`v1/jobs/${job}/trials?limit=${trial ? 100 : 1}${after}`);
    const found = trial ? answer.data.find((one) => one.id === trial) : answer.data[0];
    if (found || !answer.has_more) return found || null;
    after = `&after=${answer.data.at(-1).id}`;
  }
  return null;
}

async function loaded(entry) {
  const [job, trial] = await Promise.all([api(`v1/jobs/${entry.job}`), trialOf(entry.job, entry.trial)]);
  const curves = trial ? (await api(`v1/jobs/${entry.job}/metrics?trial=${trial.id}`)).metrics : {};
  // Of a job the best configuration counts by its mean, as the job itself chose it.
  const means = !entry.trial && job.best ? job.best.metrics : trial?.metrics || {};
  return { ...entry, key: keyOf(entry), job, trial, curves, metrics: means };
}

function useEntries(entries) {
  const [state, setState] = useState({ found: new Map(), error: null });
  const text = entries.map(keyOf).join();
  useEffect(() => {
    let gone = false;
    for (const entry of entries) {
      if (state.found.has(keyOf(entry))) continue;
      loaded(entry).then(
        (one) => gone || setState((old) => ({ ...old, found: new Map(old.found).set(one.key, one) })),
        (error) => gone || setState((old) => ({ ...old, error })),
      );
    }
    return () => { gone = true; };
  }, [text]);
  return { rows: entries.map((entry) => state.found.get(keyOf(entry))).filter(Boolean), error: state.error };
}

const titleOf = (row) => {
  const name = row.trial?.name || row.job.best?.name;
  const base = jobTitle(row.job);
  const place = row.trial && entryIsTrial(row) ? [row.trial.repeat ? `repeat ${row.trial.repeat}` : "", row.trial.fold !== null ? `fold ${row.trial.fold}` : ""].filter(Boolean).join(", ") : "";
  return [base, name && name !== base ? name : "", place].filter(Boolean).join(" · ");
};
const entryIsTrial = (row) => row.key.includes(":");

/** A legend has no room for more. */
const cut = (text) => (text.length > 38 ? `${text.slice(0, 37)}…` : text);

/** Settings by path; lists are values. */
function flat(value, path = "", into = {}) {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    for (const [name, part] of Object.entries(value)) flat(part, path ? `${path}.${name}` : name, into);
  } else if (value !== null && value !== undefined) into[path] = JSON.stringify(value);
  return into;
}

function Differences({ rows }) {
  const settings = rows.map((row) => {
    const { network, regularization, training } = row.trial?.settings || {};
    return { dataset: JSON.stringify(datasetName(row.job.spec.dataset)), ...flat({ split: row.job.spec.split, network, regularization, training }) };
  });
  const paths = [...new Set(settings.flatMap(Object.keys))].filter((path) => new Set(settings.map((one) => one[path])).size > 1);
  if (!paths.length) return html`<p class="soft pad">They have the same settings.</p>`;
  return html`<${Table} caption="Settings that differ" rows=${paths} keyOf=${(path) => path} columns=${[
    { head: "Setting", className: "setting", cell: (path) => html`<span class="mono wrap">${path}</span>` },
    ...rows.map((row, place) => ({ head: html`<span class="mono">${place + 1}</span>`, cell: (path) => html`<span class="mono">${settings[place][path]?.replaceAll('"', "") ?? "–"}</span>` })),
  ]} />`;
}

function Curves({ rows }) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.curves)))];
  const [metric, setMetric] = useState("validation_loss");
  const chosen = names.includes(metric) ? metric : names.find((name) => name === "train_loss") || names[0];
  const configuration = useMemo(() => ({
    type: "line",
    data: {
      datasets: rows.map((row, place) => ({
        label: cut(`${place + 1}. ${titleOf(row)}`),
        data: (row.curves[chosen] || []).map((y, epoch) => ({ x: epoch + 1, y })).filter((point) => point.y !== null),
        borderColor: PALETTE[place % PALETTE.length], backgroundColor: PALETTE[place % PALETTE.length], borderWidth: 2, pointStyle: POINTS[place % POINTS.length],
        pointRadius: (row.curves[chosen] || []).map((_, epoch) => (epoch % 10 === 0 ? 4 : 0)), pointHitRadius: 6, tension: 0,
      })),
    },
    options: {
      interaction: { mode: "nearest", intersect: false },
      scales: { x: { type: "linear", min: 1, title: { display: true, text: "Epoch" }, ticks: { precision: 0 } }, y: { title: { display: true, text: chosen ? words(chosen) : "" } } },
      plugins: { legend: { position: "bottom", labels: {} } },
    },
  }), [rows.map((row) => row.key).join(), chosen]);
  if (!names.length) return html`<p class="soft">No epoch was recorded.</p>`;
  return html`<label class="line pick">Metric <select value=${chosen} onChange=${(e) => setMetric(e.target.value)}>${names.map((name) => html`<option value=${name}>${words(name)}</option>`)}</select></label>
    <${Chart} configuration=${configuration} live height=${380} label="${words(chosen)} over the epochs, one line for each" />
    <p class="hint">Each line is one trial: of a job, the best one of the configuration that it chose.</p>`;
}

function Choose({ entries }) {
  const { data, error } = useQuery("v1/jobs?limit=50");
  const there = new Set(entries.map(keyOf));
  const jobs = (data?.data || []).filter((job) => job.best && !there.has(job.id));
  return html`<${Trouble} error=${error} /><label class="line">Add <select value="" disabled=${entries.length >= MOST} onChange=${(e) => { if (e.target.value) location.hash = address([...entries, { job: e.target.value, trial: null }]); }}>
    <option value="">a job …</option>${jobs.map((job) => html`<option value=${job.id}>${jobTitle(job)} (${ago(job.created_at)})</option>`)}</select></label>`;
}

export default function Compare({ query }) {
  useTitle("Compare");
  const entries = wanted(query);
  const { rows, error } = useEntries(entries);
  const metrics = shownMetrics([...new Set(rows.flatMap((row) => Object.keys(row.metrics)))], rows[0]?.job.objective || "validation_loss", 6);
  const data = new Set(rows.map((row) => JSON.stringify([row.job.spec.dataset, row.job.spec.split ?? null])));
  return html`
    <div class="head"><h1 class="grow">Compare</h1><${Choose} entries=${entries} /></div>
    <${Trouble} error=${error} />
    ${!entries.length && html`<${Card}><${Empty}><p>Nothing is chosen yet. Add jobs above, tick them in the list of jobs, or tick trials in a job's leaderboard.</p><a class="button" href="#/jobs">To the jobs</a><//><//>`}
    ${entries.length > rows.length && !error && html`<${Loading} what="Loading what is compared" />`}
    ${rows.length > 0 && html`
      ${data.size > 1 && html`<p class="note">They have different data or splits: their losses are measured on different rows.</p>`}
      <${Card} title="Results" className="flush"><${Table} caption="What came of each" rows=${rows} keyOf=${(row) => row.key} columns=${[
        { head: "#", number: true, cell: (row, place) => place + 1 },
        { head: "What", className: "name", cell: (row) => html`<a href="#/jobs/${row.job.id}">${titleOf(row)}</a><div><${State} state=${row.trial?.state || row.job.state} /></div>` },
        ...metrics.map((name) => ({ head: words(name), number: true, cell: (row) => html`${figure(row.metrics[name])}${!entryIsTrial(row) && row.job.best?.n > 1 ? html` <span class="soft">± ${figure(row.job.best.deviations?.[name])}</span>` : ""}` })),
        { head: html`<span class="hidden">Leave out</span>`, cell: (row) => html`<button class="button icon small" type="button" aria-label="Leave out ${titleOf(row)}" onClick=${() => { location.hash = address(entries.filter((one) => keyOf(one) !== row.key)); }}>×</button>` },
      ]} /><//>
      <${Card} title="Curves"><${Curves} rows=${rows} /><//>
      ${rows.length > 1 && html`<${Card} title="What sets them apart" className="flush"><${Differences} rows=${rows} /><//>`}`}`;
}
