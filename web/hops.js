// Hop rows for the table and for the clipboard; no drawing here.

const known = (values) => values.filter((value) => value !== null && value !== undefined);

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

/** Before and after of an EVENT by ttl: [{ ttl, before, after, differs }]; null where that side has no such hop. */
export function comparison(event) {
  const before = event.old?.hops ?? [];
  const after = event.new?.hops ?? [];
  const from = event.first_diff_ttl ?? Infinity;
  const to = event.last_diff_ttl ?? from;
  return Array.from({ length: Math.max(before.length, after.length) }, (_, index) => {
    const ttl = index + 1;
    return { ttl, before: before[index] ?? null, after: after[index] ?? null, differs: ttl >= from && ttl <= to };
  });
}
