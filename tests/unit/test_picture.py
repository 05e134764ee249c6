"""The graph of routes: what its nodes and edges are, where they stand, and that its files are what they should be."""

import json
import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from random import Random

import pytest

from equipment.fakes import answer, hop, make_route, make_trace
from pathwarden.model.look import LANGUAGES
from pathwarden.model.network import UNKNOWN, Network
from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Hop
from pathwarden.picture import words
from pathwarden.picture.dot import dot
from pathwarden.picture.graph import SOURCE, Kind, Outcome, State, Way, as_json, graph, way_of
from pathwarden.picture.layout import Size, arrange
from pathwarden.picture.svg import DARK, LETTER, LIGHT, svg
from pathwarden.picture.wording import width as columns
from pathwarden.picture.wording import wrapped
from pathwarden.picture.words import Words

SVG = "{http://www.w3.org/2000/svg}"
NETWORKS = {"a": Network(asn=64500, as_name="ONE"), "b": Network(asn=64500, as_name="ONE"), "x": Network(asn=64501), "i": Network(ixp="IX")}


def whose(address):
    return NETWORKS.get(address, UNKNOWN)


def way(path, *, to="D", outcome=Outcome.ANSWERS, name="site", service="udp"):
    """`gw a|b * c`: hops by ttl; the destination is not among them."""
    return Way(
        (name,), service, to, tuple(() if each == "*" else tuple(each.split("|")) for each in path.split()), outcome, {"a": 3.0, "": 9.0}
    )


def edges(drawn):
    return {(edge.start, edge.end) for edge in drawn.edges}


def test_hops_are_merged_and_destinations_are_by_service():
    drawn = graph([way("gw a b"), way("gw a c", to="E"), way("gw a b", service="tcp 443", outcome=Outcome.CLOSED)], whose=whose)
    assert {node.name for node in drawn.nodes} == {SOURCE, "gw", "a", "b", "c", "D udp", "E udp", "D tcp 443"}
    assert edges(drawn) == {(SOURCE, "gw"), ("gw", "a"), ("a", "b"), ("a", "c"), ("b", "D udp"), ("c", "E udp"), ("b", "D tcp 443")}
    nodes = {node.name: node for node in drawn.nodes}
    assert (nodes["D tcp 443"].outcome, nodes["D udp"].kind, nodes["a"].network.asn) == (Outcome.CLOSED, Kind.DESTINATION, 64500)
    assert next(edge for edge in drawn.edges if edge.end == "a").rtt_ms == 3.0


def test_routers_that_share_a_hop_lead_to_each_of_the_next():
    drawn = graph([way("gw a|b c|e")])
    assert edges(drawn) == {
        (SOURCE, "gw"), ("gw", "a"), ("gw", "b"), ("a", "c"), ("a", "e"), ("b", "c"), ("b", "e"), ("c", "D udp"), ("e", "D udp"),
    }  # fmt: skip


def test_silent_hops_between_the_same_are_the_same():
    unknown = [
        node.name for node in graph([way("gw * * c"), way("gw * * c", to="E"), way("gw * c", to="F")]).nodes if node.kind is Kind.UNKNOWN
    ]
    assert unknown == ["? gw > c 1/2", "? gw > c 2/2", "? gw > c 1/1"]
    drawn = graph([way("gw a * *", outcome=Outcome.SILENT)])
    assert edges(drawn) == {(SOURCE, "gw"), ("gw", "a"), ("a", "? a > D udp 1/1"), ("? a > D udp 1/1", "D udp")}
    assert edges(graph([way("* *", outcome=Outcome.SILENT)])) == {(SOURCE, "? source > D udp 1/1"), ("? source > D udp 1/1", "D udp")}


def test_what_came_and_went_is_told_and_silence_is_no_difference():
    drawn = graph([way("gw x b *")], [way("gw a b c")])
    assert {node.name: node.state for node in drawn.nodes if node.state is not State.SAME} == {"x": State.COME, "a": State.GONE}
    assert {(edge.start, edge.end): edge.state for edge in drawn.edges if edge.state is not State.SAME} == {
        ("gw", "x"): State.COME, ("x", "b"): State.COME, ("gw", "a"): State.GONE, ("a", "b"): State.GONE,
    }  # fmt: skip
    assert all(node.state is State.SAME for node in graph([way("gw * b *")], [way("* a b c")]).nodes)
    # Nobody knows whether the silent hop behind another router is the one before.
    assert {node.name for node in graph([way("gw x * y")], [way("gw a b c")]).nodes if node.state is State.COME} == {
        "x",
        "y",
        "? x > y 1/1",
    }


