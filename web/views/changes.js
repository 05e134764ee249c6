// The change log: events, newest first, each with the path before and after.

import { el } from "../dom.js";
import { comparison } from "../hops.js";
import { badge, english, letter, section, table, time } from "../parts.js";

// Change classes that only repeat what the event type says.
const REPEATING = ["lost", "address", "latency", "flapping"];

const hopText = (responders) => (responders === null ? "" : responders.length ? responders.map((address) => el("div", { class: "address" }, address)) : "*");

function side(kit, title, path) {
  if (!path?.label) return title;
  return [title, " ", letter(kit, path.label, false), path.rtt_ms !== null && ` ${kit.format.msUnit(path.rtt_ms)}`];
}

function beforeAfter(kit, event, open) {
  const rows = comparison(event);
  // Reachability comes and goes on one and the same path.
  if (!rows.length || event.old?.path_id === event.new?.path_id) return null;
  const { t } = kit;
  const [first, last] = [event.first_diff_ttl, event.last_diff_ttl];
  const range = first === null ? t("diff.whole") : t(first === last ? "diff.one" : "diff.range", { first, last });
  return el(
    "details",
    { open },
    el("summary", {}, range),
    table(
      t("diff.caption"),
      "diff",
      [{ title: t("hop"), head: true, kind: "ttl" }, { title: side(kit, t("before"), event.old), label: t("before") }, { title: side(kit, t("after"), event.new), label: t("after") }],
      rows.map((row) => ({
        attrs: { class: row.differs ? "tr differs" : "tr", "data-ttl": row.ttl },
        cells: [[row.ttl, row.differs && [el("span", { "aria-hidden": "true" }, " ≠"), el("span", { class: "sr" }, t("differs"))]], hopText(row.before), hopText(row.after)],
      })),
    ),
  );
}

function change(kit, event, open) {
  const kind = [kit.word("event", event.event_type), !REPEATING.includes(event.change) && kit.word("change", event.change)].filter(Boolean).join(" · ");
  return el(
    "li",
    { class: "change", "data-key": `event-${event.seq}`, "data-seq": event.seq },
    el(
      "div",
      { class: "change-head" },
      time(kit, event.occurred_at ?? event.ts),
      event.target ? el("a", { href: `#/target/${encodeURIComponent(event.target)}` }, event.name ?? event.target) : el("span", {}, kit.t("agent")),
      badge(kit, "severity", event.severity),
      el("span", { class: "kind" }, kind),
      event.delayed && el("span", { class: "muted small" }, kit.t("delayed")),
    ),
    event.title && el("div", { class: "change-title" }, english(kit, event.title)),
    event.message && event.message !== event.title && el("div", { class: "small" }, english(kit, event.message)),
    beforeAfter(kit, event, open),
  );
}

/** Events as a list; the first is shown unfolded. */
export function changeList(kit, events) {
  return el("ol", { class: "changes" }, events.map((event, index) => change(kit, event, index === 0)));
}

function filter(kit, targets, chosen) {
  const option = (id, name) => el("option", { value: id, selected: id === chosen }, name);
  return el(
    "div",
    { class: "cbi-value" },
    el("label", { class: "cbi-value-title", for: "filter" }, kit.t("target")),
    el("select", { id: "filter", class: "cbi-input-select", "data-change": "filter" }, option("", kit.t("targets.all")), targets.map((state) => option(state.target, state.name))),
  );
}

function empty(kit, targets) {
  return el("p", { class: "empty" }, kit.t(targets.some((state) => state.learning) ? "changes.learning" : "changes.none"));
}

/** data: { events, more, targets, chosen }; ui: { older } is "", "busy" or a failure in words. */
export function changes(kit, ui, { events, more, targets, chosen }) {
  const busy = ui.older === "busy";
  return el(
    "div",
    { class: "cbi-map" },
    section(
      null,
      filter(kit, targets, chosen),
      events.length ? changeList(kit, events) : empty(kit, targets),
      more && el("div", { class: "cbi-page-actions" }, el("button", { class: "btn cbi-button", type: "button", "data-action": "older", "aria-disabled": busy && "true" }, busy ? kit.t("loading") : kit.t("older"))),
      ui.older && !busy && el("div", { role: "alert", class: "alert-message error" }, ui.older),
    ),
  );
}
