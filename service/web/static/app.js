// The shell and the router.
//
// To add a page: write pages/NAME.js with a default export, a component that takes
// `{params, query}`, and add a line to PAGES below: `path` (`:name` is a parameter), `load`, and
// `nav` if the navigation shall have it. Addresses are `#/path?query`, so that the service needs to
// know none of them. Ask by `useQuery` and `api` of api.js, build from the parts in ui.js, draw by
// `Chart` of charts.js, and call `useTitle`. Put what only the page needs into its own style sheet
// or into style.css below a class of its own.
import { html, render, useEffect, useRef, useState } from "./html.js";
import { key } from "./api.js";
import { Loading, Toasts, Trouble } from "./ui.js";

const PAGES = [
  { path: "/jobs", nav: "Jobs", load: () => import("./pages/jobs.js") },
  { path: "/jobs/:id", load: () => import("./pages/job.js") },
  { path: "/new", nav: "New job", load: () => import("./pages/submit.js") },
  { path: "/compare", nav: "Compare", load: () => import("./pages/compare.js") },
  { path: "/models", nav: "Models", load: () => import("./pages/models.js") },
  { path: "/models/:name", load: () => import("./pages/model.js") },
  { path: "/data", nav: "Data sets", load: () => import("./pages/data.js") },
  { path: "/data/:id", load: () => import("./pages/dataset.js") },
  { path: "/techniques", nav: "Techniques", load: () => import("./pages/techniques.js") },
  { path: "/techniques/:name", load: () => import("./pages/technique.js") },
];
const HOME = "/jobs";

function route(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?");
  const parts = (path || HOME).split("/");
  for (const page of PAGES) {
    const pattern = page.path.split("/");
    if (pattern.length !== parts.length) continue;
    const params = {};
    const fits = pattern.every((part, place) => {
      if (!part.startsWith(":")) return part === parts[place];
      params[part.slice(1)] = decodeURIComponent(parts[place]);
      return true;
    });
    if (fits) return { page, params, query: Object.fromEntries(new URLSearchParams(query)) };
  }
  return { page: null, params: {}, query: {} };
}

const loaded = new Map();

function usePage(page) {
  const [, again] = useState(0);
  useEffect(() => {
    if (!page || loaded.has(page.path)) return;
    page.load().then(
      (module) => loaded.set(page.path, module.default),
      (error) => loaded.set(page.path, () => html`<${Trouble} error=${error} />`),
    ).then(() => again((n) => n + 1));
  }, [page]);
  return page && loaded.get(page.path);
}

function Navigation({ current }) {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [current]);
  return html`<nav class="nav ${open ? "open" : ""}" aria-label="Pages">
    <button class="button menu" type="button" aria-expanded=${open ? "true" : "false"} aria-controls="pages" onClick=${() => setOpen(!open)}>Menu</button>
    <ul id="pages">
      ${PAGES.filter((page) => page.nav).map((page) => html`<li><a href="#${page.path}"
        aria-current=${current === page.path ? "page" : current?.startsWith(`${page.path}/`) ? "true" : undefined}>${page.nav}</a></li>`)}
      <li><a href="docs">API</a></li>
      <li><a href="guide">Guide</a></li>
    </ul>
  </nav>`;
}

function KeyField() {
  const [open, setOpen] = useState(false);
  const [value, setValue] = useState(key.get());
  const box = useRef(null);
  useEffect(() => {
    if (!open) return;
    const away = (event) => {
      if (event.type === "keydown" ? event.key === "Escape" : !box.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("pointerdown", away);
    document.addEventListener("keydown", away);
    box.current?.querySelector("input")?.focus();
    return () => {
      document.removeEventListener("pointerdown", away);
      document.removeEventListener("keydown", away);
    };
  }, [open]);
  const keep = (event) => {
    event.preventDefault();
    key.set(value.trim());
    setOpen(false);
  };
  return html`<div class="popover" ref=${box}>
    <button class="button" type="button" aria-expanded=${open ? "true" : "false"} onClick=${() => setOpen(!open)}>
      ${key.get() ? "Key ✓" : "Key"}</button>
    ${open && html`<form class="pop" onSubmit=${keep}>
      <label>API key <input type="password" autocomplete="off" spellcheck=${false} value=${value} onInput=${(e) => setValue(e.target.value)} /></label>
      <p class="hint">Sent as <code>Authorization: Bearer …</code>, and forgotten when this tab closes.</p>
      <button class="button primary">Use it</button>
    </form>`}
  </div>`;
}

function ThemeSwitch() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme);
  useEffect(() => {
    const on = (event) => setTheme(event.detail);
    document.addEventListener("theme", on);
    return () => document.removeEventListener("theme", on);
  }, []);
  const other = theme === "dark" ? "light" : "dark";
  return html`<button class="button icon" type="button" title="Turn ${other}" aria-label="Turn ${other}" onClick=${() => globalThis.setTheme(other)}>
    <span aria-hidden="true">${theme === "dark" ? "☀" : "☾"}</span></button>`;
}

function App() {
  const [hash, setHash] = useState(location.hash);
  const main = useRef(null);
  const first = useRef(true);
  useEffect(() => {
    const on = () => setHash(location.hash);
    addEventListener("hashchange", on);
    return () => removeEventListener("hashchange", on);
  }, []);
  const { page, params, query } = route(hash);
  const where = hash.split("?")[0];
  useEffect(() => {
    // Whoever reads by ear or key goes on at the top of the new page.
    if (first.current) first.current = false;
    else {
      main.current.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }, [where]);
  const View = usePage(page);
  return html`
    <a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); main.current.focus(); }}>To the content</a>
    <header class="top">
      <a class="brand" href="#${HOME}"><img src="web/icon.svg" alt="" width="22" height="22" /> Parsimony</a>
      <${Navigation} current=${page?.path.replace(/\/:.*$/, "/")} />
      <div class="tools"><${KeyField} /><${ThemeSwitch} /></div>
    </header>
    <main ref=${main} id="main" tabindex="-1">
      ${!page ? html`<h1>No such page</h1><p><a href="#${HOME}">To the jobs</a></p>`
        : View ? html`<${View} key=${where} params=${params} query=${query} />` : html`<${Loading} />`}
    </main>
    <${Toasts} />`;
}

render(html`<${App} />`, document.getElementById("app"));
