"""The ubus client against a stand-in for ubusd over a real Unix socket: calls, time-outs, restarts, events, publishing, garbage."""

import random
import socket
import threading
import time
from collections import Counter
from functools import partial
from operator import lt
from types import SimpleNamespace

import pytest

from equipment.agent import awaited
from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_settings
from equipment.ubus import exchange
from equipment.ubusd import MUTE, Ubusd
from pathwarden.api.answers import Answers
from pathwarden.daemon import bus as bus_module
from pathwarden.daemon.bus import methods
from pathwarden.net import ubus
from pathwarden.net.ubus import UbusClient
from pathwarden.net.ubus_message import Attr, Frames, Kind, Status, number, text, write
from pathwarden.net.ubus_session import UbusError
from pathwarden.net.ubus_standing import Method


@pytest.fixture
def ubusd(tmp_path):
    with Ubusd(tmp_path / "ubus.sock") as ubusd:
        yield ubusd


@pytest.fixture
def client(ubusd, monkeypatch):
    monkeypatch.setattr(ubus, "_FIRST_PAUSE_NS", 20_000_000)
    monkeypatch.setattr(ubus, "_AGAIN_NS", 50_000_000)
    client = UbusClient(ubusd.path)
    yield client
    client.close()


def started(client):
    client.start()
    awaited(lambda: client.connected, bool, "a connection")
    return client


def refused(client, *args, **kw):
    with pytest.raises(UbusError) as error:
        client.call(*args, **kw)
    return error.value.status


def test_a_call_brings_the_answer(ubusd, client):
    ubusd.offer("system", board=lambda _data: {"hostname": "OpenWrt", "release": {"version": "24.10"}}, echo=lambda data: {"got": data})
    started(client)
    assert client.call("system", "board", {}) == {"hostname": "OpenWrt", "release": {"version": "24.10"}}
    sent = {"a": 1, "b": [True, None, 1.5], "c": {"d": "台北"}, "big": 1 << 40}
    assert client.call("system", "echo", sent) == {"got": sent}
    assert client.detail == ""


def test_refusals_have_their_status(ubusd, client):
    ubusd.offer("session", login=lambda _data: Status.PERMISSION_DENIED, nothing=lambda _data: None)
    started(client)
    assert client.call("session", "nothing", {}) == {}
    assert refused(client, "no.such.object", "x", {}) is Status.NOT_FOUND
    assert refused(client, "session", "no_such_method", {}) is Status.METHOD_NOT_FOUND
    with pytest.raises(UbusError, match="session login: permission denied"):
        client.call("session", "login", {"password": "x"})


def test_a_silent_service_costs_the_time_that_was_given_and_holds_up_nobody(ubusd, client):
    ubusd.offer("slow", wait=lambda _data: MUTE)
    ubusd.offer("fast", go=lambda _data: {"ok": True})
    started(client)
    outcomes = []
    waiting = threading.Thread(target=lambda: outcomes.append(refused(client, "slow", "wait", {}, timeout_s=2.0)))
    begun = time.monotonic()
    waiting.start()
    assert client.call("fast", "go", {}) == {"ok": True}
    assert outcomes == [], "it was held up"
    waiting.join()
    assert outcomes == [Status.TIMEOUT]
    assert time.monotonic() - begun > 1.9
    assert client.counts["timeouts"] == 1
    assert client.call("fast", "go", {}) == {"ok": True}


def test_a_thousand_invocations_are_answered(ubusd, client):
    client.publish("pathwarden", {"double": Method({"n": int}, lambda data: {"n": 2 * data["n"]})})
    started(client)
    awaited(ubusd.paths, lambda paths: "pathwarden" in paths, "the object")
    assert ubusd.signature("pathwarden") == {"double": {"n": 5}}
    calls = [ubusd.begin("pathwarden", "double", {"n": n}) for n in range(1000)]
    for n, call in enumerate(calls):
        assert call.ended.wait(20)
        assert (call.status, call.data) == (Status.OK, [{"n": 2 * n}])
    assert client.counts["answered"] == 1000


