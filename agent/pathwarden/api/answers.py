"""The answers that HTTP and ubus both give: the same objects, made once. Knows neither bus nor server."""

import re
from collections.abc import Callable, Mapping, Sequence

from pathwarden.api.problem import Problem, unknown_target
from pathwarden.model.history import Route, StoredTrace
from pathwarden.model.look import LANGUAGES, Look
from pathwarden.model.network import Network
from pathwarden.model.protocols import Agent, Clock, HistoryReader, Pictures
from pathwarden.model.settings import Settings, Target
from pathwarden.present import history
from pathwarden.present.diff import differ, side
from pathwarden.present.instants import parse_instant

MOST_CHANGES = 200
CHANGES = 100
SPARK_NS = 3 * 3600 * 1_000_000_000
SPARK_POINTS = 36  # one for every five minutes, the usual interval
_SPARK_STEP_NS = SPARK_NS // SPARK_POINTS
MOST_POINTS = 600  # as many as a wide screen has room for
POINTS = 300
MOST_COLUMNS = 240  # of 3 pixels each, and each is a trace to read
COLUMNS = 120
DAY_NS = 86_400_000_000_000
MOST_MUTED_S = 2_592_000  # 30 days: what is muted for longer is better not watched
MOST_NOTE = 300  # characters: some sentences, and small beside the event itself
# Control characters, breaks of lines and of direction, and halves of characters, which are no text.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
PAIR = 2
WAY_KEYS = ("device", "address", "table", "fwmark", "next_hop")
THEMES = ("light", "dark")
CONFIG_KEYS = ("host", "label", "family", "port", "source", "interval_s", "queries", "first_ttl", "max_ttl", "dscp", "enabled")

Json = dict[str, object]
Draw = Callable[[Pictures, tuple[Target, ...], int], str | None]
Span = tuple[int | None, int | None]  # instants in wall-clock nanoseconds


