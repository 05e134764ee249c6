// The form of one target or source, made of the schema that the agent gives. Every message names field, value and remedy.

import { el } from "../dom.js";
import { english, message, section } from "../parts.js";
import { liveTrace } from "./live.js";

// What most people set; the rest opens below.
const FIRST = { target: ["host", "label", "method", "port", "interval_s", "source", "enabled"], defaults: ["method", "port", "interval_s", "source", "enabled"], source: ["interface", "device", "address", "table", "fwmark", "next_hop"] };
const KEYBOARDS = { int: "numeric", float: "decimal" };
const NAMING = ["bad_name", "name_taken"]; // what may be wrong with the section's own name
const BOOLS = { 1: ["1", "on", "true", "yes", "enabled"], 0: ["0", "off", "false", "no", "disabled"] };

// What stands in defaults is a target's.
const wordsOf = (kit, { section: kind, option }) => kit.word("option", `${kind === "defaults" ? "target" : kind}.${option}`).split("\n");

/** What people call an option of a schema's entry. */
export const titleOf = (kit, entry) => wordsOf(kit, entry)[0];

const boolOf = (text) => Object.keys(BOOLS).find((value) => BOOLS[value].includes(text)) ?? text;

/** "1 to 86,400 s", with what else a number may be. */
function limits(kit, { low, high, zero, unit }) {
  if (low === null || high === null) return "";
  const number = (value) => value.toLocaleString(kit.lang.replace("_", "-"), { useGrouping: false });
  return `${zero ? "0, " : ""}${number(low)}–${number(high)}${unit ? ` ${kit.word("unit", unit)}` : ""}`;
}

/** What may be written, as the end of a message. */
function remedy(kit, entry) {
  const { t } = kit;
  if (entry.choices.length) return t("settings.remedy.choice", { choices: entry.choices.join(", ") });
  if (entry.type === "string") return t("settings.remedy.string", { most: entry.high });
  return kit.word("settings.remedy", entry.type).replace("{limits}", limits(kit, entry));
}

