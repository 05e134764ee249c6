// A trace hop by hop: what persists to the destination, in words what does not, and its text for the clipboard.

import { el } from "../dom.js";
import { whisker } from "../charts.js";
import { rowsOfPath, rowsOfTrace, textOfTrace } from "../hops.js";
import { fault, section, table, time } from "../parts.js";

const FORMS = ["text", "mtr", "atlas", "scamper", "csv", "jsonl"];

const NOTES = ["quiet", "rate_limited"];

/** What is to be said of a hop that lost more than persists to the destination. */
function habit({ t }, row) {
  if (row.waited) return t("live.waited");
  if (NOTES.includes(row.note)) return t(`note.${row.note}`);
  if (!row.responders.length) return t("note.silent");
  return (100 * row.lost) / row.sent > row.loss + 0.1 && t("loss.raw", { lost: row.lost, sent: row.sent });
}

function responders(kit, row) {
  const said = habit(kit, row);
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

/** The hop table; rows as `rowsOfTrace` makes them, with `waited` those of whom nothing is known yet. */
export function hopTable(kit, rows, caption = kit.t("hops.caption")) {
  const { t, format } = kit;
  const scale = Math.max(0, ...rows.map((row) => row.worst ?? 0));
  const networks = rows.some((row) => row.network);
  const numbers = ["last", "best", "median", "worst", "adds"];
  const columns = [
    { title: t("hop"), head: true, kind: "ttl" },
    { title: t("responder"), kind: "who" },
    ...(networks ? [{ title: t("network"), kind: "net small" }] : []),
    { title: t("loss"), kind: "num" },
    { title: t("sent"), kind: "num" },
    ...numbers.map((name) => ({ title: t(`rtt.${name}`), kind: "num" })),
    { title: t("rtt.range"), kind: "range" },
  ];
  const signed = (ms) => (ms === null ? format.ms(null) : `+${format.ms(ms)}`);
  return table(
    caption,
    "hops",
    columns,
    rows.map((row) => ({
      attrs: { "data-key": `hop-${row.ttl}`, "data-ttl": row.ttl, class: row.responders.length ? "tr" : "tr silent" },
      cells: [row.ttl, responders(kit, row), ...(networks ? [row.network] : []), loss(kit, row), format.count(row.sent), ...numbers.map((name) => (name === "adds" ? signed(row.adds) : format.ms(row[name]))), whisker(kit, row, scale)],
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

/** What one writes to one's provider: where, when, what, and the trace as traceroute prints it. */
function letterText(kit, { config, state, trace }) {
  const { t, format } = kit;
  return [
    t("isp.subject", { name: config.host, address: trace.address ?? "" }),
    `${t("trace.time")}: ${format.utc(trace.at)} (${format.local(trace.at)})`,
    `${t("latency")}: ${format.msUnit(trace.rtt_ms)}, ${t("loss")}: ${format.percent(trace.loss_pct)}, ${kit.word("ending", trace.ending)}`,
    `${t("path")}: ${state.path_label ?? "–"} (${t("path.usual")}: ${state.usual_path ?? "–"})`,
    "",
    textOfTrace(trace, config),
    "",
    t("isp.method", { proto: trace.proto.toUpperCase(), af: trace.af }),
  ].join("\n");
}

function copyArea(ui, id, words, text) {
  const manual = ui.copy[id] === "manual";
  return [
    el("button", { class: "btn cbi-button", type: "button", "data-action": "copy", "data-area": id }, words),
    // Kept in the page: without a secure context the clipboard is only reached through a selection.
    el("textarea", { class: manual ? "copy-text" : "copy-text sr", id, readonly: true, rows: 8, tabindex: manual ? 0 : -1, "aria-label": words }, text),
  ];
}

function downloads(kit, exportUrl) {
  return el("details", { class: "downloads" }, el("summary", {}, kit.t("download")), el("ul", { class: "forms" }, FORMS.map((form) => el("li", {}, el("a", { href: exportUrl(form), download: true }, form)))));
}

/** A trace with its circumstances; `title` says which. Without one the path's own figures, or that there is none. */
export function traceSection(kit, ui, { target, title, exportUrl }) {
  const { t } = kit;
  const { config, path, trace } = target;
  if (trace) {
    const said = Object.values(ui.copy).at(-1);
    return section(
      title,
      hopTable(kit, rowsOfTrace(trace)),
      el(
        "div",
        { class: "cbi-page-actions" },
        el("span", { role: "status", class: "small" }, said && t(`copy.${said}`)),
        exportUrl && downloads(kit, exportUrl),
        copyArea(ui, "copy-text", t("copy"), textOfTrace(trace, config)),
        copyArea(ui, "copy-isp", t("copy.isp"), letterText(kit, target)),
      ),
      traceFacts(kit, trace, config),
    );
  }
  if (path) return section(t("path"), hopTable(kit, rowsOfPath(path)));
  return section(title, el("p", { class: "empty" }, t("trace.none")));
}
