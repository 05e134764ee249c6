// A trace that was asked for, while it runs and when it has ended.

import { el } from "../dom.js";
import { rowsOfTrace } from "../hops.js";
import { fault, hopCount } from "../parts.js";
import { hopTable } from "./trace.js";

/** A row for each ttl up to the last that is known: who lies between and has not answered yet is waited for. */
function rowsSoFar(trace) {
  const known = new Map(rowsOfTrace(trace).map((row) => [row.ttl, row]));
  const [first, last] = [Math.min(...known.keys()), Math.max(...known.keys())];
  const waited = (ttl) => ({ ttl, responders: [], sent: 0, lost: 0, loss: null, last: null, best: null, median: null, worst: null, adds: null, note: null, network: "", annotations: [], labels: [], waited: true });
  return known.size ? Array.from({ length: last - first + 1 }, (_, index) => known.get(first + index) ?? waited(first + index)) : [];
}

function ended(kit, trace) {
  const { t, format, word } = kit;
  return t("live.done", { ending: word("ending", trace.ending), hops: hopCount(kit, trace.hop_count), rtt: format.msUnit(trace.rtt_ms) });
}

const WORDS = {
  queued: ({ t }) => t("live.queued"),
  resolving: ({ t }) => t("resolving"),
  running: ({ t }) => t("trace.running"),
  done: (kit, { trace }) => ended(kit, trace),
  failed: (kit, { trace }) => [kit.t("trace.failed", { detail: "" }), fault(kit, trace)],
  lost: ({ t }) => t("live.lost"),
};

/** One trace as the follower tells of it; nothing if there is none. */
export function liveTrace(kit, one) {
  if (!one) return null;
  const { t, format } = kit;
  const { state, trace } = one;
  const busy = ["queued", "resolving", "running"].includes(state);
  const rows = trace ? (state === "running" ? rowsSoFar(trace) : rowsOfTrace(trace)) : [];
  return el(
    "section",
    { class: "cbi-section live", "data-key": "live", "data-state": state },
    el("h3", {}, t("live")),
    el(
      "p",
      {},
      busy && el("span", { class: "spinning", "aria-hidden": "true" }),
      // Told aloud when it turns, not with every probe.
      el("span", { role: "status", "aria-live": "polite", class: state === "failed" || state === "lost" ? "tone-bad" : null }, WORDS[state](kit, one)),
      state === "running" && trace && el("span", { class: "muted" }, " ", t("live.so.far", { probes: format.count(trace.probes), took: format.msUnit(Math.round(trace.duration_ms / 100) * 100) })),
    ),
    rows.length > 0 && hopTable(kit, rows, t("live")),
  );
}
