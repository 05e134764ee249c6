"""What the agent publishes on ubus, and a machine that has none."""

import dataclasses
import subprocess
import sys
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from equipment.fakes import NOW, SECOND, FakeAgent, FakeClock, FakeReader, hop, make_route, make_settings, make_trace
from equipment.web import Client
from pathwarden.api.answers import Answers
from pathwarden.api.app import make_app
from pathwarden.daemon import sources
from pathwarden.daemon.bus import methods
from pathwarden.daemon.parts import notices
from pathwarden.daemon.sources import DeviceNames, NoBus, binding_now, by_interface, open_bus, source_named
from pathwarden.errors import OperatorError, ProbeError
from pathwarden.model.network import nobody
from pathwarden.model.probe import Binding
from pathwarden.model.settings import Source
from pathwarden.net import blobmsg
from pathwarden.net.ubus_message import Status
from pathwarden.net.ubus_session import UbusError
from pathwarden.picture.drawer import Drawer
from pathwarden.present.instants import rfc3339

TIDS = ("cloudflare", "quad9")
EARLIER, AT = rfc3339(NOW - 1400 * SECOND), rfc3339(NOW)


class World:
    def __init__(self):
        self.agent, self.reader, self.clock = FakeAgent(TIDS), FakeReader(), FakeClock()
        settings = make_settings(TIDS)
        self.drawer = Drawer(self.reader, nobody)
        self.methods = methods(Answers(self.agent, self.reader, settings, self.clock, lambda: self.drawer), self.agent.trace_now)
        self.web = Client(make_app(self.agent, self.reader, settings, self.clock, pictures=lambda: self.drawer))
        for number in range(3):
            trace = make_trace(hop(1, "10.0.0.1", 1.0), hop(2, "192.0.2.9", 9.0, None), at=NOW - (5 - number) * 300 * SECOND)
            self.reader.add(trace, "r1" if number else None)
        self.reader.known = [make_route("r1", "A", 900), make_route("r2", "B", 300)]
        for target in ("cloudflare", "quad9", "cloudflare"):
            self.reader.tell(target)

    def say(self, method, **asked):
        return self.methods[method].run(asked)

    def refusal(self, method, **asked):
        with pytest.raises(UbusError) as error:
            self.say(method, **asked)
        return error.value.status


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize(
    ("method", "asked", "path", "query"),
    [
        ("status", {}, "status", ""),
        ("summary", {}, "summary", ""),
        ("targets", {}, "targets", ""),
        ("target", {"id": "cloudflare"}, "targets/cloudflare", ""),
        ("paths", {"id": "cloudflare"}, "targets/cloudflare/paths", ""),
        ("trace", {"id": 2}, "traces/2", ""),
        ("trace_at", {"id": "cloudflare", "at": AT}, "targets/cloudflare/trace-at", f"at={AT}"),
        ("series", {"id": "cloudflare"}, "targets/cloudflare/series", ""),
        (
            "series",
            {"id": "cloudflare", "from": EARLIER, "to": AT, "points": 3},
            "targets/cloudflare/series",
            f"from={EARLIER}&to={AT}&points=3",
        ),
        ("heatmap", {"id": "cloudflare"}, "targets/cloudflare/heatmap", ""),
        ("heatmap", {"id": "cloudflare", "from": EARLIER, "columns": 3}, "targets/cloudflare/heatmap", f"from={EARLIER}&columns=3"),
        ("diff", {"id": "cloudflare", "a": EARLIER, "b": AT}, "diff", f"target=cloudflare&a={EARLIER}&b={AT}"),
        ("diff", {"id": "cloudflare", "a": "A"}, "diff", "target=cloudflare&a=A"),
        ("incidents", {}, "incidents", ""),
        ("changes", {}, "changes", ""),
        ("changes", {"from": EARLIER, "to": AT}, "changes", f"from={EARLIER}&to={AT}"),
        ("changes", {"since_seq": 1, "limit": 1}, "changes", "since_seq=1&limit=1"),
        ("changes", {"before_seq": 3, "target": "cloudflare"}, "changes", "before_seq=3&target=cloudflare"),
    ],
)
def test_ubus_says_what_the_page_says(world, method, asked, path, query):
    said = world.say(method, **asked)
    assert said == world.web.get(f"/api/v1/{path}", query).json
    assert blobmsg.decode(blobmsg.encode(said)) == said, "and all of it goes over the bus"
    assert set(asked) <= set(world.methods[method].arguments)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("graph", {}),
        ("graph", {"target": "cloudflare", "at": AT, "before": EARLIER, "theme": "dark", "lang": "ja"}),
        ("map", {}),
        ("map", {"target": "cloudflare", "at": AT, "theme": "dark", "lang": "zh_Hant", "width": 640}),
    ],
)
def test_the_pictures_are_the_page_s(world, kind, asked):
    said = world.say(kind, **asked)
    assert said["svg"].encode() == world.web.get(f"/api/v1/{kind}.svg", urlencode(asked)).body
    assert set(asked) <= set(world.methods[kind].arguments)
    world.drawer = None
    assert world.refusal(kind) is Status.NOT_SUPPORTED, "where what draws is not installed"


