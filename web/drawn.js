// What the views with a picture share: what it is asked for, and the box in which it is moved, made larger and kept.

import { el, svg } from "./dom.js";
import { select } from "./parts.js";
import { firstZoom } from "./picture.js";

/** The choice of one target, or of all. */
export const chooseTarget = (kit, query, targets) => el("div", { class: "cbi-value" }, select({ id: "filter", change: "filter", label: kit.t("target"), chosen: query.target ?? "" }, [["", kit.t("targets.all")], ...targets.map((state) => [state.target, state.name])]));

/** Seconds since 1970 as an input for a local time has them. */
const inputOf = (kit, seconds) => (seconds ? kit.format.localS(Number(seconds)).slice(0, 16).replace(" ", "T") : "");

/** An instant of the query by its name. */
export const moment = (kit, name, words, chosen) => el("span", { class: "moment" }, el("label", { class: "cbi-value-title", for: `moment-${name}` }, words), el("input", { id: `moment-${name}`, type: "datetime-local", class: "cbi-input-text", "data-change": "moment", "data-moment": name, value: inputOf(kit, chosen) }));

/** The picture of this kind with its buttons, its name for who does not see it and its help, or why there is none; ui.zoom is the reader's. */
export function picture(kit, ui, { picture: found, failure, key }, { kind, label, help }) {
  const { t } = kit;
  if (failure) return el("p", { class: "empty", role: "status" }, t(`graph.${failure}`));
  const { drawing, width, height } = found;
  const zoom = ui.zoom ?? firstZoom(width, kit.width - 2);
  const button = (wish, sign) => el("button", { type: "button", class: "btn cbi-button", "data-action": "zoom", "data-wish": wish, title: t(`graph.${wish}`) }, sign && el("span", { "aria-hidden": "true" }, sign), el("span", { class: sign && "sr" }, t(`graph.${wish}`)));
  const file = (form) => el("button", { type: "button", class: "btn cbi-button", "data-action": "picture", "data-kind": form }, el("span", { class: "sr" }, `${t("download")} `), form.toUpperCase());
  return [
    el("div", { class: "cbi-value" }, button("in", "+"), button("out", "−"), button("fit"), el("span", { class: "report-link files" }, el("span", { "aria-hidden": "true" }, t("download")), file("svg"), file("png"))),
    el(
      "div",
      { class: "picture", "data-picture": kind, "data-zoom": zoom, tabindex: 0, role: "group", "aria-label": label, "aria-describedby": "picture-help" },
      // The drawing stays as long as it is the same one.
      svg("svg", { width: width * zoom, height: height * zoom, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, svg("g", { "data-key": key, "data-hands": true }, drawing.cloneNode(true))),
    ),
    el("p", { id: "picture-help", class: "small muted" }, help),
  ];
}
