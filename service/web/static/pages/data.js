// The list of data sets, newest on top, and the way to another one.
import { html, useState } from "../html.js";
import { api, useQuery } from "../api.js";
import { Card, Empty, Loading, Trouble, useTitle } from "../ui.js";
import { ago, bytes, count, moment, plural } from "../format.js";
import { Upload } from "./data/upload.js";

const PAGE = 25;

export default function DataSets() {
  useTitle("Data sets");
  const [pages, setPages] = useState([]);
  const [more, setMore] = useState(null);
  const { data, error, loading, reload } = useQuery(`v1/datasets?limit=${PAGE}`);
  const sets = [...(data?.data || []), ...pages];
  const next = async () => {
    const page = await api(`v1/datasets?limit=${PAGE}&after=${sets.at(-1).id}`);
    setPages([...pages, ...page.data]);
    setMore(page.has_more);
  };
  return html`
    <div class="head"><h1 class="grow">Data sets</h1></div>
    <${Upload} />
    <${Trouble} error=${error} retry=${reload} />
    ${loading && html`<${Loading} what="Loading data sets" />`}
    ${data && !sets.length && html`<${Card}><${Empty}><p>No data set yet. Jobs can also train on built-in ones, such as <code>{"builtin": "iris"}</code>.</p><//><//>`}
    ${sets.length > 0 && html`<${Card} className="flush">
      <div class="scroll" tabindex="0" role="region" aria-label="Data sets">
        <table class="stack data-list"><caption class="hidden">Data sets, newest first</caption>
          <thead><tr><th scope="col">Data set</th><th scope="col">Size</th><th scope="col">Columns</th><th scope="col">Target</th><th scope="col">Findings</th><th scope="col">Uploaded</th></tr></thead>
          <tbody>${sets.map((set) => html`<tr key=${set.id}>
            <td class="data-name"><a href="#/data/${set.id}">${set.name}</a><div class="hint mono">${set.id}</div></td>
            <td>${plural(set.rows, "row")}<div class="hint">${bytes(set.bytes)}</div></td>
            <td class="whole">${set.columns.map((column) => column.name).join(", ")}${set.columns_count > set.columns.length && ` and ${count(set.columns_count - set.columns.length)} more`}</td>
            <td>${set.target ? html`<span class="narrow-only soft">target </span><code>${set.target}</code>` : html`<span class="soft">–</span>`}</td>
            <td>${set.findings_count ? plural(set.findings_count, "finding") : html`<span class="soft">none</span>`}</td>
            <td><time datetime=${set.created_at} title=${moment(set.created_at)}>${ago(set.created_at)}</time></td>
          </tr>`)}</tbody>
        </table>
      </div>
    <//>
    ${(more ?? data.has_more) && html`<div class="buttons"><button class="button" type="button" onClick=${next}>Older data sets</button></div>`}`}`;
}
