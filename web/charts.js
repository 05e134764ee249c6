// Small drawings. Colours are Okabe and Ito's; loss is also a tick at the foot, so it is seen without colour.

import { svg } from "./dom.js";

const SPARK = { width: 120, height: 26, foot: 5 };
const WHISKER = { width: 120, height: 14 };

const round = (value) => Math.round(value * 10) / 10;

/** Latency over time with loss ticks; spark: { at_s, rtt_ms, lost } as columns of equal length. */
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
  const label = known.length ? kit.t("spark.label", { low: kit.format.ms(low), high: kit.format.ms(high), lost }) : kit.t("spark.none", { lost });
  return svg("svg", { class: "spark", viewBox: `0 0 ${SPARK.width} ${SPARK.height}`, role: "img", "aria-label": label }, svg("title", {}, label), svg("path", { class: "line", d: line.join("") }), ticks);
}

/** Best to worst as a line with the median as a mark, on a scale from 0 to `scaleMs` shared by all rows. */
export function whisker(kit, row, scaleMs) {
  if (row.best === null) return null;
  const x = (ms) => round(2 + (ms / Math.max(scaleMs, 0.001)) * (WHISKER.width - 4));
  const middle = WHISKER.height / 2;
  const label = kit.t("whisker.label", { best: kit.format.ms(row.best), median: kit.format.ms(row.median), worst: kit.format.ms(row.worst) });
  return svg(
    "svg",
    { class: "whisker", viewBox: `0 0 ${WHISKER.width} ${WHISKER.height}`, role: "img", "aria-label": label },
    svg("title", {}, label),
    svg("path", { class: "range", d: `M${x(row.best)} ${middle}H${x(row.worst)}M${x(row.best)} 3v8M${x(row.worst)} 3v8` }),
    svg("circle", { class: "median", cx: x(row.median), cy: middle, r: 3.2 }),
  );
}
