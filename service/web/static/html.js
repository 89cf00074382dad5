// Preact and htm, bound to each other: html`<p>…</p>` makes elements without a build step.
import { h } from "./vendor/preact/preact.js";
import htm from "./vendor/htm/htm.js";

export { render, Fragment } from "./vendor/preact/preact.js";
export {
  useCallback, useEffect, useId, useLayoutEffect, useMemo, useReducer, useRef, useState,
} from "./vendor/preact/hooks.js";
export const html = htm.bind(h);
