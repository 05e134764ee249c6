"""Whose a hop is, and which part of the way a link is."""

import pytest

from pathwarden.detect.segments import SEGMENTS, Owned, Owner, Part, Surroundings, owners, part
from pathwarden.model.change import Segment

HOST = "45.9.0.9"


def owned(*route: str, around: Surroundings, shared: int = 0) -> str:
    """The owners of a route's hops, by their first letters ('-' for the destination itself); capitals were not guessed."""
    letters = {"host": "-", "unknown": "?"}
    found = owners([(each,) if each else () for each in route], route[-1], around, shared)
    return "".join(letters.get(each.owner, each.owner[0].lower() if each.guessed else each.owner[0].upper()) for each in found)


def numbered(own: str = "5.1.9.9", **numbers: int) -> Surroundings:
    """Our own address, and AS numbers by the first two numbers of an address (`a5_1=1`)."""
    known = {key[1:].replace("_", "."): value for key, value in numbers.items()}
    return Surroundings(
        own, as_of=lambda address: known.get(".".join(address.split(".")[:2])), ixp=lambda address: address.startswith("80.249.")
    )


def test_every_part_has_its_segment() -> None:
    assert set(SEGMENTS) == set(Part)
    assert set(SEGMENTS.values()) == set(Segment)


@pytest.mark.parametrize(
    ("own", "route", "letters"),
    [
        ("192.168.1.10", ("192.168.1.1", "5.1.0.1", HOST), "HI-"),
        ("192.168.1.10", ("192.168.1.1", "192.168.0.1", "10.4.0.1", "5.1.0.1", HOST), "HHII-"),
        ("10.0.0.7", ("10.0.0.1", "10.7.0.1", "5.1.0.1", HOST), "HII-"),
        ("192.168.1.10", ("192.168.1.1", "100.64.0.1", "5.1.0.1", HOST), "HII-"),
        ("100.64.3.3", ("100.64.0.1", "10.7.0.1", "5.1.0.1", HOST), "III-"),
        ("5.1.9.9", ("10.7.0.1", "5.1.0.1", HOST), "II-"),
        ("", ("192.168.1.1", "5.1.0.1", HOST), "II-"),
        ("fd00::7", ("fd00::1", "2a01:1::1", "2a02::9"), "HI-"),
    ],
)
def test_private_addresses_are_the_homes_or_the_isps(own: str, route: tuple[str, ...], letters: str) -> None:
    numbers = {"5.1.0.1": 1, HOST: 3, "2a01:1::1": 1, "2a02::9": 3}
    assert owned(*route, around=Surroundings(own, as_of=numbers.get)) == letters


def test_as_numbers_tell_whose_the_others_are() -> None:
    around = numbered(a5_1=1, a6_1=2, a45_9=3)
    assert owned("5.1.0.1", "5.1.0.2", "6.1.0.1", "45.9.0.1", HOST, around=around) == "IITN-"
    assert owned("5.1.0.1", "5.1.0.2", "5.1.0.9", around=around) == "II-"


def test_the_customers_router_has_the_providers_number() -> None:
    around = numbered(a5_1=1, a6_1=2, a6_2=4, a45_9=3)
    assert owned("5.1.0.1", "6.1.0.1", "6.1.0.2", "45.9.0.1", HOST, around=around) == "ITNN-"
    assert owned("5.1.0.1", "6.1.0.1", "6.1.0.2", HOST, around=around) == "ITN-"
    assert owned("5.1.0.1", "6.1.0.1", "6.2.0.2", "45.9.0.1", HOST, around=around) == "ITTN-"
    assert owned("5.1.0.1", "6.1.0.1", "6.1.0.2", "", HOST, around=around) == "ITTN-"


def test_what_no_as_is_known_of_belongs_to_its_likes_or_neighbours() -> None:
    around = Surroundings("5.1.9.9", as_of={"5.1.9.9": 1, "5.1.0.1": 1, "6.1.0.1": 2, HOST: 3}.get)
    assert owned("5.1.0.1", "5.1.7.7", "6.1.0.1", HOST, around=around) == "IIT-"
    assert owned("5.1.0.1", "7.7.7.7", "5.1.0.1", "6.1.0.1", HOST, around=around) == "IIIT-"
    assert owned("5.1.0.1", "7.7.7.7", "6.1.0.1", "7.8.7.7", HOST, around=around) == "ITTN-"
    assert owned("5.1.0.1", "", "6.1.0.1", "10.1.1.1", HOST, around=around) == "ITTN-"


