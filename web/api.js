// The agent's HTTP interface. A view never sees this module: whoever offers the same methods can feed the views.

/** Where the reader signs in; `to` in its query is where they were. */
export const SIGN_IN = "#/sign-in";

let session = { token: null, right: "write" };

/** Whose session it is from now on: every write shows its token, null without one; until one is known writing is tried. */
export function useSession(given) {
  session = given;
}

let leading = false;

/** Whoever must sign in first is led there, once, however many questions were refused. */
function leadToSignIn() {
  if (leading) return;
  leading = true;
  const to = location.hash.replace(/^#/, "");
  location.hash = `${SIGN_IN}?${new URLSearchParams({ to })}`;
  location.reload();
}

/** An answer that says no (RFC 9457): `code` is stable, `detail` is a sentence; `problems` list what is wrong with settings. */
export class Problem extends Error {
  constructor(status, code, detail, problems = []) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.problems = problems;
  }
}

async function readProblem(response) {
  const body = await response.json().catch(() => ({}));
  return new Problem(response.status, body.code ?? "", body.detail ?? body.title ?? `HTTP ${response.status}`, body.problems);
}

/** The interface below `base`. Every method may take an AbortSignal last; a refused connection rejects with TypeError. */
export function createApi(base = new URL("api/v1/", document.baseURI)) {
  let offsetMs = 0;

  async function request(path, options) {
    // no-cache lets the browser ask with If-None-Match and take its own copy on 304.
    const response = await fetch(new URL(path, base), { cache: "no-cache", credentials: "same-origin", ...options });
    const date = Date.parse(response.headers.get("date"));
    if (!Number.isNaN(date)) offsetMs = date - Date.now();
    if (response.ok) return response;
    const problem = await readProblem(response);
    if (problem.code === "sign_in_required") leadToSignIn();
    throw problem;
  }

  const get = async (path, signal) => (await request(path, { signal })).json();
  const picture = async (path, query, signal) => (await request(`${path}?${new URLSearchParams(query)}`, { signal, redirect: "error" })).text();
  const send = (method, path, body, headers = {}) => request(path, { method, headers: { "Content-Type": "application/json", ...headers, ...(session.token && { "X-Pathwarden-Token": session.token }) }, body: JSON.stringify(body) });
  const post = async (path, body = {}) => void (await send("POST", path, body));
  const target = (id) => `targets/${encodeURIComponent(id)}`;

  return {
    /** The agent's clock in milliseconds: a router without a battery may live in another year than the reader. */
    now: () => Date.now() + offsetMs,
    status: (signal) => get("status", signal),
    summary: (signal) => get("summary", signal),
    targets: (signal) => get("targets", signal),
    target: (id, signal) => get(target(id), signal),
    paths: (id, signal) => get(`${target(id)}/paths`, signal),
    series: (id, query, signal) => get(`${target(id)}/series?${new URLSearchParams(query)}`, signal),
    heatmap: (id, query, signal) => get(`${target(id)}/heatmap?${new URLSearchParams(query)}`, signal),
    traceAt: (id, at, signal) => get(`${target(id)}/trace-at?at=${at}`, signal),
    /** The ways to the targets as the text of an SVG; only the agent's own is taken. */
    graph: (query, signal) => picture("graph.svg", query, signal),
    /** The places on them on a map of the world, likewise. */
    map: (query, signal) => picture("map.svg", query, signal),
    diff: (query, signal) => get(`diff?${new URLSearchParams(query)}`, signal),
    /** Where a target's traces lie as a file of another program. */
    exportUrl: (id, query) => new URL(`${target(id)}/export?${new URLSearchParams(query)}`, base).href,
    changes: (query, signal) => get(`changes?${new URLSearchParams(query)}`, signal),
    incidents: (limit, signal) => get(`incidents?limit=${limit}`, signal),
    session: (signal) => get("session", signal),
    /** given: { name, password }, or { code } of a single sign-on. */
    signIn: async (given) => (await send("POST", "session", given)).json(),
    signOut: async () => void (await send("DELETE", "session", {})),
    /** { asked }: the trace's name for `traceAsked`. */
    traceNow: async (id) => (await send("POST", `${target(id)}/trace`, {})).json(),
    /** The same for what is not configured; options as the configuration has them: { NAME: TEXT }, those of a source if that is not configured either. */
    traceOnce: async (options, sourceOptions) => (await send("POST", "traces", { target: options, ...(sourceOptions && { source: sourceOptions }) })).json(),
    /** How far a trace is: { state, trace, max_ttl }. */
    traceAsked: (asked, signal) => get(`traces/asked/${encodeURIComponent(asked)}`, signal),
    /** wish: { for_s } of the target, or { pair: [a, b] } of its paths, there with for_s 0 to end it. */
    mute: (id, wish) => post(`${target(id)}/mute`, wish),
    note: (eventId, text) => post(`events/${encodeURIComponent(eventId)}/note`, { note: text }),
    settings: (signal) => get("settings", signal),
    /** Writes a target or source if it is still that of `tag`, or if there is none yet where that is "". */
    putSetting: async (kind, id, options, tag) => void (await send("PUT", kind === "defaults" ? "settings/defaults" : `${kind}/${encodeURIComponent(id)}`, { options }, tag ? { "If-Match": `"${tag}"` } : { "If-None-Match": "*" })),
    removeSetting: async (kind, id, tag) => void (await send("DELETE", `${kind}/${encodeURIComponent(id)}`, {}, { "If-Match": `"${tag}"` })),
    /** Whether the reader may change anything. */
    mayWrite: () => session.right === "write",
    acceptPath: (id) => post(`${target(id)}/accept-path`),
  };
}
