"""Who knows whose addresses are, as the daemon opens it; and what a detector makes of it."""

import subprocess
import sys

import pytest

from equipment.fakes import FakeClock, FakeReader, hop, make_route, make_settings, make_trace
from equipment.mmdb import asn, write
from equipment.traces import Watch
from pathwarden.daemon import networks
from pathwarden.daemon.board import Board, Fact
from pathwarden.daemon.networks import databases, open_networks
from pathwarden.model.network import UNKNOWN, Network, Nobody, Source
from pathwarden.model.settings import AgentSettings

KNOWN = {
    "gw": Network(special="private"),
    "a1": Network(asn=64500), "a2": Network(asn=64500), "b1": Network(asn=64501), "b2": Network(asn=64501, as_name="B"),
    "c1": Network(asn=64502, as_name="C"), "c2": Network(asn=64502), "ix": Network(ixp="EXAMPLE-IX"), "D": Network(asn=64510),
}  # fmt: skip
NAMES = {64501: "B", 64502: "C"}


@pytest.fixture
def agent(tmp_path, monkeypatch):
    """Settings of an agent whose usual places are two empty folders."""
    monkeypatch.setattr(networks, "PLACES", (tmp_path / "one", tmp_path / "two"))
    (tmp_path / "two").mkdir()

    def make(**values):
        return AgentSettings("home", 10, 1, 16, (), 24, str(tmp_path / "db" / "history.db"), 16, **values)

    return make


def test_databases_are_those_named_else_those_in_the_usual_places(tmp_path, agent):
    assert databases(agent()) == []
    (tmp_path / "db").mkdir()
    found = [tmp_path / "db" / "z.mmdb", tmp_path / "two" / "a.mmdb", tmp_path / "two" / "b.mmdb"]
    for path in (*found, tmp_path / "two" / "c.dat"):
        path.touch()
    assert databases(agent()) == found
    assert databases(agent(mmdb=("/x/y.mmdb",))) == databases(agent(mmdb=("/x/y.mmdb",), dns_lookups=True)) != found


def test_a_folder_that_is_not_ours_to_read_holds_no_databases(monkeypatch, agent):
    def refuse(_folder, _pattern):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(networks.Path, "glob", refuse)
    assert databases(agent()) == []


def test_without_a_database_or_leave_nothing_is_loaded(agent):
    knows = open_networks(agent(), lookups=True)
    assert isinstance(knows, Nobody)
    assert (knows.of("5.1.2.3"), knows.now("5.1.2.3"), knows.notices()) == (UNKNOWN, UNKNOWN, [])


def test_the_wiring_loads_nothing_that_many_routers_do_without():
    spared = (
        "paho",
        "pathwarden.enrich",
        "pathwarden.mqtt",
        "pathwarden.net.rootless",
        "pathwarden.net.tcp_connect",
        "pathwarden.net.ubus",
    )
    code = f"import sys, pathwarden.daemon.runtime; print([name for name in sys.modules if name.startswith({spared})])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_named_database_that_is_not_there_is_said_and_the_others_are_read(tmp_path, agent):
    path = write(tmp_path / "a.mmdb", {"5.1.0.0/16": asn(64500, "ONE")})
    knows = open_networks(agent(mmdb=(f"{tmp_path}/none.mmdb", str(path))), lookups=False)
    assert knows.notices() == [f"{tmp_path}/none.mmdb: No such file or directory"]
    assert knows.now("5.1.2.3").asn == 64500
    knows.close()


@pytest.mark.parametrize(("values", "said"), [({"dns_lookups": True}, 1), ({"mmdb": ("/x.mmdb",)}, 1)])
def test_without_the_tools_nobody_is_asked_and_that_is_said(monkeypatch, agent, values, said):
    monkeypatch.setitem(sys.modules, "pathwarden.enrich.enricher", None)
    knows = open_networks(agent(**values), lookups=True)
    assert knows.notices() == ["agent.mmdb and agent.dns_lookups need the package pathwarden-tools"] * said
    assert knows.of("5.1.2.3") == UNKNOWN


def test_a_database_in_a_usual_place_needs_no_word_without_the_tools(tmp_path, monkeypatch, agent):
    (tmp_path / "two" / "a.mmdb").touch()
    monkeypatch.setitem(sys.modules, "pathwarden.enrich.enricher", None)
    assert open_networks(agent(), lookups=True).notices() == []


@pytest.mark.parametrize(
    ("old", "new", "classes", "before", "after"),
    [
        (("gw", "a1", "b1", "b2", "D"), ("gw", "a1", "c1", "c2", "D"), ("as_path", "reroute"),
         (64500, 64501, 64510), (64500, 64502, 64510)),
        (("gw", "a1", "b1", "b2", "D"), ("gw", "a2", "b1", "b2", "D"), ("hop",), (64500, 64501, 64510), (64500, 64501, 64510)),
        (("gw", "a1", "ix", "b2", "D"), ("gw", "a1", "b1", "b2", "D"), ("hop",), (64500, 64510), (64500, 64501, 64510)),
        (("gw", "x", "y", "b2", "D"), ("gw", "z", "w", "b2", "D"), ("reroute",), (64501, 64510), (64501, 64510)),
    ],
)  # fmt: skip
def test_a_change_tells_the_networks_before_and_after(old, new, classes, before, after):
    watch = Watch()
    watch.detector.whose = lambda address: KNOWN.get(address, UNKNOWN)
    watch.times(10, *old)
    watch.times(6, *new)
    [change] = watch.changes
    assert (change.classes, change.as_before, change.as_after) == (classes, before, after)
    assert dict(change.as_names) == {number: NAMES[number] for number in {*before} ^ {*after} if number in NAMES}


def test_a_path_has_another_name_once_it_is_known_whose_its_hops_are():
    board = Board(make_settings(), FakeClock(), FakeReader(), lambda _tid: "", dict)
    trace = make_trace(hop(1, "10.0.0.1", 1.0), hop(2, "b2", 2.0), hop(3, "192.0.2.9", 3.0))
    board.restored("cloudflare", Fact(on_route=trace, route=make_route("R", "A", 60), route_since=7))
    known: dict[str, Network] = {}
    board.whose = lambda address: known.get(address, UNKNOWN)
    names = [board.path_name("cloudflare")]
    for address in ("x", "10.0.0.1", "b2"):
        known[address] = Network(asn=64501, sources=(Source("as", "cymru.com", len(names)),))
        names.append(board.path_name("cloudflare"))
    assert names[0] == names[1] != names[2] != names[3]
    known["10.0.0.1"] = Network(asn=64501, sources=(Source("as", "cymru.com", 99),))
    assert board.path_name("cloudflare") == names[3]
    assert board.path_name("nobody") == (None,)
