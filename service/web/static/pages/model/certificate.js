// The certificate of a version, each check in words.
import { html } from "../../html.js";
import { Card, Loading, Trouble } from "../../ui.js";
import { moment, words } from "../../format.js";

const MEANING = {
  eval_mode: "Every layer is in eval mode: dropout and noise are off.",
  no_functional_dropout: "Nothing in a forward pass draws a random number.",
  deterministic: "The same rows have the same answers, to the bit.",
  row_independent: "A row's answer does not depend on the rows beside it.",
  as_trained: "It answers as it did when its training ended.",
  as_network: "The fast way to an answer is the network's own answer.",
  no_untrained_column: "No input acts that the training rows did not tell apart.",
};

export function Certificate({ certificate, error }) {
  const failed = certificate?.checks.filter((check) => !check.passed).length;
  return html`<${Card} title="Certificate" aside=${certificate && html`<span class=${certificate.passed ? "state state-succeeded" : "state state-failed"}>
      <span aria-hidden="true">${certificate.passed ? "✓" : "✕"}</span> ${certificate.passed ? "passed" : `${failed} failed: not served`}</span>`}>
    <${Trouble} error=${error} />
    ${!certificate && !error && html`<${Loading} what="Loading the certificate" />`}
    ${certificate && html`<ul class="checks">${certificate.checks.map((check) => html`<li>
        <span class=${check.passed ? "state-succeeded" : "state-failed"} aria-hidden="true">${check.passed ? "✓" : "✕"}</span>
        <div><span class="hidden">${check.passed ? "Holds: " : "Does not hold: "}</span>${MEANING[check.name] || words(check.name)}
          <div class="hint">${check.detail}</div></div>
      </li>`)}</ul>
      <p class="hint">Checked ${moment(certificate.issued_at)}, and again whenever the version is loaded.</p>`}
  <//>`;
}
