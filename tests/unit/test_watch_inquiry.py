"""Inquiries: from a stranger to the verdict, step by step."""

from collections.abc import Callable

import pytest

from equipment.desk import known
from pathwarden.detect.watch.inquiry import (
    FLOWS_AT_ONCE,
    MOST_FLOWS,
    MOST_INSISTED,
    MOST_SILENT,
    RECHECK_NS,
    REMAP_NS,
    SLOW_NS,
    Inquiry,
    Stage,
    _flows_needed,
)
from pathwarden.detect.watch.target import FRESH_FLOW
from pathwarden.detect.watch.values import Look, Whole
from pathwarden.engine.flows import MOST

ROUTE = ("a", "b", "c", "d", "e", "D")
Answerer = Callable[[Look], str | None]


def begun(ttl: int = 3, *, can_vary: bool = True) -> Inquiry:
    route = known(*ROUTE).route
    assert route is not None
    return Inquiry(route, ttl, can_vary=can_vary, first_flow=FRESH_FLOW)


def way(*hops: str | None) -> Answerer:
    return lambda look: hops[min(look.ttl, len(hops)) - 1]


def steps(inquiry: Inquiry, world: Answerer, most: int = 300) -> list[tuple[Stage, tuple[Look, ...], int]]:
    """Every step until it is over: the stage after it was planned, its looks, and after how long they leave."""
    taken = []
    for _ in range(most):
        looks, after_ns = inquiry.looks()
        if not looks:
            return taken
        taken.append((inquiry.stage, looks, after_ns))
        inquiry.take(looks, [world(look) for look in looks])
    raise AssertionError("it does not end")


def of(stage: Stage, taken: list[tuple[Stage, tuple[Look, ...], int]]) -> list[tuple[tuple[Look, ...], int]]:
    return [(looks, after_ns) for one, looks, after_ns in taken if one is stage]


def test_the_hop_is_asked_thrice_and_its_neighbours_once() -> None:
    taken = steps(inquiry := begun(), lambda _look: None)
    assert taken == [
        (Stage.RECHECK, (Look(3), Look(2), Look(4)), RECHECK_NS[0]),
        (Stage.RECHECK, (Look(3),), RECHECK_NS[1]),
        (Stage.RECHECK, (Look(3),), RECHECK_NS[2]),
    ]
    assert RECHECK_NS == (300_000_000, 1_000_000_000, 3_000_000_000)
    assert (inquiry.stage, inquiry.wants_trace, inquiry.cleared) == (Stage.OVER, False, False), "silence ends it"


@pytest.mark.parametrize(("ttl", "asked"), [(1, [1, 2]), (6, [6, 5]), (8, [8])])
def test_neighbours_lie_between_us_and_the_destination(ttl: int, asked: list[int]) -> None:
    looks, _ = begun(ttl).looks()
    assert [look.ttl for look in looks] == asked


def test_a_changed_hop_is_mapped_cleared_and_insisted_on() -> None:
    taken = steps(inquiry := begun(), way("a", "b", "X", "d", "e", "D"))
    assert inquiry.whole == Whole((("a",), ("b",), ("X",), ("d",), ("e",), ("D",)), 6)
    flows = [look.flow_no for looks, _ in of(Stage.BALANCE, taken) for look in looks]
    assert len(flows) == len(set(flows)) == 12, "eleven, four at a time"
    assert all(look.ttl == 3 for looks, _ in of(Stage.BALANCE, taken) for look in looks)
    assert [looks for looks, _ in of(Stage.INSIST, taken)] == [(Look(3),)] * MOST_INSISTED
    assert inquiry.cleared
    assert inquiry.wants_trace, "the detector was never sure"


def test_only_a_router_that_was_asked_just_now_is_given_time() -> None:
    silent_once = {6}

    def world(look: Look) -> str | None:
        if look.ttl in silent_once:
            return silent_once.discard(look.ttl)
        return ("a", "b", "X", "d", "e", "f", "g", "D")[look.ttl - 1]

    route = known("a", "b", "c", "d", "e", "f", "g", "D").route
    assert route is not None
    taken = of(Stage.REMAP, steps(Inquiry(route, 3, can_vary=True, first_flow=FRESH_FLOW), world))
    asked: set[int] = set()
    for looks, after_ns in taken:
        ttls = {look.ttl for look in looks}
        assert after_ns == (REMAP_NS if ttls & asked else 0)
        asked |= ttls
    assert {after_ns for _, after_ns in taken} == {0}, "farther hops are asked once"
    again = of(Stage.REMAP, steps(begun(), way("a", "b", "X", None, "e", "D")))
    assert REMAP_NS in {after_ns for _, after_ns in again}, "one that was silent is asked again"


def test_eleven_flows_rule_out_a_second_member() -> None:
    assert [_flows_needed(members) for members in (1, 2, 3)] == [11, 20, 29]
    assert _flows_needed(16) <= MOST_FLOWS < _flows_needed(17)


