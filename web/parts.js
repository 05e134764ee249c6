// Pieces that several views share. `kit` is { t, word, format, nowMs, lang }: texts, formatters, the agent's clock.

import { el } from "./dom.js";
import { icon, toneOf } from "./icons.js";

/** columns: [{ title, kind, head, label }]; rows: [{ attrs, cells }]. Becomes cards on a phone; there `label` (else `title`) names each cell. */
export function table(caption, kind, columns, rows) {
  const cell = (content, column) =>
    column.head
      ? el("th", { scope: "row", role: "rowheader", class: column.kind }, content)
      : el("td", { role: "cell", class: column.kind, "data-title": column.label ?? column.title }, content);
  return el(
    "table",
    // The roles are said aloud because a table laid out as cards loses them in some browsers.
    { class: `table ${kind}`, role: "table" },
    el("caption", { class: "sr" }, caption),
    el(
      "thead",
      { role: "rowgroup" },
      el("tr", { role: "row", class: "tr table-titles" }, columns.map(({ title, kind: name }) => el("th", { scope: "col", role: "columnheader", class: name }, title))),
    ),
    el(
      "tbody",
      { role: "rowgroup" },
      rows.map(({ attrs, cells }) => el("tr", { role: "row", class: "tr", ...attrs }, cells.map((content, index) => cell(content, columns[index])))),
    ),
  );
}

/** A LuCI section with its heading. */
export function section(title, ...content) {
  return el("section", { class: "cbi-section" }, title && el("h3", {}, title), content);
}

/** A box that says something; tone: success, notice, warning or error. */
export function message(tone, ...content) {
  return el("div", { class: `alert-message ${tone}` }, content);
}

/** A local time that shows UTC on pointing at it. */
export function time(kit, iso) {
  return iso ? el("time", { datetime: iso, title: kit.format.utc(iso) }, kit.format.local(iso)) : kit.format.local(null);
}

/** A text written by the agent, which speaks English. */
export function english(kit, text) {
  return el("span", { lang: kit.lang === "en" ? null : "en", class: "agent-text" }, text);
}

/** Why no probe could leave: a code of the closed set, else the agent's own words; after them what the agent adds in English. */
export function fault(kit, { error, error_detail: detail }) {
  const words = kit.word("fault", error);
  // The detail is the code in English, a colon, and what was asked for: a host, a device, the kernel's words.
  const [, more] = detail?.match(/: (.*)/) ?? [];
  return [words === error ? english(kit, error) : words, more && [" – ", english(kit, more)]];
}

/** The state or severity in words, with its shape. */
export function badge(kit, group, value) {
  return el("span", { class: `badge tone-${toneOf(value)}` }, icon(value), " ", kit.word(group, value));
}

/** A path's letter, starred if it is the usual one. */
export function letter(kit, label, usual) {
  if (!label) return kit.format.count(null);
  return el("span", { class: "letter" }, label, usual && el("span", { title: kit.t("path.usual") }, " ★", el("span", { class: "sr" }, kit.t("path.usual"))));
}

/** How many hops, in words. */
export const hopCount = (kit, count) => (count === 1 ? kit.t("hops.one") : kit.t("hops.count", { count: kit.format.count(count) }));

/** The device a target's packets leave through, with source and gateway. */
export function egress(kit, state) {
  const route = state.kernel_route;
  const via = route?.gateway ? kit.t("egress.via", { gateway: route.gateway }) : "";
  return [state.source, route?.device, via].filter(Boolean).join(" · ");
}

const WAITING = ["queued", "resolving", "running"];

/** How far a trace is, in a few words; null before its first answer. */
function reached(kit, followed) {
  const last = followed?.state === "running" && followed.trace?.hops.at(-1);
  return last ? kit.t("live.hop", { ttl: kit.format.count(last.ttl) }) : null;
}

