"""Flows by number, and when enough of them were asked."""

import itertools

import pytest

from pathwarden.engine.flows import MOST, nth, varies
from pathwarden.engine.stopping import branch_point, least_share, per_decision, repeats, sightings_point, stopping_point
from pathwarden.model.probe import Flow, Method


def base(af: int = 4, method: Method = Method.UDP, dport: int = 33434, label: int = 0) -> Flow:
    return Flow(af, method, "192.0.2.1", "192.0.2.2", 61000, dport, 0, label, 60)


@pytest.mark.parametrize(
    "flow",
    [
        *(base(dport=port) for port in (1, 53, 1023, 1024, 33434, 61440, 65000, 65535)),
        *(base(method=Method.ICMP, dport=checksum) for checksum in (1, 0x8000, 0xFFFE)),
        *(base(6, label=label) for label in (0, 1, 0xFFFFF)),
        base(6, Method.ICMP, 1, 0xFFFFF),
        base(6, Method.TCP, 443, 0xFFFFF),
    ],
)
def test_flows_differ_keep_their_ranges_and_keep_what_makes_them_ours(flow: Flow) -> None:
    flows = [nth(flow, number) for number in range(MOST)]
    assert flows[0] == flow
    assert len(set(flows)) == MOST
    largest = 0xFFFE if flow.method is Method.ICMP else 0xFFFF
    assert all(0 < each.dport <= largest for each in flows)
    assert {each.label > 0 for each in flows} == {flow.label > 0}
    assert max(each.label for each in flows) <= 0xFFFFF
    assert {each._replace(dport=0, label=0) for each in flows} == {flow._replace(dport=0, label=0)}


def test_over_ipv6_port_and_label_both_vary() -> None:
    flows = [nth(base(6, label=7), number) for number in range(100)]
    assert len({each.dport for each in flows}) == len({each.label for each in flows}) == 100


def test_from_a_services_port_no_other_service_is_asked() -> None:
    assert min(nth(base(dport=53), number).dport for number in range(1, MOST)) > 33434


@pytest.mark.parametrize("number", [-1, MOST])
def test_numbers_beyond_the_range_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="no flow"):
        nth(base(), number)


def test_a_tcp_flow_over_ipv4_cannot_vary() -> None:
    assert not varies(base(method=Method.TCP, dport=443))
    with pytest.raises(ValueError, match="no flow"):
        nth(base(method=Method.TCP, dport=443), 1)


def test_stopping_points_are_the_published_ones_or_one_flow_more_than_the_exact_ones() -> None:
    """The published tables are computed exactly; the closed form counts what several missed next hops have in common twice."""
    exact95 = [6, 11, 16, 21, 27, 33, 38, 44, 51, 57]
    assert [stopping_point(hops, 0.05) for hops in range(2, 12)] == [6, 11, 16, 21, 27, 33, 39, 45, 51, 57]
    assert all(0 <= stopping_point(hops, 0.05) - exact <= 1 for hops, exact in enumerate(exact95, start=2))
    assert [stopping_point(hops, 0.01) for hops in range(2, 12)] == [8, 15, 21, 28, 36, 43, 51, 58, 66, 74]


def missed(width: int, failure: float) -> float:
    """The exact probability that the rule stops before all next hops are seen."""
    states, lost = {1: 1.0}, 0.0
    for flows in itertools.count(1):
        for seen in [seen for seen in states if flows >= stopping_point(seen + 1, failure)]:
            if seen < width:
                lost += states[seen]
            del states[seen]
        if not states:
            return lost
        after: dict[int, float] = {}
        for seen, probability in states.items():
            after[seen] = after.get(seen, 0.0) + probability * seen / width
            if seen < width:
                after[seen + 1] = after.get(seen + 1, 0.0) + probability * (width - seen) / width
        states = after
    return lost


@pytest.mark.parametrize("failure", [0.05, 0.01, per_decision(0.05, 30), per_decision(0.01, 30)])
@pytest.mark.parametrize("width", range(2, 17))
def test_the_rule_keeps_its_probability_exactly(width: int, failure: float) -> None:
    assert missed(width, failure) <= failure


def test_decisions_together_keep_the_whole() -> None:
    assert 1 - (1 - per_decision(0.05, 30)) ** 30 == pytest.approx(0.05)
    assert per_decision(0.05, 1) == pytest.approx(0.05)


@pytest.mark.parametrize("members", [2, 3, 16])
def test_a_member_that_branches_on_is_hardly_missed(members: int) -> None:
    point = branch_point(members, 0.02)
    assert [2 * (1 - 1 / (2 * members)) ** flows <= 0.02 for flows in (point - 1, point)] == [False, True]


def test_one_sighting_is_the_plain_rule_without_the_choice_of_which_hop_is_missed() -> None:
    assert all((1 - 1 / hops) ** sightings_point(hops, 1, 0.02) <= 0.02 for hops in range(2, 17))


@pytest.mark.parametrize(("hops", "sightings"), [(2, 2), (4, 3), (16, 3)])
def test_sightings_come_as_often_as_the_point_says(hops: int, sightings: int) -> None:
    """Against the distribution itself, flow by flow."""

    def fewer(flows: int) -> float:
        seen = [1.0] + [0.0] * (sightings - 1)
        for _ in range(flows):
            seen = [(seen[n] * (hops - 1) + (seen[n - 1] if n else 0)) / hops for n in range(sightings)]
        return sum(seen)

    point = sightings_point(hops, sightings, 0.02)
    assert fewer(point) <= 0.02 < fewer(point - 1)


@pytest.mark.parametrize("hops", [2, 3, 16])
def test_repeats_rule_a_balancer_per_packet_out(hops: int) -> None:
    needed = repeats(hops, 0.05)
    assert hops**-needed <= 0.05 < hops ** -(needed - 1)


def test_the_least_share_is_what_so_many_flows_would_not_miss() -> None:
    assert (1 - least_share(20, 0.05)) ** 20 == pytest.approx(0.05)
