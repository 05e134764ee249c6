// Icons: a shape of its own for every meaning, so that colour is never needed to tell them apart.

import { svg } from "./dom.js";

const CIRCLE = "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z";
const TRIANGLE = "M8 1.2 15.4 14.5H.6z";
const OCTAGON = "M5 1h6l4 4v6l-4 4H5l-4-4V5z";
const SQUARE = "M1.5 1.5h13v13h-13z";
const DIAMOND = "M8 .8 15.2 8 8 15.2.8 8z";
const MARK = "M8 5v4.6M8 11.4v1.4";
const BANG = "M8 3.8v5M8 10.8v1.4";

// [tone, outline, stroke on it]
const SHAPES = {
  ok: ["ok", CIRCLE, "m4.6 8.2 2.4 2.4 4.4-5"],
  degraded: ["warn", TRIANGLE, MARK],
  unstable: ["warn", DIAMOND, "m4 9 2-2.4 2.6 3L12 6.6"],
  unreachable: ["bad", OCTAGON, "m5.2 5.2 5.6 5.6m0-5.6-5.6 5.6"],
  paused: ["calm", SQUARE, "M6 5v6m4-6v6"],
  error: ["bad", SQUARE, BANG],
  unknown: ["calm", CIRCLE, "M6 6.3a2 2 0 1 1 2.9 1.8c-.7.4-.9.8-.9 1.5m0 1.4v1.2"],
  info: ["calm", CIRCLE, "M8 7.2v4.6M8 4v1.5"],
  notice: ["note", CIRCLE, BANG],
  warning: ["warn", TRIANGLE, MARK],
  critical: ["bad", OCTAGON, BANG],
};

/** A decorative icon; the word beside it carries the meaning for those who do not see it. */
export function icon(name) {
  const [tone, outline, stroke] = SHAPES[name] ?? SHAPES.unknown;
  return svg(
    "svg",
    { class: `icon tone-${tone}`, viewBox: "0 0 16 16", "aria-hidden": "true", "data-icon": name },
    svg("path", { class: "shape", d: outline }),
    svg("path", { class: "sign", d: stroke }),
  );
}

/** The tone of a state or severity: ok, warn, bad, note or calm. */
export const toneOf = (name) => (SHAPES[name] ?? SHAPES.unknown)[0];
