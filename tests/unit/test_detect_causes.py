"""What a change is put down to, given what happened around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.detect.causes import SIZE, Journal
from pathwarden.detect.gate import GateState
from pathwarden.detect.load import Full
from pathwarden.model.change import NO_CAUSE, Cause, CauseKind
from pathwarden.model.happening import Happening, HappeningKind, What
from pathwarden.model.trace import KernelRoute

S = 1_000_000_000
NOW = 1000 * S
WAN = KernelRoute("wan", "192.0.2.10", "192.0.2.1", 254)
LTE = KernelRoute("wwan", "10.9.8.7", "10.9.8.1", 254)
BY_TABLE = LTE._replace(table=300)
REMOTE = Cause(CauseKind.REMOTE, "nothing changed on this side in the two minutes before")


def at(seconds_before: float, kind: str, device: str, what: str, detail: str = "", **more: object) -> Happening:
    one = Happening(HappeningKind(kind), NOW - round(seconds_before * S), device, What(what), detail)
    return one._replace(**more)  # type: ignore[arg-type] # the fields by name


def cause(
    *happenings: Happening,
    old: KernelRoute | None = WAN,
    new: KernelRoute | None = WAN,
    gate: GateState = GateState.GREEN,
    full: Full | None = None,
) -> Cause:
    journal = Journal(0)
    for one in sorted(happenings, key=lambda happening: happening.mono_ns):
        journal.note(one)
    return journal.cause_of(NOW, old, new, gate, full)


DEFAULT_GONE = at(1.8, "route", "wan", "removed", "default", gateway="192.0.2.1", table=254, wide=True)
DEFAULT_CAME = at(1.8, "route", "wwan", "added", "default", gateway="10.9.8.1", table=254, wide=True)
MANY = at(2, "route", "wan", "changed", "10.0.0.0/24", changes=90)
RULE = at(2, "rule", "", "added", "priority 1000, table 300", table=300)
SILENT = "your gateway 192.0.2.1 on wan did not answer the address query"
NARROW_MOVED = "your kernel route moved from gateway 192.0.2.1 to 192.0.2.9"
MOVED = "your traffic moved from wan to wwan"
CARRIER_LOST = at(2.4, "link", "wan", "down", "no carrier")


def test_the_default_route_moved() -> None:
    assert cause(DEFAULT_GONE, DEFAULT_CAME, new=LTE) == Cause(CauseKind.ROUTE, "your default route moved from wan to wwan 1.8 s earlier")


def test_of_what_came_together_the_link_is_the_cause() -> None:
    gone = at(2.3, "address", "wan", "removed", "192.0.2.10/24")
    rule = at(1.0, "rule", "", "removed", "priority 1000, table 300", table=300)
    found = cause(CARRIER_LOST, gone, DEFAULT_GONE, DEFAULT_CAME, rule, new=BY_TABLE)
    assert found == Cause(CauseKind.UPLINK, "wan lost its carrier 2.4 s earlier; your traffic moved from wan to wwan")


def test_what_was_lost_explains_more_than_what_came() -> None:
    up = at(1.0, "link", "wwan", "up")
    assert cause(CARRIER_LOST, up, new=LTE).detail.startswith("wan lost its carrier")


def test_what_came_long_before_is_not_the_cause_of_what_is_near() -> None:
    flap = [at(90, "link", "wan", "down", "no carrier"), at(85, "link", "wan", "up")]
    assert cause(*flap, DEFAULT_GONE, DEFAULT_CAME, new=LTE).kind is CauseKind.ROUTE


@pytest.mark.parametrize(
    ("happening", "new", "kind", "words"),
    [
        (at(3, "link", "wan", "down", "set down"), WAN, CauseKind.UPLINK, "wan was set down 3.0 s earlier"),
        (at(30, "link", "wan", "up"), WAN, CauseKind.UPLINK, "wan came up 30 s earlier"),
        (at(3, "link", "wan", "removed"), WAN, CauseKind.UPLINK, "wan disappeared 3.0 s earlier"),
        (at(3, "link", "wan", "changed", "MTU 1500 to 1492"), WAN, CauseKind.UPLINK, "wan changed (MTU 1500 to 1492) 3.0 s earlier"),
        (at(3, "interface", "wan", "down", "wan0"), WAN, CauseKind.UPLINK, "interface wan0 went down 3.0 s earlier"),
        (at(3, "neighbour", "wan", "failed", "192.0.2.1"), WAN, CauseKind.UPLINK, f"{SILENT} 3.0 s earlier"),
        (at(0, "address", "wan", "added", "192.0.2.10/24"), WAN, CauseKind.ADDRESS, "wan got the address 192.0.2.10 at the same moment"),
        (at(3, "address", "wan", "removed", "192.0.2.10/24"), None, CauseKind.ADDRESS, "wan lost the address 192.0.2.10 3.0 s earlier"),
        (DEFAULT_GONE, None, CauseKind.ROUTE, "your default route (default, table 254) on wan was removed 1.8 s earlier"),
        (MANY, WAN._replace(gateway="192.0.2.9"), CauseKind.ROUTE, f"{NARROW_MOVED} 2.0 s earlier"),
        (MANY._replace(device="eth9"), None, CauseKind.ROUTE, "90 or more kernel routes changed 2.0 s earlier"),
        (RULE, BY_TABLE, CauseKind.RULE, f"policy rule added (priority 1000, table 300) 2.0 s earlier; {MOVED}"),
    ],
)  # fmt: skip
def test_sentences(happening: Happening, new: KernelRoute | None, kind: CauseKind, words: str) -> None:
    assert cause(happening, new=new) == Cause(kind, words)


def test_an_address_that_changed() -> None:
    moved = WAN._replace(source="198.51.100.7")
    went, came = at(2, "address", "wan", "removed", "192.0.2.10/24"), at(1.5, "address", "wan", "added", "198.51.100.7/24")
    other = at(1.4, "address", "wan", "added", "2001:db8::7/64")
    assert cause(went, came, other, new=moved).detail.startswith(
        ("your address on wan changed from 192.0.2.10 to 198.51.100.7", "wan got the")
    )
    assert cause(went, came, new=moved) == Cause(
        CauseKind.ADDRESS, "your address on wan changed from 192.0.2.10 to 198.51.100.7 2.0 s earlier"
    )
    again = at(1.5, "address", "wan", "added", "192.0.2.10/24")
    assert cause(went, again).detail == "the address 192.0.2.10 of wan was set anew 2.0 s earlier"


@pytest.mark.parametrize(
    ("new", "kind", "words"),
    [
        (LTE, CauseKind.ROUTE, "your route moved from wan to wwan"),
        (WAN._replace(gateway=""), CauseKind.ROUTE, "your route moved from gateway 192.0.2.1 to none"),
        (WAN._replace(source="192.0.2.11"), CauseKind.ADDRESS, "your address changed from 192.0.2.10 to 192.0.2.11"),
        (WAN._replace(table=300), CauseKind.RULE, "your traffic moved from routing table 254 to 300"),
        (None, CauseKind.ROUTE, "there is no way out"),
    ],
)
def test_a_difference_that_nobody_told_is_the_cause(new: KernelRoute | None, kind: CauseKind, words: str) -> None:
    assert cause(new=new) == Cause(kind, words)
    assert cause(at(1, "overflow", "", "lost"), new=new) == Cause(kind, words)


UNRELATED = [
    at(2, "neighbour", "br-lan", "failed", "192.168.1.77"),
    at(2, "link", "veth7", "added"),
    at(2, "link", "veth7", "removed"),
    at(2, "route", "wg0", "added", "10.0.0.0/24", table=254),
    at(2, "route", "wan", "changed", "10.0.0.0/24", table=254, changes=5000),
    at(2, "interface", "wan", "changed", "wan6"),
    at(300, "link", "wan", "down", "no carrier"),
    at(-30, "link", "wan", "down", "no carrier"),
]
DISTURBING = [
    at(2, "link", "eth1", "down", "no carrier"),
    at(2, "route", "wwan", "added", "default", wide=True, table=300),
    at(2, "rule", "", "added", "priority 1000, table 300", table=300),
    at(2, "address", "br-lan", "added", "192.168.1.1/24"),
    at(2, "address", "wan", "added", "2001:db8::7/64"),
    at(2, "interface", "wg0", "up", "vpn"),
    at(2, "overflow", "", "lost"),
]


@pytest.mark.parametrize("happening", UNRELATED)
def test_a_quiet_side_makes_it_remote(happening: Happening) -> None:
    assert cause(happening) == REMOTE


@pytest.mark.parametrize("happening", DISTURBING)
def test_a_disturbed_side_claims_nothing(happening: Happening) -> None:
    assert cause(happening) == NO_CAUSE


def test_remote_needs_a_green_gate_and_a_known_past() -> None:
    assert cause() == REMOTE
    assert cause(gate=GateState.RED) == NO_CAUSE
    assert cause(gate=GateState.UNKNOWN) == NO_CAUSE
    assert cause(old=None, new=None) == NO_CAUSE
    young = Journal(NOW - 100 * S)
    assert young.cause_of(NOW, WAN, WAN, GateState.GREEN) == NO_CAUSE


def test_a_full_line_comes_before_the_network_and_after_what_happened() -> None:
    full = Full("wan", "down", 11_900_000.0, 12_000_000.0)
    assert cause(full=full) == Cause(CauseKind.LOAD, "your line was full: 95.2 of 96.0 Mbit/s down on wan")
    assert cause(CARRIER_LOST, full=full).kind is CauseKind.UPLINK
    assert cause(new=LTE, full=full).kind is CauseKind.ROUTE


def test_what_was_pushed_out_is_no_proof_of_quiet() -> None:
    many = [at(60 - number / 2, "link", f"veth{number}", "added") for number in range(SIZE + 1)]
    assert cause(*many[:SIZE]) == REMOTE
    assert cause(*many) == NO_CAUSE


def test_the_same_again_is_kept_once() -> None:
    journal = Journal(0)
    for number in range(3 * SIZE):
        journal.note(at(10 - number / 1000, "neighbour", "wan", "failed", "192.0.2.1"))
    assert len(journal.recent(NOW)) == 1


def test_a_gateway_that_somebody_deleted_did_not_fail() -> None:
    failed = at(3, "neighbour", "wan", "failed", "192.0.2.1")
    assert cause(failed, at(2.999, "neighbour", "wan", "removed", "192.0.2.1")) == REMOTE
    assert cause(failed, at(1, "neighbour", "wan", "removed", "192.0.2.1")).kind is CauseKind.UPLINK


HAPPENINGS = st.builds(
    Happening,
    st.sampled_from(HappeningKind),
    st.integers(NOW - 200 * S, NOW + 10 * S),
    st.sampled_from(["", "wan", "wwan", "eth9"]),
    st.sampled_from(What),
    st.sampled_from(["", "default", "192.0.2.1", "192.0.2.10/24", "no carrier", "2001:db8::1/64"]),
    st.sampled_from(["", "192.0.2.1"]),
    st.sampled_from([0, 254, 300]),
    st.booleans(),
    st.integers(1, 5),
)
ROUTES = st.sampled_from([None, WAN, LTE, BY_TABLE, WAN._replace(source="192.0.2.11")])


@given(st.lists(HAPPENINGS, max_size=80), ROUTES, ROUTES, st.sampled_from(GateState))
def test_any_journal_gives_a_cause_that_is_never_remote_without_proof(
    happenings: list[Happening], old: KernelRoute | None, new: KernelRoute | None, gate: GateState
) -> None:
    journal = Journal(0)
    for one in happenings:
        journal.note(one)
    found = journal.cause_of(NOW, old, new, gate)
    assert bool(found.detail) == (found.kind is not CauseKind.UNKNOWN)
    if found.kind is CauseKind.REMOTE:
        assert (old, gate) == (new, GateState.GREEN)
        used = new.device if new else ""
        assert not [one for one in journal.recent(NOW) if one.device == used and one.kind is HappeningKind.LINK]
    if old != new:
        assert found.kind not in (CauseKind.REMOTE, CauseKind.UNKNOWN)
