// One page for the provider: what happened, before and after, hop by hop, with times in UTC and how it was measured.

import { el } from "../dom.js";
import { rowsOfTrace } from "../hops.js";
import { badge, section, select } from "../parts.js";
import { hashOf } from "../route.js";
import { saidOf } from "../say.js";
import { diffSentence, diffTable } from "./diff.js";
import * as time from "./timeline.js";
import { hopTable } from "./trace.js";

/** What the chart of this view says of an instant. */
export const CHARTS = { timeline: time };

const MASKS = [0, 1, 2, 3, 4];
const SEVERITIES = ["info", "notice", "warning", "critical"];

const both = (kit, iso) => `${kit.format.utc(iso)} (${kit.format.local(iso)})`;
const ofSeconds = (kit, seconds) => both(kit, new Date(seconds * 1000).toISOString());

/** The rows of a trace without the addresses of its first hops, which are the household's. */
const masked = (kit, rows, most) => rows.map((row) => (row.ttl <= most && row.responders.length ? { ...row, responders: [kit.t("report.hidden")], network: "" } : row));

function maskedDiff(kit, diff, most) {
  const side = (row, name) => (row[`${name}_ttl`] !== null && row[`${name}_ttl`] <= most && row[name].length ? { [name]: [kit.t("report.hidden")], [`${name}_network`]: {} } : {});
  return { ...diff, rows: diff.rows.map((row) => ({ ...row, ...side(row, "old"), ...side(row, "new") })) };
}

function lossOf({ series: { columns } }) {
  const sum = (column) => column.reduce((total, count) => total + count, 0);
  return sum(columns.sent) ? (100 * sum(columns.lost)) / sum(columns.sent) : null;
}

function facts(kit, data, agent) {
  const { t, format } = kit;
  const { config, state } = data.target;
  const { before, after, span } = data;
  const figures = (trace) => (trace ? `${format.msUnit(trace.rtt_ms)}, ${t("loss")} ${format.percent(trace.loss_pct)}, ${both(kit, trace.at)}` : format.count(null));
  const rows = [
    [t("target"), [...new Set([config.label, config.host, state.address])].filter(Boolean).join(" · ")],
    [t("report.from"), ofSeconds(kit, span.from)],
    [t("report.to"), ofSeconds(kit, span.to)],
    [t("before"), figures(before)],
    [t("after"), figures(after)],
    [t("loss"), `${format.percent(lossOf(data))} (${t("report.whole")})`],
    [t("agent"), agent],
  ];
  return el("dl", { class: "facts report-facts" }, rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function events(kit, list, most) {
  return el(
    "ol",
    { class: "changes" },
    list.map((event) => {
      const said = saidOf(kit, event);
      // Where a fault lies is told by addresses, which may be those that are hidden.
      return el("li", { class: "change" }, el("div", { class: "change-head" }, el("time", {}, both(kit, event.occurred_at ?? event.ts)), badge(kit, "severity", event.severity)), el("div", {}, said.title), !most && said.place && el("div", { class: "small" }, said.place));
    }),
  );
}

/** data: { target, span, series, paths, events, before, after, diff }, as the loader gives it; the query's `mask` hides the first hops. */
export function report(kit, _ui, data, { query }) {
  const { t } = kit;
  const most = Number(query.mask) || 0;
  const worst = data.events.toSorted((a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity))[0];
  const hops = (title, trace) => trace && section(`${title}: ${both(kit, trace.at)}`, hopTable(kit, masked(kit, rowsOfTrace(trace), most)));
  const { config } = data.target;
  return el(
    "div",
    { class: "cbi-map report" },
    el(
      "div",
      { class: "cbi-value controls" },
      el("button", { type: "button", class: "btn cbi-button cbi-button-action", "data-action": "print" }, t("report.print")),
      el("button", { type: "button", class: "btn cbi-button", "data-action": "save" }, t("report.save")),
      el("a", { href: hashOf({ name: "target", id: data.target.state.target, query: { from: query.from, to: query.to, at: query.at } }) }, t("tab.timeline")),
      select({ id: "mask", change: "mask", label: t("report.mask"), chosen: String(most) }, MASKS.map((count) => [String(count), kit.format.count(count)])),
    ),
    el("p", { class: "diff-sentence" }, el("strong", {}, worst ? saidOf(kit, worst).title : t("report.quiet")), data.diff && [" ", diffSentence(kit, data.diff)]),
    facts(kit, data, data.agent),
    section(t("latency"), time.timeline(kit, data)),
    data.events.length > 0 && section(t("tab.changes"), events(kit, data.events, most)),
    data.diff && section(t("diff.whole"), diffTable(kit, maskedDiff(kit, data.diff, most))),
    hops(t("before"), data.before),
    hops(t("after"), data.after),
    section(t("report.method"), el("p", {}, t("isp.method", { proto: config.method.toUpperCase(), af: data.target.state.af ?? "" }), " ", t("report.often", { queries: config.queries, every: kit.format.duration(config.interval_s) }))),
  );
}
