// Small drawings. Colours are Okabe and Ito's; loss is also a tick at the foot, so it is seen without colour.

import { svg } from "./dom.js";

const SPARK = { width: 120, height: 26, foot: 5 };
const WHISKER = { width: 120, height: 14 };
const WAY = { width: 150, height: 8 };
export const SEGMENTS = ["local", "isp", "transit", "destination"];

export const round = (value) => Math.round(value * 10) / 10;

/** A drawing that is read as one picture. */
export function picture(kind, { width, height }, label, ...content) {
  return svg("svg", { class: kind, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, svg("title", {}, label), content);
}

/** Latency over time with loss ticks, and ticks above where the path changed; spark: { at_s, rtt_ms, lost, changed }. */
export function sparkline(kit, spark) {
  const known = spark.rtt_ms.filter((ms) => ms !== null);
  const lost = spark.lost.reduce((sum, count) => sum + count, 0);
  const [first, last] = [spark.at_s[0], spark.at_s.at(-1)];
  const [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 0];
  const x = (at) => round(2 + ((at - first) / Math.max(last - first, 1)) * (SPARK.width - 4));
  // A steady line lies in the middle; without a floor its noise would fill the height.
  const span = Math.max(high - low, high * 0.1, 0.1);
  const y = (ms) => round(2 + (1 - (ms - (low + high - span) / 2) / span) * (SPARK.height - SPARK.foot - 4));
  let pen = "M";
  const line = spark.rtt_ms.map((ms, index) => {
    const step = ms === null ? "" : `${pen}${x(spark.at_s[index])} ${y(ms)}`;
    pen = ms === null ? "M" : "L";
    // A lone point between two gaps would be invisible as a line of no length.
    return step && pen === "L" ? `${step}h.1` : step;
  });
  const ticks = spark.lost.map((count, index) => count > 0 && svg("rect", { class: "lost", x: x(spark.at_s[index]) - 1, y: SPARK.height - SPARK.foot, width: 2, height: SPARK.foot }));
  const changes = spark.changed.map((at) => svg("path", { class: "moved", d: `M${x(at)} 0v${SPARK.height - SPARK.foot}` }));
  const facts = { low: kit.format.ms(low), high: kit.format.ms(high), lost, changes: changes.length };
  return picture("spark", SPARK, kit.t(known.length ? "spark.label" : "spark.none", facts), changes, svg("path", { class: "line", d: line.join("") }), ticks);
}

/** What each part of the way adds, as lengths; `strip` has ms by segment, null where nobody answered. */
export function wayBar(kit, strip) {
  const total = SEGMENTS.reduce((sum, name) => sum + Math.max(strip[name] ?? 0, 0), 0);
  if (!total) return null;
  let x = 0;
  const parts = SEGMENTS.map((name, index) => {
    const width = round((WAY.width * Math.max(strip[name] ?? 0, 0)) / total);
    const rect = width > 0 && svg("rect", { class: `part-${index}`, x: round(x), y: 0, width: Math.max(width - 1, 0.5), height: WAY.height });
    x += width;
    return rect;
  });
  return svg("svg", { class: "way-bar", viewBox: `0 0 ${WAY.width} ${WAY.height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, parts);
}

/** Best to worst as a line with the median as a mark, on a scale from 0 to `scaleMs` shared by all rows. */
export function whisker(kit, row, scaleMs) {
  if (row.best === null) return null;
  const x = (ms) => round(2 + (ms / Math.max(scaleMs, 0.001)) * (WHISKER.width - 4));
  const middle = WHISKER.height / 2;
  return picture(
    "whisker",
    WHISKER,
    kit.t("whisker.label", { best: kit.format.ms(row.best), median: kit.format.ms(row.median), worst: kit.format.ms(row.worst) }),
    svg("path", { class: "range", d: `M${x(row.best)} ${middle}H${x(row.worst)}M${x(row.best)} 3v8M${x(row.worst)} 3v8` }),
    svg("circle", { class: "median", cx: x(row.median), cy: middle, r: 3.2 }),
  );
}

/** Two latencies of one hop on the scale of all: a ring before, a dot after. */
export function dumbbell(kit, before, after, scaleMs) {
  if (before === null && after === null) return null;
  const x = (ms) => round(5 + (ms / Math.max(scaleMs, 0.001)) * (WHISKER.width - 10));
  const middle = WHISKER.height / 2;
  return picture(
    "whisker",
    WHISKER,
    kit.t("dumbbell.label", { before: kit.format.msUnit(before), after: kit.format.msUnit(after) }),
    before !== null && after !== null && svg("path", { class: "range", d: `M${x(before)} ${middle}H${x(after)}` }),
    before !== null && svg("circle", { class: "ring", cx: x(before), cy: middle, r: 3.6 }),
    after !== null && svg("circle", { class: "median", cx: x(after), cy: middle, r: 3 }),
  );
}
