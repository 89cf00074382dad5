// What the pictures are drawn with: reproducible chance, histograms, curves, axes, small images.
import { html } from "../../html.js";

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function chance(seed) {
  let state = seed * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A standard normal number (Box and Muller). */
export const normal = (random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

export const normals = (n, seed) => {
  const random = chance(seed);
  return Array.from({ length: n }, () => normal(random));
};

/** Gamma(a, 1), a > 0, by Marsaglia and Tsang; Beta(a, a) from two of them. */
function gamma(a, random) {
  if (a < 1) return gamma(a + 1, random) * random() ** (1 / a);
  const d = a - 1 / 3;
  for (;;) {
    const x = normal(random);
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

export function beta(a, random) {
  const [x, y] = [gamma(a, random), gamma(a, random)];
  return x + y > 0 ? x / (x + y) : random() < 0.5 ? 0 : 1;
}

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
export const deviation = (values) => {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
};
export const short = (value, digits = 2) => String(Number(value.toFixed(digits))).replace("-", "−");
export const percent = (share) => `${Math.round(share * 100)} %`;

/** A linear scale. */
export const scale = (from, to, start, end) => (value) => start + ((value - from) / (to - from)) * (end - start);

export const path = (points) => points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/** A curve of a function. */
export function curve(of, [low, high], x, y, className) {
  const points = Array.from({ length: 121 }, (_, place) => low + ((high - low) * place) / 120).map((at) => [x(at), y(of(at))]);
  return html`<path class=${className} d=${path(points)} />`;
}

/** Counts in equal parts of a range; what lies outside counts at its ends. */
export function counted(values, [low, high], bins) {
  const counts = Array(bins).fill(0);
  for (const value of values) counts[Math.max(0, Math.min(bins - 1, Math.floor(((value - low) / (high - low)) * bins)))] += 1;
  return counts;
}

/** Bars of counts in a box. */
export function bars(counts, { left, right, bottom, height, most, className }) {
  const width = (right - left) / counts.length;
  return counts.map((n, place) => n > 0 && html`<rect class=${className} x=${(left + place * width + 0.5).toFixed(1)} width=${(width - 1).toFixed(1)} y=${(bottom - (n / most) * height).toFixed(1)} height=${((n / most) * height).toFixed(1)} />`);
}

/** A base line with labels below it. */
export function axis(x, bottom, ticks, { left, right, title }) {
  return html`<line class="axis" x1=${left} x2=${right} y1=${bottom} y2=${bottom} />
    ${ticks.map((tick) => html`<text class="tick" x=${x(tick)} y=${bottom + 15} text-anchor="middle">${short(tick)}</text>`)}
    ${title && html`<text class="tick" x=${(left + right) / 2} y=${bottom + 31} text-anchor="middle">${title}</text>`}`;
}

export const label = (x, y, text, { anchor = "start", className = "note" } = {}) => html`<text class=${className} x=${x} y=${y} text-anchor=${anchor}>${text}</text>`;

const LEVELS = 8;

/** An image of grey levels from 0 to 1, a path a level; `tint` gives another colour. */
export function image(pixels, left, top, size, { frame = true } = {}) {
  const side = size / pixels.length;
  const cells = Array.from({ length: LEVELS }, () => "");
  pixels.forEach((row, i) => row.forEach((value, j) => {
    const level = Math.max(0, Math.min(LEVELS - 1, Math.round(value * (LEVELS - 1))));
    if (level) cells[level] += `M${(left + j * side).toFixed(1)} ${(top + i * side).toFixed(1)}h${side.toFixed(2)}v${side.toFixed(2)}h-${side.toFixed(2)}z`;
  }));
  return html`<g>${frame && html`<rect class="frame" x=${left} y=${top} width=${size} height=${size} />`}
    ${cells.map((d, level) => d && html`<path class="pixel" opacity=${(level / (LEVELS - 1)).toFixed(2)} d=${d} />`)}</g>`;
}
