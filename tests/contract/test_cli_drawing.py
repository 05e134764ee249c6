"""Pictures of the command line by the real programs: PNG by rsvg-convert, layouts by Graphviz' dot."""

import struct
import sys
import xml.etree.ElementTree as ET
import zlib
from itertools import combinations
from pathlib import Path

import pytest

from equipment.cli import SECOND_PATH, Past
from equipment.towns import many
from pathwarden.cli.drawing import graphviz, rendering
from pathwarden.errors import OperatorError
from pathwarden.model.network import Network
from pathwarden.picture.graph import SOURCE, graph, way_of
from pathwarden.picture.layout import Size
from pathwarden.picture.svg import DARK, LIGHT, svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def past(tmp_path):
    past = Past(tmp_path)
    past.configure(past.target("site", "Example site"), past.target("other"))
    past.write("site", past.trace("site", 900), past.trace("site", 580, SECOND_PATH))
    past.write("other", past.trace("other", 300))
    return past


@pytest.fixture
def dot(need):
    return need("dot")


def whose(address):
    """A network for each eight of the towns."""
    _, second, *_ = address.split(".")
    number = int(second) // 8
    return Network(asn=64500 + number, as_name=f"NET-{number}") if address.startswith("5.") else Network()


def joined(count):
    ways = [way_of(each.target, each) for each in many(count)]
    return graph([way._replace(address=f"203.0.113.{number + 1}") for number, way in enumerate(ways)], whose=whose)


