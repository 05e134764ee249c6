// The page whatever feeds it: which view, which language, which data, and what a click does. `source` offers what createApi of api.js does.

import { el, patch } from "./dom.js";
import { createFollower } from "./follow.js";
import { createFormat } from "./format.js";
import { listenToCharts } from "./gestures.js";
import { chooseLanguage, LANGUAGES, loadTexts } from "./i18n.js";
import { loaders, loadOlder } from "./loaders.js";
import { message, skeleton } from "./parts.js";
import { keepPng, keepSvg, listenToPictures } from "./picture.js";
import { createPoller } from "./poller.js";
import { hashOf, parseRoute } from "./route.js";
import { embedded, shell } from "./shell.js";
import { overview } from "./views/overview.js";

const VIEWS = { overview, settings: (kit, _ui, data) => data.view(kit, data) };
/** The other views' modules come when one is wanted, and when the first view stands: so it stands sooner. */
const MODULES = {
  target: () => import("./views/target.js"),
  changes: () => import("./views/changes.js"),
  graph: () => import("./views/graph.js"),
  map: () => import("./views/map.js"),
  report: () => import("./views/report.js"),
};
const CHARTS = {}; // by kind, of the views that are here: what a chart says of an instant
const HURRY_MS = 1000; // a trace takes seconds
const FOLLOW_MS = 600; // and each of its hops less
const CLOCK_MS = 1000; // ages and "in 2 min" move on between answers

const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");
const prefs = { language: stored("language"), scheme: stored("scheme") };
const app = { route: parseRoute(location.hash), data: null, status: null, problem: null, ui: freshUi(), texts: null, language: null, host: null };
const rooms = new Set(); // of texts that seldom opened views need
let source = null;
let poller = null;
let follower = null;
let usualMs = 0;
let loadedMs = 0; // when the view's data came; 0: others are wanted
let zoomPicture = null;

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
  return { pending: new Set(), failures: new Map(), older: "", copy: {}, zoom: null, wish: {}, noting: {} };
}

function heading(t) {
  if (app.route.name === "target") return app.data?.target.state.name ?? app.route.id;
  if (app.route.name === "report") return t("report.of", { name: app.data?.target.state.name ?? app.route.id });
  return t(`tab.${app.route.name}`);
}

function describe(error) {
  return error.status ? error.message : app.texts.t("unreachable.agent");
}

/** Where the view stands; nothing before the first one does. */
function room() {
  return document.getElementById(app.host ? "page" : "maincontent");
}

/** Asked for only where something is as wide: the browser lays the whole page out to tell. */
const roomWidth = () => Math.max(280, Math.round((room() ?? document.body).clientWidth));

/** Asks again for what the agent draws as the reader wants it. */
const drawAnew = () => app.data?.picture && again();

/** Whether the reader may change the settings, and this page can: within another one it cannot. */
const maySet = () => Boolean(source.settings) && source.mayWrite();

/** What every view gets beside its data: texts, formatters, the agent's clock, and how wide a chart may be. */
function kitNow() {
  const mayWrite = source.mayWrite?.() ?? true;
  const noting = source.note && mayWrite ? app.ui.noting : null;
  return { ...app.texts, mayWrite, maySet: maySet(), noting, followed: follower.of, format: app.format, nowMs: source.now(), lang: app.language.id, get width() { return roomWidth(); } };
}

function render() {
  const kit = kitNow();
  const { t } = kit;
  const offline = poller.state() === "offline";
  const title = heading(t);
  const content = el(
    "div",
    { id: app.host ? null : "view" },
    el("div", { role: "status" }, offline && message("warning", t("offline"))),
    app.problem && message("error", t("problem", { detail: app.problem })),
    app.data ? VIEWS[app.route.name](kit, app.ui, app.data, app.route) : !app.problem && skeleton(kit),
  );
  const frame = app.host ? embedded : shell;
  patch(document.getElementById("page"), frame(kit, { ...app, poll: poller.state(), prefs, heading: title }, content));
  if (!app.host) document.title = `${title} – Pathwarden`;
}

/** While a trace runs its end is awaited. */
function hurryMs() {
  if (follower.busy()) return FOLLOW_MS;
  if (app.data?.awaited) return HURRY_MS;
  const states = app.data?.summary?.targets ?? [app.data?.target?.state];
  return states.some((state) => state?.running) ? HURRY_MS : Infinity;
}

/** Asks for the view's data now, whatever is under way. */
function again() {
  loadedMs = 0;
  return poller.restart();
}

/** Brings a view's module, unless it is here. */
async function bring(name) {
  if (VIEWS[name]) return;
  const module = await MODULES[name]();
  VIEWS[name] = module[name];
  Object.assign(CHARTS, module.CHARTS);
}

