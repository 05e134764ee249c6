"""All paths as a picture: branches, their letters and arrows, within 80 columns."""

import re
from dataclasses import replace
from functools import cache

import pytest

from equipment.diamonds import World, edges_of, layers, search, vertices_of, world
from pathwarden.cli.tracing import picture
from pathwarden.model.multipath import Multipath

SURE = 1e-9  # a test may not depend on luck
WORLDS: dict[str, World] = {
    "chain": world(layers(1, 1, 1)),
    "16 wide": world(layers(1, 16, 1)),
    "30 wide": world(layers(1, 30, 1)),
    "branches of their own": world(layers(1, 2, 4, 2, 1)),
    "meshed": world(layers(1, 3, 3, 1, meshed=[1])),
    "unequal": world({"a": ["b", "c"], "b": ["d"], "d": ["e"], "c": ["e"], "e": ["f"]}),
    "unequal to the target": world({"a": ["b", "c"], "b": ["d"]}),
    "silent member": world(layers(1, 3, 1), b1={"silent": True}),
    "IPv6": world(layers(1, 8, 8, 1, meshed=[1]), 6),
}
_LINE = re.compile(r"^ ?(?P<ttl>\d*) +(?:[┌├└] (?P<letter>[a-z]+) +)?(?P<address>[0-9a-f.:]+|\*) .*?(?:→ (?P<onward>.*))?$")


@cache
def searched(name: str) -> Multipath:
    return search(WORLDS[name], 5, failure=SURE, af=6 if name == "IPv6" else 4, max_probes=20_000, max_flows=4096)


def drawn(name: str, signs: picture.Signs = picture.LINES) -> tuple[Multipath, list[str]]:
    found = searched(name)
    return found, list(picture.lines(found, signs))


def read(lines: list[str]) -> tuple[set[tuple[int, str | None]], set[tuple[int, str | None, str | None]]]:
    """The graph as somebody who looks at the picture reads it."""
    at: dict[int, dict[str, str | None]] = {}
    onward: dict[tuple[int, str], str] = {}
    ttl = 0
    last = (0, "")
    for line in lines:
        if not line.startswith(("paths", "complete", "not complete")):
            if line.startswith(" " * 7):
                onward[last] += " " + line.strip().removeprefix("→ ")
                continue
            match = _LINE.match(line)
            assert match, line
            ttl = int(match["ttl"] or ttl)
            last = (ttl, match["letter"] or "")
            at.setdefault(ttl, {})[last[1]] = None if match["address"] == "*" else match["address"]
            onward[last] = match["onward"] or ""
    edges = set()
    for (hop, letter), told in onward.items():
        after = at.get(hop + 1, {})
        alone = not told and len(after) == len(at[hop]) == 1
        names = list(after) if alone else spelled(told.strip().removeprefix(str(hop + 1)), list(after)) if told else []
        edges |= {(hop, at[hop][letter], after[name]) for name in names}
    return {(hop, address) for hop, there in at.items() for address in there.values()}, edges


def spelled(told: str, letters: list[str]) -> list[str]:
    """`a-c f` among so many letters."""
    if not told:
        return [""] if letters == [""] else []
    ends = [part.partition("-") for part in told.split()]
    return [name for first, _, last in ends for name in letters[letters.index(first) : letters.index(last or first) + 1]]


@pytest.mark.parametrize("name", WORLDS)
def test_the_picture_tells_the_whole_graph(name: str) -> None:
    found, lines = drawn(name)
    assert found.complete
    vertices, edges = read(lines)
    assert vertices == vertices_of(found) == WORLDS[name].vertices
    ends = {(vertex.ttl, vertex.address) for vertex in found.vertices if vertex.final}
    assert {edge for edge in edges if edge[:2] not in ends} == edges_of(found)


@pytest.mark.parametrize("signs", [picture.LINES, picture.ASCII])
@pytest.mark.parametrize("name", WORLDS)
def test_no_line_is_wider_than_the_screen(name: str, signs: picture.Signs) -> None:
    _, lines = drawn(name, signs)
    assert max(map(len, lines)) <= 80
    assert signs is picture.LINES or all(line.isascii() for line in lines)


def test_a_stretch_and_how_sure_it_is() -> None:
    _, lines = drawn("unequal")
    assert [re.sub(r"\d+ (flow|probe)s", r"n \1s", line) for line in lines] == [
        " 1     10.0.0.1        1.000 ms   n flows  → 2a-b",
        " 2 ┌ a 10.0.0.2        2.000 ms   n flows  → 3a",
        "   └ b 10.0.0.3        2.000 ms   n flows  → 3b",
        " 3 ┌ a 10.0.0.4        3.000 ms   n flows  → 4a",
        "   └ b 10.0.0.5        3.000 ms   n flows  → 4b",
        " 4 ┌ a 10.0.0.5        4.000 ms   n flows  → 5a",
        "   └ b 10.0.0.6        4.000 ms   n flows  → 5b",
        " 5 ┌ a 10.0.0.6        5.000 ms   n flows  → 6",
        "   └ b 198.51.100.7    5.000 ms   n flows",
        " 6     198.51.100.7    5.500 ms   n flows",  # some of its answers came back by the shorter branch
        "paths part after ttl 1, meet at ttl 6: width 2, asymmetric",
        "complete, but for a probability of at most 0%: n flows, n probes",
    ]


def test_what_finds_no_room_gets_lines_of_its_own_and_stays_whole() -> None:
    made = long_addresses()
    lines = list(picture.lines(made, picture.LINES))
    assert max(map(len, lines)) <= 80
    assert any(line.startswith(" " * 7) for line in lines)
    assert not all("flows" in line for line in lines if "ms" in line)
    assert read(lines)[1] == edges_of(made)


def long_addresses() -> Multipath:
    """Branches to every second and every third of the next hop, between addresses as long as they can be."""
    links = {"a": [f"b{n:02}" for n in range(6)]}
    links |= {f"b{n:02}": [f"c{m:02}" for m in range(24) if m % (n % 3 + 2) == 0 or m % 6 == n] for n in range(6)}
    links |= {f"c{n:02}": ["d"] for n in range(24)}
    found = search(world(links, 6), 5, failure=1e-3, af=6, max_probes=100_000, max_flows=4096)

    def longer(address: str | None) -> str | None:
        return address and "2001:db8:1111:2222:3333:4444:5555:" + f"{int(address.rpartition(':')[2], 16):04x}"

    vertices = tuple(each._replace(address=longer(each.address)) for each in found.vertices)
    edges = tuple(each._replace(near=longer(each.near), far=longer(each.far)) for each in found.edges)
    return replace(found, vertices=vertices, edges=edges)


def test_a_search_that_did_not_end_says_why() -> None:
    found = search(WORLDS["16 wide"], 5, max_probes=50)
    assert list(picture.lines(found, picture.LINES))[-1].startswith("not complete (stopped by: probes): ")


ENCODINGS = {"utf-8": picture.LINES} | dict.fromkeys(("iso8859-1", "ascii", "unheard-of", None), picture.ASCII)


@pytest.mark.parametrize(("encoding", "signs"), ENCODINGS.items())
def test_a_terminal_without_lines_gets_stand_ins(encoding: str | None, signs: picture.Signs) -> None:
    assert picture.signs(encoding) is signs
