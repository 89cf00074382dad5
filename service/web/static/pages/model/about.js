// What is said of a model in more than one place.
import { html } from "../../html.js";
import { plural } from "../../format.js";

export const modelPath = (name, version) => `#/models/${encodeURIComponent(name)}${version ? `?version=${version}` : ""}`;

const SCORES = {
  regression: ["test_r2", "test_rmse", "validation_r2", "validation_rmse"],
  classes: ["test_balanced_accuracy", "test_accuracy", "validation_balanced_accuracy", "validation_accuracy"],
};

/** The figure that says most of how good a version is: of test rows where there are some. */
export function scoreOf(version) {
  const names = taskOf(version) === "regression" ? SCORES.regression : SCORES.classes;
  const name = [...names, "validation_loss", "train_loss"].find((one) => Number.isFinite(version.metrics[one]));
  return name ? { name, value: version.metrics[name] } : null;
}

export const taskOf = (version) => version.understood?.task || version.manifest.target?.task;
export const targetOf = (version) => version.understood?.target || version.manifest.target?.column || "its target";

/** What a version predicts, in words. */
export function predicts(version) {
  const classes = version.understood?.classes || version.manifest.target?.classes || [];
  const all = version.understood?.classes_count ?? classes.length;
  const target = html`<strong>${targetOf(version)}</strong>`;
  if (taskOf(version) === "regression") return html`${target}, a number,`;
  if (all > 4) return html`${target}, one of ${plural(all, "class").replace("classs", "classes")}`;
  return html`${target}: ${classes.map((name, place) => html`${place > 0 && (place === classes.length - 1 ? " or " : ", ")}<code>${name}</code>`)}`;
}

export function Aliases({ aliases, of }) {
  const names = Object.entries(aliases).filter(([, version]) => of === undefined || version === of);
  if (!names.length) return html`<span class="soft">–</span>`;
  return html`<span class="chips">${names.map(([name, version]) => html`<span class="chip">${name}${of === undefined && ` → v${version}`}</span>`)}</span>`;
}
