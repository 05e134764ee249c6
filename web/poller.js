// One poller for the page. Rules:
// - one run at a time; the next is planned when this one has ended;
// - nothing runs while the tab is hidden or the reader has paused; coming back runs at once;
// - a run that fails doubles the pause up to MAX_BACKOFF_MS, and the state is "offline" until one succeeds;
// - `restart` gives up the run that is under way, because its answer is no longer wanted.

const MAX_BACKOFF_MS = 60_000; // a page left open beside a dead router asks once a minute
const TIMEOUT_MS = 20_000; // a Raspberry Pi under load answers within seconds; beyond this nobody will

/** States: live, paused, offline. `task(signal)` rejects when the agent cannot be reached; `onState` hears every change,
 *  `hurryMs()` tells how soon something is awaited. */
export function createPoller({ task, intervalMs, hurryMs, onState }) {
  let state = "live";
  let failures = 0;
  let timer = 0;
  let current = null;

  function enter(next) {
    if (next === state) return;
    state = next;
    onState(state);
  }

  function plan() {
    clearTimeout(timer);
    if (state === "paused" || document.hidden) return;
    // What is awaited may be an agent that reloads, so it counts while nobody answers, too.
    const usual = Math.min(intervalMs, hurryMs());
    timer = setTimeout(run, Math.max(usual, Math.min(usual * 2 ** failures, MAX_BACKOFF_MS)));
  }

  async function attempt(abort) {
    const guard = setTimeout(() => abort.abort(), TIMEOUT_MS);
    try {
      await task(abort.signal);
      failures = 0;
      if (state === "offline") enter("live");
    } catch (error) {
      if (abort.superseded) return;
      if (!(error instanceof TypeError || error.name === "AbortError")) throw error;
      failures += 1;
      if (state === "live") enter("offline");
    } finally {
      clearTimeout(guard);
      current = null;
      plan();
    }
  }

  function run() {
    clearTimeout(timer);
    if (!current) {
      const abort = new AbortController();
      current = { abort, done: attempt(abort) };
    }
    return current.done;
  }

  async function restart() {
    if (current) {
      current.abort.superseded = true;
      current.abort.abort();
      await current.done;
    }
    return run();
  }

  function toggle() {
    if (state === "live") {
      clearTimeout(timer);
      enter("paused");
      return;
    }
    if (state === "paused") enter("live");
    run();
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : state !== "paused" && run()));
  window.addEventListener("online", () => state === "offline" && run());
  return { run, restart, toggle, state: () => state };
}
