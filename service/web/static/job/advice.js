// Advice in plain words, with its fix.
import { html, useState } from "../html.js";
import { api } from "../api.js";
import { Copy, say } from "../ui.js";
import { corrected, keepDraft, written } from "../spec.js";

const KINDS = { warning: "Worth changing", info: "Worth knowing" };

/** `spec` is the job's; without one the fix is told and can only be read. */
export function AdviceList({ advice, spec, onApply }) {
  return html`<ul class="advice">${advice.map((one) => html`<${One} key=${one.code + one.field} advice=${one} spec=${spec} onApply=${onApply} />`)}</ul>`;
}

function One({ advice, spec, onApply }) {
  const [busy, setBusy] = useState(false);
  const fixed = spec ? corrected(spec, advice) : null;
  const submit = async () => {
    setBusy(true);
    try {
      const job = await api("v1/jobs", { method: "POST", body: fixed });
      location.hash = `/jobs/${job.id}`;
    } catch (error) {
      say(error.message);
    }
    setBusy(false);
  };
  return html`<li class=${advice.severity}>
    <div><span class="kind">${KINDS[advice.severity]}</span> ${(advice.column || advice.field) && html`<code>${advice.column || advice.field}</code>`}</div>
    <p>${advice.message}</p>
    <p><strong>Fix:</strong> ${advice.fix}</p>
    ${fixed && html`<div class="buttons">
      ${onApply ? html`<button class="button" type="button" onClick=${() => onApply(fixed)}>Apply the fix</button>` : html`
        <${Copy} text=${() => written(fixed)} label="Copy the corrected spec" />
        <button class="button" type="button" onClick=${() => { keepDraft(fixed); location.hash = "/new"; }}>Open it in the form</button>
        <button class="button" type="button" disabled=${busy} onClick=${submit}>Submit it</button>`}
    </div>`}
  </li>`;
}
