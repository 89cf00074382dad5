// The pictures of a job that has ended: those of its kinds that it has.
import { html, useEffect, useRef, useState } from "../html.js";
import { useQuery } from "../api.js";
import { Card, Loading, Tabs, Trouble } from "../ui.js";
import { Chart, noteOf } from "../charts.js";
import { PathPicture } from "./path.js";

const TITLES = {
  surface: "Surface of the search", path: "Path over λ", attribution: "What each technique bought", confusion: "Confusion matrix",
  importance: "What each column is worth", calibration: "Calibration", roc: "ROC", precision_recall: "Precision and recall",
};

/** Which pictures there are; asked so that none is refused. */
function kinds(report, curves) {
  const found = [];
  if (report.path) found.push("path");
  if (report.search?.surface) found.push("surface");
  if (report.attribution.some((one) => one.effects.length)) found.push("attribution");
  const parts = Object.values(curves?.parts || {});
  if (parts.length && parts.every((part) => part.confusion)) found.push("confusion");
  if (parts.length) found.push("calibration");
  if (report.appraisal?.importance) found.push("importance");
  if (parts.some((part) => part.roc)) found.push("roc");
  if (parts.some((part) => part.pr)) found.push("precision_recall");
  return found;
}

/** What the picture shows, for whoever cannot see it: its title and its note. */
const described = (chart, title) => [chart.options.plugins?.title?.text || title, noteOf(chart)].filter(Boolean).join(". ");

/** A place on the page, and from when on it has been near to what is seen of it. */
function useSeen() {
  const place = useRef(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (seen || !place.current) return;
    let timer = 0;
    // For a moment: what stands above moves while it is drawn.
    const watch = new IntersectionObserver((entries) => {
      clearTimeout(timer);
      if (entries.at(-1).isIntersecting) timer = setTimeout(() => setSeen(true), 300);
    }, { rootMargin: "300px" });
    watch.observe(place.current);
    return () => {
      clearTimeout(timer);
      watch.disconnect();
    };
  }, [seen]);
  return [place, seen];
}

/** They are asked for once one has scrolled near to them: of a large search they take the longest. */
export function Pictures({ job }) {
  const [place, seen] = useSeen();
  const { data: report, error } = useQuery(seen ? `v1/jobs/${job.id}/report` : null);
  return html`<div ref=${place}>
    ${report ? html`<${Drawn} job=${job} report=${report} />` : html`<${Card} title="Pictures">${error ? html`<${Trouble} error=${error} />` : seen ? html`<${Loading} what="Drawing" />` : html`<p class="soft">They are drawn once they come into view.</p>`}<//>`}
  </div>`;
}

function Drawn({ job, report }) {
  const classifier = job.understood?.task !== "regression" && job.best;
  const { data: curves } = useQuery(classifier ? `v1/jobs/${job.id}/curves` : null);
  const there = classifier && !curves ? [] : kinds(report, curves);
  const [kind, setKind] = useState(null);
  const chosen = there.includes(kind) ? kind : there[0];
  const { data: chart, error } = useQuery(chosen ? `v1/jobs/${job.id}/chart?kind=${chosen}${chosen === "path" ? "&top=30" : ""}` : null);
  if (classifier && !curves) return html`<${Card} title="Pictures"><${Loading} what="Drawing" /><//>`;
  if (!there.length) return null;
  const ratio = chart?.options?.aspectRatio || 1.6;
  const square = ["confusion", "calibration", "roc", "precision_recall"].includes(chosen);
  return html`<${Card} title="Pictures">
    <${Tabs} label="Pictures" chosen=${chosen} onChoose=${setKind} tabs=${there.map((id) => ({ id, title: TITLES[id] }))} />
    <div role="tabpanel" id="panel-${chosen}" aria-labelledby="tab-${chosen}" class="panel">
      <${Trouble} error=${error} />
      ${!chart && !error && html`<${Loading} what="Drawing" />`}
      ${chart && (chosen === "path" ? html`<${PathPicture} configuration=${chart} path=${report.path} />`
        : html`<div class=${square ? "narrow" : ""}><${Chart} key=${chosen} configuration=${chart} height=${square ? 460 : Math.min(560, Math.round(960 / ratio))} label=${described(chart, TITLES[chosen])} /></div>`)}
      ${chart && noteOf(chart) && html`<p class="hint">${noteOf(chart)}</p>`}
    </div>
  <//>`;
}

/** The curves of a job that has ended, from the service. */
export function EndedCurves({ job }) {
  const honest = useQuery(`v1/jobs/${job.id}/chart?kind=curves`);
  // After the first, which is looked at first: the service answers one after the other anyway.
  const seen = useQuery(honest.data && job.progress.epoch ? `v1/jobs/${job.id}/chart?kind=curves&metric=objective` : null);
  const title = (query) => query.data?.options.plugins.title.text || "";
  if (!honest.data) return html`<${Loading} what="Drawing" />`;
  if (honest.data.data.labels.length === 1) return html`<p class="soft">It was solved in one go, without epochs to draw.</p>`;
  if (!honest.data.data.datasets.length) return html`<p class="soft">No epoch was recorded.</p>`;
  return html`<div class="columns">
    <figure><h3>Honest losses in eval mode: validation full, training dashed</h3><${Chart} configuration=${honest.data} height=${380} label=${title(honest)} />
      ${noteOf(honest.data) && html`<p class="hint">${noteOf(honest.data)}</p>`}</figure>
    ${seen.data && html`<figure><h3>What the optimizer saw: training mode, penalty included</h3><${Chart} configuration=${seen.data} height=${380} label=${title(seen)} /></figure>`}
  </div>`;
}
