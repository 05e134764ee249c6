// What each view needs from a source (see api.js), asked one after the other: a small router serves one question at a time best.

import { readPicture } from "./picture.js";
import { SETTINGS } from "./i18n.js";
import { isoOf, spanOf } from "./route.js";

export const EVENTS_PER_PAGE = 50; // some screens full, and about 100 kB at the most
const INCIDENTS = 20; // those that a page of events can belong to, but for very old ones, which are told without their sentence
const LATEST_EVENTS = 5;
const MOST_EVENTS = 200; // on one time axis; more than its pixels can tell apart
const MOST_POINTS = 400;
const COLUMNS = 120;
const STATUS_MS = 60_000; // how the agent itself is changes slowly, and its counters would make every answer a new one

/** The first page laid over what is already shown; pages fetched by "older" stay as long as the two still meet. */
export function mergeEvents(first, old) {
  const lowest = first.at(-1)?.seq;
  const meets = old.length > 0 && first.some((event) => event.seq === old[0].seq);
  return meets ? [...first, ...old.filter((event) => event.seq < lowest)] : first;
}

const query = (chosen, extra) => ({ ...(chosen ? { target: chosen } : {}), limit: EVENTS_PER_PAGE, ...extra });

/** The trace at an instant: { trace, gone }; without an instant the newest. */
async function traceAt(source, { id, query: { at } }, newest, signal) {
  if (!at) return { trace: newest, gone: false };
  try {
    return { trace: await source.traceAt(id, isoOf(Number(at)), signal), gone: false };
  } catch (error) {
    if (error.status !== 404) throw error;
    return { trace: null, gone: true };
  }
}

async function overTime(source, route, target, signal) {
  const span = spanOf(route.query, source.now());
  const range = { from: isoOf(span.from), to: isoOf(span.to) };
  const at = Number(route.query.at) || null;
  const exportUrl = source.exportUrl && ((format) => source.exportUrl(route.id, { format, ...range }));
  return { span, range, at, exportUrl, ...(await traceAt(source, route, target.trace, signal)) };
}

const latest = async (source, id, signal) => (await source.changes({ target: id, limit: LATEST_EVENTS }, signal)).changes;

const TABS = {
  "": async (source, route, target, signal) => {
    const shared = await overTime(source, route, target, signal);
    const { interval_s: intervalS } = target.config;
    // A bucket shorter than the interval would be empty now and then.
    const points = Math.min(Math.max(Math.floor((shared.span.to - shared.span.from) / intervalS), 1), MOST_POINTS);
    const series = await source.series(route.id, { ...shared.range, points }, signal);
    const { paths } = await source.paths(route.id, signal);
    const { changes: events } = await source.changes({ target: route.id, ...shared.range, limit: MOST_EVENTS }, signal);
    return { ...shared, series, paths, events, gapS: target.state.stale_after_s, changes: await latest(source, route.id, signal) };
  },
  heat: async (source, route, target, signal) => {
    const shared = await overTime(source, route, target, signal);
    const points = Math.min(Math.max(Math.floor((shared.span.to - shared.span.from) / target.config.interval_s), 1), COLUMNS);
    return { ...shared, heat: await source.heatmap(route.id, { ...shared.range, columns: points }, signal) };
  },
  paths: async (source, { id }, _target, signal) => ({ paths: (await source.paths(id, signal)).paths, changes: (await source.changes({ target: id, limit: EVENTS_PER_PAGE }, signal)).changes }),
  diff: async (source, { id, query: { a, b } }, _target, signal) => {
    const { paths } = await source.paths(id, signal);
    if (!a && !b && paths.length < 2) return { paths, diff: null };
    return { paths, diff: await source.diff({ target: id, ...(a && { a }), ...(b && { b }) }, signal) };
  },
};

const MAP = { least: 320, most: 1600 }; // px; narrower it could not be read, and broader it says no more
const [EDGES, STEP] = [2, 20]; // px of the frame; and so that not each width of a window is drawn anew
const NO_PICTURE = ["not_installed", "no_trace"];

/** A picture, or in one word why there is none. */
async function drawn(ask, query, signal) {
  try {
    const picture = readPicture(await ask(query, signal));
    return picture ? { picture, failure: null } : { picture: null, failure: "strange" };
  } catch (error) {
    if (!NO_PICTURE.includes(error.code)) throw error;
    return { picture: null, failure: error.code };
  }
}

