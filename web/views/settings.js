// The settings: targets and sources as the file has them, and the form of one. Nothing is decided here; what was typed comes in `desk`.

import { el } from "../dom.js";
import { english, message, section, table } from "../parts.js";
import { hashOf } from "../route.js";
import { setting, titleOf } from "./setting.js";

const LUCI = "/cgi-bin/luci/admin/services/pathwarden/settings";
const WAYS = ["interface", "device", "address", "table", "fwmark", "next_hop"];

const place = (kind, id) => hashOf({ name: "settings", kind, id });

/** Whether the agent runs with what the file says, and what became of the last wish. */
export function standing(kit, given, outcome) {
  const { t } = kit;
  if (given.wrong) return message("error", t("settings.file.wrong"), " ", english(kit, given.wrong));
  if (!given.taken) return message("notice", outcome && el("span", { class: "spinning", "aria-hidden": "true" }), outcome ? t("settings.file.loading") : t("settings.file.differs"));
  return outcome && message("success", kit.word("settings.done", outcome.done).replace("{name}", outcome.name));
}

function rows(kit, kind, sections, unsaved, cells) {
  return sections.map((one) => ({
    attrs: { "data-key": `${kind}-${one.id}`, "data-section": one.id },
    cells: [
      [el("a", { class: "target-link", href: place(kind, one.id) }, one.options.label || one.options.host || one.id, el("span", { class: "sr" }, ` – ${kit.t("settings.edit")}`)), unsaved.includes(`${kind}/${one.id}`) && el("div", { class: "small tone-warn" }, kit.t("settings.unsaved"))],
      ...cells(one),
    ],
  }));
}

function add(kit, kind, unsaved) {
  const words = kit.t(`settings.add.${kind}`);
  return el("div", { class: "cbi-page-actions" }, el("a", { class: "btn cbi-button cbi-button-action", href: place(kind) }, unsaved.includes(`${kind}/`) ? `${words} · ${kit.t("settings.unsaved")}` : words));
}

function targets(kit, { given, desk }) {
  const { t } = kit;
  const usual = (one, name) => one.options[name] || given.defaults[name] || given.schema.find((entry) => entry.section === "target" && entry.option === name).default;
  const title = (option) => titleOf(kit, { section: "target", option });
  const columns = [{ title: t("target"), head: true }, { title: t("settings.name") }, { title: title("host") }, { title: title("method") }, { title: title("interval_s"), kind: "num" }, { title: title("source") }];
  const off = (one) => ["0", "off", "no", "false", "disabled"].includes(usual(one, "enabled")) && el("div", { class: "small muted" }, kit.word("state", "paused"));
  const cells = (one) => [one.id, [one.options.host ?? "", off(one)], usual(one, "method"), kit.format.duration(Number(usual(one, "interval_s"))), usual(one, "source") || t("settings.kernel")];
  return section(
    t("targets"),
    given.targets.length ? table(t("targets"), "set-targets", columns, rows(kit, "target", given.targets, desk.unsaved, cells)) : el("p", { class: "empty" }, t("settings.no.target")),
    add(kit, "target", desk.unsaved),
  );
}

function sources(kit, { given, desk }) {
  const { t } = kit;
  const columns = [{ title: titleOf(kit, { section: "target", option: "source" }), head: true }, { title: t("settings.way") }, { title: t("targets"), kind: "num" }];
  const way = (one) => WAYS.filter((name) => one.options[name]).map((name) => `${titleOf(kit, { section: "source", option: name })} ${one.options[name]}`).join(" · ");
  const users = (one) => given.targets.filter((target) => (target.options.source ?? given.defaults.source) === one.id).length;
  return section(
    t("settings.sources"),
    el("p", { class: "small muted" }, t("settings.sources.help")),
    given.sources.length > 0 && table(t("settings.sources"), "set-sources", columns, rows(kit, "source", given.sources, desk.unsaved, (one) => [way(one), kit.format.count(users(one))])),
    add(kit, "source", desk.unsaved),
  );
}

/** What targets that say nothing else have: that which the file says itself. */
function defaults(kit, { given, desk }) {
  const { t } = kit;
  const unit = (option) => kit.word("unit", given.schema.find((entry) => entry.option === option)?.unit ?? "");
  const said = Object.entries(given.defaults).map(([option, text]) => `${titleOf(kit, { section: "target", option })} ${text} ${unit(option)}`.trim());
  const link = el("a", { class: "btn cbi-button", href: place("defaults", "defaults") }, t("settings.change"));
  const unsaved = desk.unsaved.includes("defaults/defaults") && [" ", el("span", { class: "small tone-warn" }, t("settings.unsaved"))];
  return section(t("settings.defaults"), el("p", { class: "small muted" }, t("settings.defaults.help")), el("p", {}, said.join(" · "), unsaved), el("div", { class: "cbi-page-actions" }, link));
}

/** Why nothing can be set here, and where it can. */
function elsewhere(kit, { code, detail }) {
  const { t } = kit;
  if (code === "set_in_luci") return message("notice", t("settings.luci"), " ", el("a", { href: `//${location.hostname}${LUCI}` }, t("settings.luci.link")));
  return message("warning", code === "no_file" ? t("settings.no.file") : [t("settings.unreadable"), " ", english(kit, detail)]);
}

/** data: { given, heard, desk } as `load` of settings.js makes it. */
export function settings(kit, data, route) {
  if (!kit.maySet) return el("div", { class: "cbi-map" }, message("notice", kit.t("settings.reader")));
  if (data.heard) return el("div", { class: "cbi-map" }, elsewhere(kit, data.heard));
  const { given, desk } = data;
  const known = !route.kind || !route.id || route.kind === "defaults" || desk.saved || desk.sheet.options;
  return el(
    "div",
    { class: "cbi-map settings" },
    el("div", { role: "status" }, standing(kit, given, desk.outcome)),
    route.kind && el("p", {}, el("a", { href: hashOf({ name: "settings" }) }, kit.t("settings.all"))),
    !known && el("p", { class: "empty" }, kit.t("settings.no.such", { name: route.id })),
    known && (route.kind ? setting(kit, data, route) : [targets(kit, data), defaults(kit, data), sources(kit, data)]),
  );
}
