// A time axis: where an instant lies, which ticks stand under it, and the frame that pointer and keys act on (see gestures.js).

import { el, svg } from "./dom.js";
import { round } from "./charts.js";

export const LEFT = 46; // room for the labels of the vertical axis
export const RIGHT = 6;
const TICK_PX = 84; // a label and some air
const MINUTE = 60;
const DAY = 86_400;
const STEPS = [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 3600, 3 * 3600, 6 * 3600, 12 * 3600, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 61 * DAY, 122 * DAY];

/** Pixels of an instant in seconds, for a chart of this width. */
export const scaleOf = ({ from, to }, width) => (at) => round(LEFT + ((at - from) / (to - from)) * (width - LEFT - RIGHT));

function ticksOf({ from, to }, width) {
  const most = Math.max(2, Math.floor((width - LEFT - RIGHT) / TICK_PX));
  const step = STEPS.find((size) => (to - from) / size <= most) ?? STEPS.at(-1);
  const first = new Date(from * 1000);
  first.setHours(0, 0, 0, 0);
  const ticks = [];
  for (let number = 0; ; number += 1) {
    // Days are counted by the calendar: one in spring has 23 hours.
    const at = step < DAY ? first.getTime() / 1000 + number * step : new Date(first.getFullYear(), first.getMonth(), first.getDate() + number * (step / DAY)).getTime() / 1000;
    if (at > to) return ticks;
    if (at >= from) ticks.push({ at, day: step >= DAY || new Date(at * 1000).getHours() + new Date(at * 1000).getMinutes() === 0 });
  }
}

/** Lines and labels of the axis; `top` and `bottom` bound the lines, the labels stand below. */
export function timeAxis(kit, span, width, top, bottom) {
  const x = scaleOf(span, width);
  return ticksOf(span, width).map(({ at, day }) => [
    svg("path", { class: "grid", d: `M${x(at)} ${top}V${bottom}` }),
    svg("text", { class: "axis", x: Math.min(Math.max(x(at), LEFT + 14), width - 22), y: bottom + 14, "text-anchor": "middle" }, day ? kit.format.day(at) : kit.format.clock(at)),
  ]);
}

/** The line at the chosen instant. */
export function marker(x, at, { from, to }, height) {
  return at >= from && at <= to && svg("path", { class: "chosen", d: `M${x(at)} 0V${height}` });
}

/** A chart on which an instant is chosen: `steps` are those that the arrow keys visit, `words` says what each pixel column means. */
export function timeChart(kit, { kind, span, at, width, height, steps, label }, ...content) {
  const frame = { "data-chart": kind, "data-from": span.from, "data-to": span.to, "data-left": LEFT, "data-right": width - RIGHT, "data-width": width, "data-steps": steps.join(" ") };
  const value = { "aria-valuemin": span.from, "aria-valuemax": span.to, "aria-valuenow": at ?? span.to, "aria-valuetext": at ? kit.format.localS(at) : kit.t("now") };
  return el(
    "div",
    { class: "chart" },
    svg(
      "svg",
      { class: `time-chart ${kind}`, viewBox: `0 0 ${width} ${height}`, tabindex: 0, role: "slider", "aria-label": label, "aria-describedby": "chart-keys", ...value, ...frame },
      content,
      svg("rect", { class: "brush", "data-hands": true, y: 0, height, width: 0 }),
    ),
    el("p", { class: "small muted readout" }, kit.t("chart.keys")),
    el("p", { id: "chart-keys", class: "sr" }, kit.t("chart.keys")),
  );
}