@pytest.mark.parametrize(
    ("kind", "outcome"), [(ReplyKind.OPEN, Outcome.OPEN), (ReplyKind.CLOSED, Outcome.CLOSED), (ReplyKind.PORT_UNREACHABLE, Outcome.ANSWERS)]
)
def test_a_way_is_a_trace_with_what_its_route_knows_more(kind, outcome):
    trace = make_trace(hop(1, "10.0.0.1", 1.0), hop(2, None), Hop(3, (answer(1, "192.0.2.9", 9.5, kind),)))
    route = make_route("r1", "A", 0)._replace(hops=(("10.0.0.1", "10.0.0.2"), ("10.0.0.3",), ("192.0.2.9",)))
    made = way_of("site", trace, route)
    assert (made.hops, made.outcome, made.address) == ((("10.0.0.1", "10.0.0.2"), ("10.0.0.3",)), outcome, "192.0.2.9")
    assert made.rtts_ms == {"10.0.0.1": 1.0, "": 9.5}
    assert way_of("site", make_trace(hop(1, "10.0.0.1", 1.0), reached=False)).outcome is Outcome.SILENT


def anything(seed, targets):
    """Ways that branch, join, go in circles and are silent."""
    dice = Random(seed)
    found = []
    for number in range(targets):
        hops = [
            dice.choice(["*", *(f"h{dice.randrange(30)}" for _ in range(6)), f"h{dice.randrange(9)}|k{dice.randrange(9)}"])
            for _ in range(12)
        ]
        found.append(way(" ".join(["gw", *hops]), to=f"D{number}", outcome=dice.choice(list(Outcome)[1:]), name=f"t{number}"))
    return found


def test_any_graph_is_laid_out_without_overlaps_and_from_left_to_right(seed):
    for turn in range(5):
        drawn = graph(anything(seed + turn, targets=1 + 2 * turn))
        dice = Random(seed + turn)
        sizes = {node.name: Size(dice.uniform(5, 200), dice.uniform(5, 60)) for node in drawn.nodes}
        pairs = [(edge.start, edge.end) for edge in drawn.edges]
        laid = arrange(sizes, pairs, 40, 10)
        boxes = [
            (x - sizes[n].width / 2, y - sizes[n].height / 2, x + sizes[n].width / 2, y + sizes[n].height / 2)
            for n, (x, y) in laid.middles.items()
        ]
        for one, other in combinations(boxes, 2):
            apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] + 1e-6 or other[3] <= one[1] + 1e-6
            assert apart, f"seed {seed}, turn {turn}"
        assert min(min(box[:2]) for box in boxes) > -1e-6
        assert max(box[2] for box in boxes) <= laid.width + 1e-6
        assert max(box[3] for box in boxes) <= laid.height + 1e-6
        for pair in pairs:
            xs = [laid.middles[pair[0]][0], *(x for x, _ in laid.bends[pair]), laid.middles[pair[1]][0]]
            assert all((a > b) if pair in laid.back else (a < b) for a, b in pairwise(xs)), f"seed {seed}, turn {turn}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("targets", [1, 10, 60])
def test_every_text_is_in_its_box_or_in_the_legend_and_covers_no_other(targets, language):
    ways = anything(targets, targets)
    said = graph(ways, anything(targets + 1, targets), whose)
    for theme in (LIGHT, DARK):
        root = ET.fromstring(svg(said, theme, language))
        width, height = (float(root.get(name)) for name in ("width", "height"))
        texts = []
        for group in root.iter(f"{SVG}g"):
            frame = group.find(f"{SVG}rect")
            for each in group.findall(f"{SVG}text"):
                x, y = float(each.get("x")), float(each.get("y"))
                texts.append((x, y - 10, x + columns(each.text) * LETTER, y + 3, each.text))
                if group.find(f"{SVG}title") is not None:
                    left, top, broad, high = (float(frame.get(name)) for name in ("x", "y", "width", "height"))
                    assert left <= x and texts[-1][2] <= left + broad + 0.1 and top <= y - 10 and y + 3 <= top + high + 0.1, each.text
        assert all(left >= 0 and right <= width and bottom <= height for left, _, right, bottom, _ in texts)
        for one, other in pairwise(sorted(texts, key=lambda each: (each[1], each[0]))):
            assert one[1] != other[1] or one[2] <= other[0] + 0.1, (one, other)


