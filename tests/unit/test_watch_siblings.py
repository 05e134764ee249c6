"""Siblings: which other targets are asked after a change, where, and what is expected of them."""

from dataclasses import replace

import pytest

from equipment.changes import change as make_change
from pathwarden.detect.compare import difference
from pathwarden.detect.watch.siblings import SPREAD, foresee, sibling
from pathwarden.detect.watch.values import Kind, Whole
from pathwarden.model.change import Change, ChangeKind
from pathwarden.model.history import Route

EPOCH = "wan|192.0.2.10|192.0.2.1"


def route(word: str, *, length: int | None = 0, epoch: str = EPOCH) -> Route:
    """One letter per hop, * is silent; length 0 is the last hop's."""
    hops = tuple(() if who == "*" else (who,) for who in word)
    return Route(word, "site", "A", word[-1], epoch, hops, len(word) if length == 0 else length, 0, 0, 0, 0, None, 0.0)


def moved(old: str, new: str) -> Change:
    """The change of another target's path."""
    one, other = route(old), route(new)
    differ = difference(one.hops, other.hops)
    made = make_change(ChangeKind.PATH_CHANGED, one, other, first_ttl=differ.first_ttl)
    return replace(made, last_ttl=differ.last_ttl, added=differ.added, removed=differ.removed)


def foreseen(of: str, old: str, new: str) -> str | None:
    change = moved(old, new)
    assert change.old is not None
    assert change.new is not None
    whole = foresee(route(of), change.old, change.new, change.first_ttl, change.last_ttl)
    if whole is None:
        return None
    word = "".join(hop[0] if hop else "*" for hop in whole.hops)
    assert whole.length == len(word)
    return word


@pytest.mark.parametrize(
    ("of", "new", "expected"),
    [
        ("abcdefE", "abXdefD", "abXdefE"),  # one hop
        ("abcdghE", "abXdefD", "abXdghE"),  # and different beyond
        ("abcdghE", "abXYefD", "abXYghE"),  # where the length stays, what comes behind does not matter
        ("abcdE", "abXYcdefD", "abXYcdE"),  # a longer way
        ("abcdE", "abdefD", "abdE"),  # a shorter one
        ("ab*dghE", "abXdefD", "abXdghE"),  # where it was silent it may be the same
        ("abxdghE", "abXdefD", None),  # another way there
        ("aycdghE", "abXdefD", None),  # another way before
        ("abcyghE", "abXYdefD", None),  # another way behind, with another length
    ],
)
def test_what_becomes_of_a_sibling(of: str, new: str, expected: str | None) -> None:
    assert foreseen(of, "abcdefD", new) == expected


def test_a_change_that_reaches_the_destination_foretells_nothing() -> None:
    assert foreseen("abcdefE", "abcdefD", "abcdXYD") in (None, "abcdXYE")
    assert foreseen("abcE", "abcdefD", "abcdeXD") is None, "a sibling that ends before"


def test_another_epoch_is_another_world() -> None:
    change = moved("abcdefD", "abXdefD")
    assert change.old is not None
    assert change.new is not None
    assert foresee(route("abcdefE", epoch="wanb||"), change.old, change.new, 3, 3) is None


def test_an_unknown_length_stays_unknown() -> None:
    change = moved("abcdefD", "abXYdefD")
    assert change.old is not None
    assert change.new is not None
    whole = foresee(route("abcdg", length=None), change.old, change.new, change.first_ttl, change.last_ttl)
    assert whole == Whole(route("abXYdg").hops, None)


def test_one_answer_is_asked_for_where_it_tells() -> None:
    errand = sibling("other", route("abcdghE"), moved("abcdefD", "abXdefD"), 0, 5)
    assert errand is not None
    assert (errand.tid, errand.kind, [look.ttl for look in errand.looks], errand.not_before_ns) == ("other", Kind.SIBLING, [3], 5)
    assert errand.whole == Whole(route("abXdghE").hops, 7)


def test_siblings_are_asked_at_different_hops() -> None:
    change = moved("abcdefghD", "abUVWXYhD")
    asked = [sibling(f"t{number}", route("abcdefghE"), change, number, 0) for number in range(9)]
    ttls = [errand.looks[0].ttl for errand in asked if errand is not None]
    assert len(ttls) == 9
    assert len(set(ttls)) == SPREAD
    assert set(ttls) <= {3, 4, 5, 6, 7}


def test_where_only_the_lost_responder_is_shared_it_is_verified() -> None:
    errand = sibling("other", route("axycdE"), moved("abcdefD", "abXdefD"), 0, 0)
    assert errand is not None
    assert errand.whole is None
    assert [look.ttl for look in errand.looks] == [4]


@pytest.mark.parametrize("other", ["abxdefD", "abxdghE"])
def test_another_branch_between_the_same_responders_is_verified(other: str) -> None:
    errand = sibling("other", route(other), moved("abcdefD", "abXdefD"), 0, 0)
    assert errand is not None
    assert errand.whole is None
    assert [look.ttl for look in errand.looks] == [3]


@pytest.mark.parametrize("other", [route("axyzE"), route("abxydE"), route("ayxdefD"), route("abxdefD", epoch="wanb||"), None])
def test_who_has_nothing_to_do_with_it_is_left_alone(other: Route | None) -> None:
    assert sibling("other", other, moved("abcdefD", "abXdefD"), 0, 0) is None


def test_a_change_that_moved_nobody_asks_nobody() -> None:
    same = route("abcdefD")
    assert sibling("other", route("abcdefE"), replace(moved("abcdefD", "abXdefD"), new=same, old=same), 0, 0) is None
    assert sibling("other", route("abcdefE"), replace(moved("abcdefD", "abXdefD"), new=None), 0, 0) is None


def test_who_is_there_already_is_not_asked() -> None:
    assert sibling("other", route("abXdghE"), moved("abcdefD", "abXdefD"), 0, 0) is None
