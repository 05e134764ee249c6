// Traces that somebody asked for, followed to their end. Nothing is drawn here.

const ENDED = ["done", "failed", "lost"];

/** Follows by a key: a target's id, or what a view calls a trace of something that is not configured. `source` as createApi of api.js makes it. */
export function createFollower(source) {
  const followed = new Map();
  const under = () => [...followed].filter(([, { state }]) => !ENDED.includes(state));

  /** Whether it has ended by now. */
  async function look(key, { asked }, signal) {
    let now;
    try {
      now = await source.traceAsked(asked, signal);
    } catch (error) {
      if (error.status !== 404) throw error;
      // The agent that was asked is no more, or has been asked for many others since.
      now = { ...followed.get(key), state: "lost" };
    }
    // Somebody may have asked for another one meanwhile.
    if (followed.get(key)?.asked === asked) followed.set(key, now);
    return ENDED.includes(now.state);
  }

  return {
    begin: (key, asked) => source.traceAsked && asked && followed.set(key, { asked, state: "queued", trace: null }),
    /** { state, trace, max_ttl } of a key: queued, resolving, running, done, failed, or lost if nobody knows it any more; undefined if it is not followed. */
    of: (key) => followed.get(key),
    busy: () => under().length > 0,
    /** Asks how far all are; whether one has ended. */
    async look(signal) {
      let ended = false;
      for (const [key, one] of under()) ended = (await look(key, one, signal)) || ended;
      return ended;
    },
    /** What has ended is not shown again. */
    tidy: () => [...followed].forEach(([key, { state }]) => ENDED.includes(state) && followed.delete(key)),
  };
}