/** What is wrong, in the reader's language where its code is known; else in the agent's. `value` is what was written. */
function said(kit, wrong, entry, value) {
  const field = entry ? titleOf(kit, entry) : kit.t("settings.name");
  const words = kit.word("settings.wrong", wrong.code);
  if (words === wrong.code) return [field, ": ", english(kit, wrong.detail)];
  const values = { field, value, about: wrong.about, remedy: entry ? remedy(kit, entry) : "" };
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function choices(kit, entry, given, usual) {
  const { t } = kit;
  const none = usual ? t("settings.usual", { value: entry.type === "bool" ? kit.word("settings.bool", boolOf(usual)) : usual }) : t("settings.kernel");
  if (entry.type === "bool") return [["", none], ...["1", "0"].map((value) => [value, kit.word("settings.bool", value)])];
  const names = entry.type === "source" ? given.sources.map((one) => one.id) : entry.choices;
  return [["", none], ...names.map((name) => [name, name])];
}

function control(kit, entry, given, usual, text, attrs) {
  if (!["bool", "enum", "source"].includes(entry.type)) return el("input", { ...attrs, class: "cbi-input-text", type: "text", inputmode: KEYBOARDS[entry.type], value: text, placeholder: usual, autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
  const offered = choices(kit, entry, given, usual);
  const chosen = entry.type === "bool" ? boolOf(text) : text;
  // What the file says and nobody offers stays until it is changed.
  const all = offered.some(([value]) => value === chosen) ? offered : [...offered, [chosen, chosen]];
  return el("select", { ...attrs, class: "cbi-input-select" }, all.map(([value, words]) => el("option", { value, selected: value === chosen }, words)));
}

/** A labelled field with what it means, and below it what is wrong with it. */
function row(name, title, words, wrong, make) {
  const id = `set-${name || "name"}`;
  const described = [words && `${id}-help`, wrong.length > 0 && `${id}-wrong`].filter(Boolean).join(" ");
  return el(
    "div",
    { class: wrong.length ? "cbi-value setting-row wrong" : "cbi-value setting-row", "data-key": id },
    el("label", { class: "cbi-value-title", for: id }, title),
    el(
      "div",
      { class: "cbi-value-field" },
      make({ id, "data-option": name, "aria-invalid": wrong.length ? "true" : null, "aria-describedby": described || null }),
      el("div", { class: "small tone-bad", id: `${id}-wrong` }, wrong.map((each) => el("div", {}, each))),
      words && el("div", { class: "small muted", id: `${id}-help` }, words),
    ),
  );
}

function optionRow(kit, entry, { given, desk }) {
  const { sheet, options } = desk;
  const text = String(options[entry.option] ?? "");
  const usual = (entry.section === "target" && given.defaults[entry.option]) || entry.default;
  const bounds = limits(kit, entry);
  const unit = entry.unit ? ` (${kit.word("unit", entry.unit)})` : "";
  const words = [wordsOf(kit, entry)[1] ?? entry.help, bounds && ` [${bounds}]`];
  const wrong = sheet.wrong.filter((each) => each.option === entry.option).map((each) => said(kit, each, entry, text || usual));
  return row(entry.option, [titleOf(kit, entry), unit, entry.required && el("span", { "aria-hidden": "true" }, " *")], words, wrong, (attrs) => control(kit, entry, given, usual, text, { ...attrs, "aria-required": entry.required && "true" }));
}

function nameRow(kit, { sheet, suggested }) {
  const { t } = kit;
  const wrong = sheet.wrong.filter((each) => NAMING.includes(each.code)).map((each) => said(kit, each, null, each.about));
  return row("", t("settings.name"), t("settings.name.help"), wrong, (attrs) => el("input", { ...attrs, class: "cbi-input-text", type: "text", value: sheet.name, placeholder: suggested, autocomplete: "off", autocapitalize: "none", spellcheck: "false" }));
}

/** What is wrong with the whole, or with what else stands in the file. */
function wholly(kit, { desk, given }, entries) {
  const { t } = kit;
  const { sheet } = desk;
  if (sheet.failure === "unreachable") return [t("unreachable.agent")];
  if (sheet.failure) return [t("problem", { detail: sheet.failure })];
  const fields = entries.map((entry) => entry.option);
  const rest = sheet.wrong.filter((each) => !fields.includes(each.option) && !NAMING.includes(each.code));
  const lines = rest.map((each) => {
    if (each.code === "no_effect") return t("settings.wrong.no_effect");
    if (each.of && each.code === "unknown_source") return t("settings.used", { name: each.of });
    const entry = each.of && given.schema.find((one) => one.section === "target" && one.option === each.elsewhere);
    const words = kit.word("settings.wrong", each.code);
    const value = () => given.targets.find((one) => one.id === each.of)?.options[each.elsewhere] ?? desk.options[each.elsewhere] ?? entry.default;
    if (entry && words !== each.code) return `${each.of}: ${said(kit, each, entry, value())}`;
    const where = [each.of, each.elsewhere ?? each.option].filter(Boolean).join(".");
    return words === each.code || where ? [where && `${where}: `, english(kit, each.detail)] : words.replace("{about}", each.about);
  });
  // Each default of the file that would have no effect tells the same.
  return [...new Set(lines)];
}

function alertBox(kit, data, entries) {
  const { desk } = data;
  const lines = wholly(kit, data, entries);
  const fields = desk.sheet.wrong.filter((each) => NAMING.includes(each.code) || entries.some((entry) => entry.option === each.option)).length;
  const all = [...(fields ? [kit.t("settings.fields", { count: kit.format.count(fields) })] : []), ...lines];
  return el("div", { role: "alert", id: "setting-wrong", tabindex: -1 }, all.length > 0 && message("error", all.map((line) => el("div", {}, line))));
}

/** Somebody else changed it meanwhile: what differs, and whose shall stand. */
function clash(kit, { desk }, entries, button) {
  const { t } = kit;
  const { saved, options } = desk;
  const shown = (text) => (text ? `“${text}”` : t("settings.empty"));
  const differ = entries.filter(({ option }) => String(saved?.options[option] ?? "") !== String(options[option] ?? ""));
  return message(
    "warning",
    el("p", {}, saved ? t("settings.clash") : t("settings.clash.gone")),
    saved && el("ul", {}, differ.map((entry) => el("li", {}, t("settings.clash.line", { field: titleOf(kit, entry), there: shown(saved.options[entry.option]), here: shown(options[entry.option]) })))),
    el("div", { class: "cbi-page-actions" }, button("discard", saved ? t("settings.theirs") : t("settings.discard")), button("mine", t("settings.mine"))),
  );
}

function removal(kit, { given, desk }, route, button) {
  const { t } = kit;
  if (!desk.sheet.removing) return button("remove", t("settings.remove"), "cbi-button-remove");
  const last = route.kind === "target" && given.targets.length === 1;
  return el(
    "div",
    { class: "alert-message warning removal", role: "group", "aria-labelledby": "setting-removal" },
    el("p", { id: "setting-removal" }, t(`settings.remove.${route.kind}`, { name: route.id }), last && ` ${t("settings.remove.last")}`),
    button("keep", t("settings.keep")),
    button("really", t("settings.remove"), "cbi-button-remove"),
  );
}

/** The form; data: { given, desk } as `load` of settings.js makes it. */
export function setting(kit, data, route) {
  const { t } = kit;
  const { given, desk } = data;
  const { sheet, key } = desk;
  const entries = given.schema.filter((entry) => entry.section === route.kind);
  const first = FIRST[route.kind].map((name) => entries.find((entry) => entry.option === name));
  const more = entries.filter((entry) => !first.includes(entry));
  const open = more.some((entry) => desk.options[entry.option] || sheet.wrong.some((wrong) => wrong.option === entry.option));
  const button = (wish, words, style = "") => el("button", { class: `btn cbi-button ${style}`, type: "button", "data-settings": wish, "aria-disabled": sheet.busy ? "true" : null }, sheet.busy === wish && el("span", { class: "spinning", "aria-hidden": "true" }), words);
  const rows = (some) => some.map((entry) => optionRow(kit, entry, data));
  return [
    section(
      route.kind === "defaults" ? t("settings.defaults") : route.id ? `${kit.word("settings.kind", route.kind)} ${route.id}` : t(`settings.add.${route.kind}`),
      alertBox(kit, data, entries),
      desk.clash && clash(kit, data, entries, button),
      el(
        "form",
        { id: "setting", novalidate: true, "data-key": `${key}-${sheet.revision}` },
        rows(first),
        !route.id && nameRow(kit, desk),
        more.length > 0 && el("details", { class: "more", open }, el("summary", {}, t("settings.more")), rows(more)),
        el(
          "div",
          { class: "cbi-page-actions" },
          sheet.options && el("span", { class: "small tone-warn" }, t("settings.unsaved")),
          sheet.options && button("discard", t("settings.discard")),
          route.kind === "target" && button("trace", t("settings.trace")),
          el("button", { class: "btn cbi-button cbi-button-action", type: "submit", "aria-disabled": sheet.busy ? "true" : null }, sheet.busy === "save" && el("span", { class: "spinning", "aria-hidden": "true" }), t("settings.save")),
        ),
      ),
    ),
    liveTrace(kit, kit.followed(key)),
    route.id && desk.saved && route.kind !== "defaults" && el("div", { class: "cbi-section" }, removal(kit, data, route, button)),
  ];
}