def test_an_address_of_an_exchange_belongs_to_who_answers_behind() -> None:
    around = numbered(a5_1=1, a6_1=2, a45_9=3)
    found = owners([("5.1.0.1",), ("80.249.1.1",), ("6.1.0.1",), (HOST,)], HOST, around)
    assert [each.owner for each in found] == [Owner.ISP, Owner.TRANSIT, Owner.TRANSIT, Owner.HOST]
    assert [each.exchange for each in found] == [False, True, False, False]
    assert part(found[0], found[1], adjacent=True) is Part.IXP


def test_the_isp_may_be_named() -> None:
    route = ("5.1.0.1", "9.9.0.1", "6.1.0.1", HOST)
    assert owned(*route, around=Surroundings("5.1.9.9", isp_prefixes=("9.9.0.0/16",))) == "iIn-"
    assert owned(*route, around=numbered("192.168.1.2", a9_9=7, a6_1=2, a45_9=3)._replace(isp_as=7)) == "IIT-"


def test_without_as_numbers_addresses_must_do() -> None:
    around = Surroundings("5.1.9.9")
    assert owned("5.1.0.1", "5.1.0.2", "6.1.0.1", "7.1.0.1", "45.9.0.1", HOST, around=around) == "iittn-"
    assert owned("5.1.0.1", "6.1.0.1", "5.1.0.2", "7.1.0.1", "8.1.0.1", HOST, around=around) == "iiitn-"
    assert owned("5.1.0.1", "6.1.0.1", "7.1.0.1", "8.1.0.1", HOST, around=around, shared=3) == "iiin-"
    assert owned("100.64.0.1", "6.1.0.1", "7.1.0.1", "8.1.0.1", HOST, around=around) == "Iitn-"


def test_what_is_no_address_is_like_silence() -> None:
    assert owned("5.1.0.1", "nonsense", "5.1.0.1", HOST, around=numbered(a5_1=1, a45_9=3)) == "III-"


@pytest.mark.parametrize(
    ("near", "far", "adjacent", "expected"),
    [
        (None, Owner.HOME, True, Part.ME),
        (Owner.HOME, Owner.HOME, True, Part.ME),
        (None, Owner.ISP, True, Part.ACCESS),
        (Owner.HOME, Owner.ISP, False, Part.ACCESS),
        (Owner.ISP, Owner.ISP, True, Part.ISP),
        (Owner.ISP, Owner.TRANSIT, True, Part.BORDER),
        (Owner.ISP, Owner.NETWORK, False, Part.BORDER),
        (None, Owner.TRANSIT, False, Part.BORDER),
        (Owner.TRANSIT, Owner.TRANSIT, True, Part.TRANSIT),
        (Owner.TRANSIT, Owner.NETWORK, True, Part.NETWORK),
        (Owner.NETWORK, Owner.NETWORK, True, Part.NETWORK),
        (Owner.NETWORK, Owner.HOST, True, Part.HOST),
        (Owner.ISP, Owner.HOST, True, Part.HOST),
        (Owner.ISP, Owner.HOST, False, Part.BORDER),
        (Owner.TRANSIT, Owner.HOST, False, Part.NETWORK),
        (Owner.TRANSIT, Owner.UNKNOWN, True, Part.UNKNOWN),
    ],
)
def test_a_link_belongs_to_what_lies_behind_it(near: Owner | None, far: Owner, adjacent: bool, expected: Part) -> None:
    assert part(near and Owned(near), Owned(far), adjacent=adjacent) is expected


def test_an_exchange_beyond_the_isp_is_transit() -> None:
    assert part(Owned(Owner.TRANSIT), Owned(Owner.NETWORK, exchange=True), adjacent=True) is Part.TRANSIT
