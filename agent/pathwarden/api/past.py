"""Routes that read the history: traces, paths, series and changes."""

import bottle

from pathwarden.api.live import json_reply, query
from pathwarden.api.problem import Problem, unknown_target
from pathwarden.model.history import Route, StoredTrace
from pathwarden.model.protocols import Agent, Clock, HistoryReader
from pathwarden.model.settings import Settings
from pathwarden.present import history

MOST_ROWS = 200
TRACES = 50
CHANGES = 100
MOST_POINTS = 600  # as many as a wide screen has room for
POINTS = 300
DAY_NS = 86_400_000_000_000
NUMBER = "<number:re:[0-9]{1,18}>"  # SQLite's integers have 19 digits at most


class PastRoutes:
    """What the history holds. All methods may run in several threads at once; the reader must bear that."""

    def __init__(self, agent: Agent, reader: HistoryReader, settings: Settings, clock: Clock) -> None:
        self._agent = agent
        self._reader = reader
        self._clock = clock
        self._tids = frozenset(target.tid for target in settings.targets)

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.get("/api/v1/targets/<tid>/traces", callback=self.traces)
        app.get("/api/v1/targets/<tid>/trace-at", callback=self.trace_at)
        app.get("/api/v1/targets/<tid>/paths", callback=self.paths)
        app.get("/api/v1/targets/<tid>/series", callback=self.series)
        app.get(f"/api/v1/traces/{NUMBER}", callback=self.trace)
        app.get("/api/v1/paths/<route_id>", callback=self.path)
        app.get("/api/v1/changes", callback=self.changes)

    def traces(self, tid: str) -> bottle.HTTPResponse:
        """A page of traces without hops, newest first; `next_before` asks for the next page, null on the last."""
        asked = query("before", "from", "to", "limit")
        before, limit = asked.integer("before"), asked.integer("limit", 1, MOST_ROWS) or TRACES
        start, end = asked.span()
        self._known(tid)
        found = self._reader.traces(tid, before_id=before, at_from=start, at_to=end, limit=limit + 1)
        page, more = found[:limit], len(found) > limit
        labels = {route.route_id: route.label for route in self._reader.routes(tid)}
        return json_reply(
            {
                "traces": [history.trace(stored, labels.get(stored.route_id or ""), full=False) for stored in page],
                "next_before": page[-1].trace_id if more else None,
            }
        )

    def trace(self, number: str) -> bottle.HTTPResponse:
        """One trace with its hops."""
        query()
        return self._trace(self._reader.trace(int(number)), f"there is no trace {int(number)}")

    def trace_at(self, tid: str) -> bottle.HTTPResponse:
        """The trace in force at an instant: the newest that started at or before it."""
        at = query("at").instant("at")
        if at is None:
            raise Problem(400, "bad_parameter", "'at' is missing", parameter="at")
        self._known(tid)
        return self._trace(self._reader.trace_at(tid, at), "there is no trace as old as that")

    def paths(self, tid: str) -> bottle.HTTPResponse:
        """All routes of a target, most time first."""
        query()
        self._known(tid)
        routes = self._reader.routes(tid)
        return json_reply({"paths": [self._route(route, routes) for route in routes]})

    def path(self, route_id: str) -> bottle.HTTPResponse:
        """One route."""
        query()
        route = self._reader.route(route_id)
        if route is None:
            raise Problem(404, "no_path", f"there is no path {route_id!r}")
        return json_reply(self._route(route, self._reader.routes(route.target)))

    def series(self, tid: str) -> bottle.HTTPResponse:
        """Samples in equal buckets; the last day unless `from` and `to` say otherwise."""
        asked = query("from", "to", "points")
        points = asked.integer("points", 1, MOST_POINTS) or POINTS
        start, end = asked.span()
        self._known(tid)
        end = self._clock.wall_ns() if end is None else end
        start = max(0, end - DAY_NS) if start is None else start
        if start >= end:
            raise Problem(400, "bad_parameter", "'from' must be earlier than 'to' or now", parameter="from")
        return json_reply(history.series(tid, self._reader.series(tid, start, end, points)))

    def changes(self) -> bottle.HTTPResponse:
        """Events, newest first; after `since_seq`, oldest first.

        `last_seq` is the `since_seq` to go on with: the last of the list when following, else the newest of all, 0 without any.
        """
        asked = query("since_seq", "before_seq", "target", "limit")
        since, before = asked.integer("since_seq"), asked.integer("before_seq")
        limit, tid = asked.integer("limit", 1, MOST_ROWS) or CHANGES, asked.text("target")
        if since is not None and before is not None:
            raise Problem(400, "bad_parameter", "'since_seq' and 'before_seq' exclude each other", parameter="before_seq")
        if tid is not None:
            self._known(tid)
        # Asked before the list: an event that comes between the two is told twice rather than never.
        last = self._newest_seq() if since is None else since
        events = self._reader.events(target=tid, since_seq=since, before_seq=before, limit=limit)
        if since is not None and events:
            last = events[-1].seq
        return json_reply({"changes": [event.body for event in events], "last_seq": last})

    def _newest_seq(self) -> int:
        return next((event.seq for event in self._reader.events(limit=1)), 0)

    def _known(self, tid: str) -> None:
        if tid not in self._tids:
            raise unknown_target(tid)

    def _trace(self, stored: StoredTrace | None, otherwise: str) -> bottle.HTTPResponse:
        if stored is None:
            raise Problem(404, "no_trace", otherwise)
        route = None if stored.route_id is None else self._reader.route(stored.route_id)
        return json_reply(history.trace(stored, None if route is None else route.label, full=True))

    def _route(self, route: Route, routes: list[Route]) -> dict[str, object]:
        """A route among all of its target's; usual and current are what the target's state says they are."""
        state = next((each for each in self._agent.target_states() if each["target"] == route.target), {})
        total = sum(each.held_s for each in routes)
        return history.route(
            route,
            share_pct=100 * route.held_s / total if total else None,
            usual=route.label == state.get("usual_path"),
            current=route.route_id == state.get("path_id"),
        )