async function refresh(signal) {
  const { route } = app;
  try {
    await bring(route.name);
    // While a trace is followed nothing else is asked for more often than usual.
    const ended = await follower.look(signal);
    if (follower.busy() && !ended && Date.now() - loadedMs < usualMs) {
      render();
      return;
    }
    const data = await loaders[route.name](source, route, () => app.data, signal, { lang: app.language.id, get width() { return roomWidth(); }, maySet: maySet(), speak, render, again, follow: follower.begin });
    app.status = data.status ?? app.status ?? (await source.status(signal));
    if (signal.aborted) return;
    app.data = data;
    app.problem = null;
    loadedMs = Date.now();
  } catch (error) {
    // An answer that says no is shown; only an agent that does not answer is the poller's matter.
    if (!error.status) throw error;
    app.problem = error.message;
  }
  render();
}

async function setLanguage() {
  const chosen = !app.host && LANGUAGES.find(({ id }) => id === prefs.language);
  app.language = chosen || chooseLanguage(app.host?.languages ?? navigator.languages);
  app.format = createFormat(app.language.tag);
  app.texts = await loadTexts(app.language.id, [...rooms]);
  if (!app.host) document.documentElement.lang = app.language.tag;
}

/** Brings further rooms of texts. */
async function speak(more) {
  if (more.every((room) => rooms.has(room))) return;
  for (const room of more) rooms.add(room);
  await setLanguage();
}

function setScheme() {
  if (!app.host) document.documentElement.dataset.darkmode = prefs.scheme === "auto" ? darkScheme.matches : prefs.scheme === "dark";
}

async function trace({ dataset: { target: id } }) {
  const { pending, failures } = app.ui;
  pending.add(id);
  failures.delete(id);
  render();
  try {
    const { asked } = (await source.traceNow(id)) ?? {};
    follower.begin(id, asked);
    await again();
  } catch (error) {
    failures.set(id, describe(error));
  }
  pending.delete(id);
  render();
}

/** Tells the agent a wish; `done` names what is said when it is granted. */
async function wish({ dataset: { target: id } }, done, ask) {
  const { ui } = app;
  ui.wish = { busy: true };
  render();
  try {
    await ask(id);
    ui.wish = { done };
    await again();
  } catch (error) {
    ui.wish = { failure: describe(error), target: id };
  }
  render();
}

/** Keeps what was written about an event. It stands there at once; the agent has it in its next answer. */
async function note({ dataset: { event: id } }) {
  const { ui, data } = app;
  const text = document.getElementById(`note-${id}`).value.trim();
  ui.noting = { id, busy: true };
  render();
  try {
    await source.note(id, text);
    for (const event of [...(data.events ?? []), ...(data.changes ?? [])]) if (event.event_id === id) event.note = text;
    ui.noting = { id, done: true };
  } catch (error) {
    ui.noting = { id, failure: describe(error) };
  }
  render();
}

async function older() {
  const { ui } = app;
  ui.older = "busy";
  render();
  try {
    const data = await loadOlder(source, app.route, () => app.data);
    if (app.ui === ui) app.data = data;
    ui.older = "";
  } catch (error) {
    ui.older = describe(error);
  }
  render();
}

async function copy({ dataset: { area: id } }) {
  const area = document.getElementById(id);
  // Browsers offer the clipboard only over HTTPS and on loopback; elsewhere the text is selected for the reader.
  const written = await (navigator.clipboard?.writeText(area.value).then(() => true, () => false) ?? false);
  app.ui.copy = { [id]: written ? "done" : "manual" };
  render();
  if (!written) area.select();
}

/** The report as one file that needs no agent: XHTML, which can be written from the document without markup of our own. */
function save() {
  const body = room().cloneNode(true);
  for (const node of body.querySelectorAll(".controls, .readout")) node.remove();
  const style = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).map((rule) => rule.cssText);
  const page = el("html", { lang: app.language.tag }, el("head", {}, el("title", {}, document.title), el("style", {}, style.join("\n"))), el("body", {}, el("div", { class: "container" }, body)));
  const link = el("a", { href: URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(page)], { type: "application/xhtml+xml" })), download: `pathwarden-${app.route.id}.xhtml` });
  link.click();
  URL.revokeObjectURL(link.href);
}

