// How other programs ask this model, with its own columns and the row of the form.
import { html, useState } from "../../html.js";
import { key } from "../../api.js";
import { Card, Code, Tabs } from "../../ui.js";
import { taskOf } from "./about.js";
import { filled } from "./try.js";

const TABS = [
  { id: "curl", title: "curl" },
  { id: "python", title: "Python, httpx" },
  { id: "triton", title: "tritonclient" },
];

export function Snippets({ model, version, columns, record, options }) {
  const [chosen, setChosen] = useState("curl");
  const about = { model: model.name, version: version.version, columns, row: filled(columns, record), options, regression: taskOf(version) === "regression", keyed: Boolean(key.get()), ...place() };
  const text = { curl, python, triton }[chosen](about);
  return html`<${Card} title="Ask it from elsewhere">
    <${Tabs} tabs=${TABS} chosen=${chosen} onChoose=${setChosen} label="Languages" />
    <div role="tabpanel" id="panel-${chosen}" aria-labelledby="tab-${chosen}" class="snippet"><${Code} text=${text} label=${`${chosen} snippet`} /></div>
    <p class="hint">The row is that of the form. Without <code>version</code> the alias <code>production</code> answers, or the newest version.</p>
  <//>`;
}

/** Where the service is, as the browser reached it. */
function place() {
  const base = new URL(".", location.href.split("#")[0]);
  return { base: base.href.replace(/\/$/, ""), host: base.host + base.pathname.replace(/\/$/, ""), tls: base.protocol === "https:" };
}

const shell = (text) => text.replaceAll("'", "'\\''");

/** Values of a record that are too long to be read, such as pictures. */
function shortened(row) {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typeof value === "string" && value.length > 120 ? "<base64 of a PNG or JPEG file>" : value]));
}

function curl({ base, model, version, row, options, keyed }) {
  const body = JSON.stringify({ instances: [shortened(row)], ...options }, null, 2);
  return [
    `curl -sS '${base}/v1/models/${encodeURIComponent(model)}/predict?version=${version}' \\`,
    ...(keyed ? ['  -H "Authorization: Bearer $PARSIMONY_KEY" \\'] : []),
    "  -H 'Content-Type: application/json' \\",
    `  -d '${shell(body)}'`,
  ].join("\n");
}

/** A value as Python writes it. */
function literal(value, indent = "") {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((one) => literal(one, indent)).join(", ")}]`;
  const inner = `${indent}    `;
  return `{\n${Object.entries(value).map(([name, one]) => `${inner}${JSON.stringify(name)}: ${literal(one, inner)},`).join("\n")}\n${indent}}`;
}

function python({ base, model, version, row, options, regression, keyed }) {
  return `${keyed ? "import os\n\n" : ""}import httpx

row = ${literal(shortened(row))}
answer = httpx.post(
    "${base}/v1/models/${encodeURIComponent(model)}/predict",
    params={"version": "${version}"},${keyed ? '\n    headers={"Authorization": f"Bearer {os.environ[\'PARSIMONY_KEY\']}"},' : ""}
    json={"instances": [row]${Object.entries(options).map(([name, value]) => `, "${name}": ${literal(value)}`).join("")}},
)
answer.raise_for_status()
for prediction in answer.json()["predictions"]:
    print(${regression ? 'prediction["value"]' : 'prediction["label"], prediction["probabilities"]'})
`;
}

function triton({ host, tls, model, version, columns, row, options, regression, keyed }) {
  const outputs = regression ? 'answer.as_numpy("value")' : 'answer.as_numpy("label"), answer.as_numpy("probabilities")';
  const head = `${keyed ? "import os\n\n" : ""}import numpy as np
import tritonclient.http as triton
`;
  const ask = `
client = triton.InferenceServerClient("${host}"${tls ? ", ssl=True" : ""})
answer = client.infer(
    ${JSON.stringify(model)},
    tensors,
    model_version="${version}",${Object.keys(options).length ? `\n    parameters=${literal(options, "    ")},` : ""}${keyed ? '\n    headers={"Authorization": f"Bearer {os.environ[\'PARSIMONY_KEY\']}"},' : ""}
)
print(${outputs})
`;
  const [first] = columns;
  if (first.kind === "image") {
    return `${head}
rows = np.zeros((1, ${first.shape.join(", ")}), dtype=np.float32)  # the pixels, or the series
tensors = [triton.InferInput("instances", list(rows.shape), "FP32")]
tensors[0].set_data_from_numpy(rows)
${ask}`;
  }
  if (columns.every((column) => column.kind === "numeric")) {
    return `${head}
# In the order of the columns: ${columns.map((column) => column.name).join(", ")}
rows = np.array([${literal(columns.map((column) => row[column.name])).replaceAll("None", "np.nan")}])
tensors = [triton.InferInput("instances", list(rows.shape), "FP64")]
tensors[0].set_data_from_numpy(rows)
${ask}`;
  }
  return `${head}
row = {
${columns.map(({ name, kind }) => `    ${JSON.stringify(name)}: np.array([${triton1(kind, row[name])}]${kind === "numeric" ? ", dtype=np.float64" : ", dtype=np.object_"}),`).join("\n")}
}
tensors = []
for name, values in row.items():
    tensor = triton.InferInput(name, list(values.shape), "BYTES" if values.dtype == np.object_ else "FP64")
    tensor.set_data_from_numpy(values)
    tensors.append(tensor)
${ask}`;
}

function triton1(kind, value) {
  if (kind === "numeric") return value === null ? "np.nan" : literal(value);
  return JSON.stringify(value === null ? "" : String(value));
}
