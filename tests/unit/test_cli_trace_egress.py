"""What is said of the kernel's answer: the rule that leads to it, and a first hop that contradicts it."""

import ctypes
import fcntl
import socket
import struct
from contextlib import nullcontext

import pytest

from pathwarden.cli.tracing import egress
from pathwarden.cli.tracing.methods import chosen
from pathwarden.cli.tracing.wish import Wish
from pathwarden.model.probe import Binding, ReplyKind
from pathwarden.model.settings import Source
from pathwarden.model.trace import Answer, Hop, KernelRoute
from pathwarden.net import vrf
from pathwarden.net.rules import Rule, followed

DST, GATEWAY, OTHER, OWN = "203.0.113.9", "192.0.2.1", "192.0.2.2", "192.0.2.7"
ROUTE = KernelRoute("wan", OWN, GATEWAY, 254)
RULES = [
    Rule(255),
    Rule(100, fwmark=0x100, fwmask=0xFF00, priority=1000),
    Rule(100, source="192.0.2.0/24", priority=1001),
    Rule(254, priority=32766),
]


def wish(address: str = DST) -> Wish:
    return Wish("web", address, "web", chosen("icmp", ()), 0, Source("", Binding()), 0, 0, 0)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "tables", lambda: {"wanb": 100})


@pytest.mark.parametrize(
    ("table", "binding", "priority"),
    [
        (100, Binding(fwmark=0x100), 1000),
        (100, Binding(fwmark=0x1FF), 1000),
        (100, Binding(address="192.0.2.9"), 1001),
        (254, Binding(), 32766),
        (100, Binding(), None),
        (100, Binding(address="198.51.100.1"), None),
        (7, Binding(), None),
    ],
)
def test_the_rule_that_leads_to_a_table(table: int, binding: Binding, priority: int | None) -> None:
    found = followed(RULES, table, binding)
    assert (found.priority if found else None) == priority


@pytest.mark.parametrize(
    ("binding", "rule", "line"),
    [
        (Binding(), RULES[3], "  rule     32766: from all lookup main"),
        (Binding(fwmark=0x100), RULES[1], "  rule     1000: from all fwmark 0x100/0xff00 lookup wanb"),
        (Binding(), Rule(100, device="wwan0", priority=7), "  rule     7: from all oif wwan0 lookup wanb"),
        (Binding(), None, "  rule     unknown: it asks for more than source, mark and device"),
        (Binding(next_hop=GATEWAY), None, "  rule     none: the next hop is forced"),
        (Binding(direct=True), None, "  rule     none: past the routing tables"),
    ],
)
def test_the_rule_in_words(binding: Binding, rule: Rule | None, line: str) -> None:
    assert line in egress.as_text(wish(), binding, ROUTE, rule)


def test_the_whole_answer() -> None:
    assert egress.as_text(wish(), Binding(fwmark=256), ROUTE._replace(gateway="", table=100), RULES[2]) == [
        f"web ({DST})",
        "  device   wan",
        f"  source   {OWN}",
        "  gateway  none: the target is on the link",
        "  table    100 (wanb)",
        "  rule     1001: from 192.0.2.0/24 lookup wanb",
        "  fwmark   0x100",
    ]
    shown = egress.as_json(wish(), Binding(), ROUTE, None)
    assert (shown["device"], shown["gateway"], shown["table"], shown["table_name"], shown["rule"]) == ("wan", GATEWAY, 254, "main", None)


def hops(*responders: str | None) -> dict[int, Hop]:
    return {1: Hop(1, tuple(Answer(0, each, 1 if each else None, ReplyKind.TIME_EXCEEDED if each else None) for each in responders))}


SAID = "the first hop, 192.0.2.2, is not what the kernel's route says (device wan, gateway 192.0.2.1, table 254)"


@pytest.mark.parametrize(
    ("first", "route", "address", "said"),
    [
        (hops(GATEWAY, None), ROUTE, DST, ""),
        (hops(OTHER, OTHER), ROUTE, DST, SAID),
        (hops(OTHER, GATEWAY), ROUTE, DST, ""),
        (hops(None), ROUTE, DST, ""),
        (hops(OWN), ROUTE, DST, ""),
        ({}, ROUTE, DST, ""),
        (hops(OTHER), None, DST, ""),
        (hops(DST), ROUTE._replace(gateway=""), DST, ""),
        (hops("2001:db8::9"), ROUTE._replace(gateway="fe80::1"), "2001:db8::5", ""),
    ],
)
def test_a_first_hop_that_contradicts_the_kernel_is_told(first: dict[int, Hop], route: KernelRoute | None, address: str, said: str) -> None:
    assert egress.mismatch(first, wish(address), route) == said


def test_a_target_on_the_link_that_somebody_else_answers_for() -> None:
    said = egress.mismatch(hops(OTHER), wish(), ROUTE._replace(gateway=""))
    assert said == "the first hop, 192.0.2.2, is not what the kernel's route says (device wan, target itself, on the link, table 254)"


@pytest.mark.parametrize(("driver", "found"), [(b"vrf", True), (b"veth", False), (None, False)])
def test_a_vrf_is_known_by_its_driver(driver: bytes | None, found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def ioctl(_sock: object, request: int, asked: bytes) -> bytes:
        assert request == 0x8946
        name, place = struct.unpack("16sP", asked[:24])
        assert name.rstrip(b"\0") == b"blue"
        if driver is None:
            raise OSError
        ctypes.memmove(place + 4, driver + b"\0", len(driver) + 1)
        return asked

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    monkeypatch.setattr(socket, "socket", lambda *_: nullcontext())
    assert vrf.is_vrf("blue") is found
