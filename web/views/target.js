// One target: its latest trace hop by hop, the paths it has taken, its latest changes.

import { el } from "../dom.js";
import { whisker } from "../charts.js";
import { rowsOfPath, rowsOfTrace, textOfTrace } from "../hops.js";
import { fault, letter, section, stateCell, table, time, traceButton } from "../parts.js";
import { changeList } from "./changes.js";

const NOTES = ["quiet", "rate_limited"];

/** What is to be said of a hop that lost more than persists to the destination. */
function words({ t }, row) {
  if (NOTES.includes(row.note)) return t(`note.${row.note}`);
  if (!row.responders.length) return t("note.silent");
  return (100 * row.lost) / row.sent > row.loss + 0.1 && t("loss.raw", { lost: row.lost, sent: row.sent });
}

function responders(kit, row) {
  const said = words(kit, row);
  return [
    row.responders.map((address) => el("div", { class: "address" }, address)),
    row.annotations.length > 0 && el("span", { class: "annotation" }, row.annotations.join(" ")),
    row.labels.length > 0 && el("div", { class: "small muted" }, `MPLS ${row.labels.join(" ")}`),
    said && el("div", { class: "small muted note" }, said),
  ];
}

function loss(kit, row) {
  const raw = kit.t("loss.raw", { lost: row.lost, sent: row.sent });
  return el("span", { class: row.loss > 0 && !NOTES.includes(row.note) ? "tone-bad" : null, title: raw }, row.note === "quiet" ? kit.format.percent(null) : kit.format.percent(row.loss));
}

/** The hop table; rows as `rowsOfTrace` makes them. */
export function hopTable(kit, rows) {
  const { t, format } = kit;
  const scale = Math.max(0, ...rows.map((row) => row.worst ?? 0));
  const numbers = ["last", "best", "median", "worst", "adds"];
  const columns = [
    { title: t("hop"), head: true, kind: "ttl" },
    { title: t("responder"), kind: "who" },
    { title: t("loss"), kind: "num" },
    { title: t("sent"), kind: "num" },
    ...numbers.map((name) => ({ title: t(`rtt.${name}`), kind: "num" })),
    { title: t("rtt.range"), kind: "range" },
  ];
  const signed = (ms) => (ms === null ? format.ms(null) : `+${format.ms(ms)}`);
  return table(
    t("hops.caption"),
    "hops",
    columns,
    rows.map((row) => ({
      attrs: { "data-key": `hop-${row.ttl}`, "data-ttl": row.ttl, class: row.responders.length ? "tr" : "tr silent" },
      cells: [row.ttl, responders(kit, row), loss(kit, row), format.count(row.sent), ...numbers.map((name) => (name === "adds" ? signed(row.adds) : format.ms(row[name]))), whisker(kit, row, scale)],
    })),
  );
}

function kernelRoute(kit, route) {
  if (!route) return kit.format.count(null);
  const gateway = route.gateway ? kit.t("egress.via", { gateway: route.gateway }) : kit.t("egress.link");
  return [route.device, gateway, kit.t("egress.table", { table: route.table })].join(" · ");
}

function flowText(kit, trace, config) {
  const port = trace.method === "icmp" ? "" : config.port ? kit.t("flow.port", { port: config.port }) : "";
  return [`${trace.proto.toUpperCase()} · IPv${trace.af}`, port].filter(Boolean).join(" · ");
}

