"""Aligned routes: what stayed, was replaced, came and went, by the costs of the specification."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.detect.align import Op, Row, align
from pathwarden.detect.compare import Hop

PATHS = st.lists(st.lists(st.sampled_from("abcd"), max_size=3, unique=True).map(lambda hop: tuple(sorted(hop))), max_size=6).map(tuple)
SIGNS = {Op.SAME: "=", Op.UNKNOWN: "?", Op.REPLACED: "~", Op.ADDED: "+", Op.REMOVED: "-"}


def path(text: str) -> tuple[Hop, ...]:
    """`a b|c * D`: hops, members of one hop, silence."""
    return tuple(() if hop == "*" else tuple(sorted(hop.split("|"))) for hop in text.split())


def signs(rows: tuple[Row, ...]) -> str:
    return "".join(SIGNS[row.op] for row in rows)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a b c D", "a b c D", "===="),
        ("a b c D", "a x c D", "=~=="),
        ("a b c D", "a * c D", "=?=="),
        ("a b|c D", "a c|x D", "==="),
        ("a b c D", "a x b c D", "=+==="),  # a hop more does not replace all behind it
        ("a x b c D", "a b c D", "=-==="),
        ("a * D", "a * * D", "=+?="),
        ("a b D", "a x y D", "=+~="),  # side by side from the destination backwards
        ("a b c d D", "a d D", "=--=="),
        ("a b c D", "a c b D", "=~~="),
        ("a b c D", "", "----"),
        ("", "", ""),
    ],
)
def test_rows_show_what_became_of_each_hop(old: str, new: str, expected: str) -> None:
    assert signs(align(path(old), path(new))) == expected


def test_rows_name_the_ttls_of_both_routes() -> None:
    assert align(path("a b D"), path("a x b D"))[1:3] == (Row(None, 2, Op.ADDED), Row(2, 3, Op.SAME))


@pytest.mark.parametrize(
    ("old", "new", "old_ends", "new_ends", "expected"),
    [
        ("a b c D", "a b", True, False, "==??"),  # nobody looked further
        ("a b c D", "a b", True, True, "==--"),
        ("a b", "a b c D", False, True, "==??"),
        ("a b", "a x D", False, True, "=~?"),
    ],
)
def test_what_lies_beyond_an_unknown_end_is_unknown(old: str, new: str, old_ends: bool, new_ends: bool, expected: str) -> None:
    assert signs(align(path(old), path(new), old_ends=old_ends, new_ends=new_ends)) == expected


def test_a_router_of_another_as_is_further_away_than_one_of_the_same() -> None:
    numbers = {"b": 1, "c": 2, "x": 1, "y": 2, "z": 2}
    # Without AS numbers `b` stands beside whichever comes last; with them, beside the router of its own network.
    assert [row.op for row in align(path("a b D"), path("a x y D"))] == [Op.SAME, Op.ADDED, Op.REPLACED, Op.SAME]
    assert [row.op for row in align(path("a b D"), path("a x y D"), numbers.get)] == [Op.SAME, Op.REPLACED, Op.ADDED, Op.SAME]


@given(PATHS, PATHS, st.booleans(), st.booleans())
def test_every_hop_of_both_routes_stands_in_one_row(old: tuple[Hop, ...], new: tuple[Hop, ...], old_ends: bool, new_ends: bool) -> None:
    rows = align(old, new, old_ends=old_ends, new_ends=new_ends)
    assert [row.old_ttl for row in rows if row.old_ttl is not None] == list(range(1, len(old) + 1))
    assert [row.new_ttl for row in rows if row.new_ttl is not None] == list(range(1, len(new) + 1))
    assert not [row for row in rows if row.op is Op.REPLACED and set(old[(row.old_ttl or 0) - 1]) & set(new[(row.new_ttl or 0) - 1])]


@given(PATHS)
def test_a_route_is_aligned_with_itself(hops: tuple[Hop, ...]) -> None:
    assert all(row.old_ttl == row.new_ttl for row in align(hops, hops))


@given(PATHS, st.data())
def test_silence_alone_is_no_difference(hops: tuple[Hop, ...], data: st.DataObject) -> None:
    silent = tuple(() if data.draw(st.booleans()) else hop for hop in hops)
    replaced = [row for row in align(hops, silent) if row.op is Op.REPLACED]
    # Moving hops aside may look cheaper than so much silence; replaced is nobody who is not there.
    assert not [row for row in replaced if silent[(row.new_ttl or 0) - 1] == ()]