class Answers:
    """JSON-ready objects about the agent and its history, and pictures of it. Several threads may ask at once; the reader must bear that.

    `pictures` gives what draws, None where that is not installed. Raises `Problem` for what is not there or makes no sense.
    """

    def __init__(
        self,
        agent: Agent,
        reader: HistoryReader,
        settings: Settings,
        clock: Clock,
        pictures: Callable[[], Pictures | None] = lambda: None,
    ) -> None:
        self._agent = agent
        self._reader = reader
        self._clock = clock
        self._pictures = pictures
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
        head, found = self._agent.overview()
        states = {str(state["target"]): state for state in found}
        sparks = self._sparks_of({tid: state["measured_at"] for tid, state in states.items()}, self._clock.wall_ns())
        targets = [{**state, "spark": sparks[tid], "outline": self._agent.target_outline(tid)} for tid, state in states.items()]
        return {**head, "targets": targets}

    def targets(self) -> Json:
        """All `state` objects in configuration order."""
        return {"targets": self._agent.target_states()}

    def target(self, tid: str) -> Json:
        """One target: configuration, state, path and newest trace; the last two are null before the first trace."""
        configured = self.known(tid)
        stored = self._reader.latest(tid)
        return {
            "config": {"id": tid, "method": configured.method.value, **{key: getattr(configured, key) for key in CONFIG_KEYS}},
            "state": self._agent.target_state(tid),
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

    def trace_at(self, tid: str, at: int) -> Json:
        """The trace in force at an instant: the newest that started at or before it."""
        self.known(tid)
        stored = self._reader.trace_at(tid, at)
        if stored is None:
            raise _no_trace_then()
        return self.of_trace(stored)

    def asked(self, name: str) -> Json:
        """How far a trace is that was asked for, with what it has found so far."""
        asked = self._agent.trace_asked(name)
        if asked is None:
            raise Problem(404, "not_asked", "nobody asked for this trace since the agent started, or for too many others since")
        target, trace = asked.target, asked.trace
        return {
            "asked": name,
            "target": target.tid or None,
            "host": target.host,
            "state": asked.stage.value,
            "max_ttl": target.max_ttl,
            "trace": None if trace is None else history.unstored(trace, asked.stage, self._agent.whose),
        }

    def series(self, tid: str, span: Span, points: int) -> Json:
        """Samples in equal buckets; the last day unless the span says otherwise."""
        start, end = self._whole(span)
        self.known(tid)
        return history.series(tid, self._reader.series(tid, start, end, points))

    def heatmap(self, tid: str, span: Span, columns: int) -> Json:
        """Hops over time in equal columns; the last day unless the span says otherwise."""
        start, end = self._whole(span)
        self.known(tid)
        return history.heat(tid, self._reader.heat(tid, start, end, columns))

    def diff(self, tid: str, a: str | None, b: str | None) -> Json:
        """Two paths of a target side by side: `a` and `b` are letters, ids or instants; without both, the newest and the one before it."""
        self.known(tid)
        sides = [side(route, stored and stored.trace) for route, stored in self._sides(tid, {"a": a, "b": b})]
        return differ(tid, sides[0], sides[1], self._agent.whose)

    def graph(self, tid: str | None, at: int | None, before: int | None, theme: str | None, language: str | None = None) -> str:
        """The ways to all targets, or to one, at an instant, as SVG, and what is different from those `before`."""
        look = _look(theme, language)
        return self._drawn(tid, at, lambda pictures, targets, then: pictures.graph(targets, then, before, look))

    def map(self, tid: str | None, at: int | None, theme: str | None, language: str | None = None, width: int | None = None) -> str:
        """The places on the ways to all targets, or to one, at an instant, as SVG, so many px broad."""
        look = _look(theme, language, width)
        return self._drawn(tid, at, lambda pictures, targets, then: pictures.map(targets, then, look))

    def paths(self, tid: str, most: int | None = None) -> Json:
        """All routes of a target, or so many, most time first."""
        self.known(tid)
        routes = self._reader.routes(tid)
        state = self._agent.target_state(tid) or {}
        return {"paths": [self._of_route(route, routes, state) for route in routes[:most]]}

    def path(self, route_id: str) -> Json:
        """One route."""
        route = self._reader.route(route_id)
        if route is None:
            raise Problem(404, "no_path", f"there is no path {route_id!r}")
        return self._of_route(route, self._reader.routes(route.target), self._agent.target_state(route.target) or {})

    def _of_route(self, route: Route, routes: Sequence[Route], state: Mapping[str, object]) -> Json:
        """A route among all of its target's; usual and current are what the target's state says they are."""
        total = sum(each.held_s for each in routes)
        return history.route(
            route,
            share_pct=100 * route.held_s / total if total else None,
            usual=route.label == state.get("usual_path"),
            current=route.route_id == state.get("path_id"),
            whose=self._agent.whose,
        )

    def changes(
        self,
        since_seq: int | None,
        before_seq: int | None,
        tid: str | None,
        limit: int,
        span: Span = (None, None),
        each: Callable[[Json], object] = dict,
    ) -> Json:
        """Events told in the span, newest first; after `since_seq`, oldest first. How incidents stand is told by `incidents`.

        `last_seq` is the `since_seq` to go on with: the last of the list when following, else the newest of all, 0 without any. `each`
        makes of an event what the list has of it, at once: a page of events as objects takes megabytes.
        """
        if since_seq is not None and before_seq is not None:
            raise Problem(400, "bad_parameter", "'since_seq' and 'before_seq' exclude each other", parameter="before_seq")
        if tid is not None:
            self.known(tid)
        # Asked before the list: an event that comes between the two is told twice rather than never.
        last = self._newest_seq() if since_seq is None else since_seq
        ids = {"since_seq": since_seq, "before_seq": before_seq}
        found = []
        for event in self._reader.each_event(target=tid, **ids, at_from=span[0], at_to=span[1], limit=limit, incidents=False):
            found.append(each(event.body))
            last = last if since_seq is None else event.seq
        return {"changes": found, "last_seq": last}

    def incidents(self, limit: int, before: str | None = None) -> Json:
        """Incidents as they were told last, newest first; `next_before` asks for the next page, null on the last."""
        found = self._reader.incidents(limit + 1, before)
        page, more = found[:limit], len(found) > limit
        return {"incidents": [incident.body for incident in page], "next_before": page[-1].incident_id if more else None}

    def mute(self, tid: str, for_s: object, pair: object) -> Json:
        """Mute a target for so long, 0 unmutes it; or going between two paths, with `for_s` 0 no more. Both are as somebody wrote them."""
        self.known(tid)
        if for_s is not None and (isinstance(for_s, bool) or not isinstance(for_s, int) or not 0 <= for_s <= MOST_MUTED_S):
            raise _bad("for_s", f"must be a whole number from 0 to {MOST_MUTED_S}")
        if pair is None:
            if for_s is None:
                raise _bad("for_s", "is missing, and so is 'pair'")
            done = self._agent.mute(tid, for_s)
        else:
            if for_s:
                raise _bad("for_s", "must be 0 beside 'pair', or absent: a pair is muted until told otherwise")
            one, other = self._pair(tid, pair)
            done = self._agent.mute_pair(tid, one, other, muted=for_s is None)
        if not done:
            raise unknown_target(tid)
        return {"target": tid, "for_s": for_s, "pair": pair}

    def note(self, event_id: str, text: object) -> Json:
        """Keep what somebody wrote about an event that `changes` tells, '' takes it away. It is not published again."""
        if not isinstance(text, str) or len(text) > MOST_NOTE or _UNFIT.search(text):
            raise _bad("note", f"must be one line of at most {MOST_NOTE} characters, without control characters")
        found = self._reader.event(event_id)
        if found is None or found.event_type == "incident":
            raise Problem(404, "no_event", f"there is no event {event_id!r}")
        self._agent.note(event_id, text.strip())
        return {"event_id": event_id, "note": text.strip() or None}

    def accept_path(self, tid: str) -> Json:
        """Make the path in force the usual one."""
        self.known(tid)
        if not self._agent.accept_path(tid):
            raise Problem(409, "no_path", f"no path to {tid!r} is known yet")
        return {"target": tid}

    def _drawn(self, tid: str | None, at: int | None, draw: Draw) -> str:
        targets = tuple(self._targets.values()) if tid is None else (self.known(tid),)
        pictures = self._pictures()
        if pictures is None:
            raise Problem(404, "not_installed", "what draws is not installed; it is in the package pathwarden-tools")
        drawn = draw(pictures, targets, self._clock.wall_ns() if at is None else at)
        if drawn is None:
            raise _no_trace_then()
        return drawn

    def _pair(self, tid: str, pair: object) -> tuple[str, str]:
        """Two letters of the target's paths. Raises `Problem`."""
        if not isinstance(pair, list) or len(pair) != PAIR or not all(isinstance(each, str) for each in pair) or pair[0] == pair[1]:
            raise _bad("pair", "must be the letters of two paths")
        known = {route.label for route in self._reader.routes(tid)}
        for letter in pair:
            if letter not in known:
                raise _bad("pair", f"names {letter!r}, which is no path of {tid!r}")
        return pair[0], pair[1]

    def _sides(self, tid: str, named: Mapping[str, str | None]) -> list[tuple[Route | None, StoredTrace | None]]:
        routes = self._reader.routes(tid)
        newest = sorted(routes, key=lambda route: route.last_at)[-2:]
        if not any(text is not None for text in named.values()):
            if len(newest) < len(named):
                raise Problem(404, "no_path", f"{tid!r} has not taken two paths yet")
            return [(route, self._trace_of(route)) for route in newest]
        return [self._side(name, text, tid, routes) for name, text in named.items()]

    def _side(self, name: str, text: str | None, tid: str, routes: Sequence[Route]) -> tuple[Route | None, StoredTrace | None]:
        for route in routes:
            if text in (route.label, route.route_id):
                return route, self._trace_of(route)
        try:
            at = self._clock.wall_ns() if text is None else parse_instant(text)
        except ValueError as error:
            raise _bad(name, f"is neither a path of {tid!r} nor an instant") from error
        stored = self._reader.trace_at(tid, at)
        if stored is None and (then := self._reader.path_at(tid, at)) is not None:  # known longer than the traces
            return then, None
        if stored is None:
            raise _no_trace_then()
        return next((route for route in routes if route.route_id == stored.route_id), None), stored

    def _trace_of(self, route: Route) -> StoredTrace | None:
        """Its last trace, if the history still holds that."""
        stored = self._reader.trace_at(route.target, route.last_at)
        return stored if stored is not None and stored.route_id == route.route_id else None

    def _whole(self, span: Span) -> tuple[int, int]:
        """The span without gaps: up to now, and a day of it."""
        end = self._clock.wall_ns() if span[1] is None else span[1]
        start = max(0, end - DAY_NS) if span[0] is None else span[0]
        if start >= end:
            raise _bad("from", "must be earlier than 'to' or now")
        return start, end

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


def _look(theme: str | None, language: str | None, width: int | None = None) -> Look:
    """How a picture should look; for a light page in English unless it is said otherwise."""
    for name, value, known in (("theme", theme, THEMES), ("lang", language, LANGUAGES)):
        if value is not None and value not in known:
            raise _bad(name, f"must be one of {', '.join(known)}")
    look = Look(theme == "dark", language or LANGUAGES[0])
    return look if width is None else look._replace(width=width)


def _no_trace_then() -> Problem:
    return Problem(404, "no_trace", "there is no trace as old as that")


def _bad(name: str, what: str) -> Problem:
    return Problem(400, "bad_parameter", f"{name!r} {what}", parameter=name)
