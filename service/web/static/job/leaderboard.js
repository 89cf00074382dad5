// The leaderboard: configurations with their means, and every trial, a page at a time.
import { html, useEffect, useRef, useState } from "../html.js";
import { api, useQuery } from "../api.js";
import { Card, Loading, State, Table, Tabs, Trouble } from "../ui.js";
import { count, figure, plural, words } from "../format.js";

const PAGE = 20;

/** The metrics that a table of results shows: what chooses, and the honest ones. */
export function shownMetrics(metrics, objective, most = 8) {
  const usual = [
    objective, "test_loss", "validation_loss", "train_loss", "gap", "test_balanced_accuracy", "validation_balanced_accuracy",
    "test_accuracy", "validation_accuracy", "test_r2", "validation_r2", "test_rmse", "validation_rmse", "sparsity",
  ];
  const known = new Set(metrics);
  const held = known.has("validation_loss");
  return [...new Set(usual)].filter((name) => known.has(name) && (held || !name.startsWith("validation"))).slice(0, most);
}

/** The winner goes by its configuration's name, and may have been trained once more. */
export const isBest = (row, job) => [row.name, `${row.name} (refitted)`].includes(job.best?.name);

const spread = (value) => (value ? html`${figure(value.mean)}${value.sd !== null && value.sd !== undefined && html` <span class="soft">± ${figure(value.sd)}</span>`}` : "–");

function Configurations({ report, job }) {
  const rows = report.configurations;
  const [shown, setShown] = useState(PAGE);
  const metrics = shownMetrics(Object.keys(rows.find((row) => row.succeeded)?.metrics || {}), report.objective, rows.some((row) => row.trials > 1) ? 5 : 7);
  return html`<${Table} caption="Configurations, best first" rows=${rows.slice(0, shown)} keyOf=${(row) => row.configuration}
    columns=${[
      { head: "#", number: true, cell: (row, place) => place + 1 },
      { head: "Configuration", className: "name", cell: (row) => html`<span class="wrap">${row.name}</span>${isBest(row, job) && html` <span class="tag">winner</span>`}` },
      ...metrics.map((name) => ({ head: words(name), number: true, cell: (row) => spread(row.metrics[name]) })),
      { head: "Trials", number: true, cell: (row) => count(row.trials) },
    ]} />
    ${shown < rows.length && html`<div class="more"><button class="button" type="button" onClick=${() => setShown(shown + PAGE)}>More of ${plural(rows.length, "configuration")}</button></div>`}`;
}

function Trials({ job }) {
  const path = `v1/jobs/${job.id}/trials?limit=${PAGE}`;
  const [pages, setPages] = useState([]);
  const [more, setMore] = useState(null);
  const { data, error, loading, reload } = useQuery(path);
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) reload();
    first.current = false;
    setPages([]);
    setMore(null);
  }, [job.trials.finished]);
  const [chosen, setChosen] = useState([]);
  const rows = [...(data?.data || []), ...pages];
  const metrics = shownMetrics(Object.keys(rows.find((row) => Object.keys(row.metrics).length)?.metrics || {}), job.objective, 5);
  const next = async () => {
    const page = await api(`${path}&after=${rows.at(-1).id}`);
    setPages([...pages, ...page.data]);
    setMore(page.has_more);
  };
  if (loading) return html`<${Loading} what="Loading trials" />`;
  const folds = rows.some((row) => row.fold !== null);
  const repeats = rows.some((row) => row.repeat > 0);
  const choose = (id) => setChosen((old) => (old.includes(id) ? old.filter((other) => other !== id) : [...old, id]));
  return html`<${Trouble} error=${error} retry=${reload} />
    <${Table} caption="Trials, best first" rows=${rows} keyOf=${(row) => row.id}
      columns=${[
        { head: html`<span class="hidden">Choose to compare</span>`, cell: (row, place) => html`<input type="checkbox" aria-label="Compare trial ${place + 1}, ${row.name}" checked=${chosen.includes(row.id)} onChange=${() => choose(row.id)} />` },
        { head: "#", number: true, cell: (row, place) => place + 1 },
        { head: "Trial", className: "name", cell: (row) => html`<span class="wrap">${row.name}</span>` },
        { head: "State", cell: (row) => html`<${State} state=${row.state} />` },
        ...(repeats ? [{ head: "Repeat", number: true, cell: (row) => row.repeat }] : []),
        ...(folds ? [{ head: "Fold", number: true, cell: (row) => row.fold ?? "–" }] : []),
        ...metrics.map((name) => ({ head: words(name), number: true, cell: (row) => figure(row.metrics[name]) })),
        { head: "Epochs", number: true, cell: (row) => html`${row.epochs}${row.halved_at ? html` <span class="soft">halved</span>` : row.best_epoch && row.best_epoch !== row.epochs ? html` <span class="soft">best ${row.best_epoch}</span>` : ""}` },
      ]} />
    <div class="more">
      ${(more ?? data?.has_more) && html`<button class="button" type="button" onClick=${next}>More trials</button>`}
      ${chosen.length > 0 && html`<a class="button" href="#/compare?trials=${chosen.map((id) => `${job.id}:${id}`).join()}">Compare ${plural(chosen.length, "trial")}</a>`}
    </div>`;
}

export function Leaderboard({ job, report }) {
  const several = report && report.configurations.length > 0 && report.configurations.some((row) => row.succeeded);
  const [tab, setTab] = useState("configurations");
  const shown = several ? tab : "trials";
  return html`<${Card} title="Leaderboard" className="flush">
    ${several && html`<${Tabs} label="Leaderboard" chosen=${shown} onChoose=${setTab}
      tabs=${[{ id: "configurations", title: `Configurations (${count(report.configurations.length)})` }, { id: "trials", title: `Trials (${count(job.trials.total)})` }]} />`}
    <div role=${several ? "tabpanel" : undefined} id="panel-${shown}" aria-labelledby=${several ? `tab-${shown}` : undefined}>
      ${shown === "configurations" ? html`<${Configurations} report=${report} job=${job} />` : html`<${Trials} job=${job} />`}
    </div>
  <//>`;
}
