"""OpenMetrics 1.0 text (https://prometheus.io/docs/specs/om/open_metrics_spec/), and the agent's metrics in it.

Base units; RTT series carry no addresses, so that a target that moves keeps its series. What is unknown is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pathwarden.model.trace import Hop, Trace
from pathwarden.present.instants import parse_instant
from pathwarden.present.live import STATES

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_LABEL_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
# From the next room to a satellite: each step is about twice the one before.
BOUNDS_NS = tuple(ms * 1_000_000 for ms in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000))
# The events that tell of a path, which `pathwarden_path_changes_total` counts.
CHANGES = ("path_changed", "path_reverted", "path_attribute_changed", "path_unstable", "path_stable")

Sample = tuple[Mapping[str, object], object]


class OfHop(NamedTuple):
    """A hop of the newest trace: the median round-trip time (None: silent) and the share of its probes without an answer."""

    ttl: int
    rtt_ns: int | None
    loss: float


class OfTarget(NamedTuple):
    """What is counted of a target since the start.

    `buckets` holds how many replies of the destination took at most each of `BOUNDS_NS` and more than the one before, the last one those
    beyond; `sum_ns` the time of all. `changes` counts events by type. `changed_at` is when the path changed last, an instant; None: never.
    """

    buckets: tuple[int, ...]
    sum_ns: int
    changes: Mapping[str, int]
    changed_at: int | None
    hops: tuple[OfHop, ...]


class Figures(NamedTuple):
    """What the metrics tell beyond the states: how long the last whole round took and when it ended (an instant), None before one did.

    `lag_ns` is how much later than planned the latest scheduled trace of any target began.
    """

    targets: Mapping[str, OfTarget]
    round_ns: int | None
    round_at: int | None
    lag_ns: int


NO_FIGURES = Figures({}, None, None, 0)


def hops_of(trace: Trace | None) -> tuple[OfHop, ...]:
    """The hops of a trace; none without one."""
    return tuple(_hop(hop) for hop in trace.hops if hop.answers) if trace else ()


def _hop(hop: Hop) -> OfHop:
    rtts = sorted(hop.rtts_ns)
    middle = len(rtts) // 2
    median = None if not rtts else rtts[middle] if len(rtts) % 2 else (rtts[middle - 1] + rtts[middle]) // 2
    return OfHop(hop.ttl, median, round(1 - len(rtts) / len(hop.answers), 6))


class Family(NamedTuple):
    """A metric family: `name` as its TYPE line has it (a counter without `_total`), samples as (name's end, labels, value)."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[str, Mapping[str, object], object], ...]
    unit: str = ""


def gauge(name: str, text: str, samples: Iterable[Sample], unit: str = "") -> Family:
    """A value that goes up and down; with a unit, the name must end in it."""
    return Family(name, "gauge", text, _known("", samples), unit)


def counter(name: str, text: str, samples: Iterable[Sample]) -> Family:
    """A value that only grows while the agent runs; `name` without `_total`."""
    return Family(name, "counter", text, _known("_total", samples))


def info(name: str, text: str, labels: Iterable[Mapping[str, object]]) -> Family:
    """Facts as labels of a constant 1; `name` without `_info`. Labels that are None are left out."""
    return Family(name, "info", text, tuple(("_info", {k: v for k, v in each.items() if v is not None}, 1) for each in labels))


def stateset(name: str, text: str, states: Iterable[str], current: Iterable[tuple[Mapping[str, object], object]]) -> Family:
    """Which one of some states holds: a series for each, of which one is 1. `current` gives labels and state."""
    words = tuple(states)
    samples = [("", {**labels, name: word}, int(word == now)) for labels, now in current for word in words]
    return Family(name, "stateset", text, tuple(samples))


def histogram(name: str, text: str, samples: Iterable[tuple[Mapping[str, object], Sequence[int], float]], unit: str) -> Family:
    """How many values lie below each bound: `samples` gives labels, counts as `OfTarget.buckets` has them, and the sum of the values."""
    made: list[tuple[str, Mapping[str, object], object]] = []
    for labels, buckets, total in samples:
        below = 0
        for bound, count in zip((*(str(ns / 1e9) for ns in BOUNDS_NS), "+Inf"), buckets, strict=True):
            below += count
            made.append(("_bucket", {**labels, "le": bound}, below))
        made += [("_count", labels, below), ("_sum", labels, total)]
    return Family(name, "histogram", text, tuple(made), unit)


def expose(families: Iterable[Family]) -> str:
    """The whole text; families without samples are left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines.append(f"# TYPE {family.name} {family.kind}")
        if family.unit:
            lines.append(f"# UNIT {family.name} {family.unit}")
        lines.append(f"# HELP {family.name} {family.help.translate(_LABEL_ESCAPES)}")
        lines += (f"{family.name}{suffix}{_labels(labels)} {_number(value)}" for suffix, labels, value in family.samples)
    lines.append("# EOF\n")
    return "\n".join(lines)


def render(agent: Mapping[str, object], states: Iterable[Mapping[str, object]], figures: Figures = NO_FIGURES) -> str:
    """The agent's metrics from its `info` object, its targets' `state` objects, and what is counted beside them."""
    return expose([*_agent_families(agent), *_round_families(figures), *_target_families(list(states)), *_counted_families(figures)])


def _agent_families(agent: Mapping[str, object]) -> list[Family]:
    counters, mqtt, db = (_mapping(agent.get(key)) for key in ("counters", "mqtt", "db"))
    on = mqtt.get("enabled") is True  # a broker that nobody asked for is not a lost one
    return [
        info("pathwarden_agent", "The agent.", [{"version": agent.get("version"), "agent": agent.get("agent")}]),
        counter("pathwarden_probes_sent", "Probes sent.", _by("kind", counters.get("probes"))),
        counter("pathwarden_replies", "Replies received.", _by("kind", counters.get("replies"))),
        counter("pathwarden_rounds", "Rounds finished.", _by("result", agent.get("rounds"))),
        counter("pathwarden_mqtt_publish_failures", "Messages that the broker refused.", _by("reason", mqtt.get("failed"))),
        counter("pathwarden_mqtt_commands", "Commands heard, by the code of their answer.", _by("code", mqtt.get("commands"))),
        counter("pathwarden_mqtt_outbox_dropped", "Events that left a full outbox unsent.", [({}, counters.get("outbox_dropped"))]),
        counter("pathwarden_hook_runs", "Programs run on events.", [({}, counters.get("hooks_run"))]),
        counter("pathwarden_hook_failures", "Programs that failed or were killed.", [({}, counters.get("hooks_failed"))]),
        counter(
            "pathwarden_hook_events_skipped", "Events too old for a program when its turn came.", [({}, counters.get("hooks_skipped"))]
        ),
        gauge("pathwarden_mqtt_connected", "Whether the broker is connected.", [({}, mqtt.get("connected") if on else None)]),
        gauge("pathwarden_mqtt_outbox_messages", "Events the broker has not acknowledged.", [({}, mqtt.get("outbox") if on else None)]),
        gauge("pathwarden_db_size_bytes", "Size of the history.", [({}, db.get("size_bytes"))], "bytes"),
        gauge("pathwarden_db_unflushed_traces", "Traces that wait in memory for the disk.", [({}, db.get("live"))]),
        counter("pathwarden_db_written_bytes", "Bytes written to the disk for the history.", [({}, db.get("written_bytes"))]),
        gauge(
            "pathwarden_db_write_budget_bytes",
            "Bytes a day that the history should stay below.",
            [({}, db.get("budget_24h_bytes"))],
            "bytes",
        ),
    ]


def _target_families(states: list[Mapping[str, object]]) -> list[Family]:
    rtts = (("median", "rtt_ms"), ("min", "rtt_min_ms"), ("max", "rtt_max_ms"))
    about = ("target", "name", "address", "af", "proto", "method", "source")
    paths = ("target", "path_id", "path_label", "usual_path")
    named = _of(states, "path_since")
    return [
        info("pathwarden_target", "A target.", [{key: state.get(key) for key in about} for state in states]),
        gauge("pathwarden_target_up", "Whether the target answered last.", _of(states, "reached")),
        gauge(
            "pathwarden_target_rtt_seconds",
            "Round-trip time of the last trace.",
            [({"target": state.get("target"), "stat": stat}, _scaled(state.get(key), 1000)) for state in states for stat, key in rtts],
            "seconds",
        ),
        gauge(
            "pathwarden_target_loss_ratio",
            "Share of probes to the target that were lost, 0 to 1.",
            [(labels, _scaled(value, 100)) for labels, value in _of(states, "loss_pct")],
            "ratio",
        ),
        gauge("pathwarden_target_hops", "Hops to the target.", _of(states, "hop_count")),
        stateset("pathwarden_target_state", "How the target is.", STATES, _of(states, "state")),
        info(
            "pathwarden_path", "The path that the target is on.", [{key: s.get(key) for key in paths} for s in states if s.get("path_id")]
        ),
        gauge(
            "pathwarden_path_age_seconds",
            "How long the target has been on its path.",
            [
                (labels, _seconds_between(state.get("path_since"), state.get("ts")))
                for (labels, _), state in zip(named, states, strict=True)
            ],
            "seconds",
        ),
    ]


def _round_families(figures: Figures) -> list[Family]:
    return [
        gauge(
            "pathwarden_round_duration_seconds",
            "From the first to the last trace of the last whole round.",
            [({}, _ns(figures.round_ns))],
            "seconds",
        ),
        gauge("pathwarden_last_round_timestamp_seconds", "When the last whole round ended.", [({}, _instant(figures.round_at))], "seconds"),
        gauge(
            "pathwarden_scheduler_lag_seconds",
            "How much later than planned the latest scheduled trace of any target began.",
            [({}, _ns(figures.lag_ns) if figures.targets else None)],
            "seconds",
        ),
    ]


def _counted_families(figures: Figures) -> list[Family]:
    targets = figures.targets.items()
    hops = [({"target": tid, "ttl": hop.ttl}, hop) for tid, of in targets for hop in of.hops]
    return [
        histogram(
            "pathwarden_probe_rtt_seconds",
            "Round-trip times of the destination's replies to traces.",
            [({"target": tid}, of.buckets, of.sum_ns / 1e9) for tid, of in targets],
            "seconds",
        ),
        counter(
            "pathwarden_path_changes",
            "Events that tell of the target's path.",
            [({"target": tid, "event_type": event_type}, count) for tid, of in targets for event_type, count in of.changes.items()],
        ),
        gauge(
            "pathwarden_path_last_change_timestamp_seconds",
            "When the path to the target changed last.",
            [({"target": tid}, _instant(of.changed_at)) for tid, of in targets],
            "seconds",
        ),
        gauge(
            "pathwarden_hop_rtt_seconds",
            "Median round-trip time of a hop in the newest trace.",
            [(labels, _ns(hop.rtt_ns)) for labels, hop in hops],
            "seconds",
        ),
        gauge(
            "pathwarden_hop_loss_ratio",
            "Share of a hop's probes without an answer; routers may answer seldom and lose nothing.",
            [(labels, hop.loss) for labels, hop in hops],
            "ratio",
        ),
    ]


def _ns(duration_ns: int | None) -> float | None:
    return None if duration_ns is None else duration_ns / 1e9


def _instant(at: int | None) -> float | None:
    return None if at is None else round(at / 1e9, 3)


def _timestamp(instant: object) -> float | None:
    return round(parse_instant(instant) / 1e9, 3) if isinstance(instant, str) else None


def _seconds_between(begin: object, end: object) -> float | None:
    since, until = _timestamp(begin), _timestamp(end)
    return None if since is None or until is None else round(until - since, 3)


def _of(states: Iterable[Mapping[str, object]], key: str) -> list[Sample]:
    return [({"target": state.get("target")}, state.get(key)) for state in states]


def _by(label: str, value: object) -> list[Sample]:
    if isinstance(value, Mapping):
        return [({label: key}, count) for key, count in value.items()]
    return [({}, value)]


def _known(suffix: str, samples: Iterable[Sample]) -> tuple[tuple[str, Mapping[str, object], object], ...]:
    return tuple((suffix, labels, value) for labels, value in samples if isinstance(value, int | float))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _scaled(value: object, divisor: int) -> float | None:
    return round(value / divisor, 9) if isinstance(value, int | float) else None  # 9: whole nanoseconds, no binary tail


def _labels(labels: Mapping[str, object]) -> str:
    if not labels:
        return ""
    pairs = (f'{key}="{str(value).translate(_LABEL_ESCAPES)}"' for key, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _number(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
