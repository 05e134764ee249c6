// What the owner wishes to hear of a target: mute it, mute going between two paths, accept a path as usual.

import { el } from "../dom.js";
import { section } from "../parts.js";

/** Two paths between which it went last, or might: the letters, sorted; null if only one is known. */
export function pairOf(state, paths, changes) {
  const last = changes.find((event) => event.event_type.startsWith("path_") && event.old?.label && event.new?.label && event.old.label !== event.new.label);
  const pair = last ? [last.old.label, last.new.label] : [state.usual_path, ...paths.map((path) => path.label)].filter((label, index, all) => label && all.indexOf(label) === index).slice(0, 2);
  return pair.length === 2 ? pair.sort() : null;
}

/** Mute, accept, and what became of the wish; `pair` are the letters of two paths, or null. Nothing for who may only look. */
export function wishButtons(kit, ui, state, pair) {
  if (!kit.mayWrite) return null;
  const { t } = kit;
  const button = (action, words, data) => el("button", { class: "btn cbi-button", type: "button", "data-action": action, "data-target": state.target, "aria-disabled": ui.wish.busy && "true", ...data }, words);
  const sorted = pair && [...pair].sort();
  const isMuted = ([a, b]) => state.muted_pairs.some(([one, other]) => one === a && other === b);
  return [
    el(
      "div",
      { class: "cbi-page-actions wishes" },
      [3600, 86400, ...(state.muted_until ? [0] : [])].map((seconds) => button("mute", t(`mute.${seconds}`), { "data-seconds": seconds })),
      state.path_label && state.path_label !== state.usual_path && button("accept", t("accept", { label: state.path_label })),
      sorted && sorted[0] !== sorted[1] && !isMuted(sorted) && button("mute-pair", t("mute.pair", { a: sorted[0], b: sorted[1] }), { "data-pair": sorted.join(" ") }),
      state.muted_pairs.map(([a, b]) => button("unmute-pair", t("unmute.pair", { a, b }), { "data-pair": `${a} ${b}` })),
    ),
    el("div", { role: "status", class: "small" }, ui.wish.busy ? t("wish.busy") : ui.wish.done && t(`wish.${ui.wish.done}`)),
    el("div", { role: "alert", class: "small tone-bad" }, ui.wish.failure && t("wish.failed", { detail: ui.wish.failure })),
  ];
}

/** The section with all of it. */
export function wishes(kit, ui, state, pair) {
  const { t } = kit;
  return section(t("alerts"), el("p", {}, state.muted_until ? t("muted", { when: kit.format.local(state.muted_until) }) : t("alerts.on")), wishButtons(kit, ui, state, pair));
}
