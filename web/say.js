// What the agent says of an event, in the reader's language: the keys and arguments of its `text`; where there are none, its own English.

import { english } from "./parts.js";

const CAUSE = "cause.";
const PLACE = "location.";
const HELD = "digest.";

/** A template as text and whatever stands for its names. */
const fill = (template, values) => template.split(/\{(\w+)\}/).map((part, index) => (index % 2 ? values[part] : part));

/** Responders as `location` names them, with the number of their hop on the old path; none are ourselves. */
function responder(kit, name, hops) {
  if (!name) return kit.t("place.here");
  const ttl = hops.findIndex((hop) => hop.join(", ") === name) + 1;
  return ttl ? `${name} (${kit.t("hop.n", { n: ttl })})` : name;
}

const WRITTEN = {
  detail: (kit, value) => english(kit, value.replace(/\.$/, "")),
  place: (kit, value) => kit.word("place", value),
  near: responder,
  far: responder,
  before: (kit, value) => kit.word("value", value) || kit.format.count(null),
  after: (kit, value) => kit.word("value", value) || kit.format.count(null),
  count: (kit, value) => kit.format.count(value),
};

/** One sentence without its end; null if nobody has translated it. */
export function sentence(kit, { key, args }, hops = []) {
  if (key.startsWith(HELD) && key !== "digest.limit") return [kit.word("event", key.slice(HELD.length)), ": ", kit.format.count(args.count)];
  if (key.startsWith(CAUSE)) return [kit.word("cause", key.slice(CAUSE.length))].map((words) => fill(words, { detail: english(kit, args.detail ?? "") }));
  const words = kit.word("say", key);
  if (words === key) return null;
  const values = Object.fromEntries(Object.entries(args).map(([name, value]) => [name, WRITTEN[name]?.(kit, value, hops) ?? value]));
  return fill(words, { ...values, sure: args.sureness && kit.word("sure", args.sureness) });
}

function upper(parts) {
  const [first, ...rest] = parts.flat(Infinity).filter((part) => part !== "");
  return [typeof first === "string" ? first.charAt(0).toLocaleUpperCase() + first.slice(1) : first, ...rest];
}

/** Sentences as running text; null if one of them is not translated. */
function joined(kit, clauses, hops) {
  const said = clauses.map((clause) => sentence(kit, clause, hops));
  if (!said.length || said.includes(null)) return null;
  return upper([...said.flatMap((one, index) => [index && kit.t("say.join"), one]).slice(1), kit.t("say.end")]);
}

/** A cause, with its kind in the reader's language where the agent tells more of it in English. */
function causeOf(kit, clause, kind) {
  const words = sentence(kit, clause);
  return clause.key === "cause.said" && kit.lang !== "en" && kind ? [kit.word("cause", kind), " – ", words] : words;
}

/** Which networks a path left and entered, as a clause, where the agent had no words for that yet; none if that is not known or not so. */
function networks({ changes = [], old, new: now, text }) {
  if (!changes.includes("as_path") || text.message.some(({ key }) => key.startsWith("networks."))) return [];
  const only = (one, other) => (one?.as_path ?? []).filter((number) => !(other?.as_path ?? []).includes(number)).map((number) => `AS${number}`).join(", ");
  const [come, gone] = [only(now, old), only(old, now)];
  const key = come && gone ? "networks.replaced" : come ? "networks.added" : gone ? "networks.removed" : null;
  return key ? [{ key, args: { come, gone } }] : [];
}

/** An event in words: { title, message, cause, place }, each null if there is nothing to say. */
export function saidOf(kit, event) {
  const plain = { title: event.title && english(kit, event.title), message: event.message && event.message !== event.title ? english(kit, event.message) : null, cause: null, place: null };
  if (!event.text) return plain;
  const { title, message } = event.text;
  const hops = event.old?.hops ?? [];
  const one = (start) => message.find(({ key }) => key.startsWith(start));
  const rest = [...message.filter(({ key }) => !key.startsWith(CAUSE) && !key.startsWith(PLACE)), ...networks(event)];
  const [cause, place] = [one(CAUSE), one(PLACE)];
  return {
    title: sentence(kit, title, hops) ?? plain.title,
    message: rest.length ? (joined(kit, rest, hops) ?? plain.message) : null,
    cause: cause ? causeOf(kit, cause, event.cause?.kind) : null,
    place: place ? joined(kit, [place], hops) : null,
  };
}

/** How an incident stands, in words; `clauses` is its `text`. */
export function incidentWords(kit, { sentence: text, text: clauses }) {
  return joined(kit, clauses.filter(({ key }) => key !== "incident.over" && !key.startsWith(PLACE) && !key.startsWith(CAUSE)), []) ?? english(kit, text);
}