def test_a_note_is_taken_as_on_the_page(world):
    assert world.say("note", id="E1", note=" the provider knows ") == {"event_id": "E1", "note": "the provider knows"}
    assert world.agent.wishes == [("note", "E1", "the provider knows")]


def test_a_trace_is_asked_for_as_on_the_page(world):
    said = world.say("trace_now", target="quad9")
    assert world.agent.asked == ["quad9"]
    answer = world.web.post("/api/v1/targets/quad9/trace")
    assert (answer.status, said) == (202, answer.json)
    assert world.agent.asked == ["quad9"] * 2
    assert world.methods["trace_now"].arguments == {"target": str}


def test_wishes_are_taken_as_on_the_page(world):
    assert world.say("mute", id="quad9", for_s=60) == {"target": "quad9", "for_s": 60, "pair": None}
    assert world.say("mute", id="cloudflare", a="A", b="B")["pair"] == ["A", "B"]
    world.say("mute", id="cloudflare", a="B", b="A", for_s=0)
    world.agent.paths["cloudflare"] = {}
    assert world.say("accept_path", id="cloudflare") == {"target": "cloudflare"}
    assert world.agent.wishes == [
        ("mute", "quad9", 60),
        ("pair", "cloudflare", "A", "B", True),
        ("pair", "cloudflare", "B", "A", False),
        ("accept", "cloudflare"),
    ]


@pytest.mark.parametrize(
    ("method", "asked", "status"),
    [
        ("trace_now", {}, Status.INVALID_ARGUMENT),
        ("trace_now", {"target": "nobody"}, Status.NOT_FOUND),
        ("target", {"id": "nobody"}, Status.NOT_FOUND),
        ("target", {}, Status.INVALID_ARGUMENT),
        ("paths", {}, Status.INVALID_ARGUMENT),
        ("paths", {"id": "nobody"}, Status.NOT_FOUND),
        ("trace", {}, Status.INVALID_ARGUMENT),
        ("trace", {"id": 99}, Status.NOT_FOUND),
        ("trace", {"id": -1}, Status.INVALID_ARGUMENT),
        ("changes", {"since_seq": 1, "before_seq": 2}, Status.INVALID_ARGUMENT),
        ("changes", {"target": "nobody"}, Status.NOT_FOUND),
        ("changes", {"limit": 0}, Status.INVALID_ARGUMENT),
        ("changes", {"limit": 101}, Status.INVALID_ARGUMENT),
        ("changes", {"since_seq": -1}, Status.INVALID_ARGUMENT),
        ("changes", {"from": "yesterday"}, Status.INVALID_ARGUMENT),
        ("trace_at", {"id": "cloudflare"}, Status.INVALID_ARGUMENT),
        ("trace_at", {"id": "cloudflare", "at": "1970-01-01T00:00:00Z"}, Status.NOT_FOUND),
        ("series", {"id": "nobody"}, Status.NOT_FOUND),
        ("series", {"id": "quad9", "points": 601}, Status.INVALID_ARGUMENT),
        ("series", {"id": "quad9", "from": AT, "to": EARLIER}, Status.INVALID_ARGUMENT),
        ("heatmap", {"id": "quad9", "columns": 241}, Status.INVALID_ARGUMENT),
        ("diff", {"a": "A"}, Status.INVALID_ARGUMENT),
        ("diff", {"id": "cloudflare", "a": "Z"}, Status.INVALID_ARGUMENT),
        ("incidents", {"limit": 0}, Status.INVALID_ARGUMENT),
        ("mute", {"id": "quad9"}, Status.INVALID_ARGUMENT),
        ("mute", {"id": "nobody", "for_s": 60}, Status.NOT_FOUND),
        ("mute", {"id": "cloudflare", "a": "A"}, Status.INVALID_ARGUMENT),
        ("mute", {"id": "cloudflare", "a": "A", "b": "Z"}, Status.INVALID_ARGUMENT),
        ("graph", {"target": "nobody"}, Status.NOT_FOUND),
        ("graph", {"at": "1970-01-01T00:00:00Z"}, Status.NOT_FOUND),
        ("graph", {"theme": "pink"}, Status.INVALID_ARGUMENT),
        ("map", {"target": "nobody"}, Status.NOT_FOUND),
        ("map", {"lang": "xx"}, Status.INVALID_ARGUMENT),
        ("map", {"width": 319}, Status.INVALID_ARGUMENT),
        ("note", {"id": "E1"}, Status.INVALID_ARGUMENT),
        ("note", {"note": "x"}, Status.INVALID_ARGUMENT),
        ("note", {"id": "E1", "note": "x" * 301}, Status.INVALID_ARGUMENT),
        ("note", {"id": "E9", "note": "x"}, Status.NOT_FOUND),
        ("accept_path", {"id": "nobody"}, Status.NOT_FOUND),
        ("accept_path", {"id": "quad9"}, Status.INVALID_ARGUMENT),
    ],
)
def test_what_is_wrong_has_a_status(world, method, asked, status):
    assert world.refusal(method, **asked) is status