def test_a_balancer_that_moved_our_flow_joins_its_members() -> None:
    def world(look: Look) -> str | None:
        return ("X" if look.flow_no % 2 == 0 else "c") if look.ttl == 3 else way(*ROUTE)(look)

    steps(inquiry := begun(), world)
    assert (inquiry.stage, inquiry.cleared, inquiry.wants_trace) == (Stage.OVER, False, False)
    assert inquiry.members[3] == ("X", "c")


def test_the_branch_behind_a_member_joins_as_well() -> None:
    def world(look: Look) -> str | None:
        branch = ("X", "Y") if look.flow_no % 2 == 0 else ("c", "d")
        return branch[look.ttl - 3] if look.ttl in (3, 4) else way(*ROUTE)(look)

    steps(inquiry := begun(4), world)
    assert inquiry.members == {3: ("X", "c"), 4: ("Y",)}


def test_more_members_take_more_flows() -> None:
    """Of five new members none is known: that is a change, and not before a sixth can be ruled out."""

    def world(look: Look) -> str | None:
        return f"X{look.flow_no % 5}" if look.ttl == 3 else way(*ROUTE)(look)

    taken = steps(inquiry := begun(), world)
    assert inquiry.cleared
    assert _flows_needed(5) <= sum(len(looks) for looks, _ in of(Stage.BALANCE, taken)) < _flows_needed(5) + FLOWS_AT_ONCE


def test_a_silent_flow_rules_nobody_out() -> None:
    """A router that answers one probe in four is asked slowly, until eleven flows were answered."""
    count = 0

    def world(look: Look) -> str | None:
        nonlocal count
        count += look.flow_no > 0
        return way("a", "b", "X", "d", "e", "D")(look) if not look.flow_no or count % 4 == 0 else None

    taken = steps(inquiry := begun(), world)
    balance = of(Stage.BALANCE, taken)
    assert inquiry.cleared
    assert count >= 41
    assert [len(looks) for looks, _ in balance[:3]] == [FLOWS_AT_ONCE, 1, 1]
    assert [after_ns for _, after_ns in balance[:3]] == [REMAP_NS, SLOW_NS, SLOW_NS]


def test_a_hop_that_answers_no_fresh_flow_leaves_it_open() -> None:
    taken = steps(inquiry := begun(), lambda look: None if look.flow_no else way("a", "b", "X", "d", "e", "D")(look))
    assert sum(len(looks) for looks, _ in of(Stage.BALANCE, taken)) == MOST_SILENT
    assert (inquiry.stage, inquiry.cleared, inquiry.wants_trace, inquiry.members) == (Stage.OVER, False, False, {})


def test_then_the_next_strange_hop_is_asked() -> None:
    world = way("a", "b", "X", "Y", "e", "D")
    taken = steps(inquiry := begun(), lambda look: None if look.flow_no and look.ttl == 3 else world(look))
    assert inquiry.cleared
    looks = [look for looks, _ in of(Stage.BALANCE, taken) for look in looks]
    assert [look.ttl for look in looks] == [3] * MOST_SILENT + [4] * 12
    assert max(look.flow_no for look in looks) < MOST


def test_a_flow_that_cannot_vary_is_not_asked_for() -> None:
    taken = steps(inquiry := begun(can_vary=False), way("a", "b", "X", "d", "e", "D"))
    assert not of(Stage.BALANCE, taken)
    assert inquiry.cleared


def test_what_does_not_fit_together_wants_a_trace_and_is_cleared_all_the_same() -> None:
    taken = steps(inquiry := begun(), lambda look: "X" if look.ttl == 3 else None if look.ttl > 3 else way(*ROUTE)(look))
    assert inquiry.whole is None
    assert (inquiry.cleared, inquiry.wants_trace) == (True, True)
    assert not of(Stage.INSIST, taken)


def test_the_known_responder_again_wants_no_map() -> None:
    """Nothing strange is left where the answer to the recheck is the known one: the detector ends it, see `judge`."""
    inquiry, detector = begun(), known(*ROUTE)
    looks, _ = inquiry.looks()
    inquiry.take(looks, ["c", "b", "d"])
    inquiry.judge(detector)
    assert inquiry.stage is Stage.OVER
    assert not inquiry.wants_trace


def test_where_strangers_were_met() -> None:
    inquiry = begun()
    looks, _ = inquiry.looks()
    inquiry.take(looks, ["X", "b", "d"])
    assert inquiry.met_stranger((Look(3),))
    assert not inquiry.met_stranger((Look(2), Look(4)))
    assert not inquiry.met_stranger((Look(3, flow_no=FRESH_FLOW),))


def test_every_flow_of_an_inquiry_exists() -> None:
    """The longest there is: a crowd of members, then silence, hop by hop."""
    count = 0

    def world(look: Look) -> str | None:
        nonlocal count
        if not look.flow_no:
            return way("a", "b", "X", "Y", "Z", "D")(look)
        count += 1
        return f"X{count}" if count % 60 > 12 else None

    taken = steps(begun(), world, most=2000)
    assert max(look.flow_no for _, looks, _ in taken for look in looks) < MOST
