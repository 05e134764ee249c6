"""The running agent in JSON-ready dicts: the `state`, `path` and `info` topics, and the sentence on top of the page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pathwarden.detect.classify import as_path
from pathwarden.detect.loss import Count
from pathwarden.errors import explain
from pathwarden.model.change import NOWHERE, Location, Segment
from pathwarden.model.history import Route, StoredEvent
from pathwarden.model.network import Whose, exchanges, nobody, numbers
from pathwarden.model.settings import Target
from pathwarden.model.trace import Ending, Trace
from pathwarden.present import hops
from pathwarden.present.instants import rfc3339

DEGRADED_LOSS_PCT = 10.0  # smoothed; calls and games suffer from there on
STALE_INTERVALS = 3
ANSWERING = ("ok", "degraded", "unstable")
STATES = (*ANSWERING, "unreachable", "paused", "error", "unknown")
VERDICT_WORDS = ("ok", "local", "isp", "transit", "destination", "unknown")
# Who can mend it: its border is the ISP's, too.
VERDICTS = {
    Segment.LAN: "local",
    Segment.WAN: "isp",
    Segment.ISP: "isp",
    Segment.BORDER: "isp",
    Segment.TRANSIT: "transit",
    Segment.DESTINATION: "destination",
}


@dataclass(frozen=True, slots=True)
class TargetView:
    """What the agent knows of a target: its newest trace, the newest that followed the route in force, that route and the usual one.

    `answered` tells whether the destination ever did, `lost` that it is now called unreachable, `location` where the fault is then.
    `muted_until` is None for a target that is not muted; going between the two paths of one of `muted_pairs` notifies nobody. Instants are
    wall-clock ns. `added` tells that a command added it, not the configuration.
    """

    target: Target
    trace: Trace | None
    on_route: Trace | None
    route: Route | None
    usual: Route | None
    route_since: int
    answered: bool
    lost: bool
    learning: bool
    running: bool
    resolving: bool
    next_run_at: int | None
    changes_24h: int
    changes_total: int
    last_change: StoredEvent | None
    stability_pct_7d: float | None
    location: Location = NOWHERE
    unstable: bool = False
    muted_until: int | None = None
    muted_pairs: tuple[tuple[str, str], ...] = ()
    paused: bool = False
    added: bool = False


def state(agent: str, view: TargetView, now: int, clock_synced: bool) -> dict[str, object]:
    """The `state` topic of one target; every key always there, None when unknown."""
    target, trace = view.target, view.trace
    figures = hops.destination(trace) if trace else None
    rtts = trace.destination_rtts_ns if trace else ()
    word = state_word(view)
    return {
        "v": 1,
        "agent": agent,
        "target": target.tid,
        "name": target.label or target.host,
        "address": trace.address if trace and trace.address else None,
        "af": trace.flow.af if trace and trace.address else None,
        "proto": target.method.value,
        "method": target.method.value,
        "source": target.source,
        "ts": rfc3339(now),
        "clock_synced": clock_synced,
        "measured_at": rfc3339(trace.at) if trace else None,
        "state": word,
        "verdict": verdict(view, word),
        "error": trace.error.partition(": ")[0] or None if trace else None,
        "error_detail": explain(trace.error) or None if trace else None,
        "reached": trace.reached_ttl is not None if trace else None,
        "rtt_ms": figures.rtt_ms if figures else None,
        "rtt_min_ms": figures.rtt_min_ms if figures else None,
        "rtt_max_ms": figures.rtt_max_ms if figures else None,
        "jitter_ms": _jitter_ms(rtts),
        "loss_pct": figures.loss_pct if figures else None,
        "hop_count": figures.hop_count if figures else None,
        "silent_hops": _silent_hops(trace) if trace else None,
        "path_id": view.route.route_id if view.route else None,
        "path_label": view.route.label if view.route else None,
        "path_since": rfc3339(view.route_since) if view.route else None,
        "usual_path": view.usual.label if view.usual else None,
        "kernel_route": trace.kernel_route._asdict() if trace and trace.kernel_route else None,
        "changes_24h": view.changes_24h,
        "changes_total": view.changes_total,
        "stability_pct_7d": view.stability_pct_7d,
        "last_change_at": rfc3339(view.last_change.at) if view.last_change else None,
        "last_event_id": view.last_change.event_id if view.last_change else None,
        "next_run_at": rfc3339(view.next_run_at) if view.next_run_at else None,
        "stale_after_s": STALE_INTERVALS * target.interval_s,
        "learning": view.learning,
        "muted_until": rfc3339(view.muted_until) if view.muted_until else None,
        "muted_pairs": [list(pair) for pair in view.muted_pairs],
        "running": view.running,
        "resolving": view.resolving,
        "added_by": "mqtt" if view.added else None,
    }


def state_word(view: TargetView) -> str:
    """One of the closed set: ok degraded unstable unreachable paused error unknown."""
    if view.paused or not view.target.enabled:
        return "paused"
    if view.trace is None:
        return "unknown"
    if view.trace.ending is Ending.ERROR:
        return "error"
    if view.lost:
        return "unreachable"
    if not view.answered:
        return "unknown"
    if view.unstable:
        return "unstable"
    return "degraded" if view.route and view.route.loss_pct >= DEGRADED_LOSS_PCT else "ok"


def verdict(view: TargetView, word: str) -> str:
    """Where the fault is: ok local isp transit destination unknown. Without a location, as far as the newest trace tells."""
    if word in ANSWERING:
        return "ok"
    if word == "unreachable" and view.location.segment is not Segment.UNKNOWN:
        return VERDICTS[view.location.segment]
    if word == "paused" or view.trace is None:
        return "unknown"
    if word == "error":
        return "local"
    last = len(view.trace.path.hops)
    if last <= 1:
        return "isp" if last else "local"
    length = view.route.length if view.route else None
    return "destination" if length and last >= length - 1 else "unknown"


def path(
    agent: str, view: TargetView, now: int, clock_synced: bool, usual: Mapping[int, Count], whose: Whose = nobody
) -> dict[str, object] | None:
    """The `path` topic: the newest trace that followed the route in force; None before the first trace.

    `usual` tells the habits of the route's hops (see `hops.rows`).
    """
    trace = view.on_route
    if trace is None:
        return None
    rows = hops.rows(trace, usual, whose)
    known = view.route.hops if view.route else trace.path.hops
    return {
        "v": 1,
        "agent": agent,
        "target": view.target.tid,
        "name": view.target.label or view.target.host,
        "address": trace.address or None,
        "af": trace.flow.af if trace.address else None,
        "proto": view.target.method.value,
        "ts": rfc3339(now),
        "clock_synced": clock_synced,
        "path_id": view.route.route_id if view.route else None,
        "path_label": view.route.label if view.route else None,
        "since": rfc3339(view.route_since) if view.route else None,
        "usual": bool(view.route and view.usual and view.route.route_id == view.usual.route_id),
        "hop_count": len(rows),
        "reached": trace.reached_ttl is not None,
        "as_path": list(as_path(known, numbers(whose), exchanges(whose))),
        "hops": rows,
        "truncated": False,
    }


def overall(states: Sequence[Mapping[str, object]], *, resolver_silent: bool = False) -> tuple[str, str]:
    """The verdict over all targets, and one sentence that a person understands.

    `resolver_silent` tells that the name servers do not answer. That is the verdict `resolver`, unless targets are lost by their address,
    too: then the name servers are most likely lost with them.
    """
    active = [s for s in states if s["state"] != "paused"]
    if not active:
        return "unknown", "No target is being watched."
    failing = [s for s in active if s["state"] in ("unreachable", "error") or (s["state"] == "unknown" and s["measured_at"])]
    if all(s["measured_at"] is None for s in active):
        return "unknown", "Measuring: the first results come within seconds."
    answering = sum(s["state"] in ANSWERING for s in active)
    if resolver_silent and all(s["error"] == "unknown_host" for s in failing):
        return "resolver", _resolver_silent(answering, len(active))
    if not failing:
        return _nothing_failing(answering, len(active))
    if all(s["state"] == "error" for s in active):
        return _nothing_leaves(failing)
    if all(s["verdict"] == "local" for s in failing) and len(failing) == len(active):
        return "local", "Nothing answers, not even the first hop."
    beyond = [s for s in active if not _is_first_hop(s)]
    if beyond and all(s in failing for s in beyond):
        home_ok = len(beyond) < len(active) or any(s["verdict"] == "isp" for s in failing)
        return ("isp", "Home: ok, ISP: no answer.") if home_ok else ("unknown", "No target answers.")
    verdicts = {s["verdict"] for s in failing}
    kind = str(verdicts.pop()) if len(verdicts) == 1 else "unknown"
    names = Counter(str(s["name"]) for s in active)
    unprobed = [_told_apart(s, names) for s in failing if s["state"] == "error"]
    silent = [_told_apart(s, names) for s in failing if s["state"] != "error"]
    what = [f"{_some(silent)} {'does not' if len(silent) == 1 else 'do not'} answer"] if silent else []
    what += [f"{_some(unprobed)} cannot be probed"] if unprobed else []
    does, do = ("answers", "answer") if unprobed else ("does", "do")
    others = {0: "the others are not measured yet", 1: f"another one {does}"}.get(answering, f"{answering} others {do}")
    return kind, f"{', '.join(what)}; {others}."


def _told_apart(state: Mapping[str, object], names: Mapping[str, int]) -> str:
    """A target's name, with its id where others have the same."""
    name = str(state["name"])
    return f"{name} ({state['target']})" if names[name] > 1 else name


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _resolver_silent(answering: int, active: int) -> str:
    if not answering:
        return "Your resolver does not answer; no target's address is known."
    if answering < active:
        return f"Your resolver does not answer; {answering} of {active} targets {'does' if answering == 1 else 'do'}, by a known address."
    return f"Your resolver does not answer; {f'all {answering} targets do' if answering > 1 else 'the target does'}."


