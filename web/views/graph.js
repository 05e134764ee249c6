// The ways to all targets, or to one, as one picture, and what is different between two times.

import { el } from "../dom.js";
import { chooseTarget, moment, picture } from "../drawn.js";
import { section } from "../parts.js";
import { hashOf } from "../route.js";

const HOUR_S = 3600;
const AGOS = [HOUR_S, 24 * HOUR_S, 7 * 24 * HOUR_S];

function asked(kit, route, targets) {
  const { t, format } = kit;
  const { query } = route;
  const link = (words, before, chosen) => el("a", { class: "btn cbi-button", href: hashOf({ ...route, query: { ...query, before } }), "aria-current": chosen && "true" }, words);
  const end = Number(query.at) || Math.floor(kit.nowMs / 60_000) * 60;
  return [
    chooseTarget(kit, query, targets),
    el("div", { class: "cbi-value" }, moment(kit, "before", t("before"), query.before), moment(kit, "at", t("after"), query.at)),
    el("div", { class: "cbi-value span-bar" }, el("span", {}, t("graph.compare")), AGOS.map((seconds) => link(format.duration(seconds), end - seconds, Number(query.before) === end - seconds)), link(t("graph.alone"), null, !query.before)),
  ];
}

/** data: { targets, picture, failure, key }, as the loader gives it; ui.zoom is the reader's. */
export function graph(kit, ui, data, route) {
  return el("div", { class: "cbi-map" }, section(null, asked(kit, route, data.targets), picture(kit, ui, data, { kind: "graph", label: kit.t("graph.label"), help: kit.t("graph.help") })));
}