function traceFacts(kit, trace, config) {
  const { t, format } = kit;
  const facts = [
    [t("trace.time"), [time(kit, trace.at), trace.clock_synced ? "" : ` (${t("clock.wrong")})`]],
    [t("trace.ending"), [kit.word("ending", trace.ending), trace.error && [" – ", fault(kit, trace)]]],
    [t("trace.reason"), kit.word("reason", trace.reason)],
    [t("trace.source"), [trace.source, trace.kernel_route?.source].filter(Boolean).join(" · ") || format.count(null)],
    [t("trace.route"), kernelRoute(kit, trace.kernel_route)],
    [t("trace.flow"), flowText(kit, trace, config)],
    [t("agent.transport"), kit.word("transport", trace.transport)],
    [t("trace.took"), format.msUnit(trace.duration_ms)],
    [t("trace.probes"), t("trace.probes.text", { probes: format.count(trace.probes), late: format.count(trace.late), duplicates: format.count(trace.duplicates) })],
  ];
  return el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function copyArea(kit, ui, trace, config) {
  return el(
    "div",
    { class: "cbi-page-actions" },
    el("span", { role: "status", class: "small" }, ui.copy && kit.t(`copy.${ui.copy}`)),
    el("button", { class: "btn cbi-button", type: "button", "data-action": "copy" }, kit.t("copy")),
    // Kept in the page: without a secure context the clipboard is only reached through a selection.
    el("textarea", { class: ui.copy === "manual" ? "copy-text" : "copy-text sr", id: "copy-text", readonly: true, rows: 8, tabindex: ui.copy === "manual" ? 0 : -1, "aria-label": kit.t("copy") }, textOfTrace(trace, config)),
  );
}

function traceSection(kit, ui, { config, path, trace }) {
  const { t } = kit;
  if (trace) return section(t("trace.latest"), traceFacts(kit, trace, config), hopTable(kit, rowsOfTrace(trace)), copyArea(kit, ui, trace, config));
  if (path) return section(t("path"), hopTable(kit, rowsOfPath(path)));
  return section(t("trace.latest"), el("p", { class: "empty" }, t("trace.none")));
}

function hopsOfRoute(kit, route) {
  return el("details", {}, el("summary", {}, kit.t("hops.count", { count: kit.format.count(route.length) })), el("ol", { class: "hop-list" }, route.hops.map((hop) => el("li", {}, hop.length ? hop.join(", ") : "*"))));
}

function pathsSection(kit, paths) {
  const { t, format } = kit;
  if (!paths.length) return section(t("paths"), el("p", { class: "empty" }, t("paths.none")));
  const columns = [{ title: t("path"), head: true }, { title: t("hops") }, ...["share", "held"].map((name) => ({ title: t(`path.${name}`), kind: "num" })), { title: t("latency"), kind: "num" }, { title: t("loss"), kind: "num" }, { title: t("path.first") }, { title: t("path.last") }];
  const row = (route) => ({
    attrs: { "data-key": route.path_id },
    cells: [
      [letter(kit, route.label, route.usual), route.current && el("div", { class: "small muted" }, t("path.current"))],
      hopsOfRoute(kit, route),
      format.percent(route.share_pct),
      format.duration(route.held_s),
      format.msUnit(route.rtt_ms),
      format.percent(route.loss_pct),
      time(kit, route.first_at),
      time(kit, route.last_at),
    ],
  });
  return section(t("paths"), table(t("paths"), "paths", columns, paths.map(row)));
}

/** Two paths between which it went last, or might: the letters, sorted; null if only one is known. */
function pairOf(state, paths, changes) {
  const last = changes.find((event) => event.event_type.startsWith("path_") && event.old?.label && event.new?.label && event.old.label !== event.new.label);
  const pair = last ? [last.old.label, last.new.label] : [state.usual_path, ...paths.map((path) => path.label)].filter((label, index, all) => label && all.indexOf(label) === index).slice(0, 2);
  return pair.length === 2 ? pair.sort() : null;
}

function wishes(kit, ui, state, paths, changes) {
  const { t } = kit;
  const button = (action, words, data) => el("button", { class: "btn cbi-button", type: "button", "data-action": action, "aria-disabled": ui.wish.busy && "true", ...data }, words);
  const pair = pairOf(state, paths, changes);
  const isMuted = ([a, b]) => state.muted_pairs.some(([one, other]) => one === a && other === b);
  return section(
    t("alerts"),
    el("p", {}, state.muted_until ? t("muted", { when: kit.format.local(state.muted_until) }) : t("alerts.on")),
    el(
      "div",
      { class: "cbi-page-actions wishes" },
      [3600, 86400, ...(state.muted_until ? [0] : [])].map((seconds) => button("mute", t(`mute.${seconds}`), { "data-seconds": seconds })),
      state.path_label && state.path_label !== state.usual_path && button("accept", t("accept", { label: state.path_label })),
      pair && !isMuted(pair) && button("mute-pair", t("mute.pair", { a: pair[0], b: pair[1] }), { "data-pair": pair.join(" ") }),
      state.muted_pairs.map(([a, b]) => button("unmute-pair", t("unmute.pair", { a, b }), { "data-pair": `${a} ${b}` })),
    ),
    el("div", { role: "status", class: "small" }, ui.wish.busy ? t("wish.busy") : ui.wish.done && t(`wish.${ui.wish.done}`)),
    el("div", { role: "alert", class: "small tone-bad" }, ui.wish.failure && t("wish.failed", { detail: ui.wish.failure })),
  );
}

/** data: { target: { config, state, path, trace }, paths, changes }. */
export function target(kit, ui, { target: { config, state, path, trace }, paths, changes }) {
  const { t } = kit;
  const since = path && t("path.for", { duration: kit.format.duration((kit.nowMs - Date.parse(path.since)) / 1000) });
  return el(
    "div",
    { class: "cbi-map" },
    el(
      "div",
      { class: "target-head" },
      el("div", {}, el("div", {}, [config.host, state.address !== config.host && state.address].filter(Boolean).join(" · ")), path && el("div", { class: "small" }, `${t("path")} `, letter(kit, path.path_label, path.usual), " ", el("span", { class: "muted" }, since))),
      el("div", { role: "status" }, stateCell(kit, state)),
      traceButton(kit, ui, state),
    ),
    traceSection(kit, ui, { config, path, trace }),
    pathsSection(kit, paths),
    wishes(kit, ui, state, paths, changes),
    section(t("changes.latest"), changes.length ? changeList(kit, changes) : el("p", { class: "empty" }, t(state.learning ? "changes.learning" : "changes.none")), el("p", {}, el("a", { href: `#/changes?target=${encodeURIComponent(state.target)}` }, t("changes.all")))),
  );
}
