"""Remap: the new route pieced together around a stranger."""

import pytest

from pathwarden.detect.compare import Hop
from pathwarden.detect.watch.remap import AHEAD, GAP, MOST, TRIES, remap
from pathwarden.detect.watch.values import Whole

ADDRESS = "D"
OLD = "abcdefD"


def hops(word: str) -> tuple[Hop, ...]:
    """One letter per hop, * is silent."""
    return tuple(() if who == "*" else (who,) for who in word)


def piece(old: str, new: str, rows: dict[int, list[str | None]], most: int = 60) -> tuple[Whole | tuple[int, ...], int]:
    """Remap with a new route that answers (* never does); the outcome and how many looks it took."""
    looks = 0
    while True:
        found = remap(hops(old), len(old), ADDRESS, rows)
        if isinstance(found, Whole) or not found:
            return found, looks
        assert len(found) <= AHEAD
        assert len(set(found)) == len(found)
        for ttl in found:
            who = new[min(ttl, len(new)) - 1]
            rows.setdefault(ttl, []).append(None if who == "*" else who)
            looks += 1
        assert looks <= most


def met(new: str, *ttls: int) -> dict[int, list[str | None]]:
    return {ttl: [None if (who := new[min(ttl, len(new)) - 1]) == "*" else who] * 2 for ttl in ttls}


@pytest.mark.parametrize(
    "new",
    [
        "abXdefD",  # one hop
        "abXYefD",  # several
        "abcdeXD",  # the last one before the destination
        "XbcdefD",  # the first one
        "abXYZdefD",  # longer by two
        "abXefD",  # shorter by one
        "abXYZD",  # to the end
        "abXYZUVD",  # to the end, and longer
        "aXYD",  # to the end, and shorter
    ],
)
def test_one_stretch_gives_exactly_the_new_route(new: str) -> None:
    first = next(ttl for ttl, (a, b) in enumerate(zip(OLD, new, strict=False), 1) if a != b)
    found, _ = piece(OLD, new, met(new, first))
    assert found == Whole(hops(new), len(new))


@pytest.mark.parametrize(
    "new",
    [
        "aXcdefYhijD",  # two hops apart
        "aXcdeYZUijD",  # the second one longer
        "aXVcdefYhijD",  # the first one longer
        "aXcdYZefVhijD",  # three stretches
        "aXcdeYghijD",  # the least that two known hops can join
        "aXcdefghiYD",  # the last hop
    ],
)
def test_another_stretch_behind_two_known_hops_is_noticed(new: str) -> None:
    found, looks = piece("abcdefghijD", new, met(new, 2))
    assert found == Whole(hops(new), len(new))
    assert looks <= len(new) + AHEAD, "no more than a trace"


def test_silence_behind_the_rejoin_changes_nothing() -> None:
    found, _ = piece(OLD, "aXcd**D", met("aXcd**D", 2))
    assert found == Whole(hops("aXcdefD"), 7)


def test_what_is_not_at_the_anchor_is_taken_over() -> None:
    rows = met("abcdXfD", 5)
    found, looks = piece(OLD, "abcdXfD", rows)
    assert found == Whole(hops("abcdXfD"), 7)
    assert min(rows) == 4, "nearer hops are not asked"
    assert looks <= 1 + AHEAD


def test_the_anchor_lies_farther_back_if_the_hop_before_is_silent_or_unknown() -> None:
    found, _ = piece("ab*defD", "ab*XefD", rows := met("ab*XefD", 4))
    assert found == Whole(hops("ab*XefD"), 7)
    assert 2 in rows
    found, _ = piece(OLD, "ab*XefD", met("ab*XefD", 4))
    assert found == Whole(hops("ab*XefD"), 7), "a hop that does not answer twice is silent"


def test_one_silence_is_asked_again() -> None:
    rows: dict[int, list[str | None]] = {3: ["X"], 2: [None]}
    assert remap(hops(OLD), 7, ADDRESS, rows) == (2,)
    rows[2].append(None)
    assert remap(hops(OLD), 7, ADDRESS, rows) == (1,), "and then the one before is the anchor"


def test_a_rejoin_takes_two_hops_in_a_row() -> None:
    found, _ = piece(OLD, "abXdYfD", met("abXdYfD", 3))
    assert found == Whole(hops("abXdYfD"), 7), "d alone does not tell that e follows"


def test_a_shifted_end_is_checked() -> None:
    rows = met("abXYdefD", 3, 2, 4, 7) | {5: ["d"], 6: ["e"]}
    assert remap(hops(OLD), 7, ADDRESS, rows) == (8,)
    assert remap(hops(OLD), 7, ADDRESS, rows | {8: ["D"]}) == Whole(hops("abXYdefD"), 8)
    assert remap(hops(OLD), 7, ADDRESS, rows | {8: [None, None]}) == ()
    assert not isinstance(remap(hops(OLD), 7, ADDRESS, rows | {8: ["Z"]}), Whole), "that is no rejoin"


def test_an_end_of_the_same_distance_needs_no_check() -> None:
    rows = met("abXdefD", 3, 2, 6) | {4: ["d"], 5: ["e"]}
    assert remap(hops(OLD), 7, ADDRESS, rows) == Whole(hops("abXdefD"), 7)


def test_an_unknown_length_stays_unknown() -> None:
    rows = met("abXYdef", 3, 2, 4, 7) | {5: ["d"], 6: ["e"]}
    assert remap(hops("abcdef"), None, ADDRESS, rows) == Whole(hops("abXYdef"), None)


def test_what_was_seen_farther_must_agree_with_the_rejoin() -> None:
    rows = met("abXdeYD", 3, 2) | {4: ["d"], 5: ["e"], 6: ["Y"]}
    found, _ = piece(OLD, "abXdeYD", rows)
    assert found == Whole(hops("abXdeYD"), 7)


def test_the_destination_nearer_than_known_is_met_from_the_hop_before() -> None:
    rows: dict[int, list[str | None]] = {5: ["D", "D"]}
    found, _ = piece(OLD, "abcdD", rows)
    assert found == Whole(hops("abcdD"), 5)


def test_a_gap_wants_a_trace() -> None:
    new = "abX" + "*" * GAP + "D"
    found, _ = piece(OLD, new, met(new, 3))
    assert found == ()


def test_a_shorter_gap_does_not() -> None:
    new = "abX" + "*" * (GAP - 1) + "D"
    found, _ = piece(OLD, new, met(new, 3))
    assert found == Whole(hops(new), len(new))


def test_a_route_that_never_ends_is_given_up() -> None:
    new = "ab" + "".join(chr(0x100 + number) for number in range(200))
    found, looks = piece(OLD, new, met(new, 3))
    assert found == ()
    assert MOST <= looks + TRIES <= MOST + AHEAD + TRIES


def test_members_known_at_the_joining_hops_are_kept() -> None:
    old = (("a",), ("b",), ("c",), ("d", "e"), ("f",), ("D",))
    rows: dict[int, list[str | None]] = {2: ["b"], 3: ["X"], 4: ["d"], 5: ["f"]}
    assert remap(old, 6, ADDRESS, rows) == Whole((("a",), ("b",), ("X",), ("d", "e"), ("f",), ("D",)), 6)
