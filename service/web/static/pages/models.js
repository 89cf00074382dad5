// The list of models, newest on top.
import { html, useEffect, useState } from "../html.js";
import { api, useQuery } from "../api.js";
import { Card, Empty, Loading, Trouble, useTitle } from "../ui.js";
import { ago, count, figure, moment, plural, words } from "../format.js";
import { Aliases, modelPath, predicts, scoreOf } from "./model/about.js";

const PAGE = 25;
const EXPLAINED = 12;

/** What the first of them predict: a list does not say it, a version does. */
function useNewest(models) {
  const [found, setFound] = useState({});
  const wanted = models.filter((model) => model.latest !== null).slice(0, EXPLAINED).map((model) => `${encodeURIComponent(model.name)}/versions/${model.latest}`).join(" ");
  useEffect(() => {
    let gone = false;
    for (const path of wanted ? wanted.split(" ") : []) {
      api(`v1/models/${path}`).then((version) => gone || setFound((old) => ({ ...old, [version.model]: version })), () => {});
    }
    return () => { gone = true; };
  }, [wanted]);
  return found;
}

export default function Models() {
  useTitle("Models");
  const [pages, setPages] = useState([]);
  const [more, setMore] = useState(null);
  const { data, error, loading, reload } = useQuery(`v1/models?limit=${PAGE}`);
  const models = [...(data?.data || []), ...pages];
  const newest = useNewest(data?.data || []);
  const next = async () => {
    const page = await api(`v1/models?limit=${PAGE}&after=${models.at(-1).id}`);
    setPages([...pages, ...page.data]);
    setMore(page.has_more);
  };
  return html`
    <div class="head"><h1 class="grow">Models</h1></div>
    <${Trouble} error=${error} retry=${reload} />
    ${loading && html`<${Loading} what="Loading models" />`}
    ${data && !models.length && html`<${Card}><${Empty}>
      <p>No model yet. The winner of a job becomes a version of a model when the job names one: <code>"model": "credit"</code>.</p>
      <a class="button primary" href="#/new">Submit a job</a>
    <//><//>`}
    ${models.length > 0 && html`<${Card} className="flush">
      <div class="scroll" tabindex="0" role="region" aria-label="Models">
        <table class="stack model-list"><caption class="hidden">Models, newest first</caption>
          <thead><tr><th scope="col">Model</th><th scope="col">Predicts</th><th scope="col">Newest version</th><th scope="col">Aliases</th><th scope="col">Since</th></tr></thead>
          <tbody>${models.map((model) => {
            const version = newest[model.name];
            const score = version && scoreOf(version);
            return html`<tr key=${model.id}>
              <td class="model-name"><a href=${modelPath(model.name)}>${model.name}</a></td>
              <td class="whole">${version ? predicts(version) : html`<span class="soft">–</span>`}</td>
              <td>${model.latest === null ? html`<span class="soft">none left</span>` : html`v${model.latest}<div class="hint">${score ? `${words(score.name)} ${figure(score.value)}` : `of ${plural(model.versions_count, "version")}`}</div>`}
              </td>
              <td><${Aliases} aliases=${model.aliases} />${model.aliases_count > Object.keys(model.aliases).length && html` <span class="hint">of ${count(model.aliases_count)}</span>`}</td>
              <td class="when"><time datetime=${model.created_at} title=${moment(model.created_at)}>${ago(model.created_at)}</time></td>
            </tr>`;
          })}</tbody>
        </table>
      </div>
    <//>
    ${(more ?? data.has_more) && html`<div class="buttons"><button class="button" type="button" onClick=${next}>Older models</button></div>`}`}`;
}
