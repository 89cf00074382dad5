// One technique: what it does, to be played with, its formula and its settings.
import { html } from "../html.js";
import { useQuery } from "../api.js";
import { Card, Code, Loading, Trouble, useTitle } from "../ui.js";
import { count } from "../format.js";
import { keepDraft } from "../spec.js";
import { Picture } from "./techniques/picture.js";
import { FAMILIES, Formula, TechText } from "./techniques/text.js";

export default function Technique({ params }) {
  const { data, error, reload } = useQuery("v1/techniques");
  const names = (data?.data || []).map((one) => one.name);
  const card = data?.data.find((one) => one.name === params.name);
  useTitle(card?.title || params.name);
  if (error) return html`<h1>Techniques</h1><${Trouble} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} what="Loading the technique" />`;
  if (!card) return html`<h1>No such technique</h1><p>There is no <code>${params.name}</code>. <a href="#/techniques">All techniques</a></p>`;
  const place = names.indexOf(card.name);
  const beside = [names[place - 1], names[place + 1]];
  const text = (value) => html`<${TechText} text=${value} names=${names} own=${card.name} />`;
  const about = [["When", card.when], ["Start", card.start], ["Badly with", card.badly_with], ["Cost", card.cost], ["Units", card.units], ["Shapes", card.shapes], ["Example", card.example], ["Source", card.source]];
  return html`
    <div class="head"><div class="grow"><a href="#/techniques">Techniques</a> <span class="soft">/ ${FAMILIES[card.family]?.title || card.family}</span><h1>${card.title}</h1></div>
      <nav class="buttons" aria-label="Neighbours">${beside.map((name, side) => name && html`<a class="button" href="#/techniques/${name}">${side === 0 ? "← " : ""}${name}${side === 1 ? " →" : ""}</a>`)}</nav></div>
    <div class="columns technique">
      <${Card} title="Picture"><${Picture} key=${card.name} name=${card.name} /><//>
      <${Card} title="Formula">
        <p class="large"><${Formula} text=${card.formula} /></p>
        <p>${text(card.does)}</p>
        <dl class="about">${about.filter(([, value]) => value).map(([term, value]) => html`<div><dt>${term}</dt><dd>${text(value)}</dd></div>`)}</dl>
      <//>
    </div>
    <${Card} title="Settings" className="flush">
      <div class="scroll" tabindex="0" role="region" aria-label="Table of settings"><table class="stack settings"><caption class="hidden">Settings of ${card.name}</caption>
        <thead><tr><th scope="col">Field</th><th scope="col">What it is</th><th scope="col">Range</th><th scope="col">Default</th><th scope="col">Searched by default</th></tr></thead>
        <tbody>${card.fields.map((field) => html`<tr>
          <td><code>${field.name}</code>${field.name === card.main_field && html` <span class="chip">main</span>`}</td>
          <td class="whole">${text(field.description)}</td>
          <td>${range(field) && html`<span class="narrow-only soft">range </span>${range(field)}`}</td>
          <td>${field.required ? "required" : html`<span class="narrow-only soft">default </span><code class="nowrap">${JSON.stringify(field.default)}</code>`}</td>
          <td>${field.search && html`<span class="narrow-only soft">searched </span>${searched(field.search)}`}</td>
        </tr>`)}</tbody></table></div>
    <//>
    <${Card} title="In a job" aside=${html`<a class="button" href="#/new" onClick=${() => keepDraft({ dataset: { builtin: "circle" }, regularization: { [card.name]: example(card) } })}>Try it in a job</a>`}><${Code} text=${JSON.stringify({ regularization: { [card.name]: example(card) } }, null, 2)} label="Fields of a job" /><//>`;
}

const figure = (value) => (Math.abs(value) >= 1e4 ? count(value) : String(value));

function range(field) {
  if (field.choices) return html`${field.choices.map((choice, place) => html`${place > 0 && ", "}<code>${choice}</code>`)}`;
  const low = field.minimum ?? field.exclusive_minimum;
  const high = field.maximum ?? field.exclusive_maximum;
  if (low === null && high === null) return "";
  const from = low === null ? "" : field.exclusive_minimum === null ? `${figure(low)} ≤ ` : `${figure(low)} < `;
  const to = high === null ? "" : field.exclusive_maximum === null ? ` ≤ ${figure(high)}` : ` < ${figure(high)}`;
  return html`<span class="nowrap">${from}<i>x</i>${to}</span>`;
}

function searched(search) {
  if (search.values) return search.values.join(", ");
  return html`<span class="nowrap">${figure(search.low)} to ${figure(search.high)}${search.log && ", log"}</span>`;
}

function example(card) {
  const field = card.fields.find((one) => one.name === card.main_field);
  if (!field) return {};
  const { low, high } = field.search || {};
  return { [field.name]: field.default ?? (low > 0 ? 10 ** Math.round(Math.log10(low * high) / 2) : 0.0001) };
}