def test_what_is_asked_wrongly_is_refused(ubusd, client, caplog):
    def fail(_data):
        raise ZeroDivisionError

    def deny(_data):
        raise UbusError(Status.PERMISSION_DENIED)

    methods = {
        "get": Method({"id": str, "limit": int}, lambda data: {"got": data}),
        "fail": Method({}, fail),
        "deny": Method({}, deny),
        "huge": Method({}, lambda _data: {"text": "x" * (1 << 20)}),
    }
    client.publish("pathwarden", methods)
    started(client)
    awaited(ubusd.paths, lambda paths: "pathwarden" in paths, "the object")
    assert ubusd.invoke("pathwarden", "get", {"id": "a", "limit": 3}) == (Status.OK, {"got": {"id": "a", "limit": 3}})
    # rpcd adds the caller's session; null stands for nothing.
    assert ubusd.invoke("pathwarden", "get", {"ubus_rpc_session": "0" * 32, "id": None}) == (Status.OK, {"got": {}})
    for wrong in ({"id": 5}, {"limit": "5"}, {"limit": True}, {"id": ["a"]}):
        assert ubusd.invoke("pathwarden", "get", wrong) == (Status.INVALID_ARGUMENT, None), wrong
    assert ubusd.invoke("pathwarden", "put", {}) == (Status.METHOD_NOT_FOUND, None)
    assert ubusd.invoke("pathwarden", "deny", {}) == (Status.PERMISSION_DENIED, None)
    assert "Traceback" not in caplog.text
    assert ubusd.invoke("pathwarden", "fail", {}) == (Status.UNKNOWN_ERROR, None)
    assert "the ubus method 'fail' failed" in caplog.text
    assert ubusd.invoke("pathwarden", "huge", {}) == (Status.NO_MEMORY, None)
    assert "longer than 1 MiB" in caplog.text
    answered = client.counts["answered"]
    ubusd.invoke("pathwarden", "get", {}, reply=False)
    ubusd.invoke("pathwarden", "get", {})
    assert client.counts["answered"] == answered + 1, "who wants no reply gets none"


def test_the_agents_object_takes_a_request_for_a_trace(ubusd, client):
    agent = FakeAgent(("far", "near"))
    client.publish("pathwarden", methods(Answers(agent, FakeReader(), make_settings(("far", "near")), FakeClock()), agent.trace_now))
    started(client)
    awaited(ubusd.paths, lambda paths: "pathwarden" in paths, "the object")
    assert ubusd.signature("pathwarden")["trace_now"] == {"target": 3}  # a string, in blobmsg's numbers
    # rpcd adds the session of who asks.
    assert ubusd.invoke("pathwarden", "trace_now", {"target": "near", "ubus_rpc_session": "0" * 32}) == (
        Status.OK,
        {"target": "near", "asked": "of-near"},
    )
    assert agent.asked == ["near"]
    for wrong, status in (({"target": "other"}, Status.NOT_FOUND), ({"target": 5}, Status.INVALID_ARGUMENT), ({}, Status.INVALID_ARGUMENT)):
        assert ubusd.invoke("pathwarden", "trace_now", wrong) == (status, None)
    assert agent.asked == ["near"]


def test_what_netifd_tells_of_an_interface_is_a_happening_with_its_device(ubusd, monkeypatch):
    monkeypatch.setattr(bus_module, "UBUS", ubusd.path)
    told = {"interface": "wan", "up": True, "l3_device": "pppoe-wan"}
    ubusd.offer("network.interface", dump=lambda _data: {"interface": [told]})
    noted = []
    bus = bus_module.Bus(SimpleNamespace(marks=set))
    bus.on_happening(noted.append)
    bus.listen()
    try:
        awaited(lambda: (ubusd.patterns(), bus.interfaces()), lambda seen: seen == (["network.interface"], ["wan"]), "wan")
        for action in ("ifdown", "ifup"):
            ubusd.event("network.interface", {"action": action, "interface": "wan"})
        awaited(lambda: len(noted), lambda count: count == 2, "both")
        assert [(one.kind.value, one.device, one.what.value, one.detail) for one in noted] == [
            ("interface", "pppoe-wan", "down", "wan"),
            ("interface", "pppoe-wan", "up", "wan"),
        ]
    finally:
        bus.close()


def test_what_could_not_be_traced_is_asked_for_when_an_interface_changes(ubusd, monkeypatch):
    monkeypatch.setattr(bus_module, "UBUS", ubusd.path)
    told = {"interface": "wan", "up": False}
    ubusd.offer("network.interface", dump=lambda _data: {"interface": [told]})
    agent, changed = FakeAgent(("lost", "fine")), []
    bus = bus_module.Bus(SimpleNamespace(marks=set))
    bus.on_change(changed.append)
    bus.start(agent, FakeReader(), make_settings(("lost", "fine")), FakeClock())
    try:
        awaited(
            lambda: (ubusd.patterns(), bus.interfaces(), list(changed)),
            lambda seen: seen == (["network.interface"], ["wan"], ["wan"]),
            "wan",
        )
        assert agent.asked == [], "nothing was wrong yet"
        agent.states[0]["state"] = "error"
        told |= {"up": True, "l3_device": "eth1"}
        ubusd.event("network.interface", {"action": "ifup", "interface": "wan"})
        awaited(lambda: agent.asked, bool, "asked for")
        assert (set(agent.asked), set(changed)) == ({"lost"}, {"wan"})
    finally:
        bus.close()


