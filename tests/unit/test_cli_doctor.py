"""`pathwarden doctor`: its deadlines, and what it reads from files that a laboratory cannot bring about."""

import errno
import os
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from equipment.fakes import make_settings
from pathwarden.api.passwords import PasswordFile
from pathwarden.cli import doctor
from pathwarden.cli.checks import finding, keeping, machine, probing, reaching, signing
from pathwarden.cli.checks.finding import FAIL, OK, WARN, Finding, Place
from pathwarden.cli.page import NotLetIn
from pathwarden.errors import ConfigError
from pathwarden.model.access import Right
from pathwarden.model.probe import Flow, Method
from pathwarden.net import abilities

ARP = """IP address       HW type     Flags       HW address            Mask     Device
192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        wan
192.0.2.2        0x1         0x0         00:00:00:00:00:00     *        wan
"""
TRACKED = """ipv4     2 tcp      6 9 SYN_SENT src=192.0.2.9 dst=1.1.1.1 sport=61000 dport=33434 src=1.1.1.1 dst=192.0.2.9 sport=1 dport=1
ipv4     2 udp      17 29 src=192.0.2.9 dst=1.1.1.1 sport=61000 dport=33435 [UNREPLIED] src=1.1.1.1 dst=192.0.2.9 sport=33435 dport=2 use=1
ipv4     2 udp      17 29 src=192.0.2.9 dst=1.1.1.1 sport=61000 dport=33434 [UNREPLIED] src=1.1.1.1 dst=192.0.2.9 sport=33434 dport=3 use=1
ipv4     2 icmp     1 29 src=192.0.2.9 dst=1.1.1.1 type=8 code=0 id=61000 src=1.1.1.1 dst=192.0.2.9 type=0 code=0 id=4 mark=0 use=1
ipv4     2 tcp      6 9 SYN_SENT src=192.0.2.9 dst=1.1.1.1 sport=61000 dport=80 [UNREPLIED] src=1.1.1.1 dst=192.0.2.9 sport=80 dport=7 use=1
ipv6     10 udp     17 9 src=2001:0db8:0000:0000:0000:0000:0000:0009 dst=2001:0db8:0000:0000:0000:0000:0000:0001 sport=61000 dport=33434 \
[UNREPLIED] src=2001:0db8:0000:0000:0000:0000:0000:0001 dst=2001:0db8:0000:0000:0000:0000:0000:0009 sport=33434 dport=5 mark=0 use=1
"""


class Oracle:
    """A kernel with one gateway."""

    def __init__(self, gateway: str | None) -> None:
        self.gateway = gateway

    def default_gateway(self, _af: int) -> str | None:
        return self.gateway


@pytest.fixture
def never():
    """A call that never ends, until the test does."""
    event = threading.Event()
    yield event.wait
    event.set()


def test_a_check_that_hangs_is_given_up(never):
    assert doctor._bounded("DNS", never, 0.01) == [
        Finding(WARN, "DNS", "not found out in time", "run this again when the machine is less busy")
    ]
    assert doctor._bounded("DNS", lambda: [Finding(OK, "DNS", "")], -1)[0].status == WARN
    assert doctor._bounded("DNS", lambda: [Finding(OK, "DNS", "")], 5)[0].status == OK


def test_all_checks_together_stay_below_ten_seconds():
    assert doctor.ALL_S + doctor.CHECK_S <= 11 and doctor.ALL_S < 10
    assert finding._NAME_S < doctor.CHECK_S
    assert probing.PROBES * probing.WAIT_NS < doctor.CHECK_S * 1e9


def test_a_name_server_that_is_silent_is_asked_once(monkeypatch, never):
    asked = []
    monkeypatch.setattr(finding, "_NAME_S", 0.01)
    monkeypatch.setattr(finding, "resolve_now", lambda host, _family: asked.append(host) or never())
    place = Place(make_settings(), Oracle(None))
    assert [place.address("www.example"), place.address("www.example")] == [None, None]
    assert asked == ["www.example"]


@pytest.mark.parametrize(
    ("gateway", "found"),
    [
        ("192.0.2.1", [Finding(OK, "gateway", "192.0.2.1 is 02:fc:00:00:00:05 on wan")]),
        ("192.0.2.2", [Finding(FAIL, "gateway", "192.0.2.2 does not answer on wan", "see the cable, and whether the gateway is on")]),
        ("192.0.2.3", []),
        (None, []),
    ],
)
def test_the_gateway_as_the_kernel_sees_it(tmp_path, monkeypatch, gateway, found):
    (tmp_path / "arp").write_text(ARP)
    monkeypatch.setattr(machine, "ARP", tmp_path / "arp")
    assert machine.gateway(Place(make_settings(), Oracle(gateway))) == found


