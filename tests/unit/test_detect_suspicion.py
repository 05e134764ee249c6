"""Suspicions: what re-traces make of strangers, rule by rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.detect.suspicion import BACK, ENOUGH, MOST_UNDECIDED, Finding, Known, Sight, Suspicion, suspect, weigh

AT = 1_000


def sight(text: str, length: int | None = None) -> Sight:
    """`aaa bxb *** DDD`: one word per ttl, one letter per query; `length` None means that the last hop is the destination."""
    rows = tuple(tuple(None if who == "*" else who for who in word) for word in text.split())
    return Sight(rows, length if length is not None else len(rows))


def lost(text: str) -> Sight:
    """The same without the destination."""
    return sight(text)._replace(length=None)


def known(text: str, steady: int = 300, rate: float = 0.99) -> Known:
    hops = tuple(() if hop == "*" else tuple(sorted(hop.split("|"))) for hop in text.split())
    return Known(hops, len(hops), tuple(steady if hop else 0 for hop in hops), rate)


def raised(route: Known, first: Sight) -> Suspicion:
    suspicion = suspect(route, first, AT)
    assert suspicion is not None
    return suspicion


def judge(route: Known, first: Sight, *retraces: Sight) -> tuple[list[Finding], Suspicion]:
    """The findings after each re-trace; what comes after a decision is not weighed."""
    suspicion, findings = raised(route, first), []
    for seen in retraces:
        finding, suspicion = weigh(suspicion, route, seen)
        findings.append(finding)
        if finding is not Finding.UNDECIDED:
            break
    return findings, suspicion


ROUTE = known("a b c D")
OLD = sight("aaa bbb ccc DDD")
NEW = sight("aaa xxx ccc DDD")


@pytest.mark.parametrize("fits", [OLD, sight("aaa *** *b* DDD"), lost("aaa b**"), lost("aaa")])
def test_what_fits_raises_nothing(fits: Sight) -> None:
    assert suspect(known("a b * D"), fits._replace(length=fits.length), AT) is None


def test_a_stranger_or_another_length_raises_a_suspicion() -> None:
    assert raised(ROUTE, NEW).hops == (("a",), ("x",), ("c",), ("D",))
    assert raised(known("a * D"), sight("aaa *** *** DDD")).length == 4


@pytest.mark.parametrize("ttls", [(8, 7, 6, 5, 4), (4, 5, 6, 7, 8), (6, 8, 4, 7, 5)])
def test_a_destination_that_answers_looks_beyond_its_distance_is_at_one_place(ttls: tuple[int, ...]) -> None:
    """The path got shorter, and single hops are asked: whoever stands beyond the destination, it is the destination that answers."""
    route = known("a b c d e f g h D", steady=30)
    looks = [Sight((*[()] * (ttl - 1), ("D",)), ttl) for ttl in (9, *ttls)]
    suspicion = raised(route, looks[1])
    for look in looks[2:]:
        finding, suspicion = weigh(suspicion, route, look, partly=True)
        assert finding in (Finding.UNDECIDED, Finding.CONFIRMED)
    assert suspicion.unsteady == 0
    assert suspicion.length == min(ttls[1:])
    _, other = weigh(suspicion, route, Sight((*[()] * 4, ("x",)), None), partly=True)
    assert other.unsteady == 1, "a router there is another matter"


def test_two_agreeing_retraces_confirm() -> None:
    findings, suspicion = judge(ROUTE, NEW, NEW, NEW)
    assert findings == [Finding.UNDECIDED, Finding.CONFIRMED]
    assert suspicion.hops == (("a",), ("x",), ("c",), ("D",))
    assert (suspicion.agreeing, suspicion.retraces, suspicion.first_seen_at) == (2, 2, AT)


def test_who_was_known_before_needs_few_answers_however_little_is_known_of_who_came_between() -> None:
    young = known("a b c D", steady=1)
    suspicion, findings = raised(young, NEW), []
    for _ in range(2):
        finding, suspicion = weigh(suspicion, young, NEW, was=lambda hops, length: (hops, length) == (NEW.hops, 4))
        findings.append((finding, suspicion.rows[1]))
    assert findings == [(Finding.UNDECIDED, 6), (Finding.CONFIRMED, 9)]
    assert BACK in range(7, 10)
    strangers = judge(young, NEW, *[NEW] * 20)[0]
    assert strangers == [Finding.UNDECIDED] * (ENOUGH // 3 - 2) + [Finding.CONFIRMED]


def test_the_old_responder_again_drops_the_suspicion() -> None:
    assert judge(ROUTE, NEW, OLD)[0] == [Finding.PASSING]
    assert judge(ROUTE, NEW, NEW, OLD)[0] == [Finding.UNDECIDED, Finding.PASSING]


def test_a_responder_that_changes_twice_in_one_retrace_balances_per_packet() -> None:
    findings, suspicion = judge(ROUTE, NEW, sight("aaa bxb ccc DDD"))
    assert findings == [Finding.PER_PACKET]
    assert suspicion.hops == ((), ("b", "x"), (), ())


def test_strangers_that_change_twice_in_one_retrace_balance_per_packet_too() -> None:
    findings, suspicion = judge(ROUTE, NEW, sight("aaa xyz ccc DDD"))
    assert findings == [Finding.PER_PACKET]
    assert suspicion.hops[1] == ("x", "y", "z")


def test_one_change_within_a_retrace_may_be_the_route_moving_back() -> None:
    assert judge(ROUTE, NEW, sight("aaa xbb ccc DDD"), OLD)[0] == [Finding.UNDECIDED, Finding.PASSING]
    assert judge(ROUTE, NEW, sight("aaa bbx ccc DDD"), NEW, NEW)[0] == [Finding.UNDECIDED, Finding.UNDECIDED, Finding.CONFIRMED]


def test_old_and_new_together_in_three_retraces_is_balancing() -> None:
    both = sight("aaa bx ccc DDD")
    findings, suspicion = judge(ROUTE, NEW, both, both, both)
    assert findings == [Finding.UNDECIDED, Finding.UNDECIDED, Finding.PER_PACKET]
    assert suspicion.hops[1] == ("b", "x")


def test_a_balancing_hop_beside_a_real_change_hides_nothing_and_joins_nothing() -> None:
    mixed = sight("aaa bxb yyy DDD")
    findings, suspicion = judge(ROUTE, sight("aaa xxx yyy DDD"), mixed, mixed)
    assert findings == [Finding.UNDECIDED, Finding.CONFIRMED]
    assert suspicion.hops[2] == ("y",)


def test_the_first_trace_half_old_half_new_is_no_part_of_the_new_route() -> None:
    findings, suspicion = judge(ROUTE, sight("aaa bbb yyy DDD"), sight("aaa xxx yyy DDD"), sight("aaa xxx yyy DDD"))
    assert findings == [Finding.UNDECIDED, Finding.CONFIRMED]
    assert suspicion.hops == (("a",), ("x",), ("y",), ("D",))


def test_a_route_that_moves_on_starts_the_count_again() -> None:
    other = sight("aaa zzz ccc DDD")
    findings, suspicion = judge(ROUTE, NEW, NEW, other, other)
    assert findings == [Finding.UNDECIDED, Finding.UNDECIDED, Finding.CONFIRMED]
    assert suspicion.hops[1] == ("z",)


def test_silence_decides_nothing_and_is_dropped_in_the_end() -> None:
    silent = sight("aaa *** ccc DDD")
    findings, _ = judge(ROUTE, NEW, *[silent] * 20)
    assert findings == [Finding.UNDECIDED] * (MOST_UNDECIDED - 1) + [Finding.PASSING]


def test_silence_between_agreeing_retraces_does_not_count_against_them() -> None:
    silent = sight("aaa *** ccc DDD")
    assert judge(ROUTE, NEW, NEW, silent, silent, NEW)[0][-1] is Finding.CONFIRMED


def test_a_hop_seen_by_few_probes_needs_more_strangers_in_a_row() -> None:
    once = known("a b c D", steady=3)
    findings, _ = judge(once, NEW, *[NEW] * 20)
    assert findings[-1] is Finding.CONFIRMED
    assert 3 * (len(findings) + 1) == ENOUGH


def test_several_changed_hops_are_surer_than_one() -> None:
    moved = sight("aaa xxx yyy DDD")
    assert len(judge(known("a b c D", steady=3), moved, *[moved] * 20)[0]) < len(judge(known("a b c D", steady=3), NEW, *[NEW] * 20)[0])
    longer = sight("aaa xxx bbb ccc DDD")
    assert judge(known("a b c D", steady=6), longer, longer, longer)[0] == [Finding.UNDECIDED, Finding.CONFIRMED]


def test_an_old_answer_starts_the_row_of_strangers_again() -> None:
    route = known("a b c D", steady=6)
    assert raised(route, sight("aaa xbx ccc DDD")).rows == (0, 1, 0, 0)
    findings, suspicion = judge(route, NEW, sight("aaa xxb ccc DDD"), NEW)
    assert findings == [Finding.UNDECIDED] * 2
    assert suspicion.rows[1] == 3


def test_a_hidden_hop_more_is_told_by_the_length() -> None:
    longer = sight("aaa *** *** DDD")
    findings, suspicion = judge(known("a * D"), longer, longer, longer)
    assert findings == [Finding.UNDECIDED, Finding.CONFIRMED]
    assert suspicion.length == 4


def test_a_hidden_hop_less_is_told_by_the_length() -> None:
    shorter = sight("aaa *** DDD")
    assert judge(known("a * * D"), shorter, shorter, shorter)[0] == [Finding.UNDECIDED, Finding.CONFIRMED]


def test_a_destination_that_answers_seldom_does_not_move_away_by_silence() -> None:
    late = sight("aaa bbb *** **D")
    findings, _ = judge(known("a b D", rate=0.1), late, *[late] * 10)
    assert set(findings) == {Finding.UNDECIDED}


def test_the_known_length_again_drops_a_suspicion_about_the_length() -> None:
    assert judge(known("a * D"), sight("aaa *** *** DDD"), sight("aaa *** DDD"))[0] == [Finding.PASSING]


def test_where_branches_of_two_lengths_are_balanced_lengths_say_nothing() -> None:
    assert suspect(known("a b|D"), sight("aaa bbb DDD"), AT) is None


@given(
    st.lists(st.sampled_from([NEW, OLD, sight("aaa bxb ccc DDD"), sight("aaa *** ccc DDD"), lost("aaa"), sight("qqq")]), max_size=80),
    st.integers(0, 1000),
)
def test_every_suspicion_ends_when_traces_go_on(retraces: list[Sight], steady: int) -> None:
    """However it began, thirty-odd agreeing or six silent re-traces end it."""
    route = known("a b c D", steady=steady)
    for tail in (NEW, OLD, sight("aaa *** ccc DDD")):
        findings, _ = judge(route, NEW, *retraces, *[tail] * 20)
        assert findings[-1] is not Finding.UNDECIDED
