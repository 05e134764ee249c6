"""Any trace comes back as it was, its round-trip times rounded to 0.01 ms."""

import ipaddress
import tempfile
from dataclasses import replace
from pathlib import Path as File

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathwarden.errors import PROBE_ERRORS
from pathwarden.model.history import Record
from pathwarden.model.probe import Flow, InterfaceInfo, Method, MplsLabel, MplsStack, OtherObject, ReplyKind
from pathwarden.model.trace import UNMARKED, Answer, Ending, Hop, KernelRoute, Marks, Path, Reason, Trace
from pathwarden.store.codec import TICK_NS, decode_hops, decode_trace, encode_hops, encode_trace, ticks
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer
from storelab.values import hop, trace

addresses = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "fe80::1%eth0"]),
)
bytes_ = st.integers(0, 255)
labels = st.builds(MplsLabel, st.integers(0, 2**20 - 1), st.integers(0, 7), st.booleans(), bytes_)
stacks = st.lists(labels, max_size=3).map(lambda stack: MplsStack(tuple(stack)))
interfaces = st.builds(
    InterfaceInfo,
    st.sampled_from(["INC", "SUB", "OUT", "NXT"]),
    st.integers(0, 2**32 - 1),
    st.one_of(st.just(""), addresses),
    st.text(max_size=20),
    st.integers(0, 2**32 - 1),
)
others = st.builds(OtherObject, bytes_, bytes_, st.binary(max_size=20))
words = st.integers(0, 2**16 - 1)
marks = st.builds(
    Marks,
    tos=st.integers(-1, 255),
    length=words,
    nat=words,
    mtu=st.integers(0, 2**32 - 1),
    mss=words,
    segment=st.binary(max_size=60),
    extensions=st.lists(st.one_of(stacks, interfaces, others), max_size=3).map(tuple),
)
STACK = MplsStack((MplsLabel(24001, 5, False, 1), MplsLabel(3, 0, True, 255)))
FEW_MARKS = (  # each kind of change from answer to answer; drawn anew for every answer they would take seconds a trace
    UNMARKED,
    Marks(tos=0, nat=9),
    Marks(nat=9),
    Marks(mtu=1492, extensions=(STACK,)),
    Marks(extensions=(STACK,)),
    Marks(extensions=(STACK, InterfaceInfo("OUT", 4, "192.0.2.9", "eth0", 1500))),
    Marks(length=80, mss=1400, segment=b"segment", extensions=(MplsStack(()), OtherObject(9, 1, b"....."))),
)
queries = st.integers(0, 300)
silent_answers = queries.map(Answer)
replies = st.builds(
    Answer,
    query=queries,
    responder=addresses,
    rtt_ns=st.integers(0, 60 * 10**9),
    kind=st.sampled_from(ReplyKind),
    icmp_type=bytes_,
    icmp_code=bytes_,
    reply_ttl=bytes_,
    quoted_ttl=bytes_,
    marks=st.sampled_from(FEW_MARKS),
)
flows = st.builds(
    Flow,
    af=st.sampled_from([4, 6]),
    method=st.sampled_from(Method),
    src=addresses,
    dst=addresses,
    sport=st.integers(0, 65535),
    dport=st.integers(0, 65535),
    tos=bytes_,
    label=st.integers(0, 2**20 - 1),
    size=st.integers(28, 1500),
)
kernel_routes = st.one_of(st.none(), st.builds(KernelRoute, st.text(max_size=15), st.text(), st.text(), st.integers(0, 2**32 - 1)))


@st.composite
def hop_tuples(draw: st.DrawFn) -> tuple[Hop, ...]:
    ttls = sorted(draw(st.sets(st.integers(1, 64), max_size=8)))
    return tuple(Hop(ttl, tuple(draw(st.lists(st.one_of(silent_answers, replies), max_size=4)))) for ttl in ttls)


traces = st.builds(
    Trace,
    target=st.text(min_size=1, max_size=20),
    address=addresses,
    flow=flows,
    source=st.text(max_size=10),
    kernel_route=kernel_routes,
    transport=st.sampled_from(["raw", "errqueue", "sim"]),
    reason=st.sampled_from(Reason),
    at=st.integers(0, 2**62),
    mono_ns=st.integers(0, 2**62),
    duration_ns=st.integers(0, 10**12),
    clock_synced=st.booleans(),
    ending=st.sampled_from(Ending),
    error=st.one_of(st.just(""), st.sampled_from(sorted(PROBE_ERRORS)), st.text()),
    reached_ttl=st.one_of(st.none(), st.integers(0, 255)),
    hops=hop_tuples(),
    probes=st.integers(0, 1000),
    late=st.integers(0, 300),
    duplicates=st.integers(0, 300),
)


def rounded(original: Trace) -> Trace:
    """The trace with its RTTs as the store keeps them."""
    fields = {name: getattr(original, name) for name in Trace.__slots__}
    return Trace(**fields | {"hops": tuple(Hop(hop.ttl, tuple(_rounded(a) for a in hop.answers)) for hop in original.hops)})


def _rounded(answer: Answer) -> Answer:
    return answer if answer.rtt_ns is None else answer._replace(rtt_ns=ticks(answer.rtt_ns) * TICK_NS)


@given(traces)
@settings(max_examples=200)
def test_form_and_detail_hold_the_whole_trace(original: Trace) -> None:
    content = decode_trace(*encode_trace(original, original.path), original.path)
    expected = rounded(original)
    assert {name: getattr(expected, name) for name in content._fields} == content._asdict()


