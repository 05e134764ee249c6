"""One target under watch, rule by rule."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from equipment.desk import SECOND, SITE, Desk, World, along, answer_by, glimpse_of, known
from pathwarden.detect.watch.target import FRESH_FLOW, HOLD_NS, MOST_AUDITS, SHARES, SIBLING_TRIES, TargetWatch
from pathwarden.detect.watch.values import OTHER_SENTINEL, SENTINEL, Errand, Kind, Look, Whole
from pathwarden.detect.watch.vigil import LEAST_SILENT, LOST_EVERY_NS, LOST_QUICK_NS, OTHER_FROM
from pathwarden.model.change import ChangeKind

ROUTE = ("a", "b", "c", "d", "e", SITE)
OLD = along(*ROUTE)
NEW = along("a", "b", "X", "d", "e", SITE)


def desk(world: World = OLD, *rows: str | None, traces: int = 40, **values: object) -> Desk:
    return Desk({"site": known(*(rows or ROUTE), traces=traces)}, world, **values)  # type: ignore[arg-type] - shorthand


def watch(*rows: str | None) -> TargetWatch:
    return TargetWatch("site", known(*(rows or ROUTE)), lambda _tid, _mono_ns: True)


def take(of: TargetWatch, errand: Errand, *whos: str | None, at_s: float = 0.0) -> list[Errand]:
    """What an errand with these answers leads to."""
    answers = [answer_by(who, final=who == SITE) for who in whos]
    return of.done(errand, answers, glimpse_of(errand, answers, at_s), SECOND + round(at_s * SECOND)).errands


def verify(ttl: int) -> Errand:
    return Errand("site", Kind.VERIFY, (Look(ttl),))


# Rule 1: what the steady probes ask.


def test_steady_probes_keep_their_shares() -> None:
    quiet = desk(OLD)
    quiet.run(4000)
    kinds = Counter(errand.kind for _, errand in quiet.log)
    of = {kind: SHARES[kind] for kind in SHARES if kind is not Kind.LEARN}
    whole = sum(of.values())
    for kind, share in of.items():
        assert kinds[kind] / sum(kinds.values()) == pytest.approx(share / whole, rel=0.05)
    assert not quiet.changes


def test_every_answering_hop_is_verified_and_none_beyond() -> None:
    quiet = desk(along("a", None, "c", "d", "e", SITE), "a", None, "c", "d", "e", SITE)
    quiet.run(600)
    ttls = Counter(look.ttl for _, _, look in quiet.looks(Kind.VERIFY))
    assert {1, 3, 4, 5} <= set(ttls) <= {1, 3, 4, 5, 6}
    assert max(ttls[ttl] for ttl in (1, 3, 4, 5)) - min(ttls[ttl] for ttl in (1, 3, 4, 5)) <= 2


def test_audits_walk_through_fresh_flows_and_leave_those_of_inquiries_alone() -> None:
    quiet = desk(OLD)
    quiet.run(4000)
    audits = quiet.looks(Kind.AUDIT)
    assert len({(look.ttl, look.flow_no) for _, _, look in audits}) == len(audits)
    assert MOST_AUDITS < FRESH_FLOW
    assert all(1 <= look.flow_no <= MOST_AUDITS for _, _, look in audits)


def test_a_flow_that_cannot_vary_is_not_audited() -> None:
    quiet = desk(OLD)
    quiet.watcher.targets["site"].can_vary = False
    quiet.run(600)
    assert not any(look.flow_no for _, _, look in quiet.looks())


def test_what_never_answered_is_asked_ever_more_seldom() -> None:
    quiet = desk(along("a", None, "c", "d", "e", SITE), "a", None, "c", "d", "e", SITE)
    quiet.run(8_000)
    learned_s = [at_s for at_s, _, look in quiet.looks(Kind.LEARN) if look.ttl == 2]
    assert learned_s, "it is asked at all"
    early, late = (sum(low <= at_s < low + 4000 for at_s in learned_s) for low in (0, 4000))
    assert late <= early


def test_a_silent_hop_that_answers_is_learned() -> None:
    quiet = desk(along("a", "b", "c", "d", "e", SITE), "a", None, "c", "d", "e", SITE)
    quiet.run(8_000)
    route = quiet.detectors["site"].route
    assert route is not None
    assert route.hops[1] == ("b",)
    assert not quiet.changes


# Rule 2: strangers.


def test_a_change_is_found_told_once_and_followed() -> None:
    moved = desk(OLD)
    moved.run(100)
    moved.world = NEW
    moved.run(300)
    assert [change.kind for _, change in moved.changes] == [ChangeKind.PATH_CHANGED]
    route = moved.detectors["site"].route
    assert route is not None
    assert route.hops[2] == ("X",)
    assert sum(outcome.follow for _, outcome in moved.outcomes) == 1


def test_a_stranger_once_is_nothing() -> None:
    dice = Random(3)
    noisy = desk(lambda tid, look, at_s: "X" if look.ttl == 3 and dice.random() < 0.05 else OLD(tid, look, at_s))
    noisy.run(5000)
    assert not noisy.changes


def test_a_member_met_on_a_fresh_flow_joins() -> None:
    balanced = desk(along("a", "b", ("c", "X"), "d", "e", SITE))
    balanced.run(2000)
    route = balanced.detectors["site"].route
    assert route is not None
    assert route.hops[2] == ("X", "c")
    assert not balanced.changes


def test_a_member_is_no_member_of_another_route() -> None:
    of = watch()
    (asked,) = take(of, Errand("site", Kind.AUDIT, (Look(3, flow_no=7),)), "X")
    assert (asked.kind, asked.looks) == (Kind.VERIFY, (Look(3),))
    route = of.detector.route
    assert route is not None
    of.detector.routes["other"] = route._replace(route_id="other")
    of.detector.state = of.detector.state._replace(route_id="other")
    take(of, asked, "c")
    assert of.detector.routes["other"].hops[2] == ("c",), "who knows where the fresh flow went by then"


def test_a_balancer_that_shares_anew_tells_nothing() -> None:
    balanced = desk(OLD)
    balanced.run(100)
    balanced.world = along("a", "b", ("X", "c"), "d", "e", SITE)
    balanced.run(600)
    assert not balanced.changes
    route = balanced.detectors["site"].route
    assert route is not None
    assert route.hops[2] == ("X", "c")


def test_an_errand_of_a_former_inquiry_tells_the_present_one_nothing() -> None:
    of = watch()
    (first,) = take(of, verify(3), "X")
    take(of, Errand("site", Kind.SIBLING, (Look(3),), whole=Whole((("a",), ("b",), ("X",), ("d",), ("e",), (SITE,)), 6)), "X")
    assert of.inquiry is None
    (second,) = take(of, verify(5), "Y")
    assert take(of, first, "X", "b", "d") == []
    assert of.inquiry is not None
    assert not of.inquiry.rows
    assert take(of, second, "Y", "d", SITE)


def test_hops_that_are_verified_beside_an_inquiry_do_not_end_it() -> None:
    of = watch()
    take(of, verify(3), "X")
    for ttl in (1, 2, 4, 5) * 4:
        take(of, verify(ttl), ROUTE[ttl - 1])
    assert of.detector.state.suspicion is not None


def test_the_steady_watch_waits_for_an_inquiry() -> None:
    of = watch()
    assert of.steady(0) is not None
    take(of, verify(3), "X")
    assert of.steady(0) is None


def test_a_verdict_waits_for_the_gateway() -> None:
    green = [False]
    moved = desk(OLD, gate=lambda _tid, _mono_ns: green[0])
    moved.run(100)
    moved.world = NEW
    moved.run(100)
    assert not moved.changes
    green[0] = True
    moved.run(30)
    assert [change.kind for _, change in moved.changes] == [ChangeKind.PATH_CHANGED]


def test_but_not_for_ever() -> None:
    moved = desk(OLD, gate=lambda _tid, _mono_ns: False)
    moved.run(100)
    moved.world = NEW
    begun_s = moved.now_s
    while moved.watcher.targets["site"].inquiry is None:
        moved.run(1)
    while moved.watcher.targets["site"].inquiry is not None and moved.now_s < begun_s + 1000:
        moved.run(1)
    assert moved.now_s - begun_s < HOLD_NS / SECOND + 90
    assert not moved.changes


# Rules 3 to 5: silence, distance, reach.


def test_silence_of_hops_is_no_change_and_asks_for_the_destination() -> None:
    dark = desk(OLD)
    dark.run(100)
    dark.world = along("a", "b", None, "d", "e", SITE)
    before = len(dark.looks(Kind.SENTINEL))
    dark.run(300)
    assert not dark.changes
    assert len(dark.looks(Kind.SENTINEL)) - before > 300 * SHARES[Kind.SENTINEL] * 0.9


def silent_after(at_s: float, until_s: float = 1e9, *, icmp: bool = False) -> World:
    """The destination answers nothing between these; with `icmp` it answers the other method."""

    def world(tid: str, look: Look, now_s: float) -> str | None:
        gone = at_s <= now_s < until_s and (look.sentinel or look.ttl >= 6) and not (icmp and look.other)
        return None if gone else OLD(tid, look, now_s)

    return world


def test_a_target_is_lost_after_silences_of_two_methods() -> None:
    gone = desk(silent_after(100))
    gone.run(200)
    assert [change.kind for _, change in gone.changes] == [ChangeKind.TARGET_UNREACHABLE]
    assert gone.changes[0][1].lost_after_ttl == 5
    vigils = [(at_s, errand) for at_s, errand in gone.log if errand.kind is Kind.VIGIL]
    assert [errand.looks for _, errand in vigils] == [(SENTINEL,)] * (OTHER_FROM - 1) + [(SENTINEL, OTHER_SENTINEL)] * (
        LEAST_SILENT - OTHER_FROM
    )
    sweeps = [errand for _, errand in gone.log if errand.kind is Kind.SWEEP]
    assert sweeps[0].looks == (*map(Look, (1, 2, 3, 4, 5)), SENTINEL, OTHER_SENTINEL)


@pytest.mark.parametrize("seconds", [1, 3, 5])
def test_a_short_silence_is_no_loss(seconds: float) -> None:
    gone = desk(silent_after(100, 100 + seconds))
    gone.run(400)
    assert not gone.changes


def test_it_is_back_after_three_answers() -> None:
    gone = desk(silent_after(100, 200))
    gone.run(400)
    assert [change.kind for _, change in gone.changes] == [ChangeKind.TARGET_UNREACHABLE, ChangeKind.TARGET_REACHABLE]
    back_s = (gone.changes[1][1].at - gone.changes[0][1].at) / SECOND
    assert back_s < 100 + LOST_EVERY_NS / SECOND + 5


def test_and_may_be_lost_again() -> None:
    """Also when a trace was quicker to say that it is lost, while the watch was still asking."""
    gone = desk(silent_after(100, 400))
    while gone.watcher.targets["site"].vigil.idle:
        gone.run(0.5)
    detector, reach = gone.detectors["site"], gone.detectors["site"].state.reach
    detector.state = detector.state._replace(reach=replace(reach, lost=True, missed_traces=3, missed_probes=9, first_missed_at=1))
    gone.run(500 - gone.now_s)
    assert not detector.state.reach.lost
    gone.world = silent_after(600)
    gone.run(200)
    assert detector.state.reach.lost
    assert gone.changes[-1][1].kind is ChangeKind.TARGET_UNREACHABLE


def test_a_lost_target_is_asked_often_for_a_while() -> None:
    gone = desk(silent_after(100))
    gone.run(200)
    begun = len(gone.looks(Kind.SENTINEL))
    gone.run(300)
    asked = len(gone.looks(Kind.SENTINEL)) - begun
    assert asked >= 300 * SECOND / LOST_EVERY_NS
    gone.run(LOST_QUICK_NS / SECOND)
    assert gone.watcher.targets["site"].vigil.urgent(round(gone.now_s * SECOND) + SECOND) is None


def test_a_port_that_falls_silent_is_no_lost_host() -> None:
    closed = desk(silent_after(100, icmp=True))
    closed.run(400)
    assert not closed.changes
    assert closed.detectors["site"].state.other
    assert closed.looks(Kind.SENTINEL)[-1][2] == OTHER_SENTINEL


def test_a_port_that_falls_silent_before_its_host_does_is_a_loss() -> None:
    """One answer to the other method does not keep the vigil up for ever."""
    others: list[float] = []

    def world(tid: str, look: Look, now_s: float) -> str | None:
        if look.other:
            others.append(now_s)
            return SITE if len(others) == 1 else None
        return silent_after(100)(tid, look, now_s)

    gone = desk(world)
    gone.run(220)
    assert len(others) > LEAST_SILENT
    assert [change.kind for _, change in gone.changes] == [ChangeKind.TARGET_UNREACHABLE]
    assert len([errand for _, errand in gone.log if errand.kind is Kind.VIGIL]) < 40


def test_our_own_line_is_no_lost_target() -> None:
    gone = desk(silent_after(100), gate=lambda _tid, _mono_ns: False)
    gone.run(600)
    assert not gone.changes


def test_a_target_that_never_answered_is_not_missed() -> None:
    mute = Desk({"site": known("a", "b", "c", reached=False)}, along("a", "b", "c", None))
    mute.run(2000)
    assert not mute.changes
    assert not mute.looks(Kind.VIGIL)


def test_a_target_that_answers_the_other_method_alone_is_learned() -> None:
    def world(_tid: str, look: Look, _now_s: float) -> str | None:
        return SITE if look.other else None if look.sentinel else along("a", "b", "c", None)("", look, 0)

    mute = Desk({"site": known("a", "b", "c", reached=False)}, world)
    mute.run(3000)
    assert mute.detectors["site"].state.other
    assert mute.detectors["site"].state.reach.answered
    assert not mute.changes


def test_another_distance_leads_to_hops_being_verified() -> None:
    of = watch()
    sentinel = Errand("site", Kind.SENTINEL, (SENTINEL,))

    def see(reply_ttl: int, at_s: float) -> list[Errand]:
        answers = [answer_by(SITE, final=True, ttls=(reply_ttl, 1))]
        return of.done(sentinel, answers, glimpse_of(sentinel, answers, at_s), round(at_s * SECOND)).errands

    assert see(60, 1) == []
    (again,) = see(58, 2)
    assert again.looks == (SENTINEL,)
    burst = see(58, 3)
    assert {errand.kind for errand in burst} == {Kind.VERIFY}
    assert [errand.looks[0].ttl for errand in burst] == sorted({errand.looks[0].ttl for errand in burst}, reverse=True)


# Siblings, restarts, resets.


def test_a_silent_sibling_is_asked_again_a_few_times() -> None:
    of = watch()
    errand = Errand("site", Kind.SIBLING, (Look(3),), whole=Whole((("a",), ("b",), ("X",), ("d",), ("e",), (SITE,)), 6))
    tries = 0
    while following := take(of, errand, None):
        (errand,) = following
        tries += 1
        assert tries < 10
    assert tries == SIBLING_TRIES


def test_a_sibling_that_shows_the_known_responder_is_left_as_it_is() -> None:
    of = watch()
    whole = Whole((("a",), ("b",), ("X",), ("d",), ("e",), (SITE,)), 6)
    assert take(of, Errand("site", Kind.SIBLING, (Look(3),), whole=whole), "c") == []
    assert of.detector.state.suspicion is None


def test_a_sibling_that_shows_another_stranger_is_looked_into() -> None:
    of = watch()
    whole = Whole((("a",), ("b",), ("X",), ("d",), ("e",), (SITE,)), 6)
    (errand,) = take(of, Errand("site", Kind.SIBLING, (Look(3),), whole=whole), "Z")
    assert errand.kind is Kind.INQUIRY


def test_a_trace_that_saw_a_stranger_is_followed_up() -> None:
    of = watch()
    of.detector.on_glimpse(glimpse_of(verify(3), [answer_by("X", final=False)], 0))
    (errand,) = of.follow_up(0)
    assert (errand.kind, errand.looks[0]) == (Kind.INQUIRY, Look(3))
    assert of.follow_up(0) == ()


@pytest.mark.parametrize("field", ["changes", "audits", "back_off"])
def test_what_is_kept_is_checked(field: str) -> None:
    kept = {"changes": 1.0, "audits": {"3": 4}, "back_off": {}}
    for bad in ("x", None, -1, [1], {"x": 1}, {"1": "y"}, {"1": [1]}, float("nan"), float("inf")):
        of = watch()
        with pytest.raises((ValueError, TypeError, KeyError)):
            of.restore(kept | {field: bad})
        assert of.export() == watch().export(), "nothing is half restored"


def test_a_reset_voids_what_was_under_way() -> None:
    of = watch()
    (inquiry,) = take(of, verify(3), "X")
    of.reset()
    assert of.inquiry is None
    assert of.detector.state.suspicion is None
    assert take(of, inquiry, "X", "b", "d") == []
    assert of.steady(0) is not None


def test_a_lost_sweep_after_a_reset_is_no_loss() -> None:
    of = watch()
    of.reset()
    take(of, Errand("site", Kind.SWEEP, (Look(1), Look(2))), None, None)
    assert not of.detector.state.reach.lost


@pytest.mark.parametrize(("late_s", "lost"), [(1, True), (60, False)])
def test_a_sweep_that_the_budget_held_up_is_no_loss(late_s: int, lost: bool) -> None:
    of, at_s = watch(), 0
    (errand,) = take(of, Errand("site", Kind.SENTINEL, (SENTINEL,)), None)
    while errand.kind is Kind.VIGIL:
        at_s += 1
        (errand,) = take(of, errand, *[None] * len(errand.looks), at_s=at_s)
    errands = [errand]
    while errands:  # the first silent hops are asked again
        errands = take(of, errands[0], *[None] * len(errands[0].looks), at_s=at_s + late_s)
    assert of.detector.state.reach.lost is lost


@pytest.mark.parametrize("sentinel", [0, 1])
def test_an_answer_amid_the_sweep_says_that_it_is_there(sentinel: int) -> None:
    of, at_s = watch(), 0
    (errand,) = take(of, Errand("site", Kind.SENTINEL, (SENTINEL,)), None)
    while errand.kind is Kind.VIGIL:
        at_s += 1
        (errand,) = take(of, errand, *[None] * len(errand.looks), at_s=at_s)
    assert errand.kind is Kind.SWEEP
    there: list[str | None] = [None, None]
    there[sentinel] = SITE
    assert take(of, errand, "a", "b", "c", "d", "e", *there, at_s=at_s) == []
    assert of.vigil.idle
    assert not of.detector.state.reach.missed_probes


def test_a_limited_router_that_misses_one_sweep_is_still_the_last_that_answers() -> None:
    of, at_s = watch(), 0
    (errand,) = take(of, Errand("site", Kind.SENTINEL, (SENTINEL,)), None)
    while errand.kind is Kind.VIGIL:
        at_s += 1
        (errand,) = take(of, errand, *[None] * len(errand.looks), at_s=at_s)
    (again,) = take(of, errand, "a", "b", *[None] * 5, at_s=at_s)
    assert again.looks == (Look(3), Look(4), Look(5), SENTINEL, OTHER_SENTINEL)
    (last,) = take(of, again, "c", *[None] * 4, at_s=at_s + 1)
    answers = [answer_by(None, final=False) for _ in last.looks]
    found = of.done(last, answers, glimpse_of(last, answers, at_s + 2), SECOND + (at_s + 2) * SECOND).changes
    assert [(change.kind, change.lost_after_ttl) for change in found] == [(ChangeKind.TARGET_UNREACHABLE, 3)]
