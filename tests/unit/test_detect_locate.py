"""Where a fault lies: the rules one by one, and how often random worlds are judged rightly."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.places import BROKEN_AT, HOME_KNOWS_NOTHING, SECOND, make_world
from pathwarden.detect.locate import AFTER, LOCAL, SEPARATED, SIGNALS, Evidence, Home, Sighting, Standing, locate
from pathwarden.detect.segments import Surroundings
from pathwarden.model.change import NOWHERE, Direction, Location, Segment

# An ISP (AS 1), a transit network (AS 2), and destinations in AS 3 and 4.
NUMBERS = {"5.1": 1, "5.2": 2, "5.3": 3, "5.4": 4}
AROUND = Surroundings("5.1.9.9", "5.1.9.9", as_of=lambda address: NUMBERS.get(address[:3]))
ISP1, ISP2, ISP3, T1, T2 = "5.1.0.1", "5.1.0.2", "5.1.0.3", "5.2.0.1", "5.2.0.2"
NET3, NET4, HOST3, HOST4 = "5.3.0.1", "5.4.0.1", "5.3.0.9", "5.4.0.9"
ROUTE3 = (ISP1, ISP2, T1, T2, NET3, HOST3)
ROUTE4 = (ISP1, ISP2, T1, NET4, HOST4)
NOW = BROKEN_AT + 20 * SECOND
LONG_AGO = BROKEN_AT - 600 * SECOND


def sighting(target: str, route: tuple[str, ...], standing: Standing = Standing.FAILED, **values: object) -> Sighting:
    hops = tuple((each,) if each else () for each in route)
    made = Sighting(target, route[-1], hops, len(route), standing, BROKEN_AT, verified=(LONG_AGO,) * len(route))
    return made._replace(**values)  # type: ignore[arg-type]  # the test's own keywords


def healthy(target: str, route: tuple[str, ...], *, verified: int = 0) -> Sighting:
    """A healthy target, so many of its links verified since."""
    seen = tuple(NOW if ttl <= verified else LONG_AGO for ttl in range(1, len(route) + 1))
    return sighting(target, route, Standing.HEALTHY, verified=seen, answered_at=NOW)


def located(*seen: Sighting, home: Home = HOME_KNOWS_NOTHING, around: Surroundings = AROUND) -> dict[str, Location]:
    return locate(seen, home, around)


def test_nobody_in_trouble_is_nowhere() -> None:
    assert located(healthy("a", ROUTE3), healthy("b", ROUTE4, verified=5)) == {}
    assert located() == {}


@pytest.mark.parametrize(
    ("last", "segment", "between"),
    [
        (0, Segment.WAN, ((), (ISP1,))),
        (1, Segment.ISP, ((ISP1,), (ISP2,))),
        (2, Segment.BORDER, ((ISP2,), (T1,))),
        (3, Segment.DESTINATION, ((T1,), (T2,))),  # provider's numbers on the customer's router
        (4, Segment.DESTINATION, ((T2,), (NET3,))),
        (5, Segment.DESTINATION, ((NET3,), (HOST3,))),
    ],
)
def test_one_target_blames_the_link_behind_the_last_hop_that_answered(last: int, segment: Segment, between: object) -> None:
    [found] = located(sighting("a", ROUTE3, last_ttl=last)).values()
    assert (found.segment, found.between, found.confidence, found.direction) == (segment, between, AFTER, Direction.UNKNOWN)
    told = located(sighting("a", ROUTE3, last_ttl=last, direct=((last + 1, False),)))["a"]
    assert (told.segment, told.between, told.confidence) == (segment, between, SIGNALS)
    assert Evidence.NEXT_SILENT in told.evidence


def test_an_answer_to_a_direct_probe_moves_the_blame_behind_it() -> None:
    found = located(sighting("a", ROUTE3, last_ttl=1, direct=((2, True), (3, False))))["a"]
    assert found.between == ((ISP2,), (T1,))
    assert found.confidence == SIGNALS


def test_a_router_that_refuses_speaks_of_the_way_there() -> None:
    found = located(sighting("a", ROUTE3, last_ttl=1, refused_ttl=3))["a"]
    assert (found.between, found.direction, found.confidence) == (((T1,), (T2,)), Direction.FORWARD, SIGNALS)
    assert Evidence.REFUSED in found.evidence


def test_in_a_circle_the_router_that_sends_back_is_to_blame_and_not_the_destination() -> None:
    route = (ISP1, ISP2, T1, ISP2, T1, ISP2, HOST3)
    circle = sighting("a", route, last_ttl=6, length=None, hops=tuple((each,) for each in route[:-1]))
    found = located(circle)["a"]
    assert (found.between, found.direction) == (((T1,), (ISP2,)), Direction.FORWARD)
    assert located(circle, healthy("b", (ISP1, ISP2, T1, NET4, HOST4), verified=5))["a"].between == found.between


def test_several_targets_that_fail_alike_separate_the_link() -> None:
    found = located(sighting("a", ROUTE3, last_ttl=2), sighting("b", ROUTE4, last_ttl=2))
    assert found["a"] == found["b"]
    assert (found["a"].segment, found["a"].between, found["a"].confidence) == (Segment.BORDER, ((ISP2,), (T1,)), SEPARATED)
    assert Evidence.SEVERAL_FAIL in found["a"].evidence


def test_one_that_saw_less_is_explained_by_what_explains_the_others() -> None:
    """The hop before the fault was silent for the first target; the second heard it."""
    found = located(sighting("a", ROUTE3, last_ttl=1), sighting("b", ROUTE4, last_ttl=2))
    assert {each.between for each in found.values()} == {((ISP2,), (T1,))}


def test_another_target_that_passes_puts_the_blame_behind_its_branch() -> None:
    alone = located(sighting("a", ROUTE3, last_ttl=1))["a"]
    assert alone.between == ((ISP1,), (ISP2,))
    found = located(sighting("a", ROUTE3, last_ttl=1), healthy("b", ROUTE4, verified=3))["a"]
    assert (found.between, found.confidence) == (((T1,), (T2,)), SEPARATED)
    assert Evidence.OTHERS_FINE in found.evidence


def test_a_healthy_target_that_was_not_verified_since_makes_its_links_unlikely() -> None:
    found = located(sighting("a", ROUTE3, last_ttl=1), healthy("b", ROUTE4))["a"]
    assert found.between == ((T1,), (T2,))
    stale = healthy("b", ROUTE4)._replace(answered_at=LONG_AGO)
    assert located(sighting("a", ROUTE3, last_ttl=1), stale)["a"].between == ((ISP1,), (ISP2,))


def test_what_was_verified_before_the_failure_proves_nothing() -> None:
    old = healthy("b", ROUTE4)._replace(answered_at=BROKEN_AT, verified=(BROKEN_AT,) * 5)
    assert located(sighting("a", ROUTE3, last_ttl=1), old)["a"].between == ((ISP1,), (ISP2,))


def test_two_faults_are_told_apart() -> None:
    beyond = (ISP1, ISP3, "5.4.0.3", "5.4.0.8")
    found = located(
        sighting("a", ROUTE3, last_ttl=4), sighting("b", beyond, last_ttl=2), sighting("c", (*beyond[:3], "5.4.0.7"), last_ttl=2)
    )
    assert found["a"].between == ((T2,), (NET3,))
    assert found["b"].between == found["c"].between == ((ISP3,), ("5.4.0.3",))


def test_silent_hops_make_the_place_inexact() -> None:
    found = located(sighting("a", (ISP1, ISP2, "", T2, NET3, HOST3), last_ttl=2, direct=((4, False),)))["a"]
    assert (found.between, found.confidence, found.segment) == (((ISP2,), ()), AFTER, Segment.BORDER)
    assert Evidence.HIDDEN_HOPS in found.evidence
    assert located(sighting("a", ("", "", T1, T2, NET3, HOST3)))["a"].between == ((), (T1,))


def test_routers_of_one_hop_are_one_router() -> None:
    a = sighting("a", ROUTE3, last_ttl=2)._replace(hops=((ISP1,), (ISP2, "5.1.0.7"), (T1,), (T2,), (NET3,), (HOST3,)))
    b = healthy("b", (ISP1, "5.1.0.7", T1, NET4, HOST4), verified=3)
    assert located(a._replace(last_ttl=1), b)["a"].between == ((T1,), (T2,))


def test_a_destination_that_probes_of_the_path_never_reached_is_behind_it() -> None:
    found = located(sighting("a", (ISP1, ISP2, T1), last_ttl=3)._replace(address=HOST3, length=None))["a"]
    assert (found.segment, found.between) == (Segment.DESTINATION, ((T1,), (HOST3,)))


def test_a_target_that_all_others_reach_is_nowhere() -> None:
    twin = healthy("b", ROUTE3, verified=6)
    assert located(sighting("a", ROUTE3, last_ttl=5), twin) == {"a": NOWHERE}


def test_a_changed_route_lost_the_links_that_it_has_no_more() -> None:
    now = ((ISP1,), (ISP3,), (T2,), (NET3,), (HOST3,))
    found = located(sighting("a", ROUTE3, Standing.CHANGED, now=now))["a"]
    assert (found.segment, found.between) == (Segment.ISP, ((ISP1,), (ISP2,)))
    assert (found.direction, found.confidence) == (Direction.FORWARD, SIGNALS)
    # Another target still comes through ISP2 to T1: what broke lies behind.
    found = located(sighting("a", ROUTE3, Standing.CHANGED, now=now), healthy("b", ROUTE4, verified=4))["a"]
    assert (found.segment, found.between, found.confidence) == (Segment.DESTINATION, ((T1,), (T2,)), SEPARATED)


@pytest.mark.parametrize("answered_at", [BROKEN_AT, BROKEN_AT + 1, NOW], ids=["before", "a tick after", "later"])
@pytest.mark.parametrize("beside", [(), (sighting("c", (ISP1, T2, "5.4.0.7"), last_ttl=1),)], ids=["alone", "while another fails"])
def test_an_answer_by_a_way_that_may_be_new_proves_nothing_of_the_old_one(answered_at: int, beside: tuple[Sighting, ...]) -> None:
    moved = sighting("a", (ISP1, ISP2, HOST3), Standing.CHANGED, now=((ISP1,), (ISP3,), (HOST3,)))
    others = [healthy(name, (ISP1, ISP2, host))._replace(answered_at=answered_at) for name, host in (("b", HOST4), ("d", "5.3.0.8"))]
    found = located(moved, *others, *beside)["a"]
    assert found.between == ((ISP1,), (ISP2,))


def test_targets_that_change_at_one_link_share_its_location() -> None:
    new3, new4 = ((ISP1,), (ISP3,), (T1,), (T2,), (NET3,), (HOST3,)), ((ISP1,), (ISP3,), (T1,), (NET4,), (HOST4,))
    found = located(sighting("a", ROUTE3, Standing.CHANGED, now=new3), sighting("b", ROUTE4, Standing.CHANGED, now=new4))
    assert found["a"] == found["b"]
    assert (found["a"].between, found["a"].confidence) == (((ISP1,), (ISP2,)), SEPARATED)


def test_a_route_that_only_grew_is_nowhere() -> None:
    hops = tuple((each,) for each in ROUTE3)
    assert located(sighting("a", ROUTE3, Standing.CHANGED, now=(*hops[:5], (), hops[5]))) == {"a": NOWHERE}


@pytest.mark.parametrize(
    ("home", "segment", "evidence"),
    [
        (Home(carrier=False, address=False, default_route=False), Segment.LAN, Evidence.NO_CARRIER),
        (Home(carrier=True, address=False), Segment.WAN, Evidence.NO_ADDRESS),
        (Home(carrier=True, address=True, default_route=False), Segment.LAN, Evidence.NO_DEFAULT_ROUTE),
        (Home(True, True, True, ISP1, answers=False), Segment.WAN, Evidence.GATEWAY_SILENT),
    ],
)
def test_local_evidence_comes_first(home: Home, segment: Segment, evidence: Evidence) -> None:
    found = located(sighting("a", ROUTE3), sighting("b", ROUTE4), home=home)
    assert {(each.segment, each.confidence, each.evidence) for each in found.values()} == {(segment, LOCAL, (evidence,))}


def test_a_silent_gateway_behind_our_own_private_address_is_the_homes() -> None:
    around = AROUND._replace(own_address="192.168.7.2", public_address="")
    home = Home(True, True, True, "192.168.7.1", answers=False)
    assert located(sighting("a", ("192.168.7.1", *ROUTE3)), home=home, around=around)["a"].segment is Segment.LAN


def test_a_gateway_that_only_does_not_answer_for_itself_is_no_fault() -> None:
    home = Home(True, True, True, ISP1, answers=False)
    assert located(sighting("a", ROUTE3, last_ttl=3), home=home)["a"].between == ((T1,), (T2,))
    beyond = located(sighting("a", ROUTE3), healthy("b", ROUTE4, verified=2), home=home)["a"]
    assert beyond.between == ((T1,), (T2,))


def test_local_evidence_explains_no_change_of_route() -> None:
    changed = sighting("a", ROUTE3, Standing.CHANGED, now=((ISP1,), (ISP3,), (HOST3,)))
    assert located(changed, home=Home(carrier=False))["a"].between == ((ISP1,), (ISP2,))


def test_without_as_numbers_a_location_is_never_sure() -> None:
    around = AROUND._replace(as_of=lambda _address: None)
    found = located(sighting("a", ROUTE3, last_ttl=2), sighting("b", ROUTE4, last_ttl=2), around=around)["a"]
    assert found.confidence == SIGNALS
    assert Evidence.BY_ADDRESS in found.evidence


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.booleans())
def test_every_target_in_trouble_is_judged_and_the_order_of_targets_does_not_matter(seed: int, targets: int, informed: bool) -> None:
    world = make_world(seed, targets, informed=informed)
    found = locate(world.sightings, HOME_KNOWS_NOTHING, world.around)
    assert found.keys() == {each.target for each in world.sightings if each.standing is not Standing.HEALTHY}
    assert locate(world.sightings[::-1], HOME_KNOWS_NOTHING, world.around) == found
    for location in found.values():
        assert location.confidence in (AFTER, SIGNALS, SEPARATED)
        assert location.direction is Direction.UNKNOWN
        assert location.between is not None
        assert location.between != ((), ())


class Score(Counter[str]):
    """How many locations, and how many of them name the right segment, in all and by confidence."""

    def share(self, what: str = "") -> float:
        return self[f"right {what}"] / self[f"all {what}"]


def score(targets: tuple[int, int], *, informed: bool, worlds: int) -> Score:
    result = Score()
    least, most = targets
    for seed in range(worlds):
        world = make_world(seed, least + seed % (most - least + 1), informed=informed)
        for location in locate(world.sightings, HOME_KNOWS_NOTHING, world.around).values():
            for what in ("", str(location.confidence)):
                result[f"all {what}"] += 1
                result[f"right {what}"] += location.segment is world.segment
    return result


WORLDS = 600


# With the seeds fixed, so is the outcome. Where no AS is known, an ISP with several prefixes looks like transit: the floors say how often.
@pytest.mark.parametrize(
    ("targets", "informed", "floor"),
    [((3, 12), True, 0.95), ((1, 1), True, 0.93), ((3, 12), False, 0.84), ((1, 1), False, 0.83)],
    ids=["several, AS known", "one, AS known", "several, no AS", "one, no AS"],
)
def test_segments_are_right_in_random_worlds(targets: tuple[int, int], informed: bool, floor: float) -> None:
    found = score(targets, informed=informed, worlds=WORLDS)
    told = ", ".join(
        f"{found.share(each):.3f} of {found[f'all {each}']} at {each}" for each in ("0.5", "0.7", "0.9") if found[f"all {each}"]
    )
    print(f"seeds 0 to {WORLDS - 1}: {found.share():.4f} of {found['all ']} segments right ({told})")
    assert found.share() >= floor
    # A confidence is a promise.
    by_confidence = {each: found.share(each) for each in ("0.5", "0.7", "0.9") if found[f"all {each}"]}
    assert all(share >= float(each) for each, share in by_confidence.items())
    assert all(a < b for a, b in pairwise(by_confidence.values()))
