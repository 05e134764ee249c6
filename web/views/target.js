// One target: how it is, and its views by tab: timeline and heat map with the hop table at the chosen instant, paths, comparison.

import { el } from "../dom.js";
import { hashOf, TARGET_TABS } from "../route.js";
import { letter, section, stateCell, tabs, traceButton } from "../parts.js";
import { changeList } from "./changes.js";
import { compare } from "./diff.js";
import * as heat from "./heat.js";
import { liveTrace } from "./live.js";
import { pathHistory } from "./paths.js";
import * as time from "./timeline.js";
import { traceSection } from "./trace.js";
import { pairOf, wishes } from "./wishes.js";

/** What the charts of this view say of an instant. */
export const CHARTS = { timeline: time, heat };

const HOUR_S = 3600;
const SPANS = [3 * HOUR_S, 24 * HOUR_S, 7 * 24 * HOUR_S, 30 * 24 * HOUR_S, 365 * 24 * HOUR_S];

function spanBar(kit, route, { span, at }) {
  const { t } = kit;
  const length = span.to - span.from;
  const link = (words, query, chosen) => el("a", { class: "btn cbi-button", href: hashOf({ ...route, query: { ...route.query, from: null, to: null, last: null, ...query } }), "aria-current": chosen && "true" }, words);
  const moved = (by) => ({ from: Math.round(span.from + by * length), to: Math.round(span.to + by * length) });
  const now = kit.nowMs / 1000;
  return el(
    "div",
    { class: "cbi-value span-bar" },
    link([el("span", { "aria-hidden": "true" }, "◀"), el("span", { class: "sr" }, t("span.earlier"))], moved(-0.5)),
    SPANS.map((seconds) => link(kit.format.duration(seconds), { last: seconds }, !route.query.from && Math.abs(length - seconds) < 2)),
    route.query.to && link([el("span", { "aria-hidden": "true" }, "▶"), el("span", { class: "sr" }, t("span.later"))], span.to + length / 2 < now ? moved(0.5) : { last: length }),
    at && el("a", { class: "btn cbi-button", href: hashOf({ ...route, query: { ...route.query, at: null } }) }, t("instant.latest")),
    el("a", { class: "report-link", href: hashOf({ name: "report", id: route.id, query: { from: span.from, to: span.to, at } }) }, t("report")),
  );
}

function overTime(kit, ui, route, data, chart) {
  const { t } = kit;
  const title = data.at ? t("trace.at", { when: kit.format.localS(data.at) }) : t("trace.latest");
  // Before the first trace there is no time to look at.
  const measured = data.target.trace !== null || data.at;
  return [
    measured && section(null, spanBar(kit, route, data), chart),
    data.gone ? section(title, el("p", { class: "empty" }, t("trace.gone"))) : traceSection(kit, ui, { target: { ...data.target, trace: data.trace }, title, exportUrl: data.exportUrl }),
  ];
}

const BODIES = {
  "": (kit, ui, route, data) => [
    overTime(kit, ui, route, data, time.timeline(kit, data)),
    wishes(kit, ui, data.target.state, pairOf(data.target.state, data.paths, data.changes)),
    section(kit.t("changes.latest"), data.changes.length ? changeList(kit, data.changes) : el("p", { class: "empty" }, kit.t(data.target.state.learning ? "changes.learning" : "changes.none")), el("p", {}, el("a", { href: hashOf({ name: "changes", query: { target: route.id } }) }, kit.t("changes.all")))),
  ],
  heat: (kit, ui, route, data) => overTime(kit, ui, route, data, heat.heatMap(kit, { ...data, measure: route.query.show === "rtt" ? "rtt" : "loss" })),
  paths: (kit, _ui, _route, data) => pathHistory(kit, data),
  diff: (kit, ui, _route, data) => compare(kit, ui, data),
};

/** data: { target: { config, state, path, trace }, tab, … } as the tab's loader gives it. */
export function target(kit, ui, data, route) {
  const { config, state, path } = data.target;
  const { t } = kit;
  const since = path && t("path.for", { duration: kit.format.duration((kit.nowMs - Date.parse(path.since)) / 1000) });
  const keep = ({ from, to, last, at }) => ({ from, to, last, at });
  return el(
    "div",
    { class: "cbi-map" },
    el(
      "div",
      { class: "target-head" },
      el("div", {}, el("div", {}, [config.host, state.address !== config.host && state.address].filter(Boolean).join(" · ")), path && el("div", { class: "small" }, `${t("path")} `, letter(kit, path.path_label, path.usual), " ", el("span", { class: "muted" }, since)), kit.maySet && !state.added_by && el("a", { class: "small", href: hashOf({ name: "settings", kind: "target", id: route.id }) }, t("tab.settings"))),
      el("div", { role: "status" }, stateCell(kit, state)),
      traceButton(kit, ui, state),
    ),
    liveTrace(kit, kit.followed(state.target)),
    tabs(t("views.target"), TARGET_TABS.map((tab) => [t(`tab.${tab || "timeline"}`), hashOf({ name: "target", id: route.id, tab, query: keep(route.query) }), tab === route.tab])),
    // While another tab's data are on their way the old ones are no answer to what the reader sees above.
    data.tab === route.tab ? BODIES[route.tab](kit, ui, route, data) : el("p", { class: "empty", role: "status" }, t("loading")),
  );
}