def test_the_table_of_connections(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CONNTRACK", tmp_path)
    assert machine.conntrack(Oracle(None)) == []
    for count, status in ((899, OK), (900, WARN)):
        (tmp_path / "nf_conntrack_count").write_text(f"{count}\n")
        (tmp_path / "nf_conntrack_max").write_text("1000\n")
        (told,) = machine.conntrack(Oracle(None))
        assert (told.status, told.detail.partition(":")[0]) == (status, f"{count} of 1000 connections tracked")


@pytest.mark.parametrize(
    ("flow", "port"),
    [
        (Flow(4, Method.UDP, "192.0.2.9", "1.1.1.1", 61000, 33434, 0, 0, 60), 3),
        (Flow(4, Method.ICMP, "192.0.2.9", "1.1.1.1", 61000, 12345, 0, 0, 60), 4),
        (Flow(6, Method.UDP, "2001:db8::9", "2001:db8::1", 61000, 33434, 0, 1, 80), 5),
        (Flow(4, Method.TCP, "192.0.2.9", "1.1.1.1", 61000, 80, 0, 0, 40), 7),
        (Flow(4, Method.TCP_CONNECT, "192.0.2.9", "1.1.1.1", 61000, 80, 0, 0, 60), 7),
        (Flow(4, Method.RAW, "192.0.2.9", "1.1.1.1", 61000, 33434, 0, 0, 60), None),
        (Flow(4, Method.UDP, "192.0.2.9", "9.9.9.9", 61000, 33434, 0, 0, 60), None),
    ],
)
def test_our_port_in_connection_tracking(tmp_path, monkeypatch, flow, port):
    monkeypatch.setattr(probing, "TRACKED", tmp_path / "nf_conntrack")
    assert probing._tracked_port(flow) is None
    (tmp_path / "nf_conntrack").write_text(TRACKED)
    assert probing._tracked_port(flow) == port


@pytest.mark.parametrize("six", [True, False])
def test_which_methods_work_and_what_the_others_lack(monkeypatch, six):
    monkeypatch.setattr(abilities.ports, "has_ipv6", lambda: six)
    monkeypatch.setattr(abilities, "_speaks_udplite", lambda: False)
    monkeypatch.setattr(abilities, "_release", lambda: (5, 4))
    place = Place(make_settings(), Oracle(None))  # its target is probed by UDP
    assert probing._abilities(SimpleNamespace(name="raw"), place) == [
        Finding(OK, "methods", "udp, icmp, tcp, tcp-connect, udplite, dccp, raw work")
    ]
    assert probing._abilities(SimpleNamespace(name="rootless", icmp=False), place) == [
        Finding(OK, "methods", "udp work"),
        Finding(OK, "other methods", "icmp would need our group in net.ipv4.ping_group_range; no target asks for them"),
        Finding(OK, "other methods", "tcp, dccp, raw would need raw sockets; no target asks for them"),
        Finding(OK, "other methods", "tcp-connect would need Linux 5.9, or raw sockets; no target asks for them"),
        Finding(OK, "other methods", "udplite would need a kernel that speaks UDP-Lite, or raw sockets; no target asks for them"),
    ]


def test_a_method_that_a_target_asks_for_and_that_is_lacking_is_a_failure(monkeypatch):
    monkeypatch.setattr(abilities.ports, "has_ipv6", lambda: True)
    monkeypatch.setattr(abilities, "_speaks_udplite", lambda: True)
    monkeypatch.setattr(abilities, "_release", lambda: (6, 6))
    settings = make_settings()
    place = Place(replace(settings, targets=(replace(settings.targets[0], method=Method.TCP),)), Oracle(None))
    found = probing._abilities(SimpleNamespace(name="rootless", icmp=True), place)
    assert found == [
        Finding(OK, "methods", "udp, icmp, tcp-connect, udplite work"),
        Finding(FAIL, "other methods", "tcp, which a target asks for, lack raw sockets", "run as root or with CAP_NET_RAW"),
        Finding(OK, "other methods", "dccp, raw would need raw sockets; no target asks for them"),
    ]


@pytest.mark.parametrize(("free", "status"), [(500_000, FAIL), (2_000_000, WARN), (16_000_000, OK)])
def test_room_for_the_history(tmp_path, monkeypatch, free, status):
    monkeypatch.setattr(keeping.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))
    assert keeping._room(tmp_path / "deep/history.db", False, 16_000_000).status == status


