// The catalogue of techniques, by the moment of training at which they act.
import { html, useMemo, useState } from "../html.js";
import { useQuery } from "../api.js";
import { Card, Loading, Trouble, useTitle } from "../ui.js";
import { plural } from "../format.js";
import { FAMILIES, Formula, TechText } from "./techniques/text.js";

export default function Techniques({ query }) {
  useTitle("Techniques");
  const [search, setSearch] = useState(query.search || "");
  const { data, error, loading, reload } = useQuery("v1/techniques");
  const wanted = search.trim().toLowerCase();
  const found = useMemo(() => (data?.data || []).filter((one) => [one.name, one.title, one.family, one.summary, one.does, one.when].join(" ").toLowerCase().includes(wanted)), [data, wanted]);
  const families = [...new Set(found.map((one) => one.family))];
  const names = (data?.data || []).map((one) => one.name);
  return html`
    <div class="head"><h1 class="grow">Techniques</h1>
      <div class="filters"><label class="line">Find <input type="search" value=${search} placeholder="dropout, sparse, images …" onInput=${(e) => setSearch(e.target.value)} /></label></div></div>
    <p class="soft">All that may stand in a job's <code>regularization</code>. Each has a picture to play with.</p>
    <${Trouble} error=${error} retry=${reload} />
    ${loading && html`<${Loading} what="Loading the techniques" />`}
    <p class="hidden" role="status">${data ? plural(found.length, "technique") : ""}</p>
    ${data && !found.length && html`<p class="soft">No technique speaks of that.</p>`}
    ${families.map((family) => html`<div class="family">
      <h2>${FAMILIES[family]?.title || family}</h2><p class="hint">${FAMILIES[family]?.moment || ""}</p>
      <ul class="catalogue">${found.filter((one) => one.family === family).map((one) => html`<li><${Card} title=${one.title} level="3">
        <p><${Formula} text=${one.formula} /></p>
        <p class="hint"><strong>When:</strong> <${TechText} text=${one.when} names=${names} /></p>
        <a class="button" href="#/techniques/${one.name}" aria-label="${one.name}: picture and settings"><code>${one.name}</code></a>
      <//></li>`)}</ul>
    </div>`)}`;
}
