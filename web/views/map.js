// The places on the ways to all targets, or to one, on a map of the world.

import { el } from "../dom.js";
import { chooseTarget, moment, picture } from "../drawn.js";
import { message, section } from "../parts.js";

/** data: { targets, picture, failure, key }, as the loader gives it; ui.zoom is the reader's. */
export function map(kit, ui, data, { query }) {
  const { t } = kit;
  const asked = [chooseTarget(kit, query, data.targets), el("div", { class: "cbi-value" }, moment(kit, "at", t("map.at"), query.at))];
  const nowhere = data.picture?.places === "0" && message("notice", el("p", {}, t("map.nowhere")), el("p", {}, t("map.get")));
  return el("div", { class: "cbi-map" }, section(null, asked, el("div", { role: "status" }, nowhere), picture(kit, ui, data, { kind: "map", label: t("map.label"), help: t("map.help") })));
}
