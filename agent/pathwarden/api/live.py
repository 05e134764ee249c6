"""Routes that ask the running agent: status, summary, targets, metrics, and the request for a trace."""

import bottle

from pathwarden.api.problem import encode, unknown_target
from pathwarden.api.query import Query
from pathwarden.model.protocols import Agent, Clock, HistoryReader
from pathwarden.model.settings import Settings, Target
from pathwarden.present import history, metrics

SPARK_NS = 3 * 3600 * 1_000_000_000
SPARK_POINTS = 36  # one for every five minutes, the usual interval
CONFIG_KEYS = ("host", "label", "family", "port", "source", "interval_s", "queries", "first_ttl", "max_ttl", "dscp", "enabled")


def json_reply(value: object, status: int = 200, **headers: str) -> bottle.HTTPResponse:
    """A JSON answer."""
    return bottle.HTTPResponse(encode(value), status, {"Content-Type": "application/json", **headers})


def query(*known: str) -> Query:
    """The parameters of the request at hand. Raises `Problem`."""
    return Query(bottle.request.query_string, *known)


class LiveRoutes:
    """What the agent knows now. All methods may run in several threads at once."""

    def __init__(self, agent: Agent, reader: HistoryReader, settings: Settings, clock: Clock) -> None:
        self._agent = agent
        self._reader = reader
        self._clock = clock
        self._targets = {target.tid: target for target in settings.targets}

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.get("/api/v1/status", callback=self.status)
        app.get("/api/v1/summary", callback=self.summary)
        app.get("/api/v1/targets", callback=self.targets)
        app.get("/api/v1/targets/<tid>", callback=self.target)
        app.post("/api/v1/targets/<tid>/trace", callback=self.trace_now)
        app.get("/metrics", callback=self.metrics)
        app.get("/healthz", callback=self.healthz)

    def status(self) -> bottle.HTTPResponse:
        """`info` object as it is."""
        query()
        return json_reply(self._agent.info())

    def summary(self) -> bottle.HTTPResponse:
        """Everything that the overview shows in one answer; `spark` holds the last 3 hours of each target."""
        query()
        info = self._agent.info()
        now = self._clock.wall_ns()
        head = {key: info[key] for key in ("agent", "ts", "clock_synced", "verdict", "sentence", "notices")}
        targets = [{**state, "spark": self._spark(str(state["target"]), now)} for state in self._agent.target_states()]
        return json_reply({"v": 1, **head, "targets": targets})

    def targets(self) -> bottle.HTTPResponse:
        """All `state` objects in configuration order."""
        query()
        return json_reply({"targets": self._agent.target_states()})

    def target(self, tid: str) -> bottle.HTTPResponse:
        """One target: configuration, state, path and newest trace; the last two are null before the first trace."""
        query()
        configured = self._targets.get(tid)
        if configured is None:
            raise unknown_target(tid)
        stored = self._reader.latest(tid)
        known = None if stored is None or stored.route_id is None else self._reader.route(stored.route_id)
        return json_reply(
            {
                "config": _config(configured),
                "state": next((state for state in self._agent.target_states() if state["target"] == tid), None),
                "path": self._agent.target_path(tid),
                "trace": None if stored is None else history.trace(stored, None if known is None else known.label, full=True),
            }
        )

    def trace_now(self, tid: str) -> bottle.HTTPResponse:
        """Asks for a trace; 202, since it runs later. Where to look for it stands in Location."""
        query()
        if not self._agent.trace_now(tid):
            raise unknown_target(tid)
        return json_reply({"target": tid}, 202, Location=f"/api/v1/targets/{tid}")

    def metrics(self) -> bottle.HTTPResponse:
        """OpenMetrics text."""
        query()
        return bottle.HTTPResponse(self._agent.metrics().encode("utf-8", "replace"), 200, {"Content-Type": metrics.CONTENT_TYPE})

    def healthz(self) -> bottle.HTTPResponse:
        """Says that the server answers; nothing about the network."""
        query()
        return bottle.HTTPResponse(b"ok\n", 200, {"Content-Type": "text/plain; charset=utf-8"})

    def _spark(self, tid: str, now: int) -> dict[str, object]:
        return history.spark(self._reader.series(tid, now - SPARK_NS, now, SPARK_POINTS))


def _config(target: Target) -> dict[str, object]:
    return {"id": target.tid, "method": target.method.value, **{key: getattr(target, key) for key in CONFIG_KEYS}}
