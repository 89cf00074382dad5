// What a job is to say of a data set, kept for the tab.
import { useState } from "../../html.js";

const KEY = "parsimony.reading.";

/** A job's members with a change merged into them: objects are joined, all else is replaced. */
export function merged(draft, change) {
  const joined = { ...draft };
  for (const [name, value] of Object.entries(change)) {
    const old = joined[name];
    const both = [old, value].every((one) => one && typeof one === "object" && !Array.isArray(one));
    joined[name] = both ? merged(old, value) : value;
  }
  return joined;
}

/** `[draft, setDraft]` of a data set. */
export function useDraft(id) {
  const [draft, set] = useState(() => {
    try {
      return JSON.parse(sessionStorage.getItem(KEY + id)) || {};
    } catch {
      return {};
    }
  });
  return [draft, (next) => {
    if (Object.keys(next).length) sessionStorage.setItem(KEY + id, JSON.stringify(next));
    else sessionStorage.removeItem(KEY + id);
    set(next);
  }];
}
