// One time axis: latency with its range, loss, the paths taken, and what happened.

import { el, svg } from "../dom.js";
import { round } from "../charts.js";
import { LEFT, marker, RIGHT, scaleOf, timeAxis, timeChart } from "../axis.js";
import { toneOf } from "../icons.js";

const FLAGS = 18;
const PLOT = { top: 24, height: 130 };
const LOSS = 26;
const RIBBON = { top: 184, height: 16 };
const HEIGHT = 222;
const PEAK = 4; // single probes may take seconds; beyond so many times the slowest median the range is cut off
const FLAG_PX = 9;
const LETTER_PX = 14;
const COLOURS = 6;
const SEVERITIES = ["info", "notice", "warning", "critical"];

/** The seconds since 1970 at which an event happened. */
export const instantOf = (event) => Math.ceil(Date.parse(event.occurred_at ?? event.ts) / 1000);

/** Consecutive buckets with something sent, split where nothing was measured for longer than `gapS`. */
function runs(columns, gapS) {
  const found = [];
  let last = -Infinity;
  columns.at_s.forEach((at, index) => {
    if (!columns.sent[index]) return;
    if (at - last > gapS) found.push([]);
    found.at(-1).push(index);
    last = at;
  });
  return found;
}

/** Round numbers for the vertical axis, from 0 up. */
function levels(most) {
  const ten = 10 ** Math.floor(Math.log10(most));
  const step = [0.2, 0.5, 1, 2, 5].map((part) => part * ten).find((size) => most / size <= 4);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, number) => round(number * step));
}

function latency(columns, pieces, x, y) {
  const known = (index) => columns.rtt_median_ms[index] !== null;
  const point = (name) => (index) => `${x(columns.at_s[index])} ${y(columns[name][index])}`;
  const lines = pieces.flatMap((run) => run.reduce((split, index) => (known(index) ? split.at(-1).push(index) : split.push([]), split), [[]])).filter((run) => run.length);
  const band = lines.map((run) => `M${run.map(point("rtt_max_ms")).join("L")}L${run.toReversed().map(point("rtt_min_ms")).join("L")}Z`);
  const median = lines.map((run) => `M${run.map(point("rtt_median_ms")).join("L")}h.1`);
  return [svg("path", { class: "band", d: band.join("") }), svg("path", { class: "line", d: median.join("") })];
}

function losses(columns, x, widthS) {
  const bottom = PLOT.top + PLOT.height;
  const bars = columns.lost.map((lost, index) => {
    if (!lost) return "";
    const height = Math.max(3, round((LOSS * lost) / columns.sent[index]));
    const from = x(columns.at_s[index]);
    return `M${from} ${bottom}v${-height}H${Math.max(x(columns.at_s[index] + widthS), from + 2)}v${height}z`;
  });
  return svg("path", { class: "loss-bar", d: bars.join("") });
}

/** [{ from, to, path }] of the paths in force, one after the other. */
function stretches(columns, pieces, widthS, span) {
  const found = [];
  for (const run of pieces) {
    let current = null;
    for (const index of run) {
      const id = columns.path_id[index];
      if (current && (id === null || id === current.id)) current.to = columns.at_s[index] + widthS;
      else {
        if (current) current.to = columns.at_s[index];
        current = { id, from: columns.at_s[index], to: columns.at_s[index] + widthS };
        found.push(current);
      }
    }
  }
  return found.filter(({ id }) => id !== null).map((one) => ({ ...one, to: Math.min(one.to, span.to) }));
}

function ribbon(kit, parts, paths, x) {
  return parts.map(({ id, from, to }) => {
    const place = paths.findIndex((path) => path.path_id === id);
    const label = paths[place]?.label ?? "?";
    const width = Math.max(x(to) - x(from), 1.5);
    return svg(
      "g",
      { class: `path-${Math.max(place, 0) % COLOURS}` },
      svg("title", {}, `${kit.t("path")} ${label} · ${kit.format.localS(from)}`),
      svg("rect", { x: x(from), y: RIBBON.top, width: round(width), height: RIBBON.height }),
      width >= LETTER_PX && svg("text", { x: round(x(from) + width / 2), y: RIBBON.top + 12, "text-anchor": "middle" }, label),
    );
  });
}

