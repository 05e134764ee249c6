"""Every reply finds the probe that caused it, or is counted as what it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.engine.correlator import HOLD_NS, LAST_IDENT, Correlator, Slot
from pathwarden.model.probe import Flow, Method, Reply, ReplyKind

SECOND = 1_000_000_000
FLOW = Flow(4, Method.UDP, "192.0.2.10", "198.51.100.7", 61000, 33434, 0, 0, 60)
ECHO = FLOW._replace(method=Method.ICMP, dport=4711)


class Session:
    """An owner that notes what it gets."""

    def __init__(self) -> None:
        self.late = 0
        self.duplicates = 0
        self.got: list[tuple[int, str]] = []

    def on_reply(self, slot: Slot, reply: Reply) -> None:
        self.got.append((slot.probe.ident, reply.responder))


def sent(correlator: Correlator, owner: Session, flow: Flow = FLOW, at_ns: int = SECOND) -> Slot:
    slot = correlator.issue(owner, flow, 5, 0, at_ns)
    assert slot is not None
    correlator.sent(slot, at_ns)
    return slot


def reply_to(flow: Flow = FLOW, ident: int = 0, checksum: int = 0, **values: object) -> Reply:
    fields = {"dst": flow.dst, "sport": flow.sport, "dport": flow.dport} | values
    return Reply(
        ReplyKind.TIME_EXCEEDED, "10.0.0.1", SECOND, flow.method, ident=ident, ident_checksum=checksum, icmp_type=11, icmp_code=0, **fields
    )


def counts(correlator: Correlator) -> tuple[int, int, int, int]:
    return sum(correlator.replies.values()), correlator.late, correlator.duplicates, correlator.foreign


def test_a_reply_goes_to_the_owner_of_its_probe() -> None:
    correlator, one, two = Correlator(), Session(), Session()
    first, second = sent(correlator, one), sent(correlator, two)
    assert correlator.dispatch(reply_to(ident=second.probe.ident)) is two
    assert correlator.dispatch(reply_to(ident=first.probe.ident)) is one
    assert (one.got, two.got) == ([(1, "10.0.0.1")], [(2, "10.0.0.1")])
    assert counts(correlator) == (2, 0, 0, 0)
    assert correlator.probes == 2


def test_a_second_reply_is_a_duplicate() -> None:
    correlator, owner = Correlator(), Session()
    slot = sent(correlator, owner)
    correlator.dispatch(reply_to(ident=slot.probe.ident))
    assert correlator.dispatch(reply_to(ident=slot.probe.ident)) is None
    assert (len(owner.got), owner.duplicates, owner.late) == (1, 1, 0)
    assert counts(correlator) == (1, 0, 1, 0)


def test_a_reply_after_the_time_out_is_late() -> None:
    correlator, owner = Correlator(), Session()
    slot = sent(correlator, owner)
    slot.timed_out = True
    assert correlator.dispatch(reply_to(ident=slot.probe.ident)) is None
    assert (owner.got, owner.duplicates, owner.late) == ([], 0, 1)
    assert counts(correlator) == (0, 1, 0, 0)


@pytest.mark.parametrize(
    "foreign",
    [
        reply_to(ident=2),
        reply_to(ident=1, dst="203.0.113.9"),
        reply_to(ident=1, sport=61001),
        reply_to(ident=1, dport=33435),
        reply_to(ECHO, ident=1),
        reply_to(),
    ],
)
def test_what_names_no_probe_of_ours_is_foreign(foreign: Reply) -> None:
    correlator, owner = Correlator(), Session()
    slot = sent(correlator, owner)
    slot.answered = foreign.ident == 0  # a quote without ident would fit a probe in flight
    assert correlator.dispatch(foreign) is None
    assert owner.got == []
    assert counts(correlator) == (0, 0, 0, 1)


def test_the_checksum_names_the_probe_where_there_is_no_ip_id() -> None:
    correlator, owner = Correlator(), Session()
    slot = sent(correlator, owner, FLOW._replace(af=6))
    assert correlator.dispatch(reply_to(checksum=slot.probe.ident)) is owner


def test_a_checksum_that_nat_rewrote_does_not_matter() -> None:
    correlator, owner = Correlator(), Session()
    slot, other = sent(correlator, owner), sent(correlator, owner)
    correlator.dispatch(reply_to(ident=slot.probe.ident, checksum=other.probe.ident))
    assert owner.got == [(slot.probe.ident, "10.0.0.1")]


def test_an_ip_id_that_somebody_rewrote_leaves_the_checksum() -> None:
    correlator, owner = Correlator(), Session()
    slot = sent(correlator, owner)
    assert correlator.dispatch(reply_to(ident=999, checksum=slot.probe.ident)) is owner


def test_the_checksum_of_an_icmp_flow_may_be_rewritten() -> None:
    correlator, owner = Correlator(), Session()
    slot = sent(correlator, owner, ECHO)
    assert correlator.dispatch(reply_to(ECHO, ident=slot.probe.ident, dport=1)) is owner


def test_a_quote_without_ident_fits_only_a_probe_that_is_alone_in_flight() -> None:
    correlator, owner = Correlator(), Session()
    first = sent(correlator, owner)
    sent(correlator, owner, FLOW._replace(dst="203.0.113.9"))
    second = sent(correlator, owner)
    assert correlator.dispatch(reply_to()) is None
    first.timed_out = True
    assert correlator.dispatch(reply_to()) is owner
    assert owner.got == [(second.probe.ident, "10.0.0.1")]
    assert correlator.dispatch(reply_to()) is None
    assert correlator.foreign == 2


def test_a_probe_that_is_not_sent_yet_is_not_in_flight() -> None:
    correlator, owner = Correlator(), Session()
    correlator.issue(owner, FLOW, 5, 0, SECOND)
    assert correlator.dispatch(reply_to()) is None


def test_idents_wrap_around_without_the_two_that_cannot_be_used() -> None:
    correlator, owner = Correlator(LAST_IDENT - 1), Session()
    idents = [sent(correlator, owner).probe.ident for _ in range(4)]
    assert idents == [LAST_IDENT - 1, LAST_IDENT, 1, 2]
    assert LAST_IDENT == 0xFFFE


def test_an_ident_is_unique_while_it_is_held_and_free_afterwards() -> None:
    correlator, owner = Correlator(), Session()
    slots = [correlator.issue(owner, FLOW, 1, 0, SECOND) for _ in range(LAST_IDENT)]
    assert {slot.probe.ident for slot in slots if slot} == set(range(1, LAST_IDENT + 1))
    assert correlator.issue(owner, FLOW, 1, 0, SECOND + HOLD_NS - 1) is None
    again = correlator.issue(owner, FLOW, 1, 0, SECOND + HOLD_NS)
    assert again is not None
    assert again.probe.ident == 1


def test_late_replies_are_known_for_ten_seconds_after_the_longest_time_out() -> None:
    correlator, owner = Correlator(), Session()
    slot = sent(correlator, owner)
    slot.timed_out = True
    sent(correlator, owner, at_ns=SECOND + HOLD_NS - 1)
    correlator.dispatch(reply_to(ident=slot.probe.ident))
    sent(correlator, owner, at_ns=SECOND + HOLD_NS)
    correlator.dispatch(reply_to(ident=slot.probe.ident))
    assert (correlator.late, correlator.foreign) == (1, 1)
    assert HOLD_NS >= 20 * SECOND


def test_a_probe_that_never_left_frees_its_ident() -> None:
    """A queue that stays full would eat all idents otherwise."""
    correlator, owner = Correlator(), Session()
    for _ in range(3 * LAST_IDENT):
        slot = correlator.issue(owner, FLOW, 1, 0, SECOND)
        assert slot is not None
        correlator.withdraw(slot)
    assert correlator.dispatch(reply_to(ident=slot.probe.ident)) is None
    assert correlator.foreign == 1


def test_a_probe_that_left_is_held_when_its_trace_ends() -> None:
    correlator, owner = Correlator(), Session()
    slot = sent(correlator, owner)
    correlator.withdraw(slot)
    correlator.dispatch(reply_to(ident=slot.probe.ident))
    assert (correlator.late, correlator.foreign) == (1, 0)


@given(st.lists(st.tuples(st.sampled_from(["send", "refuse", "wait", "reply", "again"]), st.integers(0, 30)), max_size=60))
def test_no_reply_is_booked_twice_or_on_another_probe(steps: list[tuple[str, int]]) -> None:
    correlator, owner, now_ns = Correlator(LAST_IDENT - 3), Session(), SECOND
    slots: list[Slot] = []
    for step, number in steps:
        if step == "wait":
            now_ns += number * SECOND
        elif step in ("send", "refuse"):
            slot = correlator.issue(owner, FLOW, 1, len(slots), now_ns)
            assert slot is not None
            assert slot.probe.ident not in {s.probe.ident for s in slots if s.issued_ns + HOLD_NS > now_ns and s.sent_ns}
            if step == "refuse":
                correlator.withdraw(slot)
            else:
                correlator.sent(slot, now_ns)
                slots.append(slot)
        elif slots:
            correlator.dispatch(reply_to(ident=slots[number % len(slots)].probe.ident))
    assert len(owner.got) == sum(slot.answered for slot in slots)