/** A picture of the ways to the targets; `more` is what it is asked for besides target, instant, scheme and language. */
async function pictured(source, ask, { target, at }, more, shown, signal, lang) {
  const { targets } = await source.targets(signal);
  const theme = document.documentElement.dataset.darkmode === "true" ? "dark" : "light";
  const asked = { ...(target && { target }), ...(at && { at: isoOf(Number(at)) }), ...more, theme, lang };
  // The newest ways are drawn anew with each new trace, those of another time never.
  const key = JSON.stringify([asked, !at && targets.map((state) => state.measured_at)]);
  const old = shown();
  return old?.key === key ? { ...old, targets } : { ...(await drawn(ask, asked, signal)), targets, key };
}

/** One loader per view: (source, route, shown, signal, reader) to the view's data; `shown()` gives what is shown by now, or null, `reader` is { lang, width }, and offers what an own view needs of the page. */
export const loaders = {
  overview: async (source, _route, shown, signal) => {
    const summary = await source.summary(signal);
    const old = shown();
    const fresh = old && source.now() - old.statusAt < STATUS_MS;
    return fresh ? { ...old, summary } : { summary, status: await source.status(signal), statusAt: source.now() };
  },
  target: async (source, route, shown, signal) => {
    const target = await source.target(route.id, signal);
    const old = shown();
    // What is drawn over time changes with a new trace or event, or another wish of the reader's, and with nothing else.
    const key = JSON.stringify([route.tab, route.query, target.trace?.id, target.state.path_id, target.state.usual_path, target.state.last_event_id]);
    const rest = old?.key === key ? old : await TABS[route.tab](source, route, target, signal);
    return { ...rest, target, tab: route.tab, key };
  },
  report: async (source, route, shown, signal) => {
    const old = shown();
    const key = JSON.stringify([route.id, route.query.from, route.query.to, route.query.at]);
    if (old?.key === key && route.query.to) return old;
    const target = await source.target(route.id, signal);
    const { agent, version } = await source.status(signal);
    const shared = await TABS[""](source, { ...route, query: { ...route.query, at: null } }, target, signal);
    const grave = shared.events.findLast((event) => event.severity === "critical" || event.severity === "warning");
    // The first trace that began after what happened, if the reader named no instant.
    const after = grave ? Math.min(Math.ceil(Date.parse(grave.occurred_at) / 1000) + 2 * target.config.interval_s, shared.span.to) : shared.span.to;
    const at = Number(route.query.at) || after;
    const [before, then] = [await traceAt(source, { ...route, query: { at: shared.span.from } }, null, signal), await traceAt(source, { ...route, query: { at } }, null, signal)];
    const diff = before.trace && then.trace && (await source.diff({ target: route.id, a: before.trace.at, b: then.trace.at }, signal));
    return { ...shared, target, agent: `${agent} · Pathwarden ${version}`, before: before.trace, after: then.trace, diff, key };
  },
  graph: (source, { query }, shown, signal, { lang }) => pictured(source, source.graph, query, query.before && { before: isoOf(Number(query.before)) }, shown, signal, lang),
  map: (source, { query }, shown, signal, { lang, width }) => {
    const wide = Math.min(Math.max(Math.floor((width - EDGES) / STEP) * STEP, MAP.least), MAP.most);
    return pictured(source, source.map, query, { width: wide }, shown, signal, lang);
  },
  settings: async (source, route, _shown, signal, reader) => {
    // Few readers set anything: module and words come when they are wanted.
    const [desk] = await Promise.all([import("./settings.js"), reader.speak(SETTINGS)]);
    return desk.load(source, route, signal, reader);
  },
  changes: async (source, { query: { target: chosen = "" } }, shown, signal) => {
    const { targets } = await source.targets(signal);
    const { changes: first } = await source.changes(query(chosen), signal);
    const { incidents } = await source.incidents(INCIDENTS, signal);
    // Asked only now: an older page may have come while this one was on its way.
    const old = shown()?.chosen === chosen ? shown() : null;
    const events = mergeEvents(first, old?.events ?? []);
    const more = events.length > first.length ? old.more : first.length === EVENTS_PER_PAGE;
    return { events, incidents, more, targets, chosen };
  },
};

/** The change log with one more page at its end. */
export async function loadOlder(source, { query: { target: chosen = "" } }, shown) {
  const { changes } = await source.changes(query(chosen, { before_seq: shown().events.at(-1).seq }));
  const data = shown();
  return data && { ...data, events: [...data.events, ...changes], more: changes.length === EVENTS_PER_PAGE };
}
