"""All targets under watch: turns, budget, spacing, siblings."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest

from equipment.desk import SECOND, SITE, Desk, World, answer_by, glimpse_of, known
from equipment.traces import trace_of
from pathwarden.detect.detector import Detector
from pathwarden.detect.watch.values import Errand, Kind, Look
from pathwarden.detect.watch.watcher import (
    DEBT_S,
    FOLLOWING,
    LEAST_WEIGHT,
    MOST_PROVING,
    MOST_URGENT,
    MOST_WEIGHT,
    SPACING_NS,
    Watcher,
)
from pathwarden.model.change import ChangeKind
from pathwarden.model.trace import Reason

NEAR = ("gw", "isp", "core")


def green(_tid: str, _mono_ns: int) -> bool:
    return True


def rows_of(number: int) -> tuple[str, ...]:
    return (*NEAR, f"x{number % 3}", f"y{number}", SITE)


def town(count: int, traces: int = 10) -> dict[str, Detector]:
    """Targets that share their first hops."""
    return {f"t{number}": known(*rows_of(number), traces=traces, tid=f"t{number}") for number in range(count)}


def as_known(tid: str, look: Look, _now_s: float) -> str | None:
    rows = rows_of(int(tid[1:]))
    return rows[-1] if look.sentinel else rows[min(look.ttl, len(rows)) - 1]


def moved(world: World, at_s: float, hop: str, to: str | None) -> World:
    def later(tid: str, look: Look, now_s: float) -> str | None:
        who = world(tid, look, now_s)
        return to if who == hop and now_s >= at_s else who

    return later


def spent(desk: Desk, from_s: float, to_s: float) -> int:
    return sum(len(errand.looks) for at_s, errand in desk.log if from_s <= at_s < to_s)


# Budget.


@pytest.mark.parametrize("pps", [0.25, 1.0, 3.0])
def test_the_pace_is_kept(pps: float) -> None:
    desk = Desk(town(12), as_known, pps=pps)
    desk.run(1200)
    assert spent(desk, 0, 1200) == pytest.approx(1200 * pps, rel=0.02)
    assert all(b - a >= 1 / pps - 1e-6 for (a, _), (b, _) in pairwise(desk.log))


def test_what_follows_a_finding_is_paid_for() -> None:
    """Changes now and then: every stretch of time has at most its probes and the debt that is allowed."""
    world = as_known
    for number in range(10):
        world = moved(world, 300 + 400 * number, f"y{number}", f"z{number}")
    desk = Desk(town(12, traces=40), world)
    desk.run(6000)
    assert len(desk.changes) == 10
    assert spent(desk, 0, 6000) <= 6000 + 2 * DEBT_S
    for from_s in range(0, 6000, 100):
        for length_s in (1, 10, 100, 1000):
            assert spent(desk, from_s, from_s + length_s) <= length_s + 3 * DEBT_S


def test_a_flood_of_strangers_costs_no_more_than_the_debt() -> None:
    """Every hop of every target answers with a new name each time."""
    names = iter(range(10**9))
    desk = Desk(town(12), lambda _tid, _look, _now_s: f"s{next(names)}")
    desk.run(3000)
    assert spent(desk, 0, 3000) <= 3000 + 3 * DEBT_S
    # Nobody answers as the destination either, so it is lost in truth.
    assert {change.kind for _, change in desk.changes} <= {ChangeKind.TARGET_UNREACHABLE}


@pytest.mark.parametrize(
    ("debt_s", "leave"),
    [
        (50, {Kind.VERIFY, Kind.INQUIRY, Kind.VIGIL, Kind.SWEEP}),
        (100, {Kind.INQUIRY, Kind.VIGIL, Kind.SWEEP}),
        (150, {Kind.SWEEP}),
        (200, set()),
    ],
)
def test_who_may_owe_how_much(debt_s: int, leave: set[Kind]) -> None:
    """When several targets fail together, their vigils alone may owe two minutes; what tells the losses does not wait for that."""
    watcher = Watcher(town(4), 1.0, green, SECOND)
    watcher._queue(Errand(f"t{number}", kind, (Look(5),), SECOND) for number, kind in enumerate((Kind.VERIFY, *sorted(FOLLOWING))))
    watcher._next_ns = SECOND * (1 + debt_s)
    assert {errand.kind for errand in watcher.due(SECOND, lambda _tid: True) if errand.kind in {Kind.VERIFY, *FOLLOWING}} == leave


def test_traces_that_the_watch_wanted_are_paid_for() -> None:
    watcher = Watcher(town(2), 1.0, green, SECOND)
    for reason, paid in ((Reason.SCHEDULE, False), (Reason.COMMAND, False), (Reason.CONFIRM, True), (Reason.WATCH, True)):
        before = watcher._next_ns
        trace = replace(trace_of(*rows_of(0), reason=reason), target="t0")
        watcher.traced(trace, (), SECOND)
        assert watcher._next_ns - before == (trace.probes * SECOND if paid else 0)


def test_without_a_pace_nothing_is_asked_but_suspicions_are_followed() -> None:
    desk = Desk(town(3), moved(as_known, 0, "y1", "z1"), pps=0)
    desk.run(100)
    assert desk.log == []
    desk.watcher._queue([Errand("t1", Kind.VERIFY, (Look(5),))])
    desk.run(100)
    assert [change.kind for _, change in desk.changes] == [ChangeKind.PATH_CHANGED]


def test_nobody_to_watch_is_nothing_to_do() -> None:
    watcher = Watcher({}, 1.0, green, 0)
    assert watcher.next_ns() is None
    assert watcher.due(100 * SECOND, lambda _tid: True) == []


def test_a_pause_of_hours_is_not_made_up_for() -> None:
    desk = Desk(town(5), as_known)
    desk.run(10)
    desk.now_s += 36_000
    before = len(desk.log)
    desk.run(10)
    assert len(desk.log) - before <= 12


@pytest.mark.parametrize(("pps", "together"), [(1.0, 2), (0.25, 2), (3.0, 4)])
def test_probes_that_leave_in_one_breath_keep_the_pace_and_ask_different_targets_and_routers(pps: float, together: int) -> None:
    desk = Desk(town(12), as_known, pps=pps, together=together)
    desk.run(1200)
    assert spent(desk, 0, 1200) == pytest.approx(1200 * pps, rel=0.02)
    breaths: dict[float, list[Errand]] = defaultdict(list)
    for at_s, errand in desk.log:
        breaths[at_s].append(errand)
    assert all(len({errand.tid for errand in errands}) == len(errands) <= together for errands in breaths.values())
    assert sum(len(errands) == together for errands in breaths.values()) > 0.9 * len(breaths)
    for errands in breaths.values():
        asked = [as_known(errand.tid, look, 0) for errand in errands for look in errand.looks if not look.sentinel and look.ttl < 6]
        assert len(set(asked)) == len(asked)
    assert all(later - at_s >= len(breaths[at_s]) / pps - 1e-6 for at_s, later in pairwise(breaths))


def test_only_what_nobody_waits_for_is_patient() -> None:
    desk = Desk(town(12, traces=40), moved(as_known, 300, "y1", "z1"), together=2)
    desk.run(900)
    assert [tid for tid, _ in desk.changes] == ["t1"]
    told_s = next(at_s for at_s, errand in desk.log if errand.kind is Kind.INQUIRY)
    assert {errand.kind for _, errand in desk.log if errand.patient} == {Kind.SENTINEL, Kind.VERIFY, Kind.AUDIT}
    assert all(errand.patient for at_s, errand in desk.log if at_s < told_s)
    assert not any(errand.patient for _, errand in desk.log if errand.kind is Kind.INQUIRY)


# Spacing.


def test_no_router_is_asked_twice_at_once() -> None:
    world = moved(as_known, 300, "isp", "isp2")
    desk = Desk(town(12, traces=40), world)
    desk.run(900)
    assert {tid for tid, _ in desk.changes} == {f"t{number}" for number in range(12)}
    asked: dict[str, list[float]] = defaultdict(list)
    for at_s, errand in desk.log:
        rows = rows_of(int(errand.tid[1:]))
        for who in {rows[look.ttl - 1] for look in errand.looks if 0 < look.ttl < len(rows)}:
            asked[who].append(at_s)
    # An errand of several looks asks the known router of each; who answers them in the end nobody knows.
    for who, times in asked.items():
        gaps = [b - a for a, b in pairwise(times)]
        urgent = [gap for gap in gaps if gap < SPACING_NS / SECOND - 1e-9]
        assert len(urgent) <= len(times) * 0.02, who


# Turns.


def test_targets_take_turns() -> None:
    desk = Desk(town(12), as_known)
    desk.run(1200)
    turns = Counter(tid for _, tid, _ in desk.looks())
    assert max(turns.values()) - min(turns.values()) <= 2
    assert len(turns) == 12


def test_who_changes_often_is_looked_at_more_often_within_limits() -> None:
    desk = Desk(town(10), as_known)
    for _ in range(50):
        desk.watcher.targets["t0"].count_change(SECOND)
    desk.watcher.targets["t1"].count_change(SECOND)
    desk.run(6000)
    turns = Counter(tid for _, tid, _ in desk.looks())
    others = [turns[f"t{number}"] for number in range(2, 10)]
    assert turns["t0"] > turns["t1"] > max(others)
    assert turns["t0"] <= 1.05 * MOST_WEIGHT / LEAST_WEIGHT * min(others)
    weights = desk.watcher._weights
    assert sum(weights.values()) == pytest.approx(len(weights))


def test_a_target_that_is_traced_waits_and_catches_up_no_more_than_a_round() -> None:
    desk = Desk(town(5), as_known)
    desk.able = lambda tid: tid != "t0"
    desk.run(600)
    assert not any(tid == "t0" for _, tid, _ in desk.looks())
    desk.able = lambda _tid: True
    begun = len(desk.looks())
    desk.run(20)
    assert sum(tid == "t0" for _, tid, _ in desk.looks()[begun:]) <= 4 + 3


def verify(watcher: Watcher, *tids: str) -> None:
    """Something looks different on the way to all of these targets."""
    for tid in tids:
        watcher._queue(watcher.targets[tid].verify_burst(SECOND))


def test_urgent_errands_wait_for_the_trace_too() -> None:
    desk = Desk(town(2), moved(as_known, 0, "y0", "z0"))
    desk.able = lambda tid: tid != "t0"
    verify(desk.watcher, "t0")
    desk.run(30)
    assert not any(tid == "t0" for _, tid, _ in desk.looks())
    desk.able = lambda _tid: True
    desk.run(60)
    assert [tid for tid, _ in desk.changes] == ["t0"]


# Siblings.


def test_one_change_of_a_shared_router_is_told_by_all_it_serves_and_soon() -> None:
    desk = Desk(town(12, traces=40), moved(as_known, 300, "x1", "z1"))
    desk.run(900)
    assert {tid for tid, _ in desk.changes} == {"t1", "t4", "t7", "t10"}
    assert all(change.kind is ChangeKind.PATH_CHANGED for _, change in desk.changes)
    at_s = [change.at / SECOND for _, change in desk.changes]
    assert max(at_s) - min(at_s) < 15
    inquiries = {(errand.tid, errand.number) for _, errand in desk.log if errand.kind is Kind.INQUIRY}
    assert len(inquiries) <= 2, "the others are spared one of their own"


def test_siblings_do_not_ask_each_other_in_turn() -> None:
    desk = Desk(town(12, traces=40), moved(as_known, 300, "isp", "isp2"))
    desk.run(900)
    assert len(desk.changes) == 12
    assert len([errand for _, errand in desk.log if errand.kind is Kind.SIBLING]) <= 2 * 11


def test_a_lost_target_makes_others_prove_that_they_answer() -> None:
    def world(tid: str, look: Look, now_s: float) -> str | None:
        gone = tid == "t3" and now_s > 300 and (look.sentinel or look.ttl >= 6)
        return None if gone else as_known(tid, look, now_s)

    desk = Desk(town(12, traces=40), world)
    desk.run(900)
    assert [(tid, change.kind) for tid, change in desk.changes] == [("t3", ChangeKind.TARGET_UNREACHABLE)]
    told_s = next(at_s for at_s, errand in desk.log if errand.kind is Kind.SWEEP)
    proving = {errand.tid for at_s, errand in desk.log if errand.kind is Kind.SENTINEL and told_s < at_s < told_s + 3}
    assert len(proving - {"t3"}) >= MOST_PROVING


def broken(at_s: float) -> World:
    """From then on nothing comes through to those behind `x0`."""

    def world(tid: str, look: Look, now_s: float) -> str | None:
        gone = int(tid[1:]) % 3 == 0 and now_s > at_s and (look.sentinel or look.ttl >= 4)
        return None if gone else as_known(tid, look, now_s)

    return world


def test_who_fails_for_the_same_reason_is_told_at_once() -> None:
    """The others are asked while the first is still in doubt, and not only when it has been told."""
    desk = Desk(town(12, traces=40), broken(300))
    desk.run(360)
    assert {(tid, change.kind) for tid, change in desk.changes} == {
        (tid, ChangeKind.TARGET_UNREACHABLE) for tid in ("t0", "t3", "t6", "t9")
    }
    told_s = sorted(change.at / SECOND for _, change in desk.changes)
    assert told_s[-1] - told_s[0] < 6
    begun_s = next(at_s for at_s, errand in desk.log if errand.kind is Kind.VIGIL)
    asked = Counter(errand.tid for at_s, errand in desk.log if errand.kind is Kind.SENTINEL and begun_s < at_s < begun_s + 3)
    assert len(asked) >= MOST_PROVING
    assert max(asked.values()) <= 2, "once for all that fail together, and when it is its turn"


def test_our_own_silent_line_makes_nobody_prove_anything() -> None:
    desk = Desk(
        town(12, traces=40), lambda tid, look, now_s: as_known(tid, look, now_s) if now_s < 300 else None, gate=lambda _t, _n: False
    )
    desk.run(420)
    assert any(len(errand.looks) > 1 for _, errand in desk.log if errand.kind is Kind.VIGIL), "some were in doubt"
    assert not desk.watcher._proved_ns
    assert not desk.changes


def test_a_router_that_is_known_counts_as_a_glimpse_of_it_would() -> None:
    one, other = (known("gw", "isp", None, "edge", SITE) for _ in range(2))
    for ttl, who in [(2, "isp"), (4, "edge"), *[(1, "gw")] * 1100]:
        errand, answers = Errand("t0", Kind.VERIFY, (Look(ttl),)), [answer_by(who, final=False)]
        one.on_glimpse(glimpse_of(errand, answers, 10))
        other.on_known(ttl)
    assert one.state == other.state
    assert one.routes == other.routes


def test_an_answer_near_us_counts_for_all_that_it_serves() -> None:
    watcher = Watcher(town(6), 1.0, green, SECOND)
    watcher.due(SECOND, lambda _tid: True)
    for ttl, who, served in ((1, "gw", {0, 1, 2, 3, 4, 5}), (4, "x1", {1, 4}), (5, "y1", {1}), (3, "stranger", {1}), (2, None, {1})):
        errand, now_ns = Errand("t1", Kind.VERIFY, (Look(ttl),)), (10 + ttl) * SECOND
        answers = [answer_by(who, final=False)]
        watcher.done(errand, answers, glimpse_of(errand, answers, 10), now_ns)
        looked = {
            int(tid[1:])
            for tid, watch in watcher.targets.items()
            if watch.detector.route and now_ns in (*watch._asked_ns[ttl - 1 : ttl], watch._seen_ns(watch.detector.route, ttl))
        }
        assert looked == served


@pytest.mark.parametrize("count", [2, 3, 12])
def test_an_answer_to_another_target_is_no_answer_to_ours(count: int) -> None:
    """Where others keep asking a shared hop it is our turn all the same: a change may be ours alone."""
    detectors = {f"t{number}": known("gw", "isp", "core", "edge", SITE, tid=f"t{number}") for number in range(count)}
    desk = Desk(detectors, lambda _tid, look, _now_s: ("gw", "isp", "core", "edge", SITE)[4 if look.sentinel else min(look.ttl, 5) - 1])
    desk.run(200 * count)
    asked_s: dict[tuple[str, int], list[float]] = defaultdict(list)
    for at_s, tid, look in desk.looks(Kind.VERIFY):
        asked_s[tid, look.ttl].append(at_s)
    for tid in detectors:
        for ttl in (1, 2, 3, 4):
            times = [0.0, *asked_s[tid, ttl], desk.now_s]
            assert max(b - a for a, b in pairwise(times)) <= 40 * count, "in forty turns of its own"


def test_a_router_that_serves_many_is_asked_more_often() -> None:
    desk = Desk(town(12), as_known)
    desk.run(2400)
    asked = Counter(rows_of(int(tid[1:]))[look.ttl - 1] for _, tid, look in desk.looks(Kind.VERIFY))
    assert min(asked[who] for who in NEAR) > asked["x1"] > asked["y1"] > 0


# Never stuck.


@pytest.mark.parametrize("kind", sorted(FOLLOWING))
def test_a_full_queue_drops_no_step_that_another_waits_for(kind: Kind) -> None:
    watcher = Watcher(town(1), 1.0, green, SECOND)
    watcher._queue(Errand("t0", Kind.VERIFY, (Look(1),)) for _ in range(2 * MOST_URGENT))
    assert len(watcher._urgent) == MOST_URGENT
    watcher._queue([Errand("t0", kind, (Look(1),))])
    assert any(errand.kind is kind for _, _, errand in watcher._urgent)


def test_verifying_very_many_targets_at_once_leaves_none_of_them_blind() -> None:
    desk = Desk(town(100), moved(as_known, 0, "core", "core2"), pps=5.0)
    verify(desk.watcher, *desk.detectors)
    desk.run(900)
    assert all(watch.inquiry is None for watch in desk.watcher.targets.values())
    assert {tid for tid, _ in desk.changes} == set(desk.detectors)


def test_a_reset_voids_the_errands_of_that_target_alone() -> None:
    watcher = Watcher(town(2), 1.0, green, SECOND)
    verify(watcher, "t0", "t1")
    watcher.reset("t0")
    assert {errand.tid for _, _, errand in watcher._urgent} == {"t1"}


# Restarts.


def test_what_is_kept_of_each_target_comes_back() -> None:
    desk = Desk(town(3), as_known)
    desk.watcher.targets["t1"].count_change(SECOND)
    desk.run(600)
    again = Watcher(town(3), 1.0, green, SECOND)
    for tid in desk.detectors:
        again.restore(tid, desk.watcher.export(tid))
    assert [again.export(tid) for tid in desk.detectors] == [desk.watcher.export(tid) for tid in desk.detectors]
    assert again.export("stranger") == {}
    again.restore("stranger", {})


def test_a_bad_kept_state_is_refused() -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Watcher(town(1), 1.0, green, SECOND).restore("t0", {"changes": "often"})
