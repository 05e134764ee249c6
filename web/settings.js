// What the reader changes in the configuration. Drafts stay until they are saved or given up, whatever view is looked at meanwhile.

import { hashOf } from "./route.js";
import { settings } from "./views/settings.js";

const PLURAL = { target: "targets", defaults: "defaults", source: "sources" };
const NAME_LENGTH = 32; // as long as the agent takes

const sheets = new Map(); // by "target/NAME", "target/" of one that is to be added
let revision = 0;
let now = null; // { source, route, reader, given }
let outcome = null; // what was done last: { done: "saved" | "removed", name, leads }, `leads` while the view that follows is on its way

const keyOf = ({ kind, id }) => `${kind}/${id}`;
const usual = ({ defaults, defaults_tag: tag }) => (tag ? { id: "defaults", options: defaults, tag } : null);
const there = ({ kind, id }, given = now.given) => (kind === "defaults" ? usual(given) : (given[PLURAL[kind]].find((one) => one.id === id) ?? null));
const plain = (options) => Object.fromEntries(Object.entries(options).map(([name, text]) => [name, String(text)]).filter(([, text]) => text !== ""));
const same = (one, other) => JSON.stringify(Object.entries(plain(one)).sort()) === JSON.stringify(Object.entries(plain(other)).sort());

/** The sheet of what a route names; `options` is null until something is typed. */
function sheetOf(route) {
  const key = keyOf(route);
  if (!sheets.has(key)) sheets.set(key, { revision: (revision += 1), options: null, name: "", tag: there(route)?.tag ?? "", wrong: [], failure: "", busy: "", removing: false });
  return sheets.get(key);
}

const optionsOf = (route) => sheetOf(route).options ?? { ...there(route)?.options };

/** A name made of what is to be traced, for who gives none. */
function suggested({ kind }, options) {
  const made = (options.label || options.host || options.interface || options.device || "").normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^A-Za-z0-9]+/g, "_").replace(/^_+|_+$/g, "").slice(0, NAME_LENGTH);
  return made || kind;
}

const nameOf = (route) => route.id || sheetOf(route).name.trim() || suggested(route, optionsOf(route));

function type(field) {
  const { route } = now;
  const sheet = sheetOf(route);
  const { option } = field.dataset;
  if (option === "") sheet.name = field.value;
  else {
    if (!sheet.options) Object.assign(sheet, { options: optionsOf(route), tag: there(route)?.tag ?? "" });
    sheet.options[option] = field.value;
    if (route.id && same(sheet.options, there(route)?.options ?? {}) && there(route)?.tag === sheet.tag) sheet.options = null;
  }
  sheet.wrong = sheet.wrong.filter((wrong) => wrong.option !== option);
  outcome = null;
  now.reader.render();
}

/** What the agent said against it: at the options' fields, or of the whole. */
function refuse(sheet, route, name, error) {
  if (error.code === "bad_setting") sheet.wrong = error.problems.map((problem) => ([name, route.kind].includes(problem.section) ? problem : { ...problem, option: null, elsewhere: problem.option, of: problem.section }));
  else if (error.code === "bad_parameter") sheet.wrong = [{ option: "", code: "bad_name", about: name, detail: error.message }];
  else if (error.code === "changed_meanwhile" && !route.id) sheet.wrong = [{ option: "", code: "name_taken", about: name, detail: error.message }];
  else if (error.code !== "changed_meanwhile") sheet.failure = error.status ? error.message : "unreachable";
}

function focusWrong() {
  const field = document.querySelector("#setting [aria-invalid=true]");
  field?.closest("details")?.setAttribute("open", "");
  (field ?? document.getElementById("setting-wrong"))?.focus();
}

/** Asks the agent for something about the sheet in view; `busy` names what, `then` follows if it is granted. */
async function ask(busy, wish, then) {
  const { route, reader } = now;
  const sheet = sheetOf(route);
  if (sheet.busy) return;
  Object.assign(sheet, { busy, wrong: [], failure: "", removing: false });
  outcome = null;
  reader.render();
  const name = nameOf(route);
  let granted = false;
  try {
    const answer = await wish(sheet, name, route);
    granted = true;
    sheet.busy = "";
    then(answer, name, route);
  } catch (error) {
    if (!error.status && !(error instanceof TypeError)) throw error;
    sheet.busy = "";
    refuse(sheet, route, name, error);
  }
  reader.render();
  if (!granted) focusWrong();
  await reader.again();
}

