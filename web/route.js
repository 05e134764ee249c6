// What the address says: #/, #/changes, #/graph, #/map, #/settings, #/settings/target/ID, #/target/ID, #/target/ID/heat, …/paths, …/diff, #/report/ID; each with a query. Instants are seconds since 1970.

export const TARGET_TABS = ["", "heat", "paths", "diff"];
const KINDS = ["target", "defaults", "source"]; // what is set
const PLAIN = ["changes", "graph", "map"];
const DAY_S = 86_400;

/** { name, id, tab, query } of a hash, and of settings their kind; what nobody knows is the overview. */
export function parseRoute(hash) {
  const [path, text = ""] = hash.replace(/^#?\/?/, "").split("?");
  const query = Object.fromEntries(new URLSearchParams(text));
  const [name, id, tab = ""] = path.split("/");
  if ((name === "target" || name === "report") && id) return { name, id: decodeURIComponent(id), tab: TARGET_TABS.includes(tab) ? tab : "", query };
  if (name === "settings") return { name, kind: KINDS.includes(id) ? id : "", id: KINDS.includes(id) ? decodeURIComponent(tab) : "", tab: "", query };
  return { name: PLAIN.includes(name) ? name : "overview", id: "", tab: "", query };
}

/** The hash of a route; what is empty or null in the query is left out. */
export function hashOf({ name, kind, id, tab, query = {} }) {
  const path = [name === "overview" ? "" : name, kind, id && encodeURIComponent(id), tab].filter(Boolean).join("/");
  const said = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `#/${path}${said.length ? `?${new URLSearchParams(said)}` : ""}`;
}

/** The instants { from, to } in seconds that a query asks for; the last day if it asks for none. */
export function spanOf(query, nowMs) {
  const to = Number(query.to) || Math.ceil(nowMs / 1000);
  const from = Number(query.from) || to - (Number(query.last) || DAY_S);
  return from < to ? { from, to } : { from: to - DAY_S, to };
}

/** Seconds since 1970 as the agent takes instants. */
export const isoOf = (seconds) => new Date(seconds * 1000).toISOString();
