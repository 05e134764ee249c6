// The agent's own page: which view, which language, which data, and what a click does.

import { createApi, Problem } from "./api.js";
import { el, patch } from "./dom.js";
import { createFormat } from "./format.js";
import { chooseLanguage, LANGUAGES, loadTexts } from "./i18n.js";
import { loaders, loadOlder } from "./loaders.js";
import { message, skeleton } from "./parts.js";
import { createPoller } from "./poller.js";
import { shell } from "./shell.js";
import { changes } from "./views/changes.js";
import { overview } from "./views/overview.js";
import { target } from "./views/target.js";

const VIEWS = { overview, target, changes };
const CLOCK_MS = 1000; // ages and "in 2 min" move on between answers

const api = createApi();
const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");
const prefs = { language: stored("language"), scheme: stored("scheme") };
const app = { route: parseHash(), data: null, status: null, problem: null, ui: freshUi(), texts: null, language: null };
const poller = createPoller({ task: refresh, intervalMs: Number(document.querySelector("meta[name=poll-ms]").content), onState: render });

function stored(name) {
  // Reading throws where the browser keeps nothing for this page.
  try {
    return localStorage.getItem(`pathwarden.${name}`) ?? "auto";
  } catch {
    return "auto";
  }
}

function store(name, value) {
  prefs[name] = value;
  try {
    localStorage.setItem(`pathwarden.${name}`, value);
  } catch {
    // The choice then lasts as long as the page.
  }
}

function freshUi() {
  return { pending: new Set(), failures: new Map(), older: "", copy: "", wish: {} };
}

function parseHash() {
  const [path, query = ""] = location.hash.replace(/^#?\/?/, "").split("?");
  const [name, id] = path.split("/");
  if (name === "target" && id) return { name, id: decodeURIComponent(id) };
  if (name === "changes") return { name, chosen: new URLSearchParams(query).get("target") ?? "" };
  return { name: "overview" };
}

function heading(t) {
  if (app.route.name === "target") return app.data?.target.state.name ?? app.route.id;
  return t(`tab.${app.route.name}`);
}

function describe(error) {
  return error instanceof Problem ? error.message : app.texts.t("unreachable.agent");
}

function render() {
  const { t, word } = app.texts;
  const kit = { t, word, format: app.format, nowMs: api.now(), lang: app.language.id };
  const offline = poller.state() === "offline";
  const title = heading(t);
  const content = el(
    "div",
    { id: "view" },
    el("div", { role: "status" }, offline && message("warning", t("offline"))),
    app.problem && message("error", t("problem", { detail: app.problem })),
    app.data ? VIEWS[app.route.name](kit, app.ui, app.data) : !app.problem && skeleton(kit),
  );
  patch(document.getElementById("page"), shell(kit, { ...app, poll: poller.state(), prefs, heading: title }, content));
  document.title = `${title} – Pathwarden`;
}

async function refresh(signal) {
  const { route } = app;
  try {
    const data = await loaders[route.name](api, route, () => app.data, signal);
    app.status = data.status ?? app.status ?? (await api.status(signal));
    if (signal.aborted) return;
    app.data = data;
    app.problem = null;
  } catch (error) {
    // An answer that says no is shown; only an agent that does not answer is the poller's matter.
    if (!(error instanceof Problem)) throw error;
    app.problem = error.message;
  }
  render();
}

async function setLanguage() {
  app.language = LANGUAGES.find(({ id }) => id === prefs.language) ?? chooseLanguage(navigator.languages);
  app.format = createFormat(app.language.tag);
  app.texts = await loadTexts(app.language.id);
  document.documentElement.lang = app.language.tag;
}

function setScheme() {
  document.documentElement.dataset.darkmode = prefs.scheme === "auto" ? darkScheme.matches : prefs.scheme === "dark";
}

async function trace({ dataset: { target: id } }) {
  const { pending, failures } = app.ui;
  pending.add(id);
  failures.delete(id);
  render();
  try {
    await api.traceNow(id);
    await poller.restart();
  } catch (error) {
    failures.set(id, describe(error));
  }
  pending.delete(id);
  render();
}

/** Tells the agent a wish; `done` names what is said when it is granted. */
async function wish(done, ask) {
  const { ui } = app;
  ui.wish = { busy: true };
  render();
  try {
    await ask(app.route.id);
    ui.wish = { done };
    await poller.restart();
  } catch (error) {
    ui.wish = { failure: describe(error) };
  }
  render();
}

async function older() {
  const { ui } = app;
  ui.older = "busy";
  render();
  try {
    const data = await loadOlder(api, app.route, () => app.data);
    if (app.ui === ui) app.data = data;
    ui.older = "";
  } catch (error) {
    ui.older = describe(error);
  }
  render();
}

async function copy() {
  const area = document.getElementById("copy-text");
  // Browsers offer the clipboard only over HTTPS and on loopback; elsewhere the text is selected for the reader.
  const written = await (navigator.clipboard?.writeText(area.value).then(() => true, () => false) ?? false);
  app.ui.copy = written ? "done" : "manual";
  render();
  if (!written) area.select();
}

const CLICKS = {
  trace,
  older,
  copy,
  mute: ({ dataset: { seconds } }) => wish(seconds === "0" ? "unmuted" : "muted", (id) => api.mute(id, { for_s: Number(seconds) })),
  "mute-pair": ({ dataset: { pair } }) => wish("muted", (id) => api.mute(id, { pair: pair.split(" ") })),
  "unmute-pair": ({ dataset: { pair } }) => wish("unmuted", (id) => api.mute(id, { pair: pair.split(" "), for_s: 0 })),
  accept: () => wish("accepted", (id) => api.acceptPath(id)),
  poll: () => poller.toggle(),
  skip: () => document.getElementById("content").focus(),
};

const CHOICES = {
  language: async (value) => {
    store("language", value);
    await setLanguage();
  },
  scheme: (value) => {
    store("scheme", value);
    setScheme();
  },
  filter: (value) => {
    location.hash = value ? `#/changes?target=${encodeURIComponent(value)}` : "#/changes";
  },
};

function onClick(event) {
  const source = event.target.closest("[data-action]");
  if (!source) return;
  if (source.tagName === "A") event.preventDefault();
  if (source.getAttribute("aria-disabled") !== "true") CLICKS[source.dataset.action](source);
}

async function onChange(event) {
  await CHOICES[event.target.dataset.change]?.(event.target.value);
  render();
}

function onHash() {
  const before = app.route;
  Object.assign(app, { route: parseHash(), data: null, problem: null, ui: freshUi() });
  render();
  // The filter of the change log keeps the focus; a new view starts at its heading.
  if (before.name !== app.route.name) document.getElementById("content").focus();
  poller.restart();
}

await setLanguage();
setScheme();
darkScheme.addEventListener("change", setScheme);
document.addEventListener("click", onClick);
document.addEventListener("change", onChange);
window.addEventListener("hashchange", onHash);
setInterval(() => app.data && !document.hidden && render(), CLOCK_MS);
render();
poller.run();