/** The file is another one now, which the agent has not taken until it says so. */
function written(route, done) {
  sheets.delete(keyOf(route));
  outcome = done;
  now.given.taken = false;
}

const save = () =>
  ask(
    "save",
    (sheet, name, route) => now.source.putSetting(PLURAL[route.kind], name, plain(optionsOf(route)), sheet.options ? sheet.tag : (there(route)?.tag ?? "")),
    (_answer, name, route) => {
      written(route, { done: "saved", name, leads: !route.id });
      if (!route.id) location.hash = hashOf({ name: "settings", kind: route.kind, id: name });
      else document.getElementById("content").focus();
    },
  );

const remove = () =>
  ask(
    "remove",
    (_sheet, name, route) => now.source.removeSetting(PLURAL[route.kind], name, there(route)?.tag),
    (_answer, name, route) => {
      written(route, { done: "removed", name, leads: true });
      location.hash = hashOf({ name: "settings" });
    },
  );

const trace = () => ask("trace", (_sheet, _name, route) => now.source.traceOnce(plain(optionsOf(route))), ({ asked }, _name, route) => now.reader.follow(keyOf(route), asked));

function giveUp() {
  sheets.delete(keyOf(now.route));
  outcome = null;
}

const CLICKS = {
  trace,
  really: remove,
  remove: () => Object.assign(sheetOf(now.route), { removing: true }),
  keep: () => Object.assign(sheetOf(now.route), { removing: false }),
  discard: giveUp,
  mine: () => {
    sheetOf(now.route).tag = there(now.route)?.tag ?? "";
    return save();
  },
};
// Where the focus goes when the button that was pressed goes away.
const NEXT = { remove: "[data-settings=keep]", keep: "[data-settings=remove]", discard: "#content" };

function click(event) {
  const button = event.target.closest("#page [data-settings]");
  if (!button || button.getAttribute("aria-disabled") === "true") return;
  const wish = button.dataset.settings;
  CLICKS[wish]();
  if (!NEXT[wish]) return;
  now.reader.render();
  document.querySelector(NEXT[wish])?.focus();
}

function listen() {
  document.addEventListener("input", (event) => event.target.dataset?.option !== undefined && type(event.target));
  document.addEventListener("change", (event) => event.target.matches("select[data-option]") && type(event.target));
  document.addEventListener("click", click);
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "setting") return;
    event.preventDefault();
    save();
  });
  window.addEventListener("beforeunload", (event) => [...sheets.values()].some((sheet) => sheet.options) && event.preventDefault());
}

/** What the view shows of a sheet, as it is when it is drawn. */
function desk(route) {
  const unsaved = [...sheets].filter(([, sheet]) => sheet.options).map(([key]) => key);
  if (!route.kind || !now.given) return { unsaved, outcome };
  const sheet = sheetOf(route);
  const saved = there(route);
  return { unsaved, outcome, key: keyOf(route), sheet, saved, options: optionsOf(route), suggested: suggested(route, optionsOf(route)), clash: Boolean(route.id && sheet.options && saved?.tag !== sheet.tag) };
}

/** The view's data. `reader` offers maySet, render, again, and follow(key, asked) for a trace that was asked for. */
export async function load(source, route, signal, reader) {
  if (!now) listen();
  // An outcome is told until the agent runs with it, and where it led to.
  if (outcome && now.route !== route) outcome = outcome.leads || !now.given?.taken ? { ...outcome, leads: false } : null;
  let [given, heard] = [null, null]; // what the agent shows, or why it does not
  try {
    // Within another page there are none, and who may only look has no use for them.
    if (reader.maySet) given = await source.settings(signal);
  } catch (error) {
    if (error.status !== 409) throw error;
    heard = { code: error.code, detail: error.message };
  }
  now = { source, route, reader, given };
  // A reload takes a moment.
  const awaited = Boolean(outcome && given && !given.taken && !given.wrong);
  return { given, heard, awaited, view: (kit, data) => settings(kit, { ...data, desk: desk(route) }, route) };
}