const CLICKS = {
  trace,
  older,
  note,
  copy,
  mute: (from) => wish(from, from.dataset.seconds === "0" ? "unmuted" : "muted", (id) => source.mute(id, { for_s: Number(from.dataset.seconds) })),
  "mute-pair": (from) => wish(from, "muted", (id) => source.mute(id, { pair: from.dataset.pair.split(" ") })),
  "unmute-pair": (from) => wish(from, "unmuted", (id) => source.mute(id, { pair: from.dataset.pair.split(" "), for_s: 0 })),
  accept: (from) => wish(from, "accepted", (id) => source.acceptPath(id)),
  zoom: (from) => zoomPicture(document.querySelector("[data-picture]"), from.dataset.wish),
  picture: (from) => (from.dataset.kind === "png" ? keepPng : keepSvg)(app.data.picture, `pathwarden-${app.route.name}`),
  print: () => window.print(),
  save,
  measure: ({ dataset: { value } }) => ask({ show: value }),
  poll: () => poller.toggle(),
  skip: () => document.getElementById("content").focus(),
};

const CHOICES = {
  language: async (value) => {
    store("language", value);
    await setLanguage();
    drawAnew();
  },
  scheme: (value) => {
    store("scheme", value);
    setScheme();
    drawAnew();
  },
  mask: (value) => ask({ mask: value === "0" ? "" : value }, { replace: true }),
  filter: (value) => ask({ target: value }),
  state: (value) => ask({ state: value }),
  moment: (value, { dataset }) => ask({ [dataset.moment]: value && Date.parse(value) / 1000 }),
  side: () => ask({ a: document.getElementById("side-a").value, b: document.getElementById("side-b").value }),
};

/** Asks the same view for something else; what is replaced leaves no step behind to go back to. */
function ask(query, { replace = false } = {}) {
  const hash = hashOf({ ...app.route, query: { ...app.route.query, ...query } });
  if (!replace) location.hash = hash;
  else {
    history.replaceState(null, "", hash);
    onHash();
  }
}

function onClick(event) {
  const source = event.target.closest("#page [data-action]");
  if (!source) return;
  if (source.tagName === "A") event.preventDefault();
  if (source.getAttribute("aria-disabled") !== "true") CLICKS[source.dataset.action](source);
}

function onInput(event) {
  if (event.target.dataset.input) ask({ [event.target.dataset.input]: event.target.value }, { replace: true });
}

function hover(chart, at) {
  const line = chart.parentNode.querySelector(".readout");
  line.toggleAttribute("data-hands", at !== null);
  line.textContent = at === null ? app.texts.t("chart.keys") : CHARTS[chart.dataset.chart].readout(kitNow(), app.data, at);
}

async function onChange(event) {
  await CHOICES[event.target.dataset.change]?.(event.target.value, event.target);
  render();
}

function onHash() {
  const before = app.route;
  app.route = parseRoute(location.hash);
  const same = ["name", "kind", "id"].every((part) => before[part] === app.route[part]);
  // Within a view what is shown stays until the answer comes.
  if (!same) {
    Object.assign(app, { data: null, ui: freshUi() });
    follower.tidy();
  }
  app.problem = null;
  app.ui.copy = {};
  render();
  // What was used to ask keeps the focus; a new view starts at its heading.
  if (!same) document.getElementById("content").focus();
  if (app.route.name !== "overview" || !same) again();
}

/** Begins: shows the page in #page, fed by `from`, asked every so many ms. `host`, { languages }, is the page that it is a part of. */
export async function start(from, intervalMs, host = null) {
  app.host = host;
  source = from;
  usualMs = intervalMs;
  follower = createFollower(source);
  poller = createPoller({ task: refresh, intervalMs, hurryMs, onState: render });
  await setLanguage();
  setScheme();
  darkScheme.addEventListener("change", setScheme);
  document.addEventListener("click", onClick);
  document.addEventListener("change", onChange);
  document.addEventListener("input", onInput);
  window.addEventListener("hashchange", onHash);
  window.addEventListener("resize", () => app.data && render());
  listenToCharts(document, { choose: (at, chart) => ask({ at: chart ? CHARTS[chart.dataset.chart].pointedAt(app.data, at) : at }), zoom: (a, b) => ask(spanBefore(a, b)), hover });
  zoomPicture = listenToPictures(document, (zoom) => {
    app.ui.zoom = zoom;
    render();
  });
  setInterval(() => app.data && !document.hidden && render(), CLOCK_MS);
  render();
  // Whoever goes on to another view need not wait for it then, nor for an agent that is away.
  poller.run().then(() => setTimeout(() => Promise.allSettled(Object.keys(MODULES).map(bring)), CLOCK_MS));
}

/** A span that does not reach into the future. */
function spanBefore(from, to) {
  const end = Math.min(Math.ceil(to), Math.ceil(source.now() / 1000));
  return { from: Math.floor(Math.min(from, end - 60)), to: end, last: null };
}
