// What is left of the networks, layer by layer.
import { html, useMemo, useState } from "../html.js";
import { Card, Table } from "../ui.js";
import { Chart, PALETTE } from "../charts.js";
import { count, figure } from "../format.js";
import { isBest } from "./leaderboard.js";

export function Sparsity({ report, job }) {
  const rows = report.configurations.filter((row) => row.network?.layers?.length).slice(0, 24);
  const [chosen, setChosen] = useState(null);
  const row = rows.find((one) => (chosen === null ? isBest(one, job) : one.configuration === chosen)) || rows[0];
  const network = row?.network;
  const pruning = useMemo(() => network?.pruning && {
    type: "line",
    data: {
      datasets: [
        { label: "Loss", data: network.pruning.sparsity.map((x, place) => ({ x: 100 * x, y: network.pruning.loss[place] })), borderColor: PALETTE[0], backgroundColor: PALETTE[0], pointStyle: "circle" },
      ],
    },
    options: {
      parsing: false,
      scales: { x: { type: "linear", min: 0, max: 100, title: { display: true, text: "Weights set to 0, %" } }, y: { title: { display: true, text: `Loss on ${network.pruning.part} rows` } } },
      plugins: { legend: { display: false } },
    },
  }, [network]);
  if (!row) return null;
  return html`<${Card} title="Sparsity by layer" aside=${rows.length > 1 && html`<label class="line">of <select value=${row.configuration} onChange=${(e) => setChosen(Number(e.target.value))}>
      ${rows.map((one) => html`<option value=${one.configuration}>${one.name}</option>`)}</select></label>`}>
    <p>${network.statement}</p>
    <div class="columns top-gap">
      <${Table} caption="Layers" rows=${network.layers} columns=${[
        { head: "Layer", cell: (layer) => html`<span class="mono">${layer.name}</span>` },
        { head: "Weights", number: true, cell: (layer) => count(layer.weights) },
        { head: "Exactly 0", className: "bar-cell", cell: (layer) => html`<span class="bar" aria-hidden="true"><span style=${{ width: `${(100 * layer.zeros) / layer.weights}%` }}></span></span> ${figure((100 * layer.zeros) / layer.weights)} %` },
        { head: "Dead units", number: true, cell: (layer) => (layer.dead === null ? "–" : `${layer.dead} of ${layer.units}`) },
        { head: "Norm", number: true, cell: (layer) => figure(layer.norm) },
      ]} />
      ${pruning && html`<figure><h3>What pruning would cost</h3><${Chart} configuration=${pruning} height=${240} label="Loss over the share of weights that are set to 0" /></figure>`}
    </div>
  <//>`;
}
