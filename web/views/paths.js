// The paths a target has taken, and its changes.

import { el } from "../dom.js";
import { hashOf } from "../route.js";
import { hopCount, letter, section, table, time } from "../parts.js";
import { changeList } from "./changes.js";

function hopsOfRoute(kit, route) {
  return el("details", {}, el("summary", {}, hopCount(kit, route.length ?? route.hops.length)), el("ol", { class: "hop-list" }, route.hops.map((hop) => el("li", {}, hop.length ? hop.join(", ") : "*"))));
}

function pathTable(kit, id, paths) {
  const { t, format } = kit;
  const usual = paths.find((path) => path.usual);
  const columns = [{ title: t("path"), head: true }, { title: t("hops") }, ...["share", "held"].map((name) => ({ title: t(`path.${name}`), kind: "num" })), { title: t("latency"), kind: "num" }, { title: t("loss"), kind: "num" }, { title: t("path.first") }, { title: t("path.last") }];
  const compare = (route) => usual && !route.usual && el("div", { class: "small" }, el("a", { href: hashOf({ name: "target", id, tab: "diff", query: { a: usual.path_id, b: route.path_id } }) }, t("compare.usual")));
  const row = (route) => ({
    attrs: { "data-key": route.path_id },
    cells: [
      [letter(kit, route.label, route.usual), route.current && el("div", { class: "small muted" }, t("path.current")), compare(route)],
      hopsOfRoute(kit, route),
      format.percent(route.share_pct),
      format.duration(route.held_s),
      format.msUnit(route.rtt_ms),
      format.percent(route.loss_pct),
      time(kit, route.first_at),
      time(kit, route.last_at),
    ],
  });
  return table(t("paths"), "paths", columns, paths.map(row));
}

/** data: { target: { state }, paths, changes }. */
export function pathHistory(kit, { target: { state }, paths, changes }) {
  const { t } = kit;
  return [
    section(t("paths"), paths.length ? pathTable(kit, state.target, paths) : el("p", { class: "empty" }, t("paths.none"))),
    section(t("changes.latest"), changes.length ? changeList(kit, changes) : el("p", { class: "empty" }, t(state.learning ? "changes.learning" : "changes.none")), el("p", {}, el("a", { href: hashOf({ name: "changes", query: { target: state.target } }) }, t("changes.all")))),
  ];
}
