// What each view needs from a transport, asked one after the other: a small router serves one question at a time best.

export const EVENTS_PER_PAGE = 50; // some screens full, and about 100 kB at the most
const INCIDENTS = 20; // those that a page of events can belong to, but for very old ones, which are told without their sentence
const LATEST_EVENTS = 5;

/** The first page laid over what is already shown; pages fetched by "older" stay as long as the two still meet. */
export function mergeEvents(first, old) {
  const lowest = first.at(-1)?.seq;
  const meets = old.length > 0 && first.some((event) => event.seq === old[0].seq);
  return meets ? [...first, ...old.filter((event) => event.seq < lowest)] : first;
}

const query = (chosen, extra) => ({ ...(chosen ? { target: chosen } : {}), limit: EVENTS_PER_PAGE, ...extra });

/** One loader per view: (api, route, shown, signal) to the view's data; `shown()` gives what is shown by now, or null. */
export const loaders = {
  overview: async (api, _route, _shown, signal) => ({ summary: await api.summary(signal), status: await api.status(signal) }),
  target: async (api, { id }, _shown, signal) => {
    const target = await api.target(id, signal);
    const { paths } = await api.paths(id, signal);
    const { changes } = await api.changes({ target: id, limit: LATEST_EVENTS }, signal);
    return { target, paths, changes };
  },
  changes: async (api, { chosen }, shown, signal) => {
    const { targets } = await api.targets(signal);
    const { changes: first } = await api.changes(query(chosen), signal);
    const { incidents } = await api.incidents(INCIDENTS, signal);
    // Asked only now: an older page may have come while this one was on its way.
    const old = shown();
    const events = mergeEvents(first, old?.events ?? []);
    const more = events.length > first.length ? old.more : first.length === EVENTS_PER_PAGE;
    return { events, incidents, more, targets, chosen };
  },
};

/** The change log with one more page at its end. */
export async function loadOlder(api, { chosen }, shown) {
  const { changes } = await api.changes(query(chosen, { before_seq: shown().events.at(-1).seq }));
  const data = shown();
  return data && { ...data, events: [...data.events, ...changes], more: changes.length === EVENTS_PER_PAGE };
}
