// The change log: events, newest first, each with the path before and after.

import { el } from "../dom.js";
import { comparison } from "../hops.js";
import { badge, letter, section, select, table, time } from "../parts.js";
import { hashOf } from "../route.js";
import { incidentWords, saidOf } from "../say.js";

const BEFORE_S = 3600;
const FOLD = 3; // going there and back is a story; once more is flapping
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

const fact = (kind, name, words) => words && el("div", { class: `small ${kind}` }, el("strong", {}, name), " ", words);

/** What somebody wrote about it, and where the reader may write something else. */
function noteOf(kit, event) {
  const { t, noting } = kit;
  const mine = noting?.id === event.event_id ? noting : {};
  return [
    fact("note", t("note"), event.note),
    noting &&
      el(
        "details",
        { class: "note-edit controls small", "data-key": `note-${event.event_id}` },
        el("summary", {}, t(event.note ? "note.change" : "note.add")),
        el("input", { id: `note-${event.event_id}`, class: "cbi-input-text", type: "text", maxlength: 300, value: event.note ?? "", "aria-label": t("note") }),
        " ",
        el("button", { class: "btn cbi-button", type: "button", "data-action": "note", "data-event": event.event_id, "aria-disabled": mine.busy && "true" }, t("note.save")),
        el("div", { role: "status" }, mine.done && t("note.saved")),
        el("div", { role: "alert", class: "tone-bad" }, mine.failure && t("wish.failed", { detail: mine.failure })),
      ),
  ];
}

function change(kit, event, open) {
  const said = saidOf(kit, event);
  const kind = [kit.word("event", event.event_type), !REPEATING.includes(event.change) && kit.word("change", event.change)].filter(Boolean).join(" · ");
  return el(
    "li",
    { class: "change", "data-key": `event-${event.seq}`, "data-seq": event.seq },
    el(
      "div",
      { class: "change-head" },
      time(kit, event.occurred_at ?? event.ts),
      event.target ? el("a", { href: hashOf({ name: "target", id: event.target }) }, event.name ?? event.target) : el("span", {}, kit.t("agent")),
      badge(kit, "severity", event.severity),
      el("span", { class: "kind" }, kind),
      event.delayed && el("span", { class: "muted small" }, kit.t("delayed")),
    ),
    said.title && el("div", { class: "change-title" }, said.title),
    said.message && el("div", { class: "small" }, said.message),
    fact("cause", kit.t("cause"), said.cause),
    fact("place", kit.t("place"), said.place),
    beforeAfter(kit, event, open),
    noteOf(kit, event),
    pairOf(event) && el("div", { class: "small" }, el("a", { href: hashOf({ name: "target", id: event.target, tab: "diff", query: { a: event.old.path_id, b: event.new.path_id } }) }, kit.t("tab.diff"))),
  );
}

/** Events by the incident they belong to, each group in the place of its newest. */
function grouped(events) {
  const groups = new Map();
  for (const event of events) {
    const group = event.group_id ?? event.event_id;
    groups.set(group, [...(groups.get(group) ?? []), event]);
  }
  return [...groups];
}

/** An incident with some time before it, so that a report shows what was usual. */
const spanAround = (kit, incident) => ({ from: Math.floor(Date.parse(incident.opened_at) / 1000) - BEFORE_S, to: Math.ceil((incident.closed_at ? Date.parse(incident.closed_at) : kit.nowMs) / 1000) });

function group(kit, incident, id, members) {
  const targets = [...new Set(members.map((event) => event.name ?? event.target))];
  return el(
    "li",
    { class: "incident", "data-key": `incident-${id}` },
    el(
      "div",
      { class: "change-head" },
      incident && badge(kit, "severity", incident.severity),
      el("strong", {}, kit.t("event.incident")),
      incident && el("span", { class: "kind" }, incidentWords(kit, incident)),
      incident && el("span", { class: incident.closed_at ? "muted small" : "small tone-warn" }, kit.t(incident.closed_at ? "incident.closed" : "incident.open")),
    ),
    incident && members.some((event) => event.target) && el("div", { class: "small" }, el("a", { href: hashOf({ name: "report", id: members.find((event) => event.target).target, query: spanAround(kit, incident) }) }, kit.t("report"))),
    el("div", { class: "small muted" }, kit.t("incident.events", { count: kit.format.count(members.length) }), " · ", targets.join(", ")),
    el("ol", { class: "changes" }, members.map((event) => change(kit, event, false))),
  );
}

/** The two paths between which an event went, sorted; "" for any other event. */
function pairOf({ target, event_type: type, old, new: now }) {
  return target && ["path_changed", "path_reverted"].includes(type) && old?.label && now?.label && old.label !== now.label ? [old.label, now.label].sort().join(" ⇄ ") : "";
}

/** Runs of `FOLD` or more single events of one target that go to and fro between two paths, as one row each; every other row alone. */
function folded(rows) {
  const runs = [];
  for (const row of rows) {
    const [, members] = row;
    const key = members.length === 1 && pairOf(members[0]) && `${members[0].target} ${pairOf(members[0])}`;
    const [newer] = runs.at(-1)?.rows.at(-1)[1] ?? [];
    if (key && runs.at(-1)?.key === key && newer.old.label === members[0].new.label) runs.at(-1).rows.push(row);
    else runs.push({ key, rows: [row] });
  }
  return runs.flatMap((run) => (run.rows.length >= FOLD ? [run] : run.rows.map((row) => ({ rows: [row] }))));
}

function flapping(kit, rows) {
  const events = rows.map(([, [event]]) => event);
  const words = kit.t("changes.folded", { name: events[0].name, pair: pairOf(events[0]), count: kit.format.count(events.length) });
  return el(
    "li",
    { class: "change", "data-key": `fold-${events.at(-1).seq}` },
    el("details", {}, el("summary", {}, time(kit, events.at(-1).occurred_at), " – ", time(kit, events[0].occurred_at), " ", words), el("ol", { class: "changes" }, events.map((event) => change(kit, event, false)))),
  );
}

/** Events as a list, those of one incident together and flapping in one line; the first is shown unfolded unless it is part of an incident. */
export function changeList(kit, events, incidents = []) {
  const known = new Map(incidents.map((incident) => [incident.id, incident]));
  const row = ([id, members], index) => (members.length > 1 ? group(kit, known.get(id), id, members) : change(kit, members[0], index === 0));
  return el("ol", { class: "changes" }, folded(grouped(events)).map((run, index) => (run.key ? flapping(kit, run.rows) : row(run.rows[0], index))));
}

function empty(kit, targets) {
  return el("p", { class: "empty" }, kit.t(targets.some((state) => state.learning) ? "changes.learning" : "changes.none"));
}

/** data: { events, incidents, more, targets, chosen }; ui: { older } is "", "busy" or a failure in words. */
export function changes(kit, ui, { events, incidents, more, targets, chosen }) {
  const choices = [["", kit.t("targets.all")], ...targets.map((state) => [state.target, state.name])];
  const busy = ui.older === "busy";
  return el(
    "div",
    { class: "cbi-map" },
    section(
      null,
      el("div", { class: "cbi-value" }, select({ id: "filter", change: "filter", label: kit.t("target"), chosen }, choices)),
      events.length ? changeList(kit, events, incidents) : empty(kit, targets),
      more && el("div", { class: "cbi-page-actions" }, el("button", { class: "btn cbi-button", type: "button", "data-action": "older", "aria-disabled": busy && "true" }, busy ? kit.t("loading") : kit.t("older"))),
      ui.older && !busy && el("div", { role: "alert", class: "alert-message error" }, ui.older),
    ),
  );
}
