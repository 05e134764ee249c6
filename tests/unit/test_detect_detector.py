"""One target's detector: traces in, route and changes out."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.traces import HOME, OTHER_LINE, Row, Watch, trace_of
from pathwarden.detect.detector import LEARN_ROUNDS, MOST_QUICK_MISSES, MOST_QUICK_RETRACES, MOST_ROUTES, Detector
from pathwarden.model.change import Change, ChangeKind
from pathwarden.model.history import Route
from pathwarden.model.trace import Ending, Hop, Reason, Trace

OLD: tuple[Row, ...] = ("gw", "b", "c", "D")
NEW: tuple[Row, ...] = ("gw", "x", "y", "D")


def watched(rounds: int = 10, *rows: Row, **values: object) -> Watch:
    """A target whose route is known well."""
    watch = Watch(**values)  # type: ignore[arg-type] - shorthand
    watch.times(rounds, *(rows or OLD))
    assert watch.changes == []
    return watch


def hops(route: Route | None) -> list[str]:
    assert route is not None
    return ["|".join(hop) or "*" for hop in route.hops]


def only(watch: Watch) -> Change:
    assert len(watch.changes) == 1, watch.kinds()
    return watch.changes[0]


# The first trace, and silence.


def test_the_first_trace_is_believed_and_nothing_is_told() -> None:
    watch = Watch()
    verdict = watch.feed("gw", None, "c", "D")
    assert hops(verdict.route) == ["gw", "*", "c", "D"]
    assert verdict.route is not None
    assert (verdict.route.label, verdict.route.length, verdict.changes, verdict.retrace_after_ns) == ("A", 4, (), None)


def test_silent_hops_are_filled_in_later() -> None:
    watch = Watch()
    watch.feed("gw", None, reached=False)
    assert hops(watch.detector.route) == ["gw"]
    watch.feed("gw", None, "c", "D")
    watch.feed("gw", "b", None, "D")
    assert hops(watch.detector.route) == ["gw", "b", "c", "D"]
    assert watch.detector.route is not None
    assert watch.detector.route.length == 4
    assert watch.changes == []


def test_a_trace_that_saw_nothing_makes_no_route() -> None:
    watch = Watch()
    assert watch.feed(None, None, reached=False).route is None
    assert hops(watch.feed(*OLD).route) == list(OLD)
    assert watch.detector.route is not None
    assert watch.detector.route.label == "A"


def test_nothing_lies_beyond_the_destination() -> None:
    watch = watched()
    watch.feed("gw", None, None, None, "z", reached=False)
    assert hops(watch.detector.route) == list(OLD)


def silence(trace: Trace, kept: list[bool], shuffler: random.Random) -> Trace:
    """The trace with answers taken away and the rest of each hop shuffled, as the engine would report it."""
    drawn = iter(kept)
    rows = []
    for hop in trace.hops:
        answers = [answer if next(drawn) else answer._replace(responder=None, rtt_ns=None, kind=None) for answer in hop.answers]
        shuffler.shuffle(answers)
        rows.append(Hop(hop.ttl, tuple(answers)))
    reached = bool(rows[-1].responders)
    return replace(trace, hops=tuple(rows), reached_ttl=len(rows) if reached else None, ending=Ending.REACHED if reached else Ending.GAP)


@settings(max_examples=60)
@given(st.data())
def test_silence_never_makes_a_path_change_and_order_within_a_hop_changes_nothing(data: st.DataObject) -> None:
    shuffler = random.Random(data.draw(st.integers(0, 2**32)))
    watch = Watch()
    for number in range(data.draw(st.integers(2, 25))):
        whole = trace_of("gw", "b", "c", "d", "D", mono_s=number * 300)
        watch.take(silence(whole, data.draw(st.lists(st.booleans(), min_size=15, max_size=15)), shuffler))
    told = {change.kind for change in watch.changes}
    assert told <= {ChangeKind.TARGET_UNREACHABLE, ChangeKind.TARGET_REACHABLE}
    assert len(watch.detector.routes) <= 1


def test_an_error_is_no_evidence() -> None:
    watch = watched()
    before = watch.detector.state
    for _ in range(30):
        verdict = watch.feed(reached=False, ending=Ending.ERROR, line=OTHER_LINE)
        assert (verdict.route, verdict.changes, verdict.retrace_after_ns) == (None, (), None)
    assert watch.detector.state == before


# Changes.


def test_a_change_is_told_once_after_two_agreeing_retraces() -> None:
    watch = watched()
    first = watch.feed(*NEW)
    assert (first.route, first.changes) == (None, ())
    assert first.retrace_after_ns == 1_000_000_000
    assert watch.feed(*NEW).changes == ()
    verdict = watch.feed(*NEW)
    change = only(watch)
    assert verdict.changes == (change,)
    assert verdict.retrace_after_ns is None
    assert (change.kind, change.confirmations, change.known, change.classes) == (ChangeKind.PATH_CHANGED, 3, False, ("reroute",))
    assert (hops(change.old), hops(change.new)) == (list(OLD), list(NEW))
    assert change.old is not None
    assert change.new is not None
    assert (change.old.label, change.new.label) == ("A", "B")
    assert (change.first_ttl, change.last_ttl, change.added, change.removed) == (2, 3, ("x", "y"), ("b", "c"))
    assert change.at - change.first_seen_at == 2_000_000_000
    assert change.old_seconds == 3000
    watch.times(20, *NEW)
    assert len(watch.changes) == 1


def test_a_passing_stranger_is_dropped_and_forgotten() -> None:
    watch = watched()
    assert watch.feed(*NEW).retrace_after_ns is not None
    assert hops(watch.feed(*OLD).route) == list(OLD)
    assert watch.settle(*NEW) == ["path_changed"]


def test_a_single_stray_answer_is_dropped() -> None:
    watch = watched()
    for _ in range(50):
        watch.feed("gw", ["b", "b", "q"], "c", "D")
        watch.settle(*OLD)
    assert watch.changes == []
    assert hops(watch.detector.route) == list(OLD)


def test_a_route_that_moved_during_the_first_trace_is_told_without_the_old_responders() -> None:
    watch = watched()
    watch.feed("gw", "b", ["c", "y", "y"], "D")
    assert watch.settle(*NEW) == ["path_changed"]
    assert hops(watch.detector.route) == list(NEW)


def test_there_and_back_gives_a_return_to_the_old_route() -> None:
    watch = watched()
    old = watch.detector.route
    assert watch.settle(*NEW) == ["path_changed"]
    watch.times(3, *NEW)
    assert watch.settle(*OLD) == ["path_reverted"]
    back = watch.changes[-1]
    assert old is not None
    assert back.new is not None
    assert (back.new.route_id, back.known, back.returns_to_usual) == (old.route_id, True, True)
    assert len(watch.detector.routes) == 2
    assert watch.settle(*NEW) == ["path_reverted"]
    assert not watch.changes[-1].returns_to_usual


@pytest.mark.parametrize(
    ("old", "new", "classes", "first", "last", "added", "removed"),
    [
        (OLD, ("gw", "b", "z", "D"), ("hop",), 3, 3, ("z",), ("c",)),
        (OLD, ("gw", "b", "n", "c", "D"), ("hop", "length"), 3, 3, ("n",), ()),
        (("gw", "b", "n", "c", "D"), OLD, ("hop", "length"), 3, 2, (), ("n",)),
        (("gw", None, "D"), ("gw", None, None, "D"), ("length",), 3, 3, (), ()),
        (("gw", None, None, "D"), ("gw", None, "D"), ("length",), 3, 2, (), ()),
        (OLD, ("gw", "x", "y", "z", "D"), ("reroute", "length"), 2, 4, ("x", "y", "z"), ("b", "c")),
    ],
)
def test_what_differs_is_named(
    old: tuple[Row, ...],
    new: tuple[Row, ...],
    classes: tuple[str, ...],
    first: int,
    last: int,
    added: tuple[str, ...],
    removed: tuple[str, ...],
) -> None:
    watch = watched(10, *old)
    assert watch.settle(*new) == ["path_changed"]
    change = only(watch)
    assert change.classes == classes
    assert (change.first_ttl, change.last_ttl, change.added, change.removed) == (first, last, added, removed)


def test_a_route_that_was_seen_once_is_left_after_more_retraces() -> None:
    watch = watched(1)
    assert watch.settle("gw", "x", "c", "D") == ["path_changed"]
    assert LEARN_ROUNDS > watch.traces > 5


def test_a_suspicion_that_quick_retraces_do_not_settle_waits_for_the_schedule() -> None:
    watch = Watch()
    watch.times(2, *OLD, queries=1)
    pauses = [watch.feed("gw", "x", "c", "D", queries=1).retrace_after_ns for _ in range(MOST_QUICK_RETRACES + 1)]
    assert all(pauses[:-1])
    assert pauses[-1] is None
    watch.times(20, "gw", "x", "c", "D", queries=1)
    assert watch.kinds() == ["path_changed"]


def test_the_rtt_difference_is_told() -> None:
    watch = watched()
    watch.settle(*NEW, rtt_ms=35.5)
    assert only(watch).rtt_delta_ms == 25.5


# Balancing per packet.


def balanced(seed: int, members: int, queries: int, loss: float = 0.0) -> Watch:
    dice = random.Random(seed)

    def answer(ttl: int) -> str | None:
        if dice.random() < loss:
            return None
        return {1: "gw", 2: "b", 3: f"m{dice.randrange(members)}", 4: f"n{dice.randrange(members)}", 5: "c"}.get(ttl, "D")

    def world() -> Trace:
        rows = [[answer(ttl) for _ in range(queries)] for ttl in range(1, 7)]
        return trace_of(*rows, reached=any(rows[-1]))

    return Watch(world)


@pytest.mark.parametrize("members", [2, 3, 4])
@pytest.mark.parametrize("queries", [1, 2, 3, 5])
def test_a_random_member_for_every_probe_is_never_a_path_change(members: int, queries: int) -> None:
    for seed in range(30):  # many starts: a route that few traces have seen is the weak moment
        watch = balanced(seed, members, queries)
        for _ in range(15):
            watch.round()
        assert watch.kinds() == [], f"seed {seed}"


@pytest.mark.parametrize(("members", "loss"), [(2, 0.0), (4, 0.0), (16, 0.0), (3, 0.2), (1, 0.2), (1, 0.4)])
def test_thousands_of_traces_of_balancers_and_loss_make_no_path_change(members: int, loss: float) -> None:
    watch = balanced(members, members, 3, loss)
    for _ in range(2000):
        watch.round()
    assert not {"path_changed", "path_reverted"} & set(watch.kinds())


def test_members_of_a_balancer_are_learned() -> None:
    watch = balanced(1, 3, 3)
    for _ in range(200):
        watch.round()
    assert hops(watch.detector.route)[2] == "m0|m1|m2"
    quiet = watch.traces
    for _ in range(100):
        watch.round()
    assert watch.traces == quiet + 100


def test_a_real_change_behind_a_balancer_is_told() -> None:
    watch = balanced(1, 3, 3)
    for _ in range(50):
        watch.round()
    assert watch.settle("gw", "b", "m1", "m2", "z", "D") == ["path_changed"]


def test_branches_of_two_lengths_balanced_per_packet_are_no_change() -> None:
    for seed in range(50):
        dice = random.Random(seed)

        def world(dice: random.Random = dice) -> Trace:
            longer = [dice.random() < 0.5 for _ in range(3)]
            rows = [["gw"] * 3, ["x" if far else "D" for far in longer], ["D"] * 3]
            return trace_of(*(rows if all(longer) else rows[:2]))

        watch = Watch(world)
        for _ in range(60):
            watch.round()
        assert watch.kinds() == [], f"seed {seed}"


def test_a_destination_that_answers_seldom_has_no_changing_length() -> None:
    """Without a quoted TTL the destination seems as far away as the first ttl at which it happened to answer."""
    for seed in range(20):
        dice = random.Random(seed)

        def world(dice: random.Random = dice) -> Trace:
            for ttl in range(3, 8):
                last = [("D" if dice.random() < 0.3 else None) for _ in range(3)]
                if any(last):
                    return trace_of("gw", "b", *[None] * (ttl - 3), last)
            return trace_of("gw", "b", *[None] * 5, reached=False)

        watch = Watch(world)
        for _ in range(100):
            watch.round()
        assert not {"path_changed", "path_reverted"} & set(watch.kinds()), f"seed {seed}"


# Epochs and addresses.


def test_a_new_epoch_tells_nothing_and_learns_anew() -> None:
    watch = watched()
    assert hops(watch.feed(*NEW, line=OTHER_LINE).route) == list(NEW)
    watch.times(10, *NEW, line=OTHER_LINE)
    assert watch.changes == []


def test_an_old_epoch_that_comes_back_finds_its_route() -> None:
    watch = watched()
    old = watch.detector.route
    watch.times(5, *NEW, line=OTHER_LINE)
    verdict = watch.feed(*OLD)
    assert old is not None
    assert verdict.route is not None
    assert verdict.route.route_id == old.route_id
    assert watch.changes == []


def test_an_epoch_does_not_borrow_routes_of_another() -> None:
    watch = watched()
    verdict = watch.feed(*OLD, line=OTHER_LINE)
    assert verdict.route is not None
    assert (verdict.route.label, len(watch.detector.routes)) == ("B", 2)


def test_a_new_epoch_ends_a_suspicion() -> None:
    watch = watched()
    watch.feed(*NEW)
    watch.times(5, *NEW, line=OTHER_LINE)
    watch.times(5, *OLD)
    assert watch.changes == []


@pytest.mark.parametrize("part", ["device", "source", "gateway"])
def test_device_source_and_gateway_make_the_epoch(part: str) -> None:
    watch = watched()
    watch.times(5, *NEW, line=HOME._replace(**{part: "other"}))
    assert watch.changes == []
    assert watch.settle(*OLD, line=HOME._replace(**{part: "other"})) == ["path_changed"]


def test_another_routing_table_is_no_epoch() -> None:
    watch = watched()
    assert watch.settle(*NEW, line=HOME._replace(table=7)) == ["path_changed"]


def test_a_moved_address_is_told_as_such_only() -> None:
    watch = watched()
    assert watch.settle("gw", "q", "E", address="E") == ["target_address_changed"]
    change = only(watch)
    assert (change.old_address, change.new_address, change.new, change.classes) == ("D", "E", None, ("address",))
    watch.times(10, "gw", "q", "E", address="E")
    assert len(watch.changes) == 1
    assert hops(watch.detector.route) == ["gw", "q", "E"]


# Reachability.


def test_a_reliable_target_is_lost_with_three_silent_traces_and_back_with_one() -> None:
    watch = watched()
    for _ in range(2):
        verdict = watch.feed("gw", "b", "c", None, reached=False)
        assert (verdict.changes, verdict.retrace_after_ns) == ((), 1_000_000_000)
    watch.feed("gw", "b", "c", None, reached=False)
    lost = only(watch)
    assert (lost.kind, lost.lost_after_ttl, lost.confirmations) == (ChangeKind.TARGET_UNREACHABLE, 3, 3)
    assert lost.at - lost.first_seen_at == 2_000_000_000
    assert watch.times(20, "gw", "b", None, None, reached=False).retrace_after_ns is None
    watch.feed(*OLD)
    assert watch.kinds() == ["target_unreachable", "target_reachable"]
    watch.times(20, *OLD)
    assert len(watch.changes) == 2


def test_quick_retraces_after_silence_are_bounded() -> None:
    watch = Watch()
    for _ in range(100):
        watch.feed("gw", ["D", None, None])
        watch.feed("gw", [None, None, None], reached=False)
    told = len(watch.changes)
    watch.feed("gw", ["D", None, None])
    pauses = [watch.feed("gw", None, reached=False).retrace_after_ns for _ in range(MOST_QUICK_MISSES + 1)]
    assert all(pauses[:-1])
    assert pauses[-1] is None
    assert len(watch.changes) == told == 0


def test_partly_answered_traces_bring_a_target_back_only_two_in_a_row() -> None:
    watch = watched()
    watch.times(4, "gw", "b", "c", None, reached=False)
    assert watch.feed("gw", "b", "c", ["D", None, None]).retrace_after_ns is not None
    assert watch.kinds() == ["target_unreachable"]
    watch.feed("gw", "b", "c", ["D", None, None])
    assert watch.kinds() == ["target_unreachable", "target_reachable"]


def test_reachability_outlives_an_epoch() -> None:
    watch = watched()
    watch.times(4, "gw", "b", "c", None, reached=False)
    watch.feed("gw2", "p", "D", line=OTHER_LINE)
    assert watch.kinds() == ["target_unreachable", "target_reachable"]
    watch.times(4, "gw2", None, reached=False, line=HOME)
    assert watch.kinds() == ["target_unreachable", "target_reachable", "target_unreachable"]


def test_a_target_that_never_answered_tells_nothing() -> None:
    watch = Watch()
    watch.times(50, "gw", "b", None, reached=False)
    assert watch.changes == []
    assert not watch.detector.state.reach.answered


# Learning, time, memory.


def test_learning_ends_with_twenty_rounds() -> None:
    watch = watched(LEARN_ROUNDS - 1)
    assert watch.detector.learning
    watch.settle(*NEW)
    assert only(watch).learning is False  # the suspicious trace was the twentieth of the schedule
    assert not watch.detector.learning


def test_retraces_are_no_rounds() -> None:
    watch = Watch()
    for number in range(LEARN_ROUNDS * 2):
        watch.take(trace_of(*OLD, mono_s=number, reason=Reason.CONFIRM))
    assert watch.detector.learning


def test_learning_ends_with_its_time() -> None:
    assert watched(5, learn_s=900).detector.learning is False
    assert watched(3, learn_s=900).detector.learning
    assert Watch(learn_s=0).detector.learning is False


def test_time_is_credited_to_the_route_in_force() -> None:
    watch = watched(11)
    assert watch.detector.route is not None
    assert watch.detector.route.held_s == 3000
    assert watch.detector.usual == watch.detector.route


def test_daily_traces_credit_time_too_but_a_stop_of_days_does_not() -> None:
    detector = Detector("site", 0)
    for day in (0, 1, 2, 9):
        detector.on_trace(trace_of(*OLD, mono_s=day * 86_400))
    assert detector.route is not None
    assert detector.route.held_s == 2 * 86_400


def test_sixteen_routes_are_remembered_and_letters_are_not_used_twice() -> None:
    watch = watched()
    for number in range(30):
        watch.settle("gw", f"x{number}", f"y{number}", "D")
        watch.times(3, "gw", f"x{number}", f"y{number}", "D")
    assert len(watch.detector.routes) == MOST_ROUTES
    labels = [change.new.label for change in watch.changes if change.new]
    assert labels[:3] == ["B", "C", "D"]
    assert labels[24:28] == ["Z", "AA", "AB", "AC"]
    assert watch.settle("gw", "x29", "y29", "D") == []
    assert watch.settle("gw", "x28", "y28", "D") == ["path_reverted"]
    assert watch.settle("gw", "x0", "y0", "D") == ["path_changed"]


def test_letters_go_on_after_a_restart() -> None:
    watch = watched()
    for name in "xyz":
        watch.settle("gw", name, name * 2, "D")
    oldest = [route for route in watch.detector.routes.values() if route.label != "D"]
    detector = Detector.restore("site", 0, watch.detector.export(), tuple(oldest))
    for number in range(4):
        changes = detector.on_trace(trace_of("gw", "n", "nn", "D", mono_s=10_000 + number)).changes
    assert changes == ()
    assert detector.route is not None
    assert detector.route.label == "E"


# Export and restore.

STEPS: dict[str, tuple[tuple[Row, ...], dict[str, object]]] = {
    "old": (OLD, {}),
    "new": (NEW, {}),
    "third": (("gw", "p", "q", "r", "D"), {}),
    "half": (("gw", "b", "y", "D"), {}),
    "mixed": (("gw", ["b", "x", "b"], "c", "D"), {}),
    "torn": (("gw", ["b", "x", "x"], "c", "D"), {}),
    "quiet": (("gw", None, None, "D"), {}),
    "lost": (("gw", "b", None, None), {"reached": False}),
    "partly": (("gw", "b", "c", ["D", None, None]), {}),
    "other line": (NEW, {"line": OTHER_LINE}),
    "moved": (("gw", "E"), {"address": "E"}),
    "error": ((), {"reached": False, "ending": Ending.ERROR}),
}


def restarted(going: Detector) -> Detector:
    """The detector after a restart; the time of a stop is credited to no route, so none passes for the one that goes on either."""
    going._last_mono_ns = None
    return Detector.restore("site", 86_400, going.export(), tuple(going.routes.values())[::-1])


def alike_after_restart(names: list[str], stop: int) -> None:
    going, stored = Detector("site", 86_400), dict[str, Route]()
    other: Detector | None = None
    for number, name in enumerate(names):
        if number == stop:
            other = restarted(going)
        rows, values = STEPS[name]
        trace = trace_of(*rows, mono_s=number * 10, **values)  # type: ignore[arg-type] - shorthand
        verdict = going.on_trace(trace)
        if other is not None:
            assert other.on_trace(trace) == verdict, f"{name} as number {number}"
        if verdict.route is not None:
            stored[verdict.route.route_id] = verdict.route
    assert set(going.routes) <= set(stored) | {going.state.route_id}


@settings(max_examples=150)
@given(st.lists(st.sampled_from(sorted(STEPS)).flatmap(lambda step: st.integers(1, 4).map(lambda n: [step] * n)), max_size=20), st.data())
def test_a_restart_at_any_point_changes_no_later_verdict(groups: list[list[str]], data: st.DataObject) -> None:
    names = [name for group in groups for name in group]
    alike_after_restart(names, data.draw(st.integers(0, len(names))))


def test_of_routes_that_fit_equally_well_the_same_is_taken_after_a_restart() -> None:
    """`quiet` fits them all, and two were in force for as long."""
    back = [*["old"] * 5, *["half"] * 3, *["quiet"] * 7]
    alike_after_restart([*back, "moved", "quiet"], len(back))
    alike_after_restart([*["old"] * 3, *["new"] * 4, *["quiet"] * 3, "other line", "quiet"], 11)
    alike_after_restart([*["old"] * 4, *["new"] * 3, *["third"] * 3, "half", *["new"] * 4, "mixed", "moved", "quiet"], 8)


def test_an_export_is_json_text_that_restores_to_itself() -> None:
    watch = watched()
    watch.feed(*NEW)
    text = watch.detector.export()
    detector = Detector.restore("site", 86_400, text, tuple(watch.detector.routes.values()))
    assert detector.state == watch.detector.state
    assert detector.export() == text


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"reach": {}, "suspicion": null, "steady": [], "unknown": 1}', '{"reach": {"x": 1}}'])
def test_what_is_no_export_is_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Detector.restore("site", 0, text, ())


def test_a_target_that_answers_traces_again_is_asked_by_their_method_again() -> None:
    watch = watched()
    watch.detector.answers_other(True)
    silent = ("gw", "b", "c", None, None)
    watch.times(20, *silent, reached=False)
    assert watch.changes == [], "another method reaches it"
    watch.feed(*OLD)
    assert not watch.detector.state.other
