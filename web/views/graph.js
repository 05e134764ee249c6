// The ways to all targets, or to one, as one picture, and what is different between two times.

import { el, svg } from "../dom.js";
import { section, select } from "../parts.js";
import { firstZoom } from "../picture.js";
import { hashOf } from "../route.js";

const HOUR_S = 3600;
const AGOS = [HOUR_S, 24 * HOUR_S, 7 * 24 * HOUR_S];

/** Seconds since 1970 as an input for a local time has them. */
const inputOf = (kit, seconds) => (seconds ? kit.format.localS(Number(seconds)).slice(0, 16).replace(" ", "T") : "");

const moment = (kit, name, words, chosen) => el("span", { class: "moment" }, el("label", { class: "cbi-value-title", for: `moment-${name}` }, words), el("input", { id: `moment-${name}`, type: "datetime-local", class: "cbi-input-text", "data-change": "moment", "data-moment": name, value: inputOf(kit, chosen) }));

function asked(kit, { query }, route, targets) {
  const { t, format } = kit;
  const link = (words, before, chosen) => el("a", { class: "btn cbi-button", href: hashOf({ ...route, query: { ...query, before } }), "aria-current": chosen && "true" }, words);
  const end = Number(query.at) || Math.floor(kit.nowMs / 60_000) * 60;
  return [
    el("div", { class: "cbi-value" }, select({ id: "filter", change: "filter", label: t("target"), chosen: query.target ?? "" }, [["", t("targets.all")], ...targets.map((state) => [state.target, state.name])])),
    el("div", { class: "cbi-value" }, moment(kit, "before", t("before"), query.before), moment(kit, "at", t("after"), query.at)),
    el("div", { class: "cbi-value span-bar" }, el("span", {}, t("graph.compare")), AGOS.map((seconds) => link(format.duration(seconds), end - seconds, Number(query.before) === end - seconds)), link(t("graph.alone"), null, !query.before)),
  ];
}

function picture(kit, ui, { drawing, width, height, key }) {
  const { t } = kit;
  const zoom = ui.zoom ?? firstZoom(width, kit.width - 2);
  const button = (wish, sign) => el("button", { type: "button", class: "btn cbi-button", "data-action": "zoom", "data-wish": wish, title: t(`graph.${wish}`) }, sign && el("span", { "aria-hidden": "true" }, sign), el("span", { class: sign && "sr" }, t(`graph.${wish}`)));
  const file = (kind) => el("button", { type: "button", class: "btn cbi-button", "data-action": "picture", "data-kind": kind }, el("span", { class: "sr" }, `${t("download")} `), kind.toUpperCase());
  return [
    el("div", { class: "cbi-value" }, button("in", "+"), button("out", "−"), button("fit"), el("span", { class: "report-link files" }, el("span", { "aria-hidden": "true" }, t("download")), file("svg"), file("png"))),
    el(
      "div",
      { class: "picture", "data-picture": "graph", "data-zoom": zoom, tabindex: 0, role: "group", "aria-label": t("graph.label"), "aria-describedby": "picture-help" },
      // The drawing stays as long as it is the same one; its words are the agent's.
      svg("svg", { width: width * zoom, height: height * zoom, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": t("graph.label") }, svg("g", { "data-key": key, "data-hands": true, lang: "en" }, drawing.cloneNode(true))),
    ),
    el("p", { id: "picture-help", class: "small muted" }, t("graph.help")),
  ];
}

/** data: { targets, picture, failure, key }, as the loader gives it; ui.zoom is the reader's. */
export function graph(kit, ui, data, route) {
  return el("div", { class: "cbi-map" }, section(null, asked(kit, route, route, data.targets), data.failure ? el("p", { class: "empty", role: "status" }, kit.t(`graph.${data.failure}`)) : picture(kit, ui, { ...data.picture, key: data.key })));
}
