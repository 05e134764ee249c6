"""GET /api/v1/graph.svg and map.svg: the ways to the targets as pictures."""

import sys
import xml.etree.ElementTree as ET

import pytest

from equipment.fakes import NOW, SECOND, FakeAgent, FakeClock, FakeReader, hop, make_settings, make_trace
from equipment.web import Client
from pathwarden.api.app import make_app
from pathwarden.daemon.tools import drawer
from pathwarden.model.network import nobody
from pathwarden.picture.drawer import Drawer
from pathwarden.present.instants import rfc3339

PATH = "/api/v1/graph.svg"
MAP = "/api/v1/map.svg"
MINUTE = 60 * SECOND


@pytest.fixture
def reader():
    reader = FakeReader()
    for age, via in ((30, "198.51.100.6"), (5, "198.51.100.7")):
        reader.add(make_trace(hop(1, "10.0.0.1", 1.0), hop(2, via, 2.0), hop(3, "192.0.2.9", 9.0), at=NOW - age * MINUTE), None)
    return reader


@pytest.fixture
def web(reader):
    settings = make_settings(("cloudflare", "quad9"))
    return Client(make_app(FakeAgent(), reader, settings, FakeClock(), pictures=lambda: Drawer(reader, nobody)))


def words(got):
    assert (got.status, got.headers["content-type"]) == (200, "image/svg+xml")
    return [each.text for each in ET.fromstring(got.body).iter("{http://www.w3.org/2000/svg}text")]


def test_the_newest_ways_and_those_of_another_time(web):
    assert "198.51.100.7" in words(web.get(PATH))
    then = rfc3339(NOW - 20 * MINUTE)
    assert {"198.51.100.6", "192.0.2.9"} <= set(words(web.get(PATH, f"at={then}&target=cloudflare")))
    assert {"- 198.51.100.6", "+ 198.51.100.7", "- gone", "+ new"} <= set(words(web.get(PATH, f"before={then}&theme=dark")))
    assert {"本機", "udp 有回應, 9.0 ms"} <= set(words(web.get(PATH, "lang=zh_Hant")))
    assert web.get(PATH, "theme=dark").body != web.get(PATH, "theme=light").body == web.get(PATH).body


def test_the_map(web):
    said = " ".join(words(web.get(MAP)))
    assert "Position unknown: 10.0.0.1, 198.51.100.7, 192.0.2.9" in said
    assert "198.51.100.6" in " ".join(words(web.get(MAP, f"at={rfc3339(NOW - 20 * MINUTE)}&target=cloudflare")))
    assert web.get(MAP, "theme=dark").body != web.get(MAP, "theme=light").body == web.get(MAP).body
    narrow = web.get(MAP, "lang=ja&width=400")
    assert ET.fromstring(narrow.body).get("width") == "400"
    assert ET.fromstring(narrow.body).get("data-places") == "0"
    assert "位置不明" in " ".join(words(narrow))
    for asked, status, code in (
        ("width=300", 400, "bad_parameter"),
        ("lang=tlh", 400, "bad_parameter"),
        ("before=-1h", 400, "unknown_parameter"),
        ("theme=pink", 400, "bad_parameter"),
        ("target=x", 404, "unknown_target"),
    ):
        got = web.get(MAP, asked)
        assert (got.status, got.json["code"]) == (status, code)
    got = web.get(MAP, "at=1999-01-01T00:00:00Z")
    assert (got.status, got.json["code"]) == (404, "no_trace")


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("theme=pink", 400, "bad_parameter"), ("at=yesterday", 400, "bad_parameter"), ("before=1", 400, "bad_parameter"),
        ("colour=red", 400, "unknown_parameter"), ("target=nobody", 404, "unknown_target"), ("at=1999-01-01T00:00:00Z", 404, "no_trace"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn(web, asked, status, code):
    got = web.get(PATH, asked)
    assert (got.status, got.json["code"]) == (status, code)


def test_without_the_tools_there_is_no_picture(reader, monkeypatch):
    bare = Client(make_app(FakeAgent(), reader, make_settings(("cloudflare",)), FakeClock()))
    for path in (PATH, MAP):
        got = bare.get(path)
        assert (got.status, got.json["code"]) == (404, "not_installed")
    assert drawer(reader, nobody) is not None
    monkeypatch.setitem(sys.modules, "pathwarden.picture.drawer", None)
    assert drawer(reader, nobody) is None