def opened(png):
    """Width, height, and how many different bytes its points have."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    at, data = 8, b""
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        data += png[at + 8 : at + 8 + length] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += 12 + length
    return width, height, len(set(zlib.decompress(data)))


@pytest.mark.parametrize("kind", ["graph", "map"])
@pytest.mark.parametrize("scheme", [(), ("--dark",)])
def test_png_is_as_large_as_the_svg_and_not_empty(past, tmp_path, capsys, need, kind, scheme):
    need("rsvg-convert")
    for name in ("a.svg", "a.png"):
        done = past.run(capsys, kind, *scheme, "-o", str(tmp_path / name))
        assert done.code == 0, done.err
    drawn = ET.parse(tmp_path / "a.svg").getroot()
    width, height, colours = opened((tmp_path / "a.png").read_bytes())
    assert (width, height) == pytest.approx([float(drawn.get(side)) for side in ("width", "height")], abs=1)
    assert colours > 50


def test_what_the_renderer_refuses_and_where_it_cannot_write_is_said_in_one_line(tmp_path, need):
    need("rsvg-convert")
    for file, picture in ((tmp_path / "a.png", "<svg"), (tmp_path / "nowhere" / "a.png", svg(joined(1)))):
        with pytest.raises(OperatorError, match=r"^rsvg-convert failed: .+; write an \.svg$") as said:
            rendering.save(file, picture)
        assert "\n" not in str(said.value)
        assert not file.exists()


@pytest.mark.usefixtures("dot")
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("count", [1, 10, 60])
def test_dots_layout_has_no_overlaps_and_leads_from_left_to_right(count, theme):
    drawn = joined(count)
    text = svg(drawn, theme, by=graphviz.arrange)
    assert text == svg(joined(count), theme, by=graphviz.arrange)
    root = ET.fromstring(text)
    own = {each.text for each in ET.fromstring(svg(drawn, theme)).iter(f"{SVG}text")}
    assert {each.text for each in root.iter(f"{SVG}text")} == own, "the same words, whoever lays it out"
    boxes = {}
    for group in root.iter(f"{SVG}g"):
        rect, texts = group.find(f"{SVG}rect"), group.findall(f"{SVG}text")
        if rect is not None and texts and group.find(f"{SVG}title") is not None:
            left, top, width, height = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
            boxes[texts[0].text] = (left, top, left + width, top + height)
    assert len(boxes) == sum(bool(node.lines) for node in drawn.nodes)
    for (one, a), (two, b) in combinations(boxes.items(), 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (one, two)
    assert min(min(box[:2]) for box in boxes.values()) >= 0
    assert max(box[2] for box in boxes.values()) <= float(root.get("width")) - 32
    for edge in drawn.edges:
        if edge.start in boxes and edge.end in boxes:
            assert boxes[edge.start][2] < boxes[edge.end][0], edge


@pytest.mark.usefixtures("dot")
def test_networks_stand_together():
    drawn = joined(60)
    sizes = {node.name: Size(50, 20) for node in drawn.nodes}
    groups = {node.name: node.network.asn for node in drawn.nodes if node.network.asn}
    laid = graphviz.arrange(sizes, [(edge.start, edge.end) for edge in drawn.edges], groups, 40, 10)
    for group in set(groups.values()):
        inside = [laid.middles[name] for name in groups if groups[name] == group]
        (left, right), (top, bottom) = ((min(each), max(each)) for each in zip(*inside, strict=True))
        others = [each for name, each in laid.middles.items() if groups.get(name) != group]
        assert not [(x, y) for x, y in others if left <= x <= right and top <= y <= bottom], group


@pytest.mark.usefixtures("dot")
def test_a_circle_leads_back_and_nothing_is_drawn_of_nothing():
    sizes = dict.fromkeys((SOURCE, 'a"];', "b\n}"), Size(40, 20))
    pairs = [(SOURCE, 'a"];'), ('a"];', "b\n}"), ("b\n}", 'a"];')]
    laid = graphviz.arrange(sizes, pairs, {}, 30, 10)
    assert laid.back == {("b\n}", 'a"];')}
    xs = [laid.middles[name][0] for name in sizes]
    assert xs == sorted(xs)
    start, *_, end = laid.curves["b\n}", 'a"];']
    assert start[0] == pytest.approx(xs[2] - 20, abs=0.5)
    assert end[0] == pytest.approx(xs[1] + 20, abs=0.5)
    assert graphviz.arrange({}, [], {}, 30, 10).middles == {}


@pytest.mark.usefixtures("dot")
def test_the_command_says_who_lays_out(past, capsys, tmp_path, monkeypatch):
    by_dot = past.run(capsys, "graph", "--layout", "dot")
    assert (by_dot.code, by_dot.err) == (0, "")
    assert past.run(capsys, "graph").out == by_dot.out, "it is used where it is there"
    own = past.run(capsys, "graph", "--layout", "builtin").out
    assert own != by_dot.out
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    done = past.run(capsys, "graph", "--layout", "dot")
    assert (done.code, done.out) == (1, "")
    assert done.err == "pathwarden: dot does not run: No such file or directory; install graphviz, or choose --layout builtin\n"
    assert past.run(capsys, "graph").out == own


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("raise SystemExit('no memory')", "dot failed: no memory"),
        ("print('node n0 x'); print('stop')", "dot tells something else than a layout"),
        ("print('graph 1 1 1')", "dot left something out"),
        ("import signal; signal.pause()", "dot takes longer than 1 s"),
    ],
)
def test_a_dot_that_fails_or_does_not_end_is_done_without(past, capsys, tmp_path, monkeypatch, does, said):
    folder: Path = tmp_path / "bin"
    folder.mkdir()
    (folder / "dot").write_text(f"#!{sys.executable}\n{does}\n")
    (folder / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    if "pause" in does:
        monkeypatch.setattr(graphviz, "_MOST_S", 1)
    own = past.run(capsys, "graph", "--layout", "builtin").out
    done = past.run(capsys, "graph")
    assert (done.code, done.out) == (0, own)
    assert done.err == f"pathwarden: {said}; choose --layout builtin, which laid this picture out\n"
    done = past.run(capsys, "graph", "--layout", "dot")
    assert (done.code, done.out, done.err) == (1, "", f"pathwarden: {said}; choose --layout builtin\n")
