// Numbers and times as people read them.

const NONE = "–";
const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const MEBIBYTE = 1 << 20;

const two = (number) => String(number).padStart(2, "0");

/** Formatters for a BCP 47 language tag; null and undefined become a dash. */
export function createFormat(tag) {
  // Intl's formats cost milliseconds to make: each is made when it is first wanted, and kept.
  const kept = new Map();
  const keep = (key, make) => kept.get(key) ?? kept.set(key, make()).get(key);
  const numbers = (key, options) => keep(key, () => new Intl.NumberFormat(tag, options));
  const number = (value, digits) => numbers(digits, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  const unit = (value, name) => numbers(name, { style: "unit", unit: name, unitDisplay: "short" }).format(value);
  const share = (value, digits) => numbers(`%${digits}`, { style: "percent", maximumFractionDigits: digits }).format(value);
  const now = () => keep("now", () => new Intl.RelativeTimeFormat(tag, { numeric: "auto" })).format(0, "second");
  const given = (write) => (value, ...rest) => (value === null || value === undefined ? NONE : write(value, ...rest));

  const digitsOf = (ms) => (ms < 10 ? 2 : ms < 100 ? 1 : 0);

  function duration(seconds) {
    const at = STEPS.findIndex(([, size]) => seconds >= size);
    if (at < 0) return unit(0, "second");
    const [name, size] = STEPS[at];
    const whole = Math.floor(seconds / size);
    const [minorName, minorSize] = STEPS[at + 1] ?? [null, 1];
    const minor = minorName && whole < 10 ? Math.floor((seconds % size) / minorSize) : 0;
    return minor ? `${unit(whole, name)} ${unit(minor, minorName)}` : unit(whole, name);
  }

  function relativeTo(iso, nowMs) {
    const seconds = (Date.parse(iso) - nowMs) / 1000;
    const [name, size] = STEPS.find(([, step]) => Math.abs(seconds) >= step) ?? STEPS[3];
    return keep("relative", () => new Intl.RelativeTimeFormat(tag, { style: "short" })).format(Math.trunc(seconds / size), name);
  }

  const local = (date) => {
    const d = new Date(date);
    const day = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
    return `${day} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  };

  return {
    count: given((value) => number(value, 0)),
    /** Milliseconds without the unit: three digits that matter. */
    ms: given((value) => number(value, digitsOf(value))),
    msUnit: given((value) => `${number(value, digitsOf(value))} ms`),
    /** A percentage given as 0..100. */
    percent: given((value) => share(value / 100, value < 10 ? 1 : 0)),
    mebibytes: given((value) => number(value / MEBIBYTE, 1)),
    duration: given(duration),
    /** An instant in the reader's own zone, written alike in every language. */
    local: given(local),
    /** The same of seconds since 1970, and its parts as an axis has them. */
    localS: (seconds) => local(seconds * 1000),
    clock: (seconds) => local(seconds * 1000).slice(11, 16),
    day: (seconds) => new Date(seconds * 1000).toLocaleDateString(tag, { month: "short", day: "numeric" }),
    utc: given((iso) => `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")} UTC`),
    /** "in 2 min" or "3 h ago". */
    relative: given(relativeTo),
    /** The same for what is planned: once due it is "now", until the next answer says more. */
    until: given((iso, nowMs) => (Date.parse(iso) - nowMs < 1000 ? now() : relativeTo(iso, nowMs))),
  };
}
