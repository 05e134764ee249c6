// The overview: one sentence with its reasons, then a row per target.

import { el } from "../dom.js";
import { SEGMENTS, sparkline, wayBar } from "../charts.js";
import { egress, english, hopCount, letter, message, muteButton, section, select, stateCell, table, traceButton } from "../parts.js";
import { hashOf } from "../route.js";
import { sentence } from "../say.js";

const MOST_NAMES = 3; // as many as the agent's own sentence names
const ANSWERING = ["ok", "degraded", "unstable"];

const VERDICT_TONES = { ok: "success", unknown: "notice", destination: "warning", transit: "warning", isp: "error", local: "error", resolver: "error" };
const NOTICE_TONES = { info: "notice", notice: "notice", warning: "warning", error: "error", critical: "error" };

/** The targets that are watched, and how many of them answer. */
function standing(summary) {
  const watched = summary.targets.filter((state) => state.state !== "paused");
  return { watched, answering: watched.filter((state) => ANSWERING.includes(state.state)).length };
}

/** Why the sentence says what it says: how the targets stand, and of each that fails where it fails and what speaks for it. */
function reasoning(kit, summary) {
  const { t } = kit;
  const { answering, watched } = standing(summary);
  const failing = watched.filter((state) => state.outline?.why);
  const of = ({ name, outline: { why } }) => [el("strong", {}, name), ": ", sentence(kit, why) ?? "", why.evidence.length > 0 && el("ul", {}, why.evidence.map((each) => el("li", {}, kit.word("evidence", each))))];
  return el(
    "details",
    { class: "why" },
    el("summary", {}, t("why")),
    el("ul", {}, el("li", {}, t("why.answering", { answering, watched: watched.length })), failing.map((state) => el("li", { "data-key": `why-${state.target}` }, of(state))), el("li", {}, t("why.persists"))),
  );
}

/** The agent's sentence, which is English; in another language what it rests on: how many answer, and who does not. */
function sentenceOf(kit, summary) {
  if (kit.lang === "en") return english(kit, summary.sentence);
  const { answering, watched } = standing(summary);
  const failing = watched.filter((state) => state.measured_at && !ANSWERING.includes(state.state)).map((state) => state.name);
  const names = `${failing.slice(0, MOST_NAMES).join("、")}${failing.length > MOST_NAMES ? "…" : ""}`;
  return [kit.t("why.answering", { answering, watched: watched.length }), failing.length > 0 && [" ", kit.t("why.failing", { names })]];
}

function verdict(kit, summary) {
  return el(
    "div",
    { class: `alert-message ${VERDICT_TONES[summary.verdict] ?? "notice"}` },
    el("div", { class: "alert-message verdict", role: "status", "aria-live": "polite" }, el("strong", {}, kit.word("verdict.is", summary.verdict)), " ", sentenceOf(kit, summary)),
    summary.targets.length > 0 && reasoning(kit, summary),
  );
}

function way(kit, state) {
  const strip = state.outline?.strip;
  if (!strip || Object.values(strip).every((ms) => ms === null)) return kit.format.count(null);
  const part = (name, index) => el("li", { class: name === state.verdict ? "at-fault" : null }, el("span", { class: `part part-${index}`, "aria-hidden": "true" }), kit.t(`way.${name}`), " ", el("span", { class: "rtt" }, kit.format.ms(strip[name])));
  return [wayBar(kit, strip), el("ul", { class: "way small" }, SEGMENTS.map(part))];
}

function row(kit, ui, state) {
  const { format, t } = kit;
  const since = state.path_since && format.duration((kit.nowMs - Date.parse(state.path_since)) / 1000);
  return {
    attrs: { "data-key": state.target, "data-target": state.target },
    cells: [
      [
        el("a", { href: hashOf({ name: "target", id: state.target }), class: "target-link" }, state.name),
        el("div", { class: "small muted" }, state.address ?? t("address.none")),
        el("div", { class: "small muted" }, egress(kit, state)),
        state.added_by && el("div", { class: "small muted" }, t("added.mqtt")),
      ],
      stateCell(kit, state),
      way(kit, state),
      [el("span", { class: "rtt" }, format.msUnit(state.rtt_ms)), sparkline(kit, state.spark)],
      format.percent(state.loss_pct),
      [
        letter(kit, state.path_label, state.path_label && state.path_label === state.usual_path),
        el("div", { class: "small muted" }, [since && t("path.for", { duration: since }), state.hop_count && hopCount(kit, state.hop_count)].filter(Boolean).join(" · ")),
        el("div", { class: "small" }, el("a", { href: hashOf({ name: "changes", query: { target: state.target } }) }, t("changes.24h", { count: format.count(state.changes_24h) }))),
      ],
      [el("div", { class: "small muted" }, state.next_run_at ? t("next.run", { when: format.until(state.next_run_at, kit.nowMs) }) : ""), traceButton(kit, ui, state), muteButton(kit, ui, state)],
    ],
  };
}

/** Whether a target belongs to what the reader looks for: words of its name, address or id, and a state. */
function wanted({ find = "", state: word = "" }, state) {
  const text = [state.name, state.address, state.target, state.source].join(" ").toLowerCase();
  return (!word || state.state === word) && find.toLowerCase().split(/\s+/).every((part) => text.includes(part));
}

function filterBar(kit, query, states, shown) {
  const { t } = kit;
  const found = [...new Set([...states.map((state) => state.state), query.state].filter(Boolean))];
  return el(
    "div",
    { class: "cbi-value", role: "search" },
    el("label", { class: "sr", for: "find" }, t("find")),
    el("input", { id: "find", type: "search", class: "cbi-input-text", "data-input": "find", placeholder: t("find"), value: query.find ?? "", autocomplete: "off" }),
    select({ id: "state-filter", change: "state", label: t("state"), chosen: query.state ?? "" }, [["", t("state.all")], ...found.map((state) => [state, kit.word("state", state)])]),
    el("span", { class: "small muted", role: "status" }, shown < states.length && t("find.count", { shown, all: states.length })),
  );
}

function targets(kit, ui, summary, query) {
  const { t } = kit;
  if (!summary.targets.length) return el("div", { class: "empty" }, el("p", {}, t("targets.empty")), el("p", { class: "muted" }, t("targets.empty.help")));
  const columns = [
    { title: t("target"), head: true },
    { title: t("state") },
    { title: t("way"), kind: "way-cell" },
    { title: t("latency"), kind: "wide" },
    { title: t("loss"), kind: "num" },
    { title: t("path"), kind: "path" },
    { title: t("next"), kind: "wide" },
  ];
  const shown = summary.targets.filter((state) => wanted(query, state));
  return [
    filterBar(kit, query, summary.targets, shown.length),
    shown.length ? table(t("targets"), "targets", columns, shown.map((state) => row(kit, ui, state))) : el("p", { class: "empty" }, t("find.none")),
  ];
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

/** data: { summary, status }; ui: { pending, failures, wish }; the route's query: { find, state }. */
export function overview(kit, ui, { summary, status }, { query }) {
  return el(
    "div",
    { class: "cbi-map" },
    verdict(kit, summary),
    summary.notices.map(({ level, text }) => message(NOTICE_TONES[level] ?? "notice", english(kit, text))),
    section(kit.t("targets"), targets(kit, ui, summary, query)),
    agentFacts(kit, status),
  );
}
