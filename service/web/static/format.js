// Numbers, times and names as people read them.
const significant = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat("en");

/** A figure with four significant digits; tiny and huge ones with an exponent. */
export function figure(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e6) return value.toExponential(2).replace("e+", "e");
  return significant.format(value);
}

export const count = (value) => whole.format(value);
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
export const percent = (share) => `${Math.floor(share * 100)} %`;

/** A length of time, in at most two units. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.95) return `${Math.max(seconds, 0.1).toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  while (n >= 1000 && place < units.length - 1) {
    n /= 1000;
    place += 1;
  }
  return `${place ? significant.format(n) : n} ${units[place]}`;
}

/** How long ago, for a list; the exact time belongs into a title. */
export function ago(when, now = Date.now()) {
  const seconds = (now - new Date(when)) / 1000;
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(when).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}

export const moment = (when) => new Date(when).toLocaleString("en", { dateStyle: "medium", timeStyle: "medium" });

/** `validation_loss` as words. */
export function words(name) {
  const known = { auc: "AUC", rmse: "RMSE", r2: "R²", f1: "F1", ece: "ECE", brier: "Brier score" };
  const text = name.split("_").map((part) => known[part] || part).join(" ");
  return text.length === 1 ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

/** What a job is called: its name, or what it does. */
export function jobTitle(job) {
  return job.name || `${job.dataset || datasetName(job.spec?.dataset) || "Job"} · ${job.id.slice(-6)}`;
}

export function datasetName(dataset) {
  return typeof dataset === "string" ? dataset : dataset?.builtin || "";
}
