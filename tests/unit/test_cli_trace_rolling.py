"""The rolling table: what rounds add up to."""

from statistics import mean, stdev

import pytest

from pathwarden.cli.tracing.rolling import HELD, Table, as_json
from pathwarden.detect import loss
from pathwarden.engine.spec import Outcome
from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Answer, Ending, Hop

A, B, C, DST = "192.0.2.1", "192.0.2.2", "192.0.2.3", "203.0.113.9"
AT = 1_800_000_000_000_000_000


def answer(responder: str | None, rtt_ms: float = 1.0) -> Answer:
    if responder is None:
        return Answer(0)
    kind = ReplyKind.PORT_UNREACHABLE if responder == DST else ReplyKind.TIME_EXCEEDED
    return Answer(0, responder, round(rtt_ms * 1e6), kind, *((3, 3) if responder == DST else (11, 0)))


def outcome(*responders: str | None, rtt_ms: float = 1.0, error: str = "") -> Outcome:
    hops = tuple(Hop(ttl, (answer(responder, rtt_ms),)) for ttl, responder in enumerate(responders, 1))
    reached = len(hops) if DST in responders else None
    return Outcome(Ending.REACHED if reached else Ending.GAP, error, reached, hops, len(hops), 0, 0)


def booked(*rounds: Outcome) -> Table:
    table = Table(DST, 4, 1)
    for each in rounds:
        table.book(each, AT)
    return table


def shown(table: Table) -> list[float | None]:
    return loss.shown([row.count for _, row in table.rows()])


def test_the_figures_are_those_of_a_sample() -> None:
    times = [1.25, 7.5, 3.0, 3.0, 40.0]
    table = booked(*(outcome(A, DST, rtt_ms=each) for each in times))
    row = dict(table.rows())[2]
    assert (row.sent, row.answered, row.last_ns, row.best_ns, row.worst_ns) == (5, 5, 40_000_000, 1_250_000, 40_000_000)
    assert row.mean_ns == pytest.approx(mean(times) * 1e6)
    assert row.deviation_ns == pytest.approx(stdev(times) * 1e6)
    assert list(row.recent) == [round(each * 1e6) for each in times]


def test_what_does_not_persist_to_the_end_is_no_loss() -> None:
    table = booked(*(outcome(A if number % 2 else None, B, DST) for number in range(4)))
    assert shown(table) == [0.0, 0.0, 0.0]
    assert dict(table.rows())[1].count.ratio == 0.5


def test_a_loss_at_the_destination_is_one_everywhere_before_it_that_lost_as_much() -> None:
    table = booked(outcome(A, B, DST), outcome(A, None, None), outcome(A, B, DST), outcome(A, None, None))
    assert shown(table) == [0.0, 0.5, 0.5]
    assert not table.searching, "a lost answer makes no longer path"


def test_what_a_round_left_unasked_up_to_the_destination_is_lost() -> None:
    table = booked(outcome(A, B, DST), outcome(A))
    assert [row.sent for _, row in table.rows()] == [2, 2, 2]
    assert shown(table) == [0.0, 0.5, 0.5]


def test_a_destination_that_never_answers() -> None:
    table = booked(*[outcome(A, B, None, None, None)] * 3)
    assert [ttl for ttl, _ in table.rows()] == [1, 2, 3], "one line says it"
    assert shown(table) == [0.0, 0.0, 1.0]
    assert (table.reached, table.searching) == (False, True)


def test_a_silent_destination_is_looked_for_farther_away_after_a_while() -> None:
    table = booked(outcome(A, DST), *[outcome(A, None)] * (HELD - 1))
    assert not table.searching
    table.book(outcome(A, None), AT)
    assert table.searching
    table.book(outcome(A, None, DST), AT)
    assert (table.length, table.searching) == (3, False)
    assert [text for _, text in table.told] == [f"{DST} is now 3 hops away, before: 2"]


def test_a_router_in_the_place_of_the_destination_is_looked_behind_at_once() -> None:
    table = booked(outcome(A, DST), outcome(A, B))
    assert table.searching
    table.book(outcome(A, B, DST), AT)
    assert [ttl for ttl, _ in table.rows()] == [1, 2, 3]


def test_a_change_is_told_once_when_it_held() -> None:
    table = booked(*[outcome(A, DST)] * 5, *[outcome(B, DST)] * (HELD - 1))
    assert not table.told
    for _ in range(5):
        table.book(outcome(B, DST), AT)
    assert list(table.told) == [(AT, f"hop 1: {B} instead of {A}")]
    assert dict(table.rows())[1].current == B


def test_responders_that_share_the_load_are_no_change() -> None:
    table = booked(*(outcome(each, DST) for each in (A, B, A, A, B, B, B, B, A, B, A)))
    row = dict(table.rows())[1]
    assert not table.told
    assert (row.shared, row.responders) == (True, {A: 5, B: 6})
    for _ in range(HELD):
        table.book(outcome(C, DST), AT)
    assert [text for _, text in table.told] == [f"hop 1: {C} instead of {A}"]


def test_a_round_that_could_not_send_counts_nothing() -> None:
    table = booked(outcome(A, DST), outcome(error="the source's device is down"))
    assert (table.rounds, table.problem) == (1, "the source's device is down")
    assert [row.sent for _, row in table.rows()] == [1, 1]
    table.book(outcome(A, DST), AT)
    assert table.problem == ""


def test_a_new_beginning_keeps_the_length() -> None:
    table = booked(outcome(A, DST))
    table.reset()
    assert (table.rounds, list(table.rows()), table.length) == (0, [], 2)


def test_as_json() -> None:
    table = booked(outcome(A, DST, rtt_ms=1), outcome(None, DST, rtt_ms=2))
    found = as_json(table, shown(table))
    assert (found["address"], found["rounds"], found["reached_ttl"], found["changes"]) == (DST, 2, 2, [])
    assert found["hops"] == [
        {
            "ttl": 1, "responders": {A: 1}, "loss": 0.0, "own_loss": 0.5, "sent": 2,
            "last_ms": 1.0, "avg_ms": 1.0, "best_ms": 1.0, "worst_ms": 1.0, "stdev_ms": None,
        },
        {
            "ttl": 2, "responders": {DST: 2}, "loss": 0.0, "own_loss": 0.0, "sent": 2,
            "last_ms": 2.0, "avg_ms": 1.5, "best_ms": 1.0, "worst_ms": 2.0, "stdev_ms": 0.707,
        },
    ]  # fmt: skip
