// The picture of a technique with its sliders, and what it shows in words.
import { html, useMemo, useState } from "../../html.js";
import { paths } from "./paths.js";
import { rows } from "./rows.js";
import { targets } from "./targets.js";
import { units } from "./units.js";
import { weights } from "./weights.js";

// One entry a technique: `{sliders: [{name, label, min, max, step, value, show?}], draw(values,
// seed) → {svg, words}, drawn?}`. `drawn` says that chance has a part, so that it can be drawn again.
const PICTURES = { ...weights, ...units, ...targets, ...rows, ...paths };

export function Picture({ name }) {
  const picture = PICTURES[name];
  const [values, setValues] = useState(() => Object.fromEntries((picture?.sliders || []).map((one) => [one.name, one.value])));
  const [seed, setSeed] = useState(1);
  const made = useMemo(() => picture?.draw(values, seed), [values, seed, picture]);
  if (!picture) return html`<p class="soft">There is no picture of it yet.</p>`;
  return html`<figure class="picture-of">
    <svg viewBox="0 0 480 ${made.height || 230}" role="img" aria-label=${made.words}>${made.svg}</svg>
    ${picture.sliders.map((one) => html`<div class="slider"><label for="slide-${one.name}">${one.label}</label>
      <input id="slide-${one.name}" type="range" min=${one.min} max=${one.max} step=${one.step} value=${values[one.name]} aria-valuetext=${shown(one, values[one.name])}
        onInput=${(e) => setValues({ ...values, [one.name]: Number(e.target.value) })} />
      <output for="slide-${one.name}">${shown(one, values[one.name])}</output></div>`)}
    ${picture.drawn && html`<div class="buttons"><button class="button" type="button" onClick=${() => setSeed(seed + 1)}>Draw again</button></div>`}
    <figcaption aria-live="polite">${made.words}</figcaption>
  </figure>`;
}

const shown = (slider, value) => (slider.show ? slider.show(value) : String(value));
