// Hop by time: a fault is a block that reaches the bottom; a router that limits its answers is a lone stripe.

import { el, svg } from "../dom.js";
import { LEFT, marker, RIGHT, scaleOf, timeAxis, timeChart } from "../axis.js";

const TOP = 4;
const ROW = { least: 12, most: 20, all: 320 };
const MEASURES = ["loss", "rtt"];
// From which value on a cell has a level: percent lost, or ms above what the hop usually takes.
const LEVELS = { loss: [1, 10, 30, 60, 100], rtt: [2, 5, 10, 25, 75] };

const levelOf = (value, bounds) => bounds.findLastIndex((bound) => value >= bound) + 1;

function median(values) {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  return known.length ? known[Math.floor((known.length - 1) / 2)] : null;
}

/** The value of every cell of a hop by column; null where nobody answered or nothing is known. */
function values(hop, measure) {
  if (measure === "loss") return hop.loss_pct;
  const usual = median(hop.rtt_ms);
  return hop.rtt_ms.map((ms) => (ms === null ? null : ms - usual));
}

/** By column the last hop that answered at all: total silence before it is a habit, and no loss. */
const deepest = (heat) => heat.at_s.map((_, index) => heat.hops.findLastIndex((hop) => hop.loss_pct[index] !== null && hop.loss_pct[index] < 100));

/** Cells as one path a level, so that a thousand of them cost the browser six elements. */
function cells(heat, measure, x, rowHeight) {
  const paths = Array.from({ length: LEVELS[measure].length + 1 }, () => []);
  const last = deepest(heat);
  heat.hops.forEach((hop, place) => {
    const top = TOP + place * rowHeight;
    values(hop, measure).forEach((value, index) => {
      if (value === null || (hop.loss_pct[index] === 100 && place < last[index])) return;
      const from = heat.start_s + index * heat.width_s;
      paths[levelOf(value, LEVELS[measure])].push(`M${x(from)} ${top}H${x(from + heat.width_s)}v${rowHeight - 1}H${x(from)}z`);
    });
  });
  return paths.map((parts, level) => svg("path", { class: `heat-${level}`, d: parts.join("") }));
}

function key(kit, measure) {
  const said = (bound) => (measure === "loss" ? kit.format.percent(bound) : `+${kit.format.msUnit(bound)}`);
  const levels = [kit.t(`heat.${measure}.none`), ...LEVELS[measure].map((bound) => `≥ ${said(bound)}`)];
  const entry = (kind, words) => el("li", {}, svg("svg", { class: "swatch", viewBox: "0 0 16 10", "aria-hidden": "true" }, svg("rect", { class: kind, width: 16, height: 10 })), words);
  return el("ul", { class: "key small" }, entry("ground", kit.t("note.quiet")), levels.map((words, level) => entry(`heat-${level}`, words)));
}

/** The start of the trace that the column under the pointer shows; the instant itself where there is none. */
export const pointedAt = ({ heat }, at) => heat.at_s[Math.floor((at - heat.start_s) / heat.width_s)] ?? at;

/** What lies under the pointer in words. */
export function readout(kit, { heat }, at) {
  const index = Math.floor((at - heat.start_s) / heat.width_s);
  const last = heat.hops.filter((hop) => hop.loss_pct[index] !== null && hop.loss_pct[index] !== undefined).at(-1);
  if (!last) return kit.format.localS(at);
  return [kit.format.localS(heat.at_s[index]), `${kit.t("hops")} ${last.ttl}`, kit.format.msUnit(last.rtt_ms[index]), `${kit.t("loss")} ${kit.format.percent(last.loss_pct[index])}`].join(" · ");
}

/** data: { heat, span, at, measure }. */
export function heatMap(kit, { heat, span, at, measure }) {
  const { t, width } = kit;
  if (!heat.hops.length) return el("p", { class: "empty" }, t("series.none"));
  const rowHeight = Math.floor(Math.min(Math.max(ROW.all / heat.hops.length, ROW.least), ROW.most));
  const bottom = TOP + heat.hops.length * rowHeight;
  const x = scaleOf(span, width);
  const labelled = heat.hops.filter(({ ttl }) => rowHeight > ROW.least || ttl % 2 === 1);
  return [
    el("div", { class: "cbi-value" }, MEASURES.map((name) => el("button", { type: "button", class: "btn cbi-button", "data-action": "measure", "data-value": name, "aria-pressed": name === measure ? "true" : "false" }, t(`heat.${name}`)))),
    timeChart(
      kit,
      { kind: "heat", span, at, width, height: bottom + 20, steps: heat.at_s.filter((each) => each !== null), label: t("heat.label") },
      svg("rect", { class: "ground", x: LEFT, y: TOP, width: width - LEFT - RIGHT, height: bottom - TOP }),
      cells(heat, measure, x, rowHeight),
      labelled.map(({ ttl }) => svg("text", { class: "axis", x: LEFT - 5, y: TOP + (ttl - 0.5) * rowHeight + 4, "text-anchor": "end" }, ttl)),
      timeAxis(kit, span, width, bottom, bottom),
      at && marker(x, at, span, bottom),
    ),
    key(kit, measure),
    el("p", { class: "small muted" }, t("heat.help")),
  ];
}
