"""The year that the history's benchmark writes: equal seeds give equal records, and what happens in it is told."""

from bench.year import HOPS, INTERVAL_S, START_AT, Year
from pathwarden.model.history import Record

DAYS = 0.5
ROUNDS = round(DAYS * 86_400 / INTERVAL_S)


def records(seed: int) -> list[list[Record]]:
    return list(Year(seed, 4, 1).run(DAYS))


def test_equal_seeds_give_equal_records() -> None:
    first = records(7)
    assert first == records(7)
    assert first != records(8)


def test_each_target_is_traced_in_each_interval_and_again_when_asked_for() -> None:
    year = Year(7, 4, 3)
    made = [record for round_ in year.run(DAYS) for record in round_]
    traces = [record.trace for record in made if record.trace is not None]
    assert len(traces) == year.traces >= 4 * ROUNDS * 0.99
    assert {trace.target for trace in traces} == set(year.tids)
    for tid in year.tids:
        instants = [trace.at for trace in traces if trace.target == tid]
        assert instants == sorted(set(instants))
        assert instants[0] >= START_AT
    assert {len(hop.answers) for trace in traces for hop in trace.hops} == {3}
    assert sum(trace.reached_ttl == HOPS for trace in traces) > 0.98 * len(traces)


def test_changes_become_events_of_the_real_detectors() -> None:
    kinds = {event.event_type for round_ in Year(7, 10, 1).run(2.0) for record in round_ for event in record.events}
    assert {"path_changed", "path_reverted"} <= kinds
