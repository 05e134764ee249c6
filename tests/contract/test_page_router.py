"""The page of a router: its accounts, its network at home, and the way in from LuCI, over a real socket of ubus."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from equipment.agent import awaited
from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_settings
from equipment.ubusd import Ubusd
from equipment.web import Client
from pathwarden.api.app import make_app
from pathwarden.daemon import bus as bus_module
from pathwarden.daemon.page import make_gate
from pathwarden.net.ubus_message import Status

LUCI = "c" * 32
SESSION = "/api/v1/session"
LAN = {"interface": "lan", "up": True, "l3_device": "br-lan", "ipv4-address": [{"address": "192.168.1.1", "mask": 24}],
       "ipv6-prefix-assignment": [{"local-address": {"address": "fd00:1::1"}}, {"local-address": {"address": "2001:db8::1"}}]}  # fmt: skip


class Rpcd:
    """root may do everything; LuCI's session may look."""

    def __init__(self, ubusd):
        self.rights = {LUCI: ("read",)}
        ubusd.offer("session", login=self.login, access=self.access, destroy=self.destroy)

    def login(self, asked):
        if (asked["username"], asked["password"]) != ("root", "secret"):
            return Status.PERMISSION_DENIED
        self.rights[f"{len(self.rights):032x}"] = ("read", "write")
        return {"ubus_rpc_session": list(self.rights)[-1]}

    def access(self, asked):
        if asked["ubus_rpc_session"] not in self.rights:
            return Status.NOT_FOUND
        return {"access": asked["object"] == "pathwarden" and asked["function"] in self.rights[asked["ubus_rpc_session"]]}

    def destroy(self, asked):
        self.rights.pop(asked["ubus_rpc_session"])
        return Status.OK


@pytest.fixture
def world(tmp_path, monkeypatch):
    with Ubusd(tmp_path / "ubus.sock") as ubusd:
        monkeypatch.setattr(bus_module, "UBUS", ubusd.path)
        rpcd, agent, clock = Rpcd(ubusd), FakeAgent(), FakeClock()
        ubusd.offer("network.interface", dump=lambda _data: {"interface": [LAN]})
        settings = make_settings(listen=("@lan:8866",))
        settings = replace(settings, agent=replace(settings.agent, live_dir=str(tmp_path)))
        bus = bus_module.Bus(SimpleNamespace(marks=set))
        gate = make_gate(settings, clock, bus.accounts())
        bus.start(agent, FakeReader(), settings, clock, gate.code)
        awaited(ubusd.paths, lambda paths: "pathwarden" in paths, "the object")
        app = make_app(agent, FakeReader(), make_settings(), clock, gate=gate)
        yield SimpleNamespace(ubusd=ubusd, rpcd=rpcd, agent=agent, clock=clock, bus=bus, web=Client(app, "192.168.1.7"), gate=gate)
        bus.close()


def sign_in(world, **given):
    got = world.web.post(SESSION, json.dumps(given).encode())
    return got, {"COOKIE": got.headers.get("set-cookie", "").partition(";")[0], "X_PATHWARDEN_TOKEN": str(got.json.get("token"))}


def test_the_network_at_home_is_its_lasting_addresses(world):
    assert world.bus.addresses("lan") == ("192.168.1.1", "fd00:1::1")
    assert world.bus.addresses("none") == ()


def test_the_routers_account_signs_in_writes_and_leaves(world):
    trace = "/api/v1/targets/cloudflare/trace"
    assert world.web.post(trace).json["code"] == "sign_in_required"
    assert sign_in(world, name="root", password="wrong")[0].json["code"] == "wrong_password"
    got, shown = sign_in(world, name="root", password="secret")
    assert (got.json["right"], got.json["no_password"]) == ("write", False)
    assert world.web.post(trace, **shown).status == 202
    assert world.web.post(SESSION, method="DELETE", **shown).status == 200
    assert list(world.rpcd.rights) == [LUCI], "rpcd's session ended with the page's"


def test_who_signed_in_to_luci_comes_in_with_luci_s_rights(world):
    status, told = world.ubusd.invoke("pathwarden", "sign_in", {"ubus_rpc_session": LUCI})
    assert status is Status.OK
    got, shown = sign_in(world, code=told["code"])
    assert got.json["right"] == "read"
    assert world.web.get("/api/v1/status", COOKIE=shown["COOKIE"]).status == 200
    assert world.web.post("/api/v1/targets/cloudflare/trace", **shown).json["code"] == "read_only"
    world.rpcd.rights.clear()  # LuCI's session ended
    world.clock.mono += 31_000_000_000
    assert world.web.get("/api/v1/status", COOKIE=shown["COOKIE"]).status == 401
    assert world.ubusd.invoke("pathwarden", "sign_in", {}) == (Status.PERMISSION_DENIED, None)


def test_without_rpcd_nobody_gets_in_and_it_is_said(world):
    world.ubusd.withdraw("session")
    got, _ = sign_in(world, name="root", password="secret")
    assert (got.status, got.json["code"]) == (503, "accounts_unavailable")
    assert got.json["detail"] == "the router's accounts cannot be asked: session login: not found; see whether rpcd runs"