def test_every_language_says_everything_with_the_same_figures():
    tables = json.loads(words._TABLES.read_text("utf-8"))
    assert tuple(tables) == LANGUAGES
    named = {language: {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in table.items()} for language, table in tables.items()}
    assert all(each == named["en"] for each in named.values())
    assert {f"outcome.{each.value}" for each in Outcome if each.value} <= set(named["en"])
    assert Words("ja").special("private") == "プライベート"
    assert Words("ja").special("Teredo") == "Teredo"


@pytest.mark.parametrize(
    ("text", "most", "rows"),
    [
        ("one two three", 8, ["one two", "  three"]),
        ("one two", 7, ["one two"]),
        ("abcdefghij", 4, ["abcd", "  ef", "  gh", "  ij"]),
        ("位置は推定です。線", 8, ["位置は推", "  定で", "  す。線"]),
        ("", 8, []),
    ],
)
def test_long_lines_are_broken_by_columns(text, most, rows):
    assert list(wrapped(text, most)) == rows


def test_what_can_be_drawn_without_crossings_is():
    sizes = dict.fromkeys(["s", "a", "b", "c", "x", "y", "z"], Size(10, 10))
    laid = arrange(sizes, [("s", "a"), ("s", "b"), ("s", "c"), ("a", "z"), ("b", "y"), ("c", "x")], 10, 10)
    order = [sorted(row, key=lambda name: laid.middles[name][1]) for row in (["a", "b", "c"], ["x", "y", "z"])]
    assert [dict(zip("abc", "zyx", strict=True))[name] for name in order[0]] == order[1]
    assert laid.middles["s"][1] == laid.middles["b"][1] == laid.middles["y"][1]


def test_a_circle_is_drawn_with_an_edge_that_leads_back():
    sizes = dict.fromkeys("sab", Size(10, 10))
    assert arrange(sizes, [("s", "a"), ("a", "b"), ("b", "a")], 10, 10).back == {("b", "a")}
    assert arrange({}, [], 10, 10).height == 0


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_picture_is_xml_with_every_node_and_the_same_each_time(seed, theme):
    ways = [*anything(seed, 4), way("gw a b x i")]
    drawn = graph(ways, whose=whose)
    text = svg(drawn, theme)
    assert text == svg(graph(ways, whose=whose), theme)
    root = ET.fromstring(text)
    assert len(root.findall(f".//{SVG}circle")) == sum(node.kind is Kind.UNKNOWN for node in drawn.nodes)
    words = [each.text for each in root.iter(f"{SVG}text")]
    assert {node.lines[0] for node in drawn.nodes if node.kind is not Kind.UNKNOWN} <= set(words)
    assert {"AS64500 ONE", "AS64501"} <= set(words)
    assert "style" not in text and "href" not in text and "url(" not in text, "a page's policy forbids it"


def test_names_of_strangers_are_text():
    evil = '<script>"\\x\x1b]]>&'
    drawn = graph([way("gw a", name=evil)], whose=lambda _: Network(asn=1, as_name=evil))
    root = ET.fromstring(svg(drawn))
    assert not root.findall(f".//{SVG}script")
    assert any("<script>" in (each.text or "") for each in root.iter(f"{SVG}text"))
    said = dot(drawn)
    assert said.count('"') % 2 == said.replace("\\\\", "").count('\\"') % 2
    assert "\x1b" not in said + svg(drawn)
    assert '\\"\\\\x' in said


def contrast(one, other):
    def light(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    values = sorted((light(one), light(other)))
    return values[1] / values[0]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_can_be_read_on_every_colour(theme):
    assert all(contrast(theme.text, ground) >= 7 for ground in (theme.ground, theme.box, *theme.tints))
    assert all(contrast(line, theme.ground) >= 3 for line in (theme.line, theme.gone, theme.come, theme.good))


def test_the_graph_as_json_and_for_graphviz():
    drawn = graph([way("gw a b")], [way("gw x b")], whose)
    found = as_json(drawn)
    assert found["nodes"][2] == {
        "name": "a", "kind": "hop", "lines": ["a"], "outcome": None, "rtt_ms": 3.0, "asn": 64500, "as_name": "ONE", "state": "come",
    }  # fmt: skip
    assert {(each["start"], each["end"]) for each in found["edges"]} == edges(drawn)
    said = dot(drawn)
    assert 'subgraph cluster_64500 { label="AS64500 ONE"' in said
    assert '"gw" -> "a" [label="3.0 ms", edgetooltip="+ 3.0 ms to a, for site", color="#0057b8", penwidth=2];' in said