def _nothing_failing(answering: int, active: int) -> tuple[str, str]:
    if answering < active:
        return "unknown", f"{answering} of {active} targets {'answers' if answering == 1 else 'answer'}; the others are not measured yet."
    return "ok", f"All {answering} targets answer." if answering > 1 else "The target answers."


def _nothing_leaves(failing: Sequence[Mapping[str, object]]) -> tuple[str, str]:
    if all(s["error"] == "unknown_host" for s in failing):
        # Who is to blame for a silent name server, home or ISP, no target tells.
        return "unknown", "No target's name resolves: the name server does not answer, or does not know them."
    first = next(s for s in failing if s["error"] != "unknown_host")
    return "local", f"No probe can leave: {first['error_detail']}."


def _is_first_hop(target_state: Mapping[str, object]) -> bool:
    """Whether a target is on our own network: its address is the first and only hop."""
    return target_state["hop_count"] == 1 and bool(target_state["reached"])


def _jitter_ms(rtts_ns: Sequence[int]) -> float | None:
    """Mean absolute difference of successive round-trip times, in ms; None for fewer than two."""
    if len(rtts_ns) < 2:
        return None
    steps = [abs(b - a) for a, b in pairwise(rtts_ns)]
    return round(sum(steps) / len(steps) / 1e6, 3)


def _silent_hops(trace: Trace) -> int:
    """Silent hops before the last one that answered."""
    answering = [hop.ttl for hop in trace.hops if hop.responders]
    return max(answering, default=0) - len(answering)