@given(st.lists(traces, min_size=1, max_size=4))
@settings(max_examples=25)
def test_the_database_holds_the_whole_trace(originals: list[Trace]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = File(folder) / "history.db"
        with Writer(path, max_mb=16, boot_id="boot") as writer:
            writer.save([Record(original, None, "{}") for original in originals])
        with Reader(path) as reader:
            for number, original in enumerate(originals, start=1):
                stored = reader.trace(number)
                assert stored is not None
                assert stored.trace == rounded(original)
                assert (stored.trace_id, stored.path_id, stored.route_id) == (number, original.path.path_id, None)


@given(st.integers(0, 10**11))
def test_a_tick_is_never_more_than_half_a_step_off(rtt_ns: int) -> None:
    assert abs(ticks(rtt_ns) * TICK_NS - rtt_ns) <= TICK_NS // 2


@given(st.lists(st.lists(addresses, max_size=4).map(tuple), max_size=40).map(tuple))
def test_hops_come_back(hops: tuple[tuple[str, ...], ...]) -> None:
    known = sorted({address for hop in hops for address in hop})
    assert decode_hops(encode_hops(hops, known.index), known.__getitem__) == hops


def twelve_hops(rtt_step: float = 1.7, jitter: float = 0.2) -> tuple[Hop, ...]:
    """The usual trace: twelve hops, three answers each, every router counting down from 255 or 64."""
    hops = []
    for ttl in range(1, 13):
        first = 0.4 + rtt_step * ttl
        kind = ReplyKind.PORT_UNREACHABLE if ttl == 12 else ReplyKind.TIME_EXCEEDED
        hops.append(hop(ttl, str(ipaddress.ip_address(3221225984 + ttl)), first, first + jitter, first - jitter, kind=kind))
    return tuple(hops)


def test_the_usual_trace_is_small() -> None:
    original = trace(hops=twelve_hops(), reached_ttl=12, probes=36)
    form, detail = encode_trace(original, original.path)
    # Head 1, monotonic clock 7, duration 5; each hop 2 for its first RTT and 1 for each other.
    assert len(detail) == 13 + 12 * 4
    assert len(form) < 30


def test_the_form_does_not_change_with_times_and_losses() -> None:
    usual = trace(hops=twelve_hops(), reached_ttl=12, probes=36)
    other = trace(hops=twelve_hops(rtt_step=2.9, jitter=0.3), reached_ttl=12, probes=36, number=5, late=1)
    lossy_hop = usual.hops[4]._replace(answers=(Answer(0), *usual.hops[4].answers[1:]))
    lossy = trace(hops=(*usual.hops[:4], lossy_hop, *usual.hops[5:]), reached_ttl=12, probes=36)
    forms = {encode_trace(t, t.path)[0] for t in (usual, other, lossy)}
    assert len(forms) == 1


def test_a_known_trace_has_known_bytes() -> None:
    """The format is read by later versions: it changes only with a migration."""
    original = trace(mono_ns=300, duration_ns=1)
    form, detail = encode_trace(original, original.path)
    assert form.hex(" ") == "01 01 03 03 00 00 04 02 03 00"
    assert detail.hex(" ") == "20 ac 02 01 66 16 16 96 05 01 2a 8a 09 ca 01 92 03"


@pytest.mark.parametrize("number", [0, 127, 128, 2**21 - 1, 2**62])
def test_numbers_of_every_length_come_back(number: int) -> None:
    original = trace(mono_ns=number)
    assert decode_trace(*encode_trace(original, original.path), original.path).mono_ns == number


@given(st.lists(marks, min_size=1, max_size=3))
@settings(max_examples=100)
def test_any_marks_come_back(seen: list[Marks]) -> None:
    answers = tuple(Answer(query, "192.0.2.1", 0, ReplyKind.UNREACHABLE, 3, 1, 60, 1, each) for query, each in enumerate(seen))
    original = trace(hops=(Hop(1, answers), Hop(2, answers)))
    assert decode_trace(*encode_trace(original, original.path), original.path).hops == original.hops


def test_a_trace_of_an_older_version_still_reads() -> None:
    """Form and detail of a trace with label stacks, as they were written before there were marks."""
    form = bytes.fromhex("01 01 02 02 20 02 05dc1ab1 00003fff 00")
    detail = bytes.fromhex("20 ac02 01 16 16 16 16")
    stack = (MplsLabel(24001, 5, False, 0xB1), MplsLabel(3, 7, True, 255))
    content = decode_trace(form, detail, Path((("192.0.2.1",), ("192.0.2.2",))))
    assert [answer.mpls for answer in content.hops[0].answers] == [stack, stack]
    assert {answer.marks for answer in content.hops[1].answers} == {UNMARKED}


def test_marks_that_last_are_kept_once() -> None:
    """A translator at the first hop marks every answer, yet costs a few bytes."""
    plain = trace(hops=twelve_hops(), reached_ttl=12, probes=36)
    marked = tuple(each._replace(answers=tuple(a._replace(marks=Marks(nat=4711)) for a in each.answers)) for each in plain.hops)
    form, detail = encode_trace(plain, plain.path)
    nat_form, nat_detail = encode_trace(replace(plain, hops=marked), plain.path)
    assert nat_detail == detail
    assert len(nat_form) == len(form) + 3


def test_an_unmarked_answer_shares_the_one_value() -> None:
    original = trace(hops=twelve_hops(), reached_ttl=12, probes=36)
    content = decode_trace(*encode_trace(original, original.path), original.path)
    assert all(answer.marks is UNMARKED for each in content.hops for answer in each.answers)
