"""What a trace tells beyond its hops, each thing alone, and one sentence for each."""

from dataclasses import replace

import pytest

from equipment.fakes import hop, make_trace
from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import UNMARKED, Ending, Hop, Marks, Trace
from pathwarden.present.findings import Finding, as_json, findings


def path(*marks: Marks | None, left: tuple[int, ...] = (), reply_ttls: tuple[int, ...] = ()) -> Trace:
    """A trace whose hops have these marks; None is a silent hop. Replies come back as far as they went, unless said otherwise."""
    hops = []
    for ttl, each in enumerate(marks, 1):
        made = hop(ttl, f"10.0.0.{ttl}", 1.0 if each is not None else None)
        reply_ttl = reply_ttls[ttl - 1] if reply_ttls else 65 - ttl
        values = {"marks": each, "quoted_ttl": left[ttl - 1] if left else 1, "reply_ttl": reply_ttl}
        hops.append(made if each is None else Hop(ttl, tuple(answer._replace(**values) for answer in made.answers)))
    last = hops[-1]
    final = tuple(a._replace(kind=ReplyKind.PORT_UNREACHABLE, icmp_type=3, icmp_code=3) for a in last.answers)
    trace = make_trace(*hops[:-1], last._replace(answers=final))
    return replace(trace, flow=trace.flow._replace(tos=0xB9))  # EF and ECT(1)


def told(trace: Trace, *, destination: bool = False) -> list[tuple[object, ...]]:
    return [tuple(found) for found in findings(trace) if destination or found.kind != "destination"]


PLAIN = UNMARKED
NAT = Marks(nat=4711)


def test_a_plain_path_has_only_its_destination() -> None:
    [only] = findings(path(PLAIN, PLAIN, PLAIN))
    assert only == Finding("destination", 3, "10.0.0.3", None, "answered")
    assert only.sentence == "The target, hop 3 (10.0.0.3), answered."


def test_a_change_that_stays_is_told_at_the_first_hop_that_shows_it() -> None:
    trace = path(PLAIN, None, NAT, NAT, NAT)
    assert told(trace) == [("nat", 3, "10.0.0.3", 0, 4711, None)]
    assert findings(trace)[0].sentence == "The probe's addresses or ports are translated before hop 3 (10.0.0.3)."


def test_a_change_at_the_last_hop_counts() -> None:
    assert told(path(PLAIN, PLAIN, NAT)) == [("nat", 3, "10.0.0.3", 0, 4711, None)]


def test_a_second_translator_is_told_too() -> None:
    other = Marks(nat=5)
    assert [each[1:5] for each in told(path(PLAIN, NAT, NAT, other, other))] == [(2, "10.0.0.2", 0, 4711), (4, "10.0.0.4", 4711, 5)]


def test_one_odd_router_is_told_as_such() -> None:
    trace = path(PLAIN, Marks(tos=1), None, PLAIN, PLAIN)
    assert told(trace) == [("dscp", 2, "10.0.0.2", 46, 0, 4)]
    expected = "DSCP is changed from 46 to 0 before hop 2 (10.0.0.2); hop 4 shows the old value again, so only this router is odd."
    assert findings(trace)[0].sentence == expected


def test_dscp_and_ecn_are_told_apart() -> None:
    bleached = Marks(tos=0xB8)
    assert told(path(PLAIN, bleached, bleached)) == [("ecn", 2, "10.0.0.2", 1, 0, None)]
    both = Marks(tos=0x03)
    assert [each[:5] for each in told(path(PLAIN, both, both))] == [("dscp", 2, "10.0.0.2", 46, 0), ("ecn", 2, "10.0.0.2", 1, 3)]


@pytest.mark.parametrize("kind", ["dscp", "ecn", "nat", "length", "hidden_mpls"])
def test_who_quotes_nothing_says_nothing(kind: str) -> None:
    """So it is without privilege, and with an echo reply: no quote, and so no return to the old value either."""
    changed = Marks(tos=0, nat=9, length=80)
    trace = path(PLAIN, changed, changed, PLAIN, left=(1, 1, 2, 0))
    assert all(found.back_at is None for found in findings(trace))
    assert kind not in {found.kind for found in findings(path(PLAIN, PLAIN, left=(0, 0)))}


def test_a_clamped_segment_size() -> None:
    trace = path(PLAIN, Marks(mss=1400), PLAIN, Marks(mss=1400))
    assert told(trace) == [("mss", 2, "10.0.0.2", 0, 1400, None)]
    assert findings(trace)[0].sentence == "The TCP segment size is clamped to 1400 bytes before hop 2 (10.0.0.2)."


def test_another_length() -> None:
    longer = Marks(length=68)
    assert told(path(PLAIN, longer, longer)) == [("length", 2, "10.0.0.2", 60, 68, None)]


