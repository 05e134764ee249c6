"""What the agent knows right now, asked for again and again."""

from equipment.fakes import SECOND, FakeClock, FakeReader, hop, make_settings, make_trace
from equipment.web import Client
from pathwarden.api.app import make_app
from pathwarden.daemon.board import Board, Fact


class RunningClock(FakeClock):
    """A real one: no two looks at it, or at its two hands, are at the same instant."""

    def mono_ns(self):
        self.mono += 37_003
        return self.mono

    def wall_ns(self):
        self.wall += 37_003
        return self.wall


def test_a_steady_overview_is_sent_once():
    settings, reader, clock = make_settings(("cloudflare", "quad9")), FakeReader(), RunningClock()
    trace = make_trace(hop(1, "10.0.0.1", 1.0), at=clock.wall)
    board = Board(settings, clock, reader, lambda _tid: "asked", dict)
    for number, tid in enumerate(("cloudflare", "quad9")):
        board.finished(tid, Fact(trace, answered=True), clock.mono + (300 + number) * SECOND + SECOND // 4, ())
    web = Client(make_app(board, reader, settings, clock))
    first = web.get("/api/v1/summary")
    assert [state["next_run_at"] for state in first.json["targets"]] == ["2026-11-21T08:50:00.000Z", "2026-11-21T08:50:01.000Z"]
    tag = first.headers["etag"]
    for _ in range(100):
        again = web.get("/api/v1/summary", IF_NONE_MATCH=tag)
        assert (again.status, again.raw) == (304, b"")


def test_a_round_is_over_when_all_were_traced_but_those_that_are_paused():
    settings, clock = make_settings(("cloudflare", "quad9")), FakeClock()
    board = Board(settings, clock, FakeReader(), lambda _tid: "asked", dict)
    reached, missed = make_trace(hop(1, "10.0.0.1", 1.0)), make_trace(hop(1, "10.0.0.1", 1.0), reached=False)

    def rounds() -> object:
        return board.info()["rounds"]

    board.finished("cloudflare", Fact(reached), None, ())
    board.finished("cloudflare", Fact(reached), None, ())
    assert rounds() == {"ok": 0, "partial": 0, "failed": 0}
    board.finished("quad9", Fact(missed), None, ())
    assert rounds() == {"ok": 0, "partial": 1, "failed": 0}
    board.finished("quad9", Fact(reached), None, ())
    board.changed("quad9", Fact(paused=True), ())
    assert rounds() == {"ok": 0, "partial": 1, "failed": 0}
    board.finished("cloudflare", Fact(reached), None, ())
    assert rounds() == {"ok": 1, "partial": 1, "failed": 0}
    board.finished("cloudflare", Fact(missed), None, ())
    assert rounds() == {"ok": 1, "partial": 1, "failed": 1}
