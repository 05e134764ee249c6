"""In-memory stand-ins that keep the promises of `pathwarden.model.protocols`, and builders for what they hold."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pathwarden.model.asked import Asked, BadOptions
from pathwarden.model.history import DbStats, Heat, HeatCell, OutboxRow, Route, Series, StoredEvent, StoredIncident, StoredTrace
from pathwarden.model.network import nobody
from pathwarden.model.probe import Flow, Method, ReplyKind
from pathwarden.model.settings import AgentSettings, MqttSettings, Settings, Target, WebSettings
from pathwarden.model.trace import Answer, Ending, Hop, KernelRoute, Reason, Trace
from pathwarden.present import metrics
from pathwarden.present.instants import rfc3339

NOW = 1_795_250_700_123_000_000  # 2026-11-21T08:45:00.123Z
SECOND = 1_000_000_000


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, wall_ns: int = NOW) -> None:
        self.wall = wall_ns
        self.mono = SECOND

    def mono_ns(self) -> int:
        return self.mono

    def wall_ns(self) -> int:
        return self.wall

    def synced(self) -> bool:
        return True


class FakeAgent:
    """An agent with the states, paths and requests that a test gives it; `asked` holds the traces that were asked for."""

    whose = staticmethod(nobody)

    def __init__(self, tids: Sequence[str] = ("cloudflare",)) -> None:
        self.states = [make_state(tid) for tid in tids]
        self.paths: dict[str, dict[str, object]] = {}
        self.asked: list[str] = []
        self.wishes: list[tuple[object, ...]] = []
        self.unwatched: set[str] = set()
        self.progress: dict[str, Asked] = {}
        self.about = make_info()

    def info(self) -> dict[str, object]:
        return dict(self.about)

    def overview(self) -> tuple[dict[str, object], list[dict[str, object]]]:
        head = {key: self.about[key] for key in ("v", "agent", "ts", "clock_synced", "verdict", "sentence", "notices")}
        return head, self.target_states()

    def target_states(self) -> list[dict[str, object]]:
        return [dict(state) for state in self.states]

    def target_state(self, tid: str) -> dict[str, object] | None:
        return next((state for state in self.target_states() if state["target"] == tid), None)

    def path_name(self, tid: str) -> tuple[object, ...]:
        path = self.paths.get(tid)
        return (str(path["path_id"]), 1) if path else (None, 0)

    def target_path(self, tid: str) -> dict[str, object] | None:
        return self.paths.get(tid)

    def target_outline(self, tid: str) -> dict[str, object] | None:
        known = any(state["target"] == tid for state in self.states)
        return {"strip": {"local": 0.4, "isp": 8.1, "transit": None, "destination": 1.2}, "why": None} if known else None

    def trace_now(self, tid: str) -> str:
        if all(state["target"] != tid for state in self.states):
            return ""
        self.asked.append(tid)
        return f"of-{tid}"

    def trace_once(self, target: Mapping[str, str], source: Mapping[str, str] | None) -> str:
        self.wishes.append(("once", target, source))
        if target.get("host") == "full.example":
            return ""
        if "host" not in target:
            raise BadOptions([("host", "is missing; say what to trace"), ("", "never told")])
        return "once"

    def trace_asked(self, name: str) -> Asked | None:
        return self.progress.get(name)

    def mute(self, tid: str, for_s: int) -> bool:
        self.wishes.append(("mute", tid, for_s))
        return True

    def mute_pair(self, tid: str, one: str, other: str, *, muted: bool) -> bool:
        self.wishes.append(("pair", tid, one, other, muted))
        return True

    def pause(self, tid: str, *, paused: bool) -> bool:
        self.wishes.append(("pause", tid, paused))
        return tid not in self.unwatched

    def accept_path(self, tid: str) -> bool:
        self.wishes.append(("accept", tid))
        return tid in self.paths

    def note(self, event_id: str, text: str) -> None:
        self.wishes.append(("note", event_id, text))

    def metrics(self) -> str:
        return metrics.render(self.info(), self.target_states())


class FakeReader:
    """A history in lists. `add` keeps traces in the order of their ids, which is the order of time."""

    def __init__(self) -> None:
        self.stored: list[StoredTrace] = []
        self.known: list[Route] = []
        self.told: list[StoredEvent] = []
        self.machines: dict[str, str] = {}
        self.folded: list[StoredIncident] = []

    def add(self, trace: Trace, route_id: str | None = None) -> StoredTrace:
        self.stored.append(StoredTrace(len(self.stored) + 1, trace.path.path_id, route_id, trace))
        return self.stored[-1]

    def tell(self, target: str, event_type: str = "path_changed", at: int = NOW) -> StoredEvent:
        seq = len(self.told) + 1
        body: dict[str, object] = {"v": 1, "seq": seq, "event_id": f"E{seq}", "target": target, "event_type": event_type, "note": None}
        self.told.append(StoredEvent(seq, f"E{seq}", target, event_type, at, body))
        return self.told[-1]

    def latest(self, target: str) -> StoredTrace | None:
        return next(iter(self.traces(target, limit=1)), None)

    def traces(
        self, target: str, *, before_id: int | None = None, at_from: int | None = None, at_to: int | None = None, limit: int = 50
    ) -> list[StoredTrace]:
        found = [
            each
            for each in reversed(self.stored)
            if each.trace.target == target
            and (before_id is None or each.trace_id < before_id)
            and (at_from is None or each.trace.at >= at_from)
            and (at_to is None or each.trace.at <= at_to)
        ]
        return found[:limit]

    def each_trace(self, target: str, **asked: Any) -> Iterator[StoredTrace]:
        yield from self.traces(target, **asked)

    def walk(self, target: str, *, at_from: int | None = None, at_to: int | None = None) -> Iterator[StoredTrace]:
        yield from reversed(self.traces(target, at_from=at_from, at_to=at_to, limit=len(self.stored)))

    def trace(self, trace_id: int) -> StoredTrace | None:
        return next((each for each in self.stored if each.trace_id == trace_id), None)

    def trace_at(self, target: str, at: int) -> StoredTrace | None:
        return next(iter(self.traces(target, at_to=at, limit=1)), None)

    def path_at(self, target: str, at: int) -> Route | None:
        return next((route for route in self.known if route.target == target and route.first_at <= at), None)

    def routes(self, target: str) -> list[Route]:
        return sorted((route for route in self.known if route.target == target), key=lambda route: -route.held_s)

    def route(self, route_id: str) -> Route | None:
        return next((route for route in self.known if route.route_id == route_id), None)

    def events(
        self,
        *,
        target: str | None = None,
        since_seq: int | None = None,
        before_seq: int | None = None,
        at_from: int | None = None,
        at_to: int | None = None,
        limit: int = 100,
        incidents: bool = True,
    ) -> list[StoredEvent]:
        found = [
            event
            for event in self.told
            if (target is None or event.target == target)
            and (at_from is None or event.at >= at_from)
            and (at_to is None or event.at <= at_to)
            and (since_seq is None or event.seq > since_seq)
            and (before_seq is None or event.seq < before_seq)
            and (incidents or event.event_type != "incident")
        ]
        return (found if since_seq is not None else found[::-1])[:limit]

    def each_event(self, **asked: Any) -> Iterator[StoredEvent]:
        yield from self.events(**asked)

    def event(self, event_id: str) -> StoredEvent | None:
        return next((event for event in self.told if event.event_id == event_id), None)

    def count_events(self, target: str, at_from: int, types: Sequence[str]) -> int:
        return sum(event.target == target and event.at >= at_from and event.event_type in types for event in self.told)

    def series(self, target: str, at_from: int, at_to: int, points: int) -> Series:
        width = max(1, -(-(at_to - at_from) // points))
        buckets: dict[int, list[StoredTrace]] = {}
        for each in self.traces(target, at_from=at_from, at_to=at_to - 1, limit=len(self.stored)):
            buckets.setdefault((each.trace.at - at_from) // width, []).append(each)
        result = Series([], [], [], [], [], [], [])
        for number, traces in sorted(buckets.items()):
            rtts = sorted(rtt / 1e6 for each in traces for rtt in each.trace.destination_rtts_ns)
            sent = sum(len(hop.answers) for each in traces for hop in each.trace.hops if hop.ttl == each.trace.reached_ttl)
            routes = [each.route_id for each in traces]
            result.at_s.append((at_from + number * width) // SECOND)
            result.rtt_min_ms.append(rtts[0] if rtts else None)
            result.rtt_median_ms.append(rtts[len(rtts) // 2] if rtts else None)
            result.rtt_max_ms.append(rtts[-1] if rtts else None)
            result.sent.append(sent)
            result.lost.append(sent - len(rtts))
            result.routes.append(max(routes, key=routes.count))
        return result

    def series_of(self, targets: Sequence[str], at_from: int, at_to: int, points: int) -> dict[str, Series]:
        return {target: self.series(target, at_from, at_to, points) for target in targets}

    def heat(self, target: str, at_from: int, at_to: int, columns: int) -> Heat:
        width = max(1, -(-(at_to - at_from) // columns))
        at_s: list[int | None] = [None] * -(-(at_to - at_from) // width)
        hops: list[dict[int, HeatCell]] = [{} for _ in at_s]
        for each in self.traces(target, at_from=at_from, at_to=at_to - 1, limit=len(self.stored)):
            number = (each.trace.at - at_from) // width
            at_s[number] = -(-each.trace.at // SECOND)
            hops[number] = {
                hop.ttl: HeatCell(len(hop.answers), len(hop.answers) - len(hop.rtts_ns), min(hop.rtts_ns, default=0) / 1e6 or None)
                for hop in each.trace.hops
            }
        return Heat(at_from // SECOND, width // SECOND, at_s, list(hops))

    def states(self) -> dict[str, str]:
        return dict(self.machines)

    def incidents(self, limit: int = 100, before: str | None = None) -> list[StoredIncident]:
        names = [each.incident_id for each in self.folded]
        end = len(names) if before is None else names.index(before) if before in names else 0
        return self.folded[:end][::-1][:limit]

    def tellings(self) -> dict[str, str]:
        return {}

    def change_numbers(self) -> dict[str, int]:
        return {}

    def outbox(self, after_seq: int, limit: int) -> list[OutboxRow]:
        return [OutboxRow(event.seq, event.event_id, event.target, event.body) for event in self.told if event.seq > after_seq][:limit]

    def stats(self) -> DbStats:
        ats = [each.trace.at for each in self.stored]
        return DbStats(
            ":memory:",
            0,
            0,
            1,
            len(self.stored),
            len(self.known),
            len(self.told),
            len(self.told),
            min(ats, default=None),
            max(ats, default=None),
        )


def answer(
    query: int, responder: str | None, rtt_ms: float = 1.0, kind: ReplyKind = ReplyKind.TIME_EXCEEDED, icmp: tuple[int, int] = (11, 0)
) -> Answer:
    """One answer; a responder None is silence."""
    if responder is None:
        return Answer(query)
    return Answer(query, responder, round(rtt_ms * 1e6), kind, *icmp, reply_ttl=64, quoted_ttl=1)


def hop(ttl: int, responder: str | None, *rtts_ms: float | None) -> Hop:
    """A hop whose answers have these RTTs; None is a silent probe."""
    return Hop(ttl, tuple(answer(query, None if rtt is None else responder, rtt or 0) for query, rtt in enumerate(rtts_ms, 1)))


def make_trace(*hops: Hop, target: str = "cloudflare", reached: bool = True, at: int = NOW, af: int = 4) -> Trace:
    """A trace; the last hop is the destination if it was reached."""
    address = "192.0.2.9" if af == 4 else "2001:db8::9"
    flow = Flow(af, Method.UDP, "192.0.2.1" if af == 4 else "2001:db8::1", address, 61000, 33434, 0, 0 if af == 4 else 1, 60)
    return Trace(
        target=target,
        address=address,
        flow=flow,
        source="",
        kernel_route=KernelRoute("wan", flow.src, "192.0.2.254", 254),
        transport="raw",
        reason=Reason.SCHEDULE,
        at=at,
        mono_ns=SECOND,
        duration_ns=2_500_000_000,
        clock_synced=True,
        ending=Ending.REACHED if reached else Ending.GAP,
        error="",
        reached_ttl=hops[-1].ttl if reached and hops else None,
        hops=hops,
        probes=sum(len(each.answers) for each in hops),
        late=0,
        duplicates=0,
    )


def make_route(route_id: str, label: str, held_s: int, target: str = "cloudflare") -> Route:
    """A route of three hops, the middle one never seen."""
    hops = (("10.0.0.1",), (), ("192.0.2.9",))
    return Route(
        route_id, target, label, "192.0.2.9", "wan|192.0.2.1|", hops, 3, NOW - held_s * SECOND, NOW, held_s, held_s // 300, 9.87654, 0.0
    )


def make_info() -> dict[str, object]:
    """An `info` object with all its keys."""
    return {
        "v": 1,
        "agent": "home-rt",
        "version": "0.1.0",
        "ts": rfc3339(NOW),
        "clock_synced": True,
        "started_at": rfc3339(NOW - 3600 * SECOND),
        "uptime_s": 3600,
        "transport": {"name": "raw", "detail": ""},
        "targets": 1,
        "rounds": 12,
        "mqtt": {"enabled": True, "connected": True, "outbox": 0, "detail": ""},
        "db": {"path": ":memory:", "size_bytes": 4096, "limit_bytes": 16_777_216, "traces": 12, "events": 0, "notice": None},
        "counters": {
            "probes_sent": 300,
            "probes": {"udp": 300},
            "replies": {"time_exceeded": 250, "port_unreachable": 40},
            "late": 0,
            "duplicate": 0,
            "foreign": 0,
            "malformed": 0,
        },
        "next_run_at": rfc3339(NOW + 60 * SECOND),
        "verdict": "ok",
        "sentence": "All is well.",
        "notices": [],
    }


def make_state(tid: str) -> dict[str, object]:
    """A `state` object with all its keys."""
    return {
        "v": 1,
        "agent": "home-rt",
        "target": tid,
        "name": tid.title(),
        "address": "192.0.2.9",
        "af": 4,
        "proto": "udp",
        "ts": rfc3339(NOW),
        "clock_synced": True,
        "measured_at": rfc3339(NOW - 30 * SECOND),
        "state": "ok",
        "verdict": "ok",
        "reached": True,
        "rtt_ms": 9.877,
        "rtt_min_ms": 9.5,
        "rtt_max_ms": 12.25,
        "jitter_ms": 0.4,
        "loss_pct": 0.0,
        "hop_count": 3,
        "silent_hops": 1,
        "path_id": "r1",
        "path_label": "A",
        "path_since": rfc3339(NOW - 7200 * SECOND),
        "usual_path": "A",
        "changes_24h": 0,
        "changes_total": 4,
        "stability_pct_7d": 100.0,
        "last_change_at": None,
        "last_event_id": None,
        "next_run_at": rfc3339(NOW + 60 * SECOND),
        "stale_after_s": 900,
        "source": "",
        "kernel_route": {"device": "wan", "source": "192.0.2.1", "gateway": "192.0.2.254", "table": 254},
        "error": None,
        "learning": False,
        "running": False,
        "method": "udp",
        "added_by": None,
    }


def make_target(tid: str, label: str = "") -> Target:
    """A target with the usual values."""
    return Target(
        tid=tid,
        host="192.0.2.9",
        label=label or tid.title(),
        family=0,
        enabled=True,
        method=Method.UDP,
        port=0,
        protocol=253,
        source="",
        interval_s=300,
        jitter_pct=10,
        queries=3,
        first_ttl=1,
        max_ttl=30,
        wait_s=3.0,
        gap_limit=5,
        dscp=0,
        ecn=0,
        flow_label=0,
        size=0,
    )


def make_settings(
    tids: Sequence[str] = ("cloudflare",), *, listen: Sequence[str] = ("127.0.0.1:0",), root: str = "/nonexistent"
) -> Settings:
    """Settings with these targets."""
    return Settings(
        AgentSettings("home-rt", 10.0, 0.0, 4, (), 24.0, ":memory:", 16),
        MqttSettings("", 1883, "", "", "pathwarden"),
        WebSettings(tuple(listen), root),
        tuple(make_target(tid) for tid in tids),
        (),
        default_targets=False,
    )
