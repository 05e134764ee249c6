"""The answers that HTTP and ubus both give: the same objects, made once. Knows neither bus nor server."""

from collections.abc import Mapping, Sequence

from pathwarden.api.problem import Problem, unknown_target
from pathwarden.model.history import Route, StoredTrace
from pathwarden.model.network import Network
from pathwarden.model.protocols import Agent, Clock, HistoryReader
from pathwarden.model.settings import Settings, Target
from pathwarden.present import history

MOST_CHANGES = 200
CHANGES = 100
SPARK_NS = 3 * 3600 * 1_000_000_000
SPARK_POINTS = 36  # one for every five minutes, the usual interval
_SPARK_STEP_NS = SPARK_NS // SPARK_POINTS
WAY_KEYS = ("device", "address", "table", "fwmark", "next_hop")
CONFIG_KEYS = ("host", "label", "family", "port", "source", "interval_s", "queries", "first_ttl", "max_ttl", "dscp", "enabled")

Json = dict[str, object]


class Answers:
    """JSON-ready objects about the agent and its history. Several threads may ask at once; the reader must bear that.

    Raises `Problem` for what is not there or makes no sense.
    """

    def __init__(self, agent: Agent, reader: HistoryReader, settings: Settings, clock: Clock) -> None:
        self._agent = agent
        self._reader = reader
        self._clock = clock
        self._sparks: dict[str, tuple[tuple[object, int], Json]] = {}
        self._sources = settings.sources
        self._targets = {target.tid: target for target in settings.targets}

    def whose(self, address: str) -> Network:
        """What is known of an address."""
        return self._agent.whose(address)

    def known(self, tid: str) -> Target:
        """The configured target of this id. Raises `Problem`."""
        target = self._targets.get(tid)
        if target is None:
            raise unknown_target(tid)
        return target

    def status(self) -> Json:
        """The `info` object as it is."""
        return self._agent.info()

    def summary(self) -> Json:
        """Everything that the overview shows in one answer; `spark` holds the last 3 hours of each target, `outline` what adds latency."""
        info = self._agent.info()
        now = self._clock.wall_ns()
        head = {key: info[key] for key in ("agent", "ts", "clock_synced", "verdict", "sentence", "notices")}
        states = {str(state["target"]): state for state in self._agent.target_states()}
        sparks = self._sparks_of({tid: state["measured_at"] for tid, state in states.items()}, now)
        targets = [{**state, "spark": sparks[tid], "outline": self._agent.target_outline(tid)} for tid, state in states.items()]
        return {"v": 1, **head, "targets": targets}

    def targets(self) -> Json:
        """All `state` objects in configuration order."""
        return {"targets": self._agent.target_states()}

    def target(self, tid: str) -> Json:
        """One target: configuration, state, path and newest trace; the last two are null before the first trace."""
        configured = self.known(tid)
        stored = self._reader.latest(tid)
        return {
            "config": {"id": tid, "method": configured.method.value, **{key: getattr(configured, key) for key in CONFIG_KEYS}},
            "state": next((state for state in self._agent.target_states() if state["target"] == tid), None),
            "path": self._agent.target_path(tid),
            "trace": None if stored is None else self.of_trace(stored),
        }

    def sources(self) -> Json:
        """The configured sources, each with the targets that leave by it."""
        return {
            "sources": [
                {
                    "id": source.name,
                    "interface": source.interface,
                    **{key: getattr(source.binding, key) for key in WAY_KEYS},
                    "targets": [target.tid for target in self._targets.values() if target.source == source.name],
                }
                for source in self._sources
            ]
        }

    def trace(self, number: int) -> Json:
        """One trace with its hops."""
        stored = self._reader.trace(number)
        if stored is None:
            raise Problem(404, "no_trace", f"there is no trace {number}")
        return self.of_trace(stored)

    def of_trace(self, stored: StoredTrace) -> Json:
        """A stored trace with its hops and its path's label."""
        route = None if stored.route_id is None else self._reader.route(stored.route_id)
        earlier = self._reader.traces(stored.trace.target, before_id=stored.trace_id, limit=history.EARLIER)
        return history.trace(stored, None if route is None else route.label, full=True, earlier=earlier, whose=self._agent.whose)

    def paths(self, tid: str, most: int | None = None) -> Json:
        """All routes of a target, or so many, most time first."""
        self.known(tid)
        routes = self._reader.routes(tid)
        return {"paths": [self.of_route(route, routes) for route in routes[:most]]}

    def of_route(self, route: Route, routes: Sequence[Route]) -> Json:
        """A route among all of its target's; usual and current are what the target's state says they are."""
        state = next((each for each in self._agent.target_states() if each["target"] == route.target), {})
        total = sum(each.held_s for each in routes)
        return history.route(
            route,
            share_pct=100 * route.held_s / total if total else None,
            usual=route.label == state.get("usual_path"),
            current=route.route_id == state.get("path_id"),
            whose=self._agent.whose,
        )

    def changes(
        self, since_seq: int | None, before_seq: int | None, tid: str | None, limit: int, span: tuple[int | None, int | None] = (None, None)
    ) -> Json:
        """Events told in the span, newest first; after `since_seq`, oldest first. How incidents stand is told by `incidents`.

        `last_seq` is the `since_seq` to go on with: the last of the list when following, else the newest of all, 0 without any.
        """
        if since_seq is not None and before_seq is not None:
            raise Problem(400, "bad_parameter", "'since_seq' and 'before_seq' exclude each other", parameter="before_seq")
        if tid is not None:
            self.known(tid)
        # Asked before the list: an event that comes between the two is told twice rather than never.
        last = self._newest_seq() if since_seq is None else since_seq
        ids = {"since_seq": since_seq, "before_seq": before_seq}
        events = self._reader.events(target=tid, **ids, at_from=span[0], at_to=span[1], limit=limit, incidents=False)
        if since_seq is not None and events:
            last = events[-1].seq
        return {"changes": [event.body for event in events], "last_seq": last}

    def incidents(self, limit: int) -> Json:
        """Incidents as they were told last, newest first."""
        return {"incidents": [incident.body for incident in self._reader.incidents(limit)]}

    def _newest_seq(self) -> int:
        return next((event.seq for event in self._reader.events(limit=1)), 0)

    def _sparks_of(self, measured_at: Mapping[str, object], now: int) -> dict[str, Json]:
        """The last ones, but for those of a target with a new trace, or if a bucket's time has passed: a page asks every few seconds."""
        stamps = {tid: (newest, now // _SPARK_STEP_NS) for tid, newest in measured_at.items()}
        kept = {tid: self._sparks[tid] for tid, stamp in stamps.items() if self._sparks.get(tid, (None,))[0] == stamp}
        if missing := [tid for tid in stamps if tid not in kept]:
            # Threads may do this twice at once, and come to the same.
            samples = self._reader.series_of(missing, now - SPARK_NS, now, SPARK_POINTS)
            kept |= {tid: (stamps[tid], history.spark(samples[tid])) for tid in missing}
            self._sparks |= kept
        return {tid: spark for tid, (_, spark) in kept.items()}
