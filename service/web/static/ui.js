// The parts that every page is made of.
import { html, useEffect, useRef, useState } from "./html.js";
import { percent, words } from "./format.js";

const MARKS = { queued: "◌", running: "◐", paused: "‖", succeeded: "✓", failed: "✕", cancelled: "⊘" };

/** A job's state: a mark and a word beside the colour. */
export function State({ state }) {
  return html`<span class="state state-${state}"><span aria-hidden="true">${MARKS[state] || "•"}</span> ${state}</span>`;
}

export function Progress({ value, label }) {
  return html`<span class="progress" role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${Math.floor(value * 100)} aria-valuetext=${percent(value)}><span style=${{ width: `${value * 100}%` }}></span></span>`;
}

/** A titled part of a page. `aside` stands at the right of the title. */
export function Card({ title, aside, children, id, className = "", level = 2 }) {
  const Heading = `h${level}`;
  return html`<section class="card ${className}" id=${id} aria-label=${title}>
    ${title && html`<div class="card-head"><${Heading}>${title}<//>${aside && html`<div class="aside">${aside}</div>`}</div>`}
    ${children}
  </section>`;
}

export const Empty = ({ children }) => html`<div class="empty">${children}</div>`;

/** What went wrong, in the service's own words. */
export function Trouble({ error, retry }) {
  if (!error) return null;
  const title = { 401: "This service asks for a key.", 403: "This is not allowed." }[error.status];
  return html`<div class="trouble" role="alert">
    <strong>${title || "That did not work."}</strong>
    <p>${error.param && !error.message.startsWith(`${error.param}:`) && html`<code>${error.param}</code> `}${error.message}</p>
    ${error.status === 401 && html`<p>Here it is given by the button <em>Key</em> at the top.</p>`}
    ${error.errors?.length > 0 && html`<ul>${error.errors.map((e) => html`<li><code>${e.param}</code> ${e.message}</li>`)}</ul>`}
    ${retry && html`<button class="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

export const Loading = ({ what = "Loading" }) => html`<div class="loading" role="status">${what} …</div>`;

/** Copies a text; says so on the button and to screen readers. */
export function Copy({ text, label = "Copy", primary }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    const value = typeof text === "function" ? text() : text;
    await copyText(value);
    setDone(true);
    say("Copied.");
    setTimeout(() => setDone(false), 1600);
  };
  return html`<button class="button ${primary ? "primary" : ""}" type="button" onClick=${copy}>${done ? "Copied ✓" : label}</button>`;
}

/** The clipboard needs a secure page; elsewhere a selection does it. */
export async function copyText(value) {
  if (navigator.clipboard && globalThis.isSecureContext) return navigator.clipboard.writeText(value);
  const area = document.createElement("textarea");
  area.value = value;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** A piece of code that scrolls by itself and can be copied. */
export function Code({ text, label = "Code", copyLabel }) {
  return html`<div class="code"><div class="code-head"><${Copy} text=${text} label=${copyLabel || "Copy"} /></div><pre tabindex="0" role="region" aria-label=${label}>${text}</pre></div>`;
}

/** Says something to screen readers, and shows it for a moment. */
export function say(message) {
  document.dispatchEvent(new CustomEvent("say", { detail: message }));
}

export function Toasts() {
  const [message, setMessage] = useState("");
  const timer = useRef(0);
  useEffect(() => {
    const on = (event) => {
      clearTimeout(timer.current);
      setMessage(event.detail);
      timer.current = setTimeout(() => setMessage(""), 4000);
    };
    document.addEventListener("say", on);
    return () => document.removeEventListener("say", on);
  }, []);
  return html`<div class="toast ${message ? "shown" : ""}" role="status" aria-live="polite">${message}</div>`;
}

/** A table that scrolls sideways where it must. `columns`: `{head, cell(row), number?, key?}`. */
export function Table({ columns, rows, caption, keyOf, rowClass }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}>
    <table>
      <caption class="hidden">${caption}</caption>
      <thead><tr>${columns.map((c) => html`<th scope="col" class=${c.number ? "number" : ""}>${c.head}</th>`)}</tr></thead>
      <tbody>${rows.map((row, place) => html`<tr key=${keyOf ? keyOf(row) : place} class=${rowClass?.(row) || ""}>
        ${columns.map((c) => html`<td class="${c.number ? "number" : ""} ${c.className || ""}">${c.cell(row, place)}</td>`)}
      </tr>`)}</tbody>
    </table>
  </div>`;
}

/** Tabs by the arrow keys, as the ARIA pattern has them. */
export function Tabs({ tabs, chosen, onChoose, label }) {
  const list = useRef(null);
  const onKey = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const place = tabs.findIndex((tab) => tab.id === chosen);
    const next = tabs[(place + step + tabs.length) % tabs.length];
    onChoose(next.id);
    list.current.querySelector(`[data-tab="${next.id}"]`)?.focus();
    event.preventDefault();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} ref=${list} onKeyDown=${onKey}>
    ${tabs.map((tab) => html`<button type="button" role="tab" data-tab=${tab.id} id="tab-${tab.id}" aria-selected=${tab.id === chosen ? "true" : "false"}
      aria-controls="panel-${tab.id}" tabindex=${tab.id === chosen ? 0 : -1} onClick=${() => onChoose(tab.id)}>${tab.title}</button>`)}
  </div>`;
}

export const metricName = (name) => html`<span title=${name}>${words(name)}</span>`;

/** Sets the document's title for as long as a page is shown. */
export function useTitle(title) {
  useEffect(() => {
    document.title = title ? `${title} · Parsimony` : "Parsimony";
  }, [title]);
}

/** A text whose `names in backticks` are code. */
export function Marked({ text }) {
  return (text || "").split(/`+/).map((part, place) => (place % 2 ? html`<code>${part}</code>` : part));
}
