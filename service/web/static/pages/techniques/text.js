// Texts of the technique's cards: formulas with raised and lowered parts, names as links.
import { html } from "../../html.js";

export const FAMILIES = {
  penalty: { title: "Penalties", moment: "Added to the loss, or applied as a proximal step after the update." },
  decay: { title: "Decay", moment: "At the update of the weights." },
  constraint: { title: "Constraints", moment: "After each update of the weights." },
  dropout: { title: "Dropout", moment: "Layers that drop something in training, and nothing in eval mode." },
  normalization: { title: "Normalization", moment: "Layers that bring activations to one scale." },
  noise: { title: "Noise", moment: "Around the forward pass, in training only." },
  target: { title: "Targets", moment: "On the target, or on how much a row counts." },
  output_penalty: { title: "Penalties on answers", moment: "Added to the loss, by what the network answers." },
  augmentation: { title: "Augmentation", moment: "On each batch of training rows." },
  averaging: { title: "Averaging", moment: "Over the path of the weights." },
  stopping: { title: "Stopping", moment: "At the end of an epoch." },
};

/** A formula in plain characters: `_x` and `_{…}` lowered, `^x` raised. */
export function Formula({ text }) {
  return html`<span class="formula">${scripts(text)}</span>`;
}

const SCRIPT = /([_^])(\{[^}]*\}|\([^)]*\)|[\p{L}\p{N}−+½]+)/gu;

function scripts(text) {
  const parts = [];
  let last = 0;
  for (const found of text.matchAll(SCRIPT)) {
    parts.push(text.slice(last, found.index));
    const inner = found[2].replace(/^[{(]|[})]$/g, "");
    parts.push(found[1] === "_" ? html`<sub>${inner}</sub>` : html`<sup>${inner}</sup>`);
    last = found.index + found[0].length;
  }
  return [...parts, text.slice(last)].map((part) => (typeof part === "string" ? ticked(part) : part));
}

const ticked = (text) => text.split("`").map((part, place) => (place % 2 ? html`<code>${part}</code>` : part));

/** A text whose names in backticks are code, and links where they are techniques. */
export function TechText({ text, names = [], own = "" }) {
  return (text || "").split(/`+/).map((part, place) => {
    if (place % 2 === 0) return addresses(part);
    if (part !== own && names.includes(part)) return html`<a href="#/techniques/${part}"><code>${part}</code></a>`;
    return html`<code>${part}</code>`;
  });
}

function addresses(text) {
  return text.split(/(https:\/\/[^\s;,]+|arXiv:\d{4}\.\d{4,5})/).map((part, place) => {
    if (place % 2 === 0) return part;
    const clean = part.replace(/\.$/, "");
    const address = clean.startsWith("arXiv:") ? `https://arxiv.org/abs/${clean.slice(6)}` : clean;
    return html`<a href=${address} rel="noreferrer" target="_blank">${clean}</a>${part.slice(clean.length)}`;
  });
}