def test_a_hidden_tunnel_is_told_once() -> None:
    trace = path(PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, left=(1, 2, 3, 4, 1))
    assert told(trace) == [("hidden_mpls", 2, "10.0.0.2", 1, 2, None)]
    assert (
        findings(trace)[0].sentence
        == "The probe came to hop 2 (10.0.0.2) with a TTL of 2 left, so a hidden MPLS tunnel probably leads there."
    )


def test_the_way_back() -> None:
    trace = path(PLAIN, PLAIN, PLAIN, PLAIN, reply_ttls=(255, 63, 58, 57))
    # Hop 1 answers from 255 and one hop away; hops 3 and 4 come back over four hops more.
    assert told(trace) == [("way_back", 3, "10.0.0.3", 0, 4, None)]
    assert findings(trace)[0].sentence == "From hop 3 (10.0.0.3) the way back is 4 hops longer than the way there."
    shorter = path(PLAIN, PLAIN, PLAIN, reply_ttls=(64, 64, 63))
    assert findings(shorter)[0].sentence == "From hop 2 (10.0.0.2) the way back is 1 hop shorter than the way there."


def test_who_said_the_smallest_size() -> None:
    trace = path(PLAIN, Marks(mtu=1492), Marks(mtu=1400), PLAIN)
    assert told(trace) == [("mtu", 3, None, 60, 1400, None)]
    said = Hop(3, tuple(a._replace(kind=ReplyKind.PACKET_TOO_BIG, icmp_type=3, icmp_code=4) for a in trace.hops[2].answers))
    by_router = replace(trace, hops=(*trace.hops[:2], said, trace.hops[3]))
    assert findings(by_router)[0].sentence == "The path takes at most 1400 bytes, says hop 3 (10.0.0.3)."


@pytest.mark.parametrize(
    ("kind", "icmp", "state", "sentence"),
    [
        (ReplyKind.OPEN, (0, 0), "open", "The target, hop 1 (192.0.2.9), takes connections on this port."),
        (ReplyKind.CLOSED, (0, 0), "closed", "The target, hop 1 (192.0.2.9), refuses connections on this port."),
        (ReplyKind.ANSWER, (0, 0), "answered", "The target, hop 1 (192.0.2.9), answered."),
        (ReplyKind.UNREACHABLE, (3, 13), "unreachable", "Hop 1 (192.0.2.9) says that the target cannot be reached (!X)."),
    ],
)
def test_how_the_target_took_it(kind: ReplyKind, icmp: tuple[int, int], state: str, sentence: str) -> None:
    made = hop(1, "192.0.2.9", 1.0)
    final = made._replace(answers=tuple(a._replace(kind=kind, icmp_type=icmp[0], icmp_code=icmp[1], quoted_ttl=0) for a in made.answers))
    found = findings(make_trace(final))[-1]
    assert (found.kind, found.ttl, found.after, found.sentence) == ("destination", 1, state, sentence)


def test_a_router_that_says_no() -> None:
    made = hop(2, "10.0.0.2", 1.0)
    no = made._replace(answers=tuple(a._replace(kind=ReplyKind.UNREACHABLE, icmp_type=3, icmp_code=1) for a in made.answers))
    trace = replace(make_trace(hop(1, "10.0.0.1", 1.0), no, reached=False), ending=Ending.UNREACHABLE)
    assert findings(trace)[-1] == Finding("destination", 2, "10.0.0.2", "!H", "unreachable")


def test_silence_is_told_and_a_failure_is_not() -> None:
    silent = make_trace(hop(1, "10.0.0.1", 1.0), hop(2, None, None), reached=False)
    assert findings(silent)[-1].sentence == "The target did not answer."
    assert findings(replace(make_trace(reached=False), ending=Ending.ERROR)) == ()


def test_as_json() -> None:
    found = findings(path(PLAIN, NAT, NAT))[0]
    assert as_json(found) == {
        "kind": "nat",
        "ttl": 2,
        "responder": "10.0.0.2",
        "before": 0,
        "after": 4711,
        "back_at": None,
        "text": "The probe's addresses or ports are translated before hop 2 (10.0.0.2).",
    }


@pytest.mark.parametrize(
    ("reached", "after", "end"),
    [(True, 1, "the target is 1 hop behind it"), (False, None, "nothing behind it answered")],
)
def test_time_exceeded_from_the_targets_own_address_tells_of_a_translator(reached: bool, after: int | None, end: str) -> None:
    plain = path(PLAIN, PLAIN, PLAIN)
    first, second, last = plain.hops
    answers = tuple(answer._replace(responder=plain.address) for answer in second.answers)
    if not reached:
        plain = replace(plain, ending=Ending.GAP, reached_ttl=None)
        last = hop(3, None, None)
    trace = replace(plain, hops=(first, second._replace(answers=answers), last))
    assert told(trace) == [("dnat", 2, plain.address, None, after, None)]
    expected = f"Hop 2 ({plain.address}) has the target's own address and passes probes on: it translates destinations, and {end}."
    assert findings(trace)[0].sentence == expected
