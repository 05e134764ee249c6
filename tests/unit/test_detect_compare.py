"""Comparing routes hop by hop: silence is missing data, lengths count where both are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.detect.compare import MOST_MEMBERS, Hop, compatible, difference, fill, hop_at, lengths_differ, merge, strangers
from pathwarden.detect.labels import label, number_of


def path(text: str) -> tuple[Hop, ...]:
    """`a b|c * D`: hops, members of one hop, silence."""
    return tuple(() if hop == "*" else tuple(sorted(hop.split("|"))) for hop in text.split())


PATHS = st.lists(st.lists(st.sampled_from("abcd"), max_size=3, unique=True).map(lambda hop: tuple(sorted(hop))), max_size=6).map(tuple)


def test_a_hop_beyond_the_end_is_silent() -> None:
    assert [hop_at(path("a b"), ttl) for ttl in (0, 1, 2, 3)] == [(), ("a",), ("b",), ()]


@pytest.mark.parametrize(
    ("known", "seen", "expected"),
    [
        ("a b D", "a b D", {}),
        ("a b D", "a x D", {2: ("x",)}),
        ("a b|c D", "a c D", {}),
        ("a b|c D", "a b|x D", {2: ("x",)}),
        ("a * D", "a x D", {}),
        ("a b D", "a * *", {}),
        ("a b", "a b x", {}),
    ],
)
def test_strangers_are_those_whom_a_known_hop_does_not_know(known: str, seen: str, expected: dict[int, Hop]) -> None:
    assert strangers(path(known), path(seen)) == expected


def test_a_hop_with_very_many_members_has_no_strangers() -> None:
    members = tuple(f"m{n:02}" for n in range(MOST_MEMBERS))
    assert strangers((members[1:],), (("x",),)) == {1: ("x",)}
    assert strangers((members,), (("x",),)) == {}


@pytest.mark.parametrize(
    ("known", "seen", "differ"), [(5, 6, True), (5, 5, False), (None, 5, False), (5, None, False), (None, None, False)]
)
def test_an_unknown_length_differs_from_nothing(known: int | None, seen: int | None, differ: bool) -> None:
    assert lengths_differ(known, seen) is differ


@pytest.mark.parametrize(
    ("known", "seen", "fits"),
    [
        ("a b D", "a b D", True),
        ("a b D", "a * D", True),
        ("a b D", "a x D", False),
        ("a b|c D", "a c|x D", True),
        ("a b D", "a", True),
    ],
)
def test_routes_are_compatible_unless_two_known_hops_share_nobody(known: str, seen: str, fits: bool) -> None:
    assert compatible(path(known), None, path(seen), None) is fits


def test_routes_of_two_lengths_are_not_compatible() -> None:
    assert not compatible(path("a * D"), 3, path("a * * D"), 4)
    assert compatible(path("a * D"), 3, path("a *"), None)


@given(PATHS, PATHS)
def test_compatible_is_symmetric_and_silence_breaks_nothing(a: tuple[Hop, ...], b: tuple[Hop, ...]) -> None:
    assert compatible(a, None, b, None) == compatible(b, None, a, None)
    assert compatible(a, None, tuple(() for _ in b), None)


@given(PATHS, PATHS)
def test_merge_holds_everybody_and_fill_never_takes_anybody_away(a: tuple[Hop, ...], b: tuple[Hop, ...]) -> None:
    merged, filled = merge(a, b), fill(a, b)
    assert len(merged) == len(filled) == max(len(a), len(b))
    for ttl in range(1, len(merged) + 1):
        assert set(hop_at(merged, ttl)) == set(hop_at(a, ttl)) | set(hop_at(b, ttl))
        assert hop_at(filled, ttl) == (hop_at(a, ttl) or hop_at(b, ttl))


@pytest.mark.parametrize(
    ("old", "new", "first", "last", "added", "removed"),
    [
        ("a b c D", "a x c D", 2, 2, ("x",), ("b",)),
        ("a b c D", "a x y D", 2, 3, ("x", "y"), ("b", "c")),
        ("a b D", "a x b D", 2, 2, ("x",), ()),  # a hop more
        ("a x b D", "a b D", 2, 1, (), ("x",)),  # a hop less: the stretch of the new route is empty
        ("a b c D", "a x y z c D", 2, 4, ("x", "y", "z"), ("b",)),
        ("a * D", "a * * D", 3, 3, (), ()),  # a hidden hop: the destination is nobody new
        ("a * * D", "a * D", 3, 2, (), ()),
        ("a * b D", "a x y D", 3, 3, ("y",), ("b",)),  # the silent hop may have been x all along
        ("a b D", "a b D", 4, 3, (), ()),
    ],
)
def test_the_difference_lies_between_common_beginning_and_common_end(
    old: str, new: str, first: int, last: int, added: Hop, removed: Hop
) -> None:
    differ = difference(path(old), path(new))
    assert (differ.first_ttl, differ.last_ttl, differ.added, differ.removed) == (first, last, added, removed)


@given(PATHS, PATHS)
def test_a_difference_stays_within_the_new_route(old: tuple[Hop, ...], new: tuple[Hop, ...]) -> None:
    differ = difference(old, new)
    assert 1 <= differ.first_ttl <= len(new) + 1
    assert differ.first_ttl - 1 <= differ.last_ttl <= len(new)
    assert 0 <= differ.similarity <= 1
    assert not set(differ.added) & set(differ.removed)
    assert difference(new, new).similarity == 1


def test_labels_go_on_with_two_letters_after_z() -> None:
    assert [label(n) for n in (1, 2, 26, 27, 28, 52, 53, 702, 703)] == ["A", "B", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA"]


@given(st.integers(1, 10_000))
def test_a_label_names_one_number(number: int) -> None:
    assert number_of(label(number)) == number
