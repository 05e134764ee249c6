"""Routes that read the history: traces, paths, series, hops over time, paths side by side, and changes."""

from collections.abc import Iterable
from typing import cast

import bottle

from pathwarden.api.answers import CHANGES, COLUMNS, MOST_CHANGES, MOST_COLUMNS, MOST_POINTS, POINTS, Answers
from pathwarden.api.live import json_reply, query
from pathwarden.api.problem import Problem, encode
from pathwarden.model.protocols import HistoryReader
from pathwarden.present import history

MOST_ROWS = 200
MOST_INCIDENTS = 100
TRACES = 50
NUMBER = "<number:re:[0-9]{1,18}>"  # SQLite's integers have 19 digits at most


class PastRoutes:
    """What the history holds. All methods may run in several threads at once; the reader must bear that."""

    def __init__(self, reader: HistoryReader, answers: Answers) -> None:
        self._reader = reader
        self._answers = answers

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.get("/api/v1/targets/<tid>/traces", callback=self.traces)
        app.get("/api/v1/targets/<tid>/trace-at", callback=self.trace_at)
        app.get("/api/v1/targets/<tid>/paths", callback=self.paths)
        app.get("/api/v1/targets/<tid>/series", callback=self.series)
        app.get("/api/v1/targets/<tid>/heatmap", callback=self.heatmap)
        app.get("/api/v1/diff", callback=self.diff)
        app.get(f"/api/v1/traces/{NUMBER}", callback=self.trace)
        app.get("/api/v1/paths/<route_id>", callback=self.path)
        app.get("/api/v1/changes", callback=self.changes)
        app.get("/api/v1/incidents", callback=self.incidents)

    def traces(self, tid: str) -> bottle.HTTPResponse:
        """A page of traces without hops, newest first; `next_before` asks for the next page, null on the last."""
        asked = query("before", "from", "to", "limit")
        before, limit = asked.integer("before"), asked.integer("limit", 1, MOST_ROWS) or TRACES
        start, end = asked.span()
        self._answers.known(tid)
        labels = {route.route_id: route.label for route in self._reader.routes(tid)}
        page: list[bytes] = []
        last = following = None
        for stored in self._reader.each_trace(tid, before_id=before, at_from=start, at_to=end, limit=limit + 1):
            if len(page) == limit:
                following = last
            else:
                page.append(encode(history.trace(stored, labels.get(stored.route_id or ""), full=False)))
            last = stored.trace_id
        return _page("traces", page, next_before=following)

    def trace(self, number: str) -> bottle.HTTPResponse:
        """One trace with its hops."""
        query()
        return json_reply(self._answers.trace(int(number)))

    def trace_at(self, tid: str) -> bottle.HTTPResponse:
        """The trace in force at an instant: the newest that started at or before it."""
        at = query("at").instant("at")
        if at is None:
            raise Problem(400, "bad_parameter", "'at' is missing", parameter="at")
        return json_reply(self._answers.trace_at(tid, at))

    def paths(self, tid: str) -> bottle.HTTPResponse:
        """All routes of a target, most time first."""
        query()
        return json_reply(self._answers.paths(tid))

    def path(self, route_id: str) -> bottle.HTTPResponse:
        """One route."""
        query()
        return json_reply(self._answers.path(route_id))

    def series(self, tid: str) -> bottle.HTTPResponse:
        """Samples in equal buckets; the last day unless `from` and `to` say otherwise."""
        asked = query("from", "to", "points")
        points = asked.integer("points", 1, MOST_POINTS) or POINTS
        return json_reply(self._answers.series(tid, asked.span(), points))

    def heatmap(self, tid: str) -> bottle.HTTPResponse:
        """Hops over time in equal columns; the last day unless `from` and `to` say otherwise."""
        asked = query("from", "to", "columns")
        columns = asked.integer("columns", 1, MOST_COLUMNS) or COLUMNS
        return json_reply(self._answers.heatmap(tid, asked.span(), columns))

    def diff(self) -> bottle.HTTPResponse:
        """Two paths of a target side by side: `a` and `b` are letters, ids or instants; without both, the newest and the one before it."""
        asked = query("target", "a", "b")
        tid = asked.text("target")
        if tid is None:
            raise Problem(400, "bad_parameter", "'target' is missing", parameter="target")
        return json_reply(self._answers.diff(tid, asked.text("a"), asked.text("b")))

    def changes(self) -> bottle.HTTPResponse:
        """Events, newest first; after `since_seq`, oldest first."""
        asked = query("since_seq", "before_seq", "target", "from", "to", "limit")
        limit = asked.integer("limit", 1, MOST_CHANGES) or CHANGES
        since, before = asked.integer("since_seq"), asked.integer("before_seq")
        found = self._answers.changes(since, before, asked.text("target"), limit, asked.span(), each=encode)
        return _page("changes", cast("list[bytes]", found["changes"]), last_seq=found["last_seq"])

    def incidents(self) -> bottle.HTTPResponse:
        """A page of incidents, newest first; `next_before` asks for the next one, null on the last."""
        asked = query("before", "limit")
        return json_reply(self._answers.incidents(asked.integer("limit", 1, MOST_INCIDENTS) or MOST_INCIDENTS, asked.text("before")))


def _page(name: str, rows: Iterable[bytes], **rest: object) -> bottle.HTTPResponse:
    """An object whose first member is a list of what is JSON already: made at once, a long one would take many times its length."""
    body = b'{"%b":[%b],%b' % (name.encode(), b",".join(rows), encode(rest)[1:])
    return bottle.HTTPResponse(body, 200, {"Content-Type": "application/json"})