def test_events_and_notifications_are_heard(ubusd, client):
    heard, ready = [], threading.Semaphore(0)
    ubusd.offer("network.interface")
    client.listen("network.*", lambda name, data: heard.append((name, data)) or ready.release())
    client.subscribe("network.interface", lambda name, data: heard.append((name, data)) or ready.release())
    started(client)
    awaited(lambda: (ubusd.patterns(), ubusd.subscribers("network.interface")), lambda seen: seen == (["network.*"], 1), "ears")
    assert ubusd.event("network.interface", {"action": "ifup", "interface": "wan"}) == 1
    assert ubusd.event("other", {}) == 0
    assert ubusd.notify("network.interface", "interface.update", {"interface": "wan", "up": True}) == 1
    assert ready.acquire(timeout=20)
    assert ready.acquire(timeout=20)
    assert heard == [
        ("network.interface", {"action": "ifup", "interface": "wan"}),
        ("interface.update", {"interface": "wan", "up": True}),
    ]


def test_everything_stands_again_after_a_restart_of_ubusd(ubusd, client):
    heard, ready = [], []
    ubusd.offer("network.interface")
    client.publish("pathwarden", {"ping": Method({}, lambda _data: {"pong": True})})
    client.listen("network.interface", lambda name, _data: heard.append(name))
    client.subscribe("network.interface", lambda name, _data: heard.append(name))
    client.on_ready = lambda: ready.append(client.connected)
    started(client)

    def stands():
        return "pathwarden" in ubusd.paths() and bool(ubusd.patterns()) and ubusd.subscribers("network.interface") == 1

    for _ in range(3):
        awaited(stands, bool, "everything stands")
        assert ubusd.invoke("pathwarden", "ping", {}) == (Status.OK, {"pong": True})
        count = len(ready)
        ubusd.stop()
        awaited(lambda: client.connected, lambda connected: not connected, "the loss is noticed")
        assert refused(client, "network.interface", "dump", {}) is Status.CONNECTION_FAILED
        assert "ubus.sock: " in client.detail
        ubusd.start()
        awaited(lambda: len(ready), partial(lt, count), "ready again")
    awaited(stands, bool, "everything stands")
    assert (client.detail, set(ready)) == ("", {True})
    assert client.counts["lost"] >= 3


def test_a_call_under_way_ends_when_ubusd_goes(ubusd, client):
    asked = threading.Event()
    ubusd.offer("slow", wait=lambda _data: asked.set() or MUTE)
    started(client)
    outcomes = []
    waiting = threading.Thread(target=lambda: outcomes.append(refused(client, "slow", "wait", {}, timeout_s=60)))
    waiting.start()
    assert asked.wait(20)
    ubusd.stop()
    waiting.join(20)
    assert outcomes == [Status.CONNECTION_FAILED]
    ubusd.start()


def test_a_service_that_comes_later_or_again_is_found(ubusd, client):
    heard = []
    client.subscribe("network.interface", lambda name, _data: heard.append(name))
    started(client)
    awaited(lambda: client.detail, lambda detail: detail == "cannot subscribe to network.interface: not found", "the lack is told")
    ubusd.offer("network.interface")
    awaited(lambda: ubusd.subscribers("network.interface"), lambda count: count == 1, "found")
    awaited(lambda: client.detail, lambda detail: not detail, "told no longer")
    ubusd.withdraw("network.interface")
    awaited(lambda: client.detail, bool, "its end is noticed")
    ubusd.offer("network.interface")
    awaited(lambda: ubusd.subscribers("network.interface"), lambda count: count == 1, "found again")
    assert ubusd.notify("network.interface", "interface.down", {}) == 1
    awaited(lambda: heard, bool, "heard")
    ears = [message for message in ubusd.heard if message.kind == Kind.ADD_OBJECT]
    assert len(ears) == 1, "one ear serves all attempts"


def test_what_the_access_list_refuses_is_told_and_tried_again(ubusd, client):
    ubusd.denied = {"pathwarden", "network.interface"}
    client.publish("pathwarden", {"ping": Method({}, lambda _data: {})})
    client.listen("network.interface", lambda _name, _data: None)
    started(client)
    told = "cannot publish pathwarden: permission denied; cannot listen to network.interface: permission denied"
    awaited(lambda: client.detail, lambda detail: detail == told, "told")
    ubusd.denied = set()
    awaited(lambda: (client.detail, ubusd.patterns()), lambda seen: seen == ("", ["network.interface"]), "granted")


