// What surrounds every view: name, tabs, the Refreshing pill, language and dark mode.

import { el } from "./dom.js";
import { LANGUAGES } from "./i18n.js";
import { tabs } from "./parts.js";

const TABS = [["overview", "#/"], ["changes", "#/changes"], ["graph", "#/graph"], ["map", "#/map"], ["settings", "#/settings"]];
const SCHEMES = ["auto", "light", "dark"];

function choice(id, label, options, chosen) {
  return [
    el("label", { class: "sr", for: id }, label),
    el("select", { id, class: "cbi-input-select", "data-change": id }, options.map(([value, name, lang]) => el("option", { value, lang, selected: value === chosen }, name))),
  ];
}

function pill(kit, state) {
  const style = { live: "active", paused: "inactive", offline: "offline" }[state];
  return el("button", { id: "pill", type: "button", class: "indicator", "data-indicator": "poll-status", "data-style": style, "data-action": "poll", title: kit.t(`pill.${state}.help`) }, kit.t(`pill.${state}`));
}

/** The whole page around `content`; prefs: { language, scheme } as chosen, "auto" included. */
export function shell(kit, { route, status, poll, prefs, heading }, content) {
  const { t } = kit;
  const languages = [["auto", t("language.auto")], ...LANGUAGES.map(({ id, name, tag }) => [id, name, tag])];
  return el(
    "div",
    { id: "page" },
    el("a", { class: "skip", href: "#content", "data-action": "skip" }, t("skip")),
    el(
      "header",
      {},
      el(
        "div",
        { class: "container" },
        el("a", { class: "brand", href: "#/" }, "Pathwarden"),
        el("span", { class: "agent-name" }, status && `${status.agent} · ${status.version}`),
        el("div", { id: "indicators" }, pill(kit, poll), choice("language", t("language"), languages, prefs.language), choice("scheme", t("scheme"), SCHEMES.map((name) => [name, t(`scheme.${name}`)]), prefs.scheme)),
      ),
    ),
    el(
      "div",
      { class: "container" },
      tabs(t("views"), TABS.filter(([name]) => name !== "settings" || kit.maySet).map(([name, href]) => [t(`tab.${name}`), href, route.name === name])),
      el("main", { id: "maincontent" }, el("h2", { id: "content", tabindex: -1 }, heading), content),
    ),
  );
}

/** The same as a part of another page, which has a header, tabs and colours of its own. */
export function embedded(kit, { poll, heading }, content) {
  return el("div", { id: "page" }, el("div", { class: "embedded-head" }, el("h2", { id: "content", tabindex: -1 }, heading), pill(kit, poll)), content);
}
