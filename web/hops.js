// Hop rows for the table and for the clipboard; no drawing here.

const known = (values) => values.filter((value) => value !== null && value !== undefined);

/** Whose a hop is, and where: "AS64500 Example · Taipei, TW"; "" if nobody knows. */
export function networkText({ asn, as_name: name, country, city, ixp }) {
  return [[asn && `AS${asn}`, name].filter(Boolean).join(" "), ixp, [city, country].filter(Boolean).join(", ")].filter(Boolean).join(" · ");
}

/** Rows of a TRACE: what each ttl answered, with the loss, median and added latency that the agent worked out. */
export function rowsOfTrace(trace) {
  return trace.hops.map((hop) => {
    const rtts = known(hop.answers.map((answer) => answer.rtt_ms));
    return {
      ttl: hop.ttl,
      responders: hop.responders,
      sent: hop.answers.length,
      lost: hop.answers.length - rtts.length,
      loss: hop.loss_pct,
      last: rtts.at(-1) ?? null,
      best: rtts.length ? Math.min(...rtts) : null,
      median: hop.rtt_ms,
      worst: rtts.length ? Math.max(...rtts) : null,
      adds: hop.adds_ms,
      note: hop.note,
      network: networkText(hop),
      annotations: [...new Set(hop.answers.map((answer) => answer.annotation).filter(Boolean))],
      labels: [...new Set(hop.answers.flatMap((answer) => (answer.mpls ?? []).map(([label]) => label)))],
    };
  });
}

/** Rows of a PATH, for when its trace is no longer kept. */
export function rowsOfPath(path) {
  return path.hops.map((hop) => ({
    ttl: hop.ttl,
    responders: hop.responders,
    sent: hop.sent,
    lost: hop.lost,
    loss: hop.loss_pct,
    last: null,
    best: hop.rtt_min_ms,
    median: hop.rtt_ms,
    worst: hop.rtt_max_ms,
    adds: hop.adds_ms,
    note: hop.note,
    network: networkText(hop),
    annotations: [],
    labels: [...new Set(hop.mpls.map(([label]) => label))],
  }));
}

function textOfHop(hop) {
  let previous = null;
  const answers = hop.answers.map((answer) => {
    if (!answer.responder) return " *";
    const name = answer.responder === previous ? "" : ` ${answer.responder}`;
    previous = answer.responder;
    const rtt = answer.rtt_ms === null ? "" : `  ${answer.rtt_ms.toFixed(3)} ms`;
    return `${name}${rtt}${answer.annotation ? ` ${answer.annotation}` : ""}`;
  });
  return `${String(hop.ttl).padStart(2)} ${answers.join("")}`;
}

/** A trace laid out as traceroute(8) does without names. */
export function textOfTrace(trace, config) {
  return [`traceroute to ${config.host} (${trace.address}), ${config.max_ttl} hops max`, ...trace.hops.map(textOfHop)].join("\n");
}

const meet = (a, b) => !a.length || !b.length || a.some((responder) => b.includes(responder));

/** How many hops two routes share at their end, counted from the destination, leaving `head` hops at the beginning alone. */
function commonTail(before, after, head) {
  let tail = 0;
  while (tail < Math.min(before.length, after.length) - head && meet(before.at(-1 - tail), after.at(-1 - tail))) tail += 1;
  return tail;
}

/**
 * Before and after of an EVENT, with the common end side by side even if one route is longer:
 * [{ ttl, before, after, differs }]; null where that side has no such hop, `ttl` as "before/after" where the two count differently.
 */
export function comparison(event) {
  const before = event.old?.hops ?? [];
  const after = event.new?.hops ?? [];
  const head = Math.min((event.first_diff_ttl ?? Infinity) - 1, before.length, after.length);
  const tail = commonTail(before, after, head);
  const middle = Math.max(before.length, after.length) - head - tail;
  return Array.from({ length: head + middle + tail }, (_, index) => {
    const place = (hops) => {
      if (index < head) return index;
      if (index >= head + middle) return index - head - middle + hops.length - tail;
      return index < hops.length - tail ? index : -1;
    };
    const [old, now] = [place(before), place(after)];
    const ttls = [...new Set([old, now].filter((at) => at >= 0).map((at) => at + 1))];
    return { ttl: ttls.join("/"), before: before[old] ?? null, after: after[now] ?? null, differs: index >= head && index < head + middle };
  });
}
