// All that is asked of the service: JSON, problems, files and the stream of a job's events.
//
// Addresses are relative, so that the pages also work below a path of a proxy. The key, if there is
// one, lives in sessionStorage and goes with every request; EventSource could not send it, so that
// streams are read by fetch.
import { useCallback, useEffect, useRef, useState } from "./html.js";

const KEY = "parsimony.key";

export const key = {
  get: () => sessionStorage.getItem(KEY) || "",
  set: (value) => {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
    document.dispatchEvent(new CustomEvent("key"));
  },
};

/** A problem document (RFC 9457), or what stood in its place. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The service answered ${status}.`);
    this.status = status;
    this.code = body.code || "";
    this.param = body.param || null;
    this.errors = body.errors || [];
  }
}

function headersFor(more) {
  const headers = new Headers(more);
  if (key.get()) headers.set("Authorization", `Bearer ${key.get()}`);
  return headers;
}

async function asked(path, { method = "GET", body, form, headers, signal } = {}) {
  const options = { method, signal, headers: headersFor(headers) };
  if (body !== undefined) {
    options.body = typeof body === "string" ? body : JSON.stringify(body);
    options.headers.set("Content-Type", "application/json");
  } else if (form) options.body = form;
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "The service cannot be reached. Is it running?", code: "unreachable" });
  }
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Problem(answer.status, said);
  }
  return answer;
}

/** Ask for JSON; `null` where the answer has no content. */
export async function api(path, options) {
  const answer = await asked(path, options);
  return answer.status === 204 ? null : answer.json();
}

export async function text(path, options) {
  return (await asked(path, options)).text();
}

/** Send a form and tell how much of it has gone, from 0 to 1: fetch cannot. */
export function upload(path, form, onProgress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    if (key.get()) request.setRequestHeader("Authorization", `Bearer ${key.get()}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => (request.status < 300 ? done(request.response) : failed(new Problem(request.status, request.response || {})));
    request.onerror = () => failed(new Problem(0, { detail: "The service cannot be reached, or refused the file before all of it was sent.", code: "unreachable" }));
    request.send(form);
  });
}

/** Save an answer as a file: a plain link could not carry the key. */
export async function download(path, name) {
  const blob = await (await asked(path)).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * What an address answers, for a component: `{data, error, loading, reload}`. Asked again whenever
 * the address changes, `every` so many milliseconds while the page is looked at, and on `reload()`.
 */
export function useQuery(path, { every = 0 } = {}) {
  const [state, setState] = useState({ path: null, data: null, error: null });
  const running = useRef(null);
  const reload = useCallback(() => {
    running.current?.abort();
    if (!path) return;
    const abort = (running.current = new AbortController());
    return api(path, { signal: abort.signal }).then(
      (data) => setState({ path, data, error: null }),
      (error) => error.name === "AbortError" || setState((old) => ({ path, data: old.path === path ? old.data : null, error })),
    );
  }, [path]);
  useEffect(() => {
    reload();
    document.addEventListener("key", reload);
    return () => {
      running.current?.abort();
      document.removeEventListener("key", reload);
    };
  }, [reload]);
  useEffect(() => {
    if (!every) return;
    const timer = setInterval(() => document.hidden || reload(), every);
    return () => clearInterval(timer);
  }, [reload, every]);
  const data = state.path === path ? state.data : null;
  const error = state.path === path ? state.error : null;
  return { data, error, loading: Boolean(path) && !data && !error, reload };
}

/** The events of a text/event-stream, one after the other: `{id, event, data}`. */
export async function* events(path, { signal, lastId } = {}) {
  const headers = { Accept: "text/event-stream" };
  if (lastId) headers["Last-Event-ID"] = lastId;
  const answer = await asked(path, { headers, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const found = { id: null, event: "message", data: "" };
      for (const line of block.split("\n")) {
        if (line.startsWith("data: ")) found.data += line.slice(6);
        else if (line.startsWith("event: ")) found.event = line.slice(7);
        else if (line.startsWith("id: ")) found.id = line.slice(4);
      }
      if (found.data) yield { ...found, data: JSON.parse(found.data) };
    }
  }
}

/**
 * Follow a job until it has ended: `on({event, data})` for each event. A stream that breaks is
 * taken up again behind the last event that was seen. Returns what stops it.
 */
export function follow(jobId, on) {
  const abort = new AbortController();
  (async () => {
    let lastId = null;
    let pause = 500;
    while (!abort.signal.aborted) {
      try {
        for await (const event of events(`v1/jobs/${jobId}/events`, { signal: abort.signal, lastId })) {
          if (event.id) lastId = event.id;
          pause = 500;
          on(event);
          if (event.event === "end") return;
        }
      } catch (error) {
        if (error.name === "AbortError") return;
        if (error.status >= 400 && error.status < 500) return;
      }
      await new Promise((resume) => setTimeout(resume, pause));
      pause = Math.min(pause * 2, 15_000);
    }
  })();
  return () => abort.abort();
}