/** The button that asks for a trace, and what became of it; nothing for who may only look. */
export function traceButton(kit, ui, state) {
  if (!kit.mayWrite) return null;
  const followed = kit.followed(state.target);
  const busy = state.running || ui.pending.has(state.target) || WAITING.includes(followed?.state);
  const failure = ui.failures.get(state.target);
  return el(
    "div",
    { class: "trace-now" },
    el(
      "button",
      // Not `disabled`: that would throw a keyboard user out of the table.
      { class: "btn cbi-button cbi-button-action", type: "button", "data-action": "trace", "data-target": state.target, "aria-disabled": busy && "true" },
      busy ? [el("span", { class: "spinning", "aria-hidden": "true" }), kit.t("trace.running")] : kit.t("trace.now"),
      el("span", { class: "sr" }, ` ${state.name}`),
    ),
    el("div", { class: "small muted" }, reached(kit, followed)),
    el("div", { role: "alert", class: "tone-bad small" }, failure && kit.t("trace.failed", { detail: failure })),
  );
}

/** Mutes a target for a day, or ends that; nothing for who may only look. */
export function muteButton(kit, ui, state) {
  if (!kit.mayWrite) return null;
  const words = kit.t(state.muted_until ? "mute.0" : "mute.86400");
  const failure = ui.wish.target === state.target && ui.wish.failure;
  return [
    el("button", { class: "btn cbi-button", type: "button", "data-action": "mute", "data-target": state.target, "data-seconds": state.muted_until ? 0 : 86400, "aria-disabled": ui.wish.busy && "true" }, words, el("span", { class: "sr" }, ` ${state.name}`)),
    failure && el("div", { role: "alert", class: "tone-bad small" }, kit.t("wish.failed", { detail: failure })),
  ];
}

/** Whether the newest trace of a target is older than the agent says it may be. */
export function isStale(kit, state) {
  return state.state !== "paused" && state.measured_at !== null && kit.nowMs - Date.parse(state.measured_at) > state.stale_after_s * 1000;
}

/** State word with what explains it: error text, verdict, learning, age. */
export function stateCell(kit, state) {
  const unknown = state.state === "unknown";
  // What never answered may not even exist: no fault is claimed.
  const segment = !unknown && !["ok", "unknown"].includes(state.verdict) && kit.t("state.fault", { segment: kit.word("verdict", state.verdict) });
  return [
    badge(kit, "state", state.state),
    segment && el("div", { class: "small" }, segment),
    state.error && el("div", { class: "small tone-bad" }, fault(kit, state)),
    unknown && state.measured_at && el("div", { class: "small" }, kit.t("never")),
    state.resolving && el("div", { class: "small muted" }, kit.t("resolving")),
    state.learning && el("div", { class: "small muted", title: kit.t("learning.help") }, kit.t("learning")),
    state.muted_until && el("div", { class: "small muted" }, kit.t("muted", { when: kit.format.local(state.muted_until) })),
    isStale(kit, state) && el("div", { class: "small tone-warn stale" }, kit.t("stale", { age: kit.format.relative(state.measured_at, kit.nowMs) })),
  ];
}

/** The place held while the first answer is under way. */
export function skeleton(kit) {
  return el("div", { class: "skeleton", role: "status" }, el("span", { class: "sr" }, kit.t("loading")), [1, 2, 3, 4].map(() => el("div", { class: "bar" })));
}

/** Tabs as LuCI has them; entries: [[words, href, chosen]]. */
export function tabs(label, entries) {
  return el("nav", { "aria-label": label }, el("ul", { class: "cbi-tabmenu" }, entries.map(([words, href, chosen]) => el("li", { class: chosen ? "cbi-tab" : "cbi-tab-disabled" }, el("a", { href, "aria-current": chosen && "page" }, words)))));
}

/** A labelled choice; options: [[value, words]]; `change` names what main does with it. */
export function select({ id, change, label, chosen }, options) {
  return [el("label", { class: "cbi-value-title", for: id }, label), el("select", { id, class: "cbi-input-select", "data-change": change }, options.map(([value, words]) => el("option", { value, selected: value === chosen }, words)))];
}