def signed(monkeypatch, tmp_path, *, router, shadow=None, **web):
    """What is told of a page with these options, on a router or not."""
    monkeypatch.setattr(signing, "UBUS", tmp_path if router else tmp_path / "none")
    monkeypatch.setattr(signing, "SHADOW", tmp_path / "shadow")
    if shadow is not None:
        (tmp_path / "shadow").write_text(shadow)
    settings = make_settings()
    return signing.sign_in(Place(replace(settings, web=replace(settings.web, **web)), Oracle(None)))


def test_who_needs_no_sign_in_is_told(monkeypatch, tmp_path):
    assert signed(monkeypatch, tmp_path, router=False, listen=()) == []
    alone = Finding(OK, "sign-in", "not needed: the page is for this machine alone")
    assert signed(monkeypatch, tmp_path, router=False, listen=("127.0.0.1:8866", "[::1]:8866")) == [alone]
    (found,) = signed(monkeypatch, tmp_path, router=True, auth="none", listen=("127.0.0.1:8866", "@lan:8866"))
    assert (found.status, found.detail) == (WARN, "not asked for at @lan:8866: whoever reaches it may look and change things")


@pytest.mark.parametrize(
    ("shadow", "status", "detail"),
    [
        ("daemon:*:0:::\nroot::19000:0:99999:7:::\n", WARN, ", and root has no password: who reaches the page gets in"),
        ("root:$1$abc$def:19000:0:99999:7:::\nother::0:\n", OK, ""),
        (None, OK, "; whether root has a password this user may not know"),
    ],
)
def test_a_router_without_a_password_is_warned_of(monkeypatch, tmp_path, shadow, status, detail):
    (found,) = signed(monkeypatch, tmp_path, router=True, shadow=shadow, listen=("@lan:8866",))
    assert (found.status, found.detail) == (status, f"with the router's accounts{detail}")


def test_the_file_of_accounts_is_read(monkeypatch, tmp_path):
    file = tmp_path / "accounts"
    web = {"router": False, "auth": "password", "password_file": str(file), "listen": ("127.0.0.1:8866",)}
    missing = Finding(FAIL, "sign-in", f"{file} cannot be read (No such file or directory)", "pathwarden password writes it")
    assert signed(monkeypatch, tmp_path, **web) == [missing]
    PasswordFile(file).set("admin", Right.WRITE, "correct horse")
    assert signed(monkeypatch, tmp_path, **web) == [Finding(OK, "sign-in", f"with the accounts in {file}")]
    monkeypatch.setattr(signing.os, "access", lambda *_: False)
    assert signed(monkeypatch, tmp_path, **web)[0].fix == "run this as the user of the daemon"


def test_a_history_that_this_user_may_not_read_is_told_once(tmp_path, monkeypatch):
    file = tmp_path / "history.db"
    file.write_bytes(b"")
    settings = make_settings()
    place = Place(replace(settings, agent=replace(settings.agent, db=str(file))), Oracle(None))
    monkeypatch.setattr(keeping.os, "access", lambda _path, mode: mode != os.R_OK)
    assert keeping.history(place) == [
        Finding(WARN, "history", f"{file} is not for this user to read", "run this as root or the daemon's user")
    ]


def test_a_page_that_wants_a_sign_in_is_the_daemons(tmp_path, monkeypatch):
    def refuse(_settings):
        raise NotLetIn("the daemon's page at 127.0.0.1:1 wants a sign-in", "run this as root")

    monkeypatch.setattr(reaching, "daemon_info", refuse)
    monkeypatch.setattr(reaching, "_bind", lambda _address, _port: errno.EADDRINUSE)
    settings = make_settings()
    settings = replace(settings, agent=replace(settings.agent, db=str(tmp_path / "x")), web=replace(settings.web, listen=("127.0.0.1:1",)))
    assert reaching.daemon(Place(settings, Oracle(None))) == [
        Finding(OK, "page", "127.0.0.1:1 is served by the daemon"),
        Finding(WARN, "daemon", "runs; the daemon's page at 127.0.0.1:1 wants a sign-in", "run this as root"),
    ]


def test_what_is_wrong_with_the_configuration_has_one_remedy(monkeypatch):
    monkeypatch.setattr(doctor, "find", lambda _path: "/etc/p.conf")
    error = ConfigError("a.b: unknown option; did you mean c?\na.d: 0 is below 1")
    assert doctor._bad_configuration(SimpleNamespace(config=None), error) == [
        Finding(FAIL, "configuration", "a.b: unknown option", "did you mean c?"),
        Finding(FAIL, "configuration", "a.d: 0 is below 1", "correct it in /etc/p.conf"),
    ]
