// Specifications of jobs: merged, corrected, written as curl.

/** RFC 7396: what a change makes of a value. */
export function merged(value, change) {
  if (change === null || typeof change !== "object" || Array.isArray(change)) return change;
  const made = value !== null && typeof value === "object" && !Array.isArray(value) ? { ...value } : {};
  for (const [name, part] of Object.entries(change)) {
    if (part === null) delete made[name];
    else made[name] = merged(made[name], part);
  }
  return made;
}

/** The specification with an advice's fix, or null where it is only words. */
export function corrected(spec, advice) {
  if (shortened(spec)) return null;
  if (advice.change) return merged(spec, advice.change);
  const member = /^compare\.(\d+)\./.exec(advice.field || "");
  if (!advice.member_change || !member || !spec.compare?.[member[1]]) return null;
  const compare = spec.compare.map((entry, place) => (place === +member[1] ? merged(entry, advice.member_change) : entry));
  return { ...spec, compare };
}

/** Whether a job shows less than was posted: of long lists it has the first entries and a count. */
export function shortened(value) {
  if (Array.isArray(value)) return value.some(shortened);
  if (value === null || typeof value !== "object") return false;
  return Object.entries(value).some(([name, part]) => name.endsWith("_count") || shortened(part));
}

export const written = (spec) => JSON.stringify(spec, null, 2);

/** The same request for a shell. */
export function curl(path, spec, { headers = [] } = {}) {
  const address = new URL(path, document.baseURI).href;
  const lines = [`curl -sS --fail-with-body ${address}`, ...headers.map((h) => `  -H '${h}'`)];
  lines.push("  -H 'Content-Type: application/json'", `  -d '${written(spec).replaceAll("'", `'\\''`)}'`);
  return lines.join(" \\\n");
}

const DRAFT = "parsimony.draft";

/** Hands a specification to the form of a new job. */
export function keepDraft(spec) {
  sessionStorage.setItem(DRAFT, JSON.stringify(spec));
}

export function takeDraft() {
  const text = sessionStorage.getItem(DRAFT);
  sessionStorage.removeItem(DRAFT);
  return text ? JSON.parse(text) : null;
}