function flags(kit, events, x, top) {
  const groups = new Map();
  for (const event of events) {
    const slot = Math.round(x(instantOf(event)) / FLAG_PX);
    groups.set(slot, [...(groups.get(slot) ?? []), event]);
  }
  return [...groups.values()].map((group) => {
    const worst = group.reduce((a, b) => (SEVERITIES.indexOf(b.severity) > SEVERITIES.indexOf(a.severity) ? b : a));
    const at = x(instantOf(worst));
    return svg(
      "g",
      { class: `flag tone-${toneOf(worst.severity)}` },
      svg("title", {}, group.map((event) => `${kit.format.local(event.occurred_at ?? event.ts)} ${kit.word("event", event.event_type)}`).join("\n")),
      svg("path", { class: "pole", d: `M${at} 4V${top}` }),
      svg("path", { d: `M${at} 3h9l-3 4 3 4h-9z` }),
    );
  });
}

/** The instant that the reader points at. */
export const pointedAt = (_data, at) => at;

/** What lies under the pointer, in words. */
export function readout(kit, { series: { columns }, paths }, at) {
  const index = columns.at_s.findLastIndex((from) => from <= at);
  if (index < 0 || !columns.sent[index]) return kit.format.localS(at);
  const path = paths.find((one) => one.path_id === columns.path_id[index]);
  const { format, t } = kit;
  const range = columns.rtt_median_ms[index] === null ? format.ms(null) : `${format.msUnit(columns.rtt_median_ms[index])} (${format.ms(columns.rtt_min_ms[index])}–${format.ms(columns.rtt_max_ms[index])})`;
  return [format.localS(columns.at_s[index]), range, `${t("loss")} ${format.percent((100 * columns.lost[index]) / columns.sent[index])}`, path && `${t("path")} ${path.label}`].filter(Boolean).join(" · ");
}

/** data: { series, events, paths, span: { from, to }, at, gapS }; `at` null is now. */
export function timeline(kit, { series: { columns }, events, paths, span, at, gapS }) {
  const { t, width } = kit;
  const x = scaleOf(span, width);
  const widthS = columns.at_s.length > 1 ? columns.at_s[1] - columns.at_s[0] : 1;
  const pieces = runs(columns, Math.max(3 * widthS, gapS));
  const medians = columns.rtt_median_ms.filter((ms) => ms !== null);
  if (!medians.length && !columns.lost.some(Boolean)) return el("p", { class: "empty" }, t("series.none"));
  const most = Math.max(1, Math.min(Math.max(...columns.rtt_max_ms.map((ms) => ms ?? 0)), PEAK * Math.max(0, ...medians)) * 1.08);
  const bottom = PLOT.top + PLOT.height;
  const y = (ms) => round(bottom - (Math.min(ms, most) / most) * PLOT.height);
  const parts = stretches(columns, pieces, widthS, span);
  const seen = paths.map((path, index) => ({ path, index })).filter(({ path }) => parts.some(({ id }) => id === path.path_id));
  const shown = events.filter((event) => instantOf(event) >= span.from && instantOf(event) <= span.to);
  const chart = timeChart(
    kit,
    { kind: "timeline", span, at, width, height: HEIGHT, steps: [...new Set(shown.map(instantOf))].sort((a, b) => a - b), label: t("timeline.label") },
    levels(most).map((ms) => [svg("path", { class: "grid", d: `M${LEFT} ${y(ms)}H${width - RIGHT}` }), svg("text", { class: "axis", x: LEFT - 5, y: y(ms) + 4, "text-anchor": "end" }, ms ? round(ms) : "0 ms")]),
    timeAxis(kit, span, width, FLAGS, RIBBON.top + RIBBON.height),
    latency(columns, pieces, x, y),
    losses(columns, x, widthS),
    svg("text", { class: "axis", x: LEFT - 5, y: RIBBON.top + 12, "text-anchor": "end" }, t("path")),
    ribbon(kit, parts, paths, x),
    flags(kit, shown, x, bottom),
    at && marker(x, at, span, RIBBON.top + RIBBON.height),
  );
  const key = (name, words) => el("li", {}, svg("svg", { class: "swatch", viewBox: "0 0 16 10", "aria-hidden": "true" }, svg("rect", { class: name, width: 16, height: 10 })), words);
  return [
    chart,
    el("ul", { class: "key small" }, key("band", t("key.band")), key("line-key", t("rtt.median")), key("loss-bar", t("loss")), seen.map(({ path, index }) => el("li", { class: `path-${index % COLOURS}` }, svg("svg", { class: "swatch", viewBox: "0 0 16 10", "aria-hidden": "true" }, svg("rect", { width: 16, height: 10 })), `${t("path")} ${path.label}${path.usual ? " ★" : ""}`))),
  ];
}