def test_without_ubusd_it_says_so_and_goes_on_trying(tmp_path, monkeypatch):
    monkeypatch.setattr(ubus, "_FIRST_PAUSE_NS", 10_000_000)
    path = tmp_path / "ubus.sock"
    client = UbusClient(path)
    client.start()
    try:
        awaited(lambda: client.detail, lambda detail: detail == f"{path}: No such file or directory", "told")
        with Ubusd(path):
            awaited(lambda: client.connected, bool, "connected")
    finally:
        client.close()


def test_who_does_not_greet_is_left(ubusd, client, monkeypatch):
    monkeypatch.setattr(ubus, "_SETUP_NS", 50_000_000)
    ubusd.greets = False
    client.start()
    awaited(lambda: client.detail, lambda detail: detail.endswith("no greeting came"), "told")
    ubusd.greets = True
    awaited(lambda: client.connected, bool, "connected")


def test_garbage_is_counted_and_costs_at_most_the_connection(ubusd, client, seed):
    chance = random.Random(seed)
    ubusd.offer("fast", go=lambda _data: {"ok": True})
    client.publish("pathwarden", {"ping": Method({}, lambda _data: {"pong": True})})
    started(client)
    awaited(ubusd.paths, lambda paths: "pathwarden" in paths, "the object")
    whole = [
        write(Kind.STATUS, 999, 0, {}),  # an answer that nobody waits for
        write(Kind.DATA, 999, 0, {}),
        write(Kind.PING, 1, 0, {}),
        write(Kind.INVOKE, 1, 0, {}),  # without an object
        write(Kind.INVOKE, 1, 0, {Attr.OBJID: number(7), Attr.METHOD: b"x"}),  # a text without an end
        write(Kind.UNSUBSCRIBE, 1, 0, {Attr.OBJID: number(7), Attr.TARGET: number(7)}),
    ]
    for data in whole:
        ubusd.raw(data)
    # A stranger's object is not found, and what cannot be read inside a good frame is passed over.
    ubusd.raw(write(Kind.INVOKE, 1, 0, {Attr.OBJID: number(7), Attr.METHOD: text("x")}))
    ubusd.raw(bytes.fromhex("00050001 00000000 00000008 ffffffff"))
    assert client.call("fast", "go", {}) == {"ok": True}
    assert (client.counts["unexpected"], client.counts["malformed"], client.counts["lost"]) == (len(whole), 1, 0)
    for _ in range(50):
        ubusd.raw(chance.randbytes(chance.randint(1, 300)))
    ubusd.raw(b"\xff" * 4096)
    awaited(lambda: client.counts["lost"], bool, "the connection is given up")
    awaited(lambda: client.connected, bool, "connected again")
    awaited(ubusd.paths, lambda paths: "pathwarden" in paths, "the object")
    assert ubusd.invoke("pathwarden", "ping", {}) == (Status.OK, {"pong": True})


def test_closing_ends_the_thread_and_what_waits(ubusd):
    asked, outcomes = threading.Event(), []
    ubusd.offer("slow", wait=lambda _data: asked.set() or MUTE)
    client = UbusClient(ubusd.path)
    started(client).ask("slow", "wait", {}, 60, lambda status, _data: outcomes.append(status))
    assert asked.wait(20)
    client.close()
    assert not client._thread.is_alive()
    assert outcomes == [Status.CONNECTION_FAILED]


@pytest.mark.parametrize("name", ["destroy", "login-wrong-password", "no-such-method", "no-such-object", "access-granted", "access-denied"])
def test_the_stand_in_speaks_the_recorded_bytes(ubusd, name):
    """What the real ubusd answered to a client, the stand-in answers too; otherwise these tests would prove nothing."""
    recorded = exchange(name)
    looked_up = exchange("list-verbose-session").by("ubusd")[1]
    frames = Frames(Counter())
    frames.push(looked_up)
    found = frames.next()
    methods = {
        "destroy": lambda _data: None,
        "login": lambda _data: Status.PERMISSION_DENIED,
        "access": lambda data: {"access": data["object"] == "unauthenticated"},
    }
    ubusd.offer("session", found.number(Attr.OBJID), found.attrs[Attr.SIGNATURE], **methods)
    ubusd._offered["session"].type_id = found.number(Attr.OBJTYPE)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(ubusd.path))
        for index, (who, data) in enumerate(recorded.said):
            if who == "client":
                sock.sendall(data)
                continue
            got = b""
            while len(got) < len(data):
                got += sock.recv(len(data) - len(got))
            if index:
                assert got.hex() == data.hex()
            else:
                assert got[:4] == data[:4], "only the id of the client differs"
