// From an upload to a prediction, by fetch and the types that openapi-typescript generates.
import type { paths } from "./schema.js";

type Sent<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type Job = Sent<paths["/v1/jobs/{id}"]["get"]["responses"][200]>;
type Spec = Sent<NonNullable<paths["/v1/jobs"]["post"]["requestBody"]>>;
type Trials = Sent<paths["/v1/jobs/{id}/trials"]["get"]["responses"][200]>;
type DataSet = Sent<paths["/v1/datasets"]["post"]["responses"][201]>;
type Rows = Sent<NonNullable<paths["/v1/models/{name}/predict"]["post"]["requestBody"]>>;
type Answer = Sent<paths["/v1/models/{name}/predict"]["post"]["responses"][200]>;
declare const process: { env: { PARSIMONY_URL: string } };

async function ask<T>(path: string, body?: FormData | Spec | Rows, wait = 0): Promise<T> {
  const json = body !== undefined && !(body instanceof FormData);
  const answer = await fetch(process.env.PARSIMONY_URL + path, {
    method: body === undefined ? "GET" : "POST",
    headers: { ...(json && { "Content-Type": "application/json" }), Prefer: `wait=${wait}` },
    body: json ? JSON.stringify(body) : (body as FormData | undefined),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as T;
}

const lines = Array.from({ length: 200 }, (_, n) => `${n},${(n * 37) % 100},${n < 90 ? "yes" : "no"}`);
const form = new FormData();
form.set("file", new Blob([["income,age,default", ...lines, ""].join("\n")]), "loans.csv");
form.set("target", "default");
const loans = await ask<DataSet>("/v1/datasets", form);
const search: Spec["search"] = {
  method: "random",
  trials: 4,
  space: { "regularization.dropout.p": { low: 0, high: 0.5 } },
};
const spec: Spec = { dataset: loans.id, training: { epochs: 20 }, search, model: "loans-by-typescript" };
const job = await ask<Job>("/v1/jobs", spec, 60);
const board = await ask<Trials>(`/v1/jobs/${job.id}/trials`);
const rows: Rows = { instances: [{ income: 10, age: 30 }, { income: 190, age: 30 }] };
const answer = await ask<Answer>(`/v1/models/${job.model?.name}/predict`, rows);
const labels = answer.predictions.map((one) => one.label);
console.log(JSON.stringify({ state: job.state, trials: board.data.length, labels }));