def test_lists_are_bounded(world):
    world.reader.known = [make_route(f"r{n}", "A", 900) for n in range(300)]
    for _ in range(300):
        world.reader.tell("quad9")
    assert len(world.say("paths", id="cloudflare")["paths"]) == 100
    assert len(world.say("changes")["changes"]) == 50
    assert len(world.say("changes", limit=100)["changes"]) == 100


def test_a_history_that_cannot_be_read_is_a_system_error(world, monkeypatch):
    def fail(*_args, **_kw):
        raise OperatorError("locked")

    monkeypatch.setattr(world.reader, "events", fail)
    assert world.refusal("changes") is Status.SYSTEM_ERROR


def test_a_code_for_the_page_is_for_who_signed_in_to_luci(world):
    given = []
    offered = methods(
        Answers(world.agent, world.reader, make_settings(TIDS), world.clock), world.agent.trace_now, lambda sid: given.append(sid) or "code"
    )
    session = "0123456789abcdef" * 2
    assert offered["sign_in"].run({"ubus_rpc_session": session}) == {"code": "code"}
    assert given == [session]
    for asked in ({}, {"ubus_rpc_session": "0" * 32}, {"ubus_rpc_session": "root"}):
        with pytest.raises(UbusError) as error:
            offered["sign_in"].run(asked)
        assert error.value.status is Status.PERMISSION_DENIED
    assert world.refusal("sign_in", ubus_rpc_session=session) is Status.NOT_SUPPORTED, "where nobody signs in"


def test_without_ubus_an_interface_is_a_device_of_that_name(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "UBUS", tmp_path / "ubus.sock")
    assert DeviceNames().binding(Source("a", Binding(table=7), "eth1"), 4) == Binding("eth1", table=7)
    assert DeviceNames().binding(Source("a", Binding("eth2", fwmark=5)), 6) == Binding("eth2", fwmark=5)
    assert binding_now(Source("a", Binding(), "eth1"), 4) == Binding("eth1")
    with pytest.raises(ProbeError) as error:
        DeviceNames().binding(Source("a", Binding(), "a_name_that_no_device_can_have"), 4)
    assert error.value.code == "device_absent: a_name_that_no_device_can_have"


def test_without_ubus_nothing_runs_and_nothing_is_wrong(monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "UBUS", tmp_path / "ubus.sock")
    bus = open_bus(SimpleNamespace(addresses=lambda _device: ()))
    assert isinstance(bus, NoBus)
    assert (bus.snapshot(), bus.counters()) == ({"connected": False, "detail": ""}, {})
    mqtt = {"enabled": True, "detail": ""}
    assert notices({"name": "raw"}, mqtt, "", bus.snapshot()) == []
    assert notices({"name": "raw"}, mqtt, "", {"connected": True, "detail": "cannot publish pathwarden: permission denied"}) == [
        {"level": "warning", "text": "ubus: cannot publish pathwarden: permission denied"}
    ]


def test_without_ubus_nothing_is_imported():
    code = "import sys, pathwarden.daemon.runtime; sys.exit(any('ubus' in name or name.endswith('.bus') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_targets_of_an_interface():
    settings = make_settings(("a", "b", "c"))
    targets = [dataclasses.replace(target, source=name) for target, name in zip(settings.targets, ("one", "two", ""), strict=True)]
    known = (Source("one", Binding(), "wan"), Source("two", Binding("eth1")))
    settings = dataclasses.replace(settings, targets=tuple(targets), sources=known)
    assert by_interface(settings, "wan") == ["a"]
    assert by_interface(settings, "lan") == []
    assert source_named(settings, "one") is known[0]
    assert source_named(settings, "") == Source("", Binding())
