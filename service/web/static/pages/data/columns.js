// The columns of a data set: a small picture of each, its figures, and its kind to be overruled.
import { html, useState } from "../../html.js";
import { Card } from "../../ui.js";
import { count, figure, percent, plural } from "../../format.js";

const KINDS = ["numeric", "categorical", "date", "ignore"];
const SHOWN = 40;
const BINS = 16;

export function Columns({ data, preview, draft, setDraft }) {
  const [all, setAll] = useState(false);
  const shown = all ? data.columns : data.columns.slice(0, SHOWN);
  const set = (column, kind) => {
    const { [column.name]: _, ...others } = draft.columns || {};
    const columns = kind === column.kind ? others : { ...others, [column.name]: kind };
    const { columns: __, ...rest } = draft;
    setDraft(Object.keys(columns).length ? { ...rest, columns } : rest);
  };
  const ignored = Object.entries(data.reading.columns || {}).filter(([, kind]) => kind === "ignore").map(([name]) => name);
  return html`<${Card} title="Columns" className="flush">
    <div class="scroll" tabindex="0" role="region" aria-label="Table of columns"><table class="stack column-list"><caption class="hidden">Columns, with the kind of each</caption>
      <thead><tr><th scope="col">Column</th><th scope="col">Kind</th><th scope="col">Values</th><th scope="col">Figures</th><th scope="col">Missing</th></tr></thead>
      <tbody>${shown.map((column) => {
        const kind = draft.columns?.[column.name] || column.kind;
        return html`<tr key=${column.name} class=${kind !== column.kind ? "changed" : ""}>
          <td class="column-name"><strong>${column.name}</strong>${column.name === data.target && html` <span class="chip">target</span>`}</td>
          <td>${column.kind === "image" ? (column.shape.length === 2 ? "series" : "image")
            : html`<select aria-label="Kind of ${column.name}" value=${kind} onChange=${(e) => set(column, e.target.value)}>
                ${KINDS.map((one) => html`<option value=${one}>${one}${one === column.kind ? " (as read)" : ""}</option>`)}</select>`}</td>
          <td class="whole"><${Picture} column=${column} rows=${data.rows} preview=${preview} /></td>
          <td class="whole">${figures(column)}</td>
          <td>${column.missing ? html`${count(column.missing)} <span class="hint">(${column.missing / data.rows < 0.01 ? "under 1 %" : percent(column.missing / data.rows)})</span>` : html`<span class="soft">none<span class="narrow-only"> missing</span></span>`}</td>
        </tr>`;
      })}</tbody>
    </table></div>
    ${(data.columns.length > shown.length || ignored.length > 0) && html`<div class="buttons rest">
      ${data.columns.length > shown.length && html`<button class="button" type="button" onClick=${() => setAll(true)}>All ${count(data.columns.length)} columns</button>`}
      ${ignored.length > 0 && html`<span class="hint">Ignored at upload: ${ignored.join(", ")}.</span>`}</div>`}
  <//>`;
}

const short = (cell) => (typeof cell === "number" ? figure(cell) : String(cell));

function figures(column) {
  const parts = [];
  if (column.minimum !== null && column.minimum !== undefined) parts.push(`${short(column.minimum)} to ${short(column.maximum)}, mean ${column.kind === "date" ? String(column.mean).slice(0, 10) : short(column.mean)}`);
  if (column.kind === "image") parts.push(column.shape.join(" × "));
  else if (column.distinct !== null) parts.push(`${plural(column.distinct, "value").replace(/ value/, " different value")}`);
  return html`${parts.map((part) => html`<div>${part}</div>`)}${column.sample.length > 0 && html`<div class="hint">such as ${column.sample.map(short).join(", ")}</div>`}`;
}

/** A histogram of numbers and dates, bars of the commonest categories. */
function Picture({ column, rows, preview }) {
  if (column.kind === "categorical") return html`<${Shares} column=${column} rows=${rows} />`;
  if (column.kind === "image") return html`<span class="soft">not drawn</span>`;
  if (column.histogram?.length) return html`<${Histogram} name=${column.name} counts=${column.histogram} low=${column.minimum} high=${column.maximum} />`;
  const counted = preview && column.distinct !== 1 && fromRows(column, preview);
  if (!counted) return html`<span class="soft">${column.distinct === 1 ? "one value" : "–"}</span>`;
  return html`<${Histogram} name=${column.name} counts=${counted} low=${column.minimum} high=${column.maximum} />
    <span class="hint">of the first ${plural(preview.rows.length, "row")}</span>`;
}

/** Counted here, of the first rows alone: for data sets whose report has no histogram. */
function fromRows(column, preview) {
  const place = preview.columns.findIndex((one) => one.name === column.name);
  const number = column.kind === "date" ? (cell) => Date.parse(cell) : Number;
  const values = preview.rows.map((row) => row[place]).filter((cell) => cell !== null && cell !== undefined).map(number);
  const [low, high] = [number(column.minimum), number(column.maximum)];
  if (!values.length || !(high > low)) return null;
  const counts = Array(BINS).fill(0);
  for (const value of values) counts[Math.min(BINS - 1, Math.max(0, Math.floor(((value - low) / (high - low)) * BINS)))] += 1;
  return counts;
}

function Histogram({ name, counts, low, high }) {
  const most = Math.max(...counts);
  const peak = counts.indexOf(most);
  const width = 8;
  const label = `Histogram of ${name} from ${short(low)} to ${short(high)} in ${counts.length} parts of equal width; most values, ${count(most)}, lie in part ${peak + 1}.`;
  return html`<svg class="histogram" viewBox="0 0 ${counts.length * width} 34" role="img" aria-label=${label} preserveAspectRatio="none">
    ${counts.map((n, place) => n > 0 && html`<rect x=${place * width + 0.5} width=${width - 1} y=${33 - Math.max(1, (n / most) * 32)} height=${Math.max(1, (n / most) * 32)} />`)}
    <line x1="0" x2=${counts.length * width} y1="33.5" y2="33.5" />
  </svg>`;
}

function Shares({ column, rows }) {
  const others = column.categories_count - column.commonest.length;
  return html`<ol class="shares" aria-label="Commonest values of ${column.name}">${column.commonest.slice(0, 4).map((one) => html`<li>
      <span class="share-bar" aria-hidden="true"><span style=${{ width: `${(one.count / rows) * 100}%` }}></span></span>
      <span class="share-name" title=${one.value}>${one.value}</span> <span class="hint">${count(one.count)}</span></li>`)}
    ${column.categories_count > 4 && html`<li><span></span><span class="hint">and ${count(others + Math.max(0, column.commonest.length - 4))} more</span></li>`}</ol>`;
}
