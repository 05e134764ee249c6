"""Cleaning a trace: repeats of the destination, zero-ttl forwarding; and loops, which need two sightings."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.traces import Row, trace_of
from pathwarden.detect.loops import Loop, circles, clean
from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Hop, Trace

ROWS = st.lists(st.lists(st.sampled_from(["a", "b", "c", "D", None]), min_size=3, max_size=3), min_size=1, max_size=8)


def seen(hops: tuple[Hop, ...]) -> list[tuple[str, ...]]:
    return [hop.responders for hop in hops]


def with_quoted(trace: Trace, ttl: int, quoted_ttl: int) -> Trace:
    """The same trace with another quoted TTL at one hop."""
    hops = tuple(
        Hop(hop.ttl, tuple(answer._replace(quoted_ttl=quoted_ttl) for answer in hop.answers)) if hop.ttl == ttl else hop
        for hop in trace.hops
    )
    return replace(trace, hops=hops)


def test_a_clean_trace_keeps_its_hops() -> None:
    trace = trace_of("a", "b", None, "D")
    assert clean(trace) is trace.hops


def test_the_destination_is_at_one_place_only() -> None:
    trace = trace_of("a", "D", "D")  # the router before it says Time Exceeded with its address
    assert seen(clean(trace)) == [("a",), (), ("D",)]
    assert clean(trace)[1].answers == (), "taken away, not silenced"


def test_nothing_lies_beyond_the_destination() -> None:
    trace = replace(trace_of("a", "D", "D", "x"), reached_ttl=2)
    assert seen(clean(trace)) == [("a",), ("D",)]


def test_of_an_unreached_destination_the_first_place_counts() -> None:
    assert seen(clean(trace_of("a", "D", "b", "D", reached=False))) == [("a",), ("D",), ("b",), ()]


def test_who_calls_a_probe_too_long_is_no_hop_where_it_was_sent_to() -> None:
    trace = trace_of("a", "b", "b", reached=False)
    told = tuple(answer._replace(kind=ReplyKind.PACKET_TOO_BIG, icmp_type=3, icmp_code=4) for answer in trace.hops[2].answers)
    trace = replace(trace, hops=(*trace.hops[:2], Hop(3, told)))
    assert seen(clean(trace)) == [("a",), ("b",), ()]
    assert clean(trace)[2].answers == (), "taken away, not silenced"


def with_refusals(trace: Trace, *ttls: int) -> Trace:
    """The same trace with "host unreachable" for all answers at these hops."""
    told = {hop.ttl: tuple(each._replace(kind=ReplyKind.UNREACHABLE) if each.kind else each for each in hop.answers) for hop in trace.hops}
    return replace(trace, hops=tuple(Hop(hop.ttl, told[hop.ttl]) if hop.ttl in ttls else hop for hop in trace.hops))


@pytest.mark.parametrize(
    ("rows", "refusing", "left"),
    [
        (("a", "b", "c"), (3,), [("a",), ("b",), ("c",)]),  # a router without a route says so where it is
        (("a", "b", "b"), (3,), [("a",), ("b",), ()]),  # one whose neighbour is gone, one hop too far
        (("a", "b", None, "b"), (4,), [("a",), ("b",), (), ()]),
        (("a", None, "b"), (3,), [("a",), (), ()]),  # perhaps one hop too far, perhaps not
        (("a", "b", "b", "b"), (2, 3, 4), [("a",), ("b",), (), ()]),
        (("a", "b", None, ["b", "c", None]), (4,), [("a",), ("b",), (), ()]),
    ],
)
def test_who_refuses_is_a_hop_only_behind_a_hop_that_answered_and_once(
    rows: tuple[Row, ...], refusing: tuple[int, ...], left: list[tuple[str, ...]]
) -> None:
    trace = with_refusals(trace_of(*rows, reached=False), *refusing)
    assert seen(clean(trace)) == left
    assert circles([hop.responders for hop in clean(trace)], "D") == ()


def test_who_refuses_behind_ttls_that_nobody_asked_is_no_hop() -> None:
    trace = with_refusals(trace_of("a", "b", "c", reached=False), 3)
    assert seen(clean(replace(trace, hops=(*trace.hops[:2], Hop(30, trace.hops[2].answers))))) == [("a",), ("b",), ()]


def test_a_destination_that_refuses_has_answered() -> None:
    trace = with_refusals(trace_of("a", None, "D"), 3)
    assert clean(trace) is trace.hops


def test_zero_ttl_forwarding_says_nothing_of_the_router_that_does_it() -> None:
    trace = with_quoted(trace_of("a", "b", "b", "D"), 2, 0)
    assert seen(clean(trace)) == [("a",), (), ("b",), ("D",)]
    assert circles(seen(clean(trace)), "D") == ()


@pytest.mark.parametrize("quoted", [(1, 1), (0, 0)])
def test_twice_the_same_address_without_that_sign_stays(quoted: tuple[int, int]) -> None:
    trace = with_quoted(with_quoted(trace_of("a", "b", "b", "D"), 2, quoted[0]), 3, quoted[1])
    assert clean(trace) is trace.hops
    assert circles(seen(clean(trace)), "D") == ()


def test_only_a_time_exceeded_can_be_zero_ttl_forwarding() -> None:
    trace = with_quoted(trace_of("a", "b", "b", "D"), 2, 0)
    first = Hop(2, tuple(answer._replace(kind=ReplyKind.UNREACHABLE) for answer in trace.hops[1].answers))
    odd = replace(trace, hops=(trace.hops[0], first, *trace.hops[2:]))
    assert clean(odd) is odd.hops


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (("a", "b", "c", "b", "c", "b"), (Loop("b", 2, 4), Loop("c", 3, 5))),
        (("a", "b", None, "b"), (Loop("b", 2, 4),)),
        (("a", "b", "b", "D"), ()),  # one hop apart
        (("a", "b", "c", ["b", "x", "b"]), ()),  # not alone: branches of unequal length
        (("a", "D", "c", "D"), ()),
    ],
)
def test_a_loop_is_the_same_address_alone_at_two_ttls(rows: tuple[Row, ...], expected: tuple[Loop, ...]) -> None:
    assert circles(seen(clean(trace_of(*rows, reached=False))), "D") == expected


def test_of_a_balanced_hop_nobody_makes_a_loop() -> None:
    assert circles((("a",), ("b",), ("c",), ("b",)), "D") == (Loop("b", 2, 4),)
    assert circles((("a",), ("b",), ("c",), ("b", "x")), "D") == ()


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(rows: list[list[str | None]], random: object) -> None:
    shuffled = [list(row) for row in rows]
    for row in shuffled:
        random.shuffle(row)  # type: ignore[attr-defined] - a random.Random
    one, other = trace_of(*rows, reached=False), trace_of(*shuffled, reached=False)
    assert [set(hop) for hop in seen(clean(one))] == [set(hop) for hop in seen(clean(other))]


@given(ROWS)
def test_cleaning_twice_is_cleaning_once_and_never_adds(rows: list[list[str | None]]) -> None:
    trace = trace_of(*rows, reached=False)
    once = clean(trace)
    assert clean(replace(trace, hops=once)) == once
    for before, after in zip(trace.hops, once, strict=True):
        assert set(after.answers) <= set(before.answers)
