// The overview: one sentence, then a row per target.

import { el } from "../dom.js";
import { sparkline } from "../charts.js";
import { egress, english, letter, message, section, stateCell, table, traceButton } from "../parts.js";

const VERDICT_TONES = { ok: "success", unknown: "notice", destination: "warning", transit: "warning", isp: "error", local: "error", resolver: "error" };
const NOTICE_TONES = { info: "notice", notice: "notice", warning: "warning", error: "error", critical: "error" };

function verdict(kit, summary) {
  return el(
    "div",
    { class: `alert-message verdict ${VERDICT_TONES[summary.verdict] ?? "notice"}`, role: "status", "aria-live": "polite" },
    el("strong", {}, kit.word("verdict.is", summary.verdict)),
    " ",
    english(kit, summary.sentence),
  );
}

function row(kit, ui, state) {
  const { format, t } = kit;
  const since = state.path_since && format.duration((kit.nowMs - Date.parse(state.path_since)) / 1000);
  return {
    attrs: { "data-key": state.target, "data-target": state.target },
    cells: [
      [
        el("a", { href: `#/target/${encodeURIComponent(state.target)}`, class: "target-link" }, state.name),
        el("div", { class: "small muted" }, state.address ?? t("address.none")),
        el("div", { class: "small muted" }, egress(kit, state)),
      ],
      stateCell(kit, state),
      [el("span", { class: "rtt" }, format.msUnit(state.rtt_ms)), sparkline(kit, state.spark)],
      format.percent(state.loss_pct),
      format.count(state.hop_count || null),
      [
        letter(kit, state.path_label, state.path_label && state.path_label === state.usual_path),
        since && el("div", { class: "small muted" }, t("path.for", { duration: since })),
        el("div", { class: "small" }, el("a", { href: `#/changes?target=${encodeURIComponent(state.target)}` }, t("changes.24h", { count: format.count(state.changes_24h) }))),
      ],
      [el("div", { class: "small muted" }, state.next_run_at ? t("next.run", { when: format.until(state.next_run_at, kit.nowMs) }) : ""), traceButton(kit, ui, state)],
    ],
  };
}

function targets(kit, ui, summary) {
  const { t } = kit;
  if (!summary.targets.length) return el("div", { class: "empty" }, el("p", {}, t("targets.empty")), el("p", { class: "muted" }, t("targets.empty.help")));
  const columns = [
    { title: t("target"), head: true },
    { title: t("state") },
    { title: t("latency"), kind: "wide" },
    { title: t("loss"), kind: "num" },
    { title: t("hops"), kind: "num" },
    { title: t("path"), kind: "path" },
    { title: t("next"), kind: "wide" },
  ];
  return table(t("targets"), "targets", columns, summary.targets.map((state) => row(kit, ui, state)));
}

function mqttText(kit, mqtt) {
  if (!mqtt.enabled) return kit.t("mqtt.off");
  return mqtt.connected ? kit.t("mqtt.on") : [kit.t("mqtt.away", { outbox: kit.format.count(mqtt.outbox) }), mqtt.detail && [" ", english(kit, mqtt.detail)]];
}

function agentFacts(kit, status) {
  const { t, format } = kit;
  const facts = [
    [t("agent.transport"), kit.word("transport", status.transport.name)],
    [t("agent.mqtt"), mqttText(kit, status.mqtt)],
    [t("agent.history"), t("agent.history.size", { size: format.mebibytes(status.db.size_bytes), limit: format.mebibytes(status.db.limit_bytes) })],
    [t("agent.uptime"), format.duration(status.uptime_s)],
    [t("agent.clock"), status.clock_synced ? t("clock.right") : t("clock.wrong")],
  ];
  return section(t("agent"), el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))));
}

/** data: { summary, status }; ui: { pending, failures }. */
export function overview(kit, ui, { summary, status }) {
  return el(
    "div",
    { class: "cbi-map" },
    verdict(kit, summary),
    summary.notices.map(({ level, text }) => message(NOTICE_TONES[level] ?? "notice", english(kit, text))),
    section(kit.t("targets"), targets(kit, ui, summary)),
    agentFacts(kit, status),
  );
}
