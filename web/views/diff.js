// Two paths side by side: the rows come aligned from the agent, so page, broker and command line agree.

import { el } from "../dom.js";
import { dumbbell } from "../charts.js";
import { networkText } from "../hops.js";
import { letter, section, select, table, time } from "../parts.js";
import { wishButtons } from "./wishes.js";

const MARKS = { same: "=", unknown: "?", replaced: "≠", added: "+", removed: "−" };
const OPS = ["replaced", "added", "removed"];

/** What differs, in one sentence. */
export function diffSentence(kit, diff) {
  const { t, format } = kit;
  const counts = OPS.map((op) => [op, diff.rows.filter((row) => row.op === op).length]).filter(([, count]) => count);
  const ms = diff.old.rtt_ms === null || diff.new.rtt_ms === null ? 0 : diff.new.rtt_ms - diff.old.rtt_ms;
  const speed = Math.abs(ms) >= 0.5 ? t(ms > 0 ? "say.path.slower" : "say.path.faster", { ms: format.ms(Math.abs(ms)) }) : "";
  const said = diff.same ? [t("diff.same")] : counts.map(([op, count]) => t(`diff.${op}`, { count: format.count(count) }));
  return [...said, speed].filter(Boolean).join(t("say.join")) + t("say.end");
}

const hopText = (row, side) => (row[`${side}_ttl`] === null ? "" : row[side].length ? [row[side].map((address) => el("div", { class: "address" }, address)), el("div", { class: "small muted" }, networkText(row[`${side}_network`] ?? {}))] : "*");

function side(kit, name, about) {
  return [kit.t(name), about.label && [" ", letter(kit, about.label, false)], about.rtt_ms !== null && ` ${kit.format.msUnit(about.rtt_ms)}`];
}

/** The aligned rows as a table. */
export function diffTable(kit, diff) {
  const { t, format } = kit;
  const scale = Math.max(0, ...diff.rows.flatMap((row) => [row.old_rtt_ms ?? 0, row.new_rtt_ms ?? 0]));
  const columns = [
    { title: t("hop"), head: true, kind: "ttl" },
    { title: side(kit, "before", diff.old), label: t("before") },
    { title: side(kit, "after", diff.new), label: t("after") },
    { title: "ms", kind: "num" },
    { title: t("latency"), kind: "range" },
  ];
  const ttl = (row) => [...new Set([row.old_ttl, row.new_ttl].filter((each) => each !== null))].join("/");
  const both = (row) => [row.old_rtt_ms, row.new_rtt_ms].map((ms) => format.ms(ms)).join(" → ");
  return table(
    t("diff.caption"),
    "diff aligned",
    columns,
    diff.rows.map((row) => ({
      attrs: { class: OPS.includes(row.op) ? `tr differs ${row.op}` : "tr", "data-op": row.op },
      cells: [[ttl(row), el("span", { "aria-hidden": "true" }, ` ${MARKS[row.op]}`), el("span", { class: "sr" }, t(`op.${row.op}`))], hopText(row, "old"), hopText(row, "new"), both(row), dumbbell(kit, row.old_rtt_ms, row.new_rtt_ms, scale)],
    })),
  );
}

function chooser(kit, name, about, paths) {
  const options = paths.map((path) => [path.path_id, `${kit.t("path")} ${path.label}${path.usual ? " ★" : ""}`]);
  const known = paths.some((path) => path.path_id === about?.path_id);
  return [select({ id: `side-${name}`, change: "side", label: kit.t(name === "a" ? "before" : "after"), chosen: known ? about.path_id : "" }, [...(known ? [] : [["", "–"]]), ...options]), about?.at && el("span", { class: "small muted" }, time(kit, about.at))];
}

/** data: { target: { state }, diff, paths }; `diff` null if there is nothing to compare. */
export function compare(kit, ui, { target: { state }, diff, paths }) {
  const { t } = kit;
  return section(
    null,
    el("div", { class: "cbi-value" }, chooser(kit, "a", diff?.old, paths), chooser(kit, "b", diff?.new, paths)),
    diff
      ? [el("p", { class: "diff-sentence", role: "status" }, el("strong", {}, diffSentence(kit, diff))), diffTable(kit, diff), wishButtons(kit, ui, state, diff.old.label && diff.new.label ? [diff.old.label, diff.new.label] : null)]
      : el("p", { class: "empty" }, t("diff.none")),
  );
}
