"""Traces and hops as compact bytes.

All numbers are unsigned LEB128 ("varint"): seven bits a byte, lowest first, the high bit says that more follow. Signed numbers are
zigzagged first: 0, -1, 1, -2 become 0, 1, 2, 3. The tables below are part of the format: append to them, never reorder.

Hops of a path or route: for ttl 1, 2, … the number of responders, then each one's number in the table `addresses`.

A trace (its path, flow, target, start, boot and route stand in columns) is two pieces: the form, which is nearly always that of the
trace before and so is kept once, and the detail with what is new each time. The form:

    runs        their number; then for each run of consecutive ttls with equally many answers: first ttl, hops, answers per hop
    shapes      one for every hop that is not silent

The detail:

    head        1 byte: ending (bits 0-2), reason (3-4), clock synchronised (5), COUNTS (6), REACHED (7)
    mono_ns     varint
    duration_ns varint
    counts      only with COUNTS: probes, late, duplicates, length of the error, the error (UTF-8)
                else probes is the number of answers, late and duplicates are 0, the error is ''
    reached_ttl only with REACHED: 0 for none, else ttl + 1
                else the last hop's ttl if the ending is `reached`, and none if not
    answers     hop by hop, query by query

An answer is a varint: 0 a shape follows, and after it the answer; 1 silent; from 2 on the zigzagged difference, plus 2, of its
round-trip time to that of the last answer that had one (at first 0), in steps of 0.01 ms. So the usual answer takes one or two bytes.

The shape is everything else about an answer. A hop's first reply takes its shape from the form. Every other answer has that of the
answer before, its query one higher; where that is wrong, 0 and the right shape stand before the answer. At the start of a hop the
shape of the hop before goes on with the first responder, a reply TTL one less (each hop further away loses one), without MPLS
labels, and with the query that the hop before began with; of its marks ToS, length, NAT and MSS go on, since what changed a probe
shows in all quotes from there. At the start of a trace it is query 0, time_exceeded, ICMP type 11 and code 0, reply TTL 64, quoted
TTL 1, no marks. A shape tells how it differs: a byte of the flags below, then the values in their order:

    QUERY 1       query
    RESPONDER 2   position among the hop's sorted responders
    KIND 4        kind, ICMP type, ICMP code
    REPLY_TTL 8   reply TTL
    QUOTED_TTL 16 quoted TTL
    MPLS 32       number of entries, then each as the 4 bytes of RFC 3032 section 2.1
    MARKS 64      all marks, but for a label stack that is the only extension, which is the shape's MPLS; see `compact`
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

from pathwarden.model.probe import MplsLabel, MplsStack, ReplyKind
from pathwarden.model.trace import UNMARKED, Answer, Ending, Hop, Marks, Path, Reason, Trace
from pathwarden.store.compact import Bytes, put, put_marks, put_stack, take_marks, take_stack

_T = TypeVar("_T")

TICK_NS = 10_000  # 0.01 ms: finer than any responder's jitter, and two bytes reach 80 ms

_ENDINGS = (Ending.REACHED, Ending.UNREACHABLE, Ending.GAP, Ending.MAX_TTL, Ending.ERROR)
_REASONS = (Reason.SCHEDULE, Reason.CONFIRM, Reason.COMMAND, Reason.WATCH)
_KINDS = (
    ReplyKind.TIME_EXCEEDED,
    ReplyKind.ECHO_REPLY,
    ReplyKind.PORT_UNREACHABLE,
    ReplyKind.UNREACHABLE,
    ReplyKind.PACKET_TOO_BIG,
    ReplyKind.PARAMETER_PROBLEM,
    ReplyKind.OPEN,
    ReplyKind.CLOSED,
    ReplyKind.ANSWER,
)
_KIND_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}
_LIKE = slice(3, None)  # an answer's fields behind query, responder and time

_SYNCED, _COUNTS, _REACHED = 32, 64, 128
_QUERY, _RESPONDER, _KIND, _REPLY_TTL, _QUOTED_TTL, _MPLS, _MARKS = 1, 2, 4, 8, 16, 32, 64
_SHAPE_FOLLOWS, _SILENT, _FIRST_RTT = 0, 1, 2


class Content(NamedTuple):
    """What form and detail keep of a trace."""

    ending: Ending
    reason: Reason
    clock_synced: bool
    mono_ns: int
    duration_ns: int
    probes: int
    late: int
    duplicates: int
    error: str
    reached_ttl: int | None
    hops: tuple[Hop, ...]


class _Shape(NamedTuple):
    """An answer without its query and its round-trip time; the responder is its position in the hop."""

    responder: int
    kind: tuple[int, int, int]
    reply_ttl: int
    quoted_ttl: int
    mpls: tuple[MplsLabel, ...]
    marks: Marks = UNMARKED


_BEFORE_FIRST = _Shape(0, (0, 11, 0), 65, 1, ())  # one hop nearer than the first


def ticks(rtt_ns: int) -> int:
    """A round-trip time in steps of 0.01 ms, rounded."""
    return (rtt_ns + TICK_NS // 2) // TICK_NS


# Hops of a path or route


def encode_hops(hops: Sequence[Sequence[str]], number_of: Callable[[str], int]) -> bytes:
    """The responders by ttl; `number_of` gives an address's number."""
    out = bytearray()
    for hop in hops:
        put(out, len(hop))
        for responder in hop:
            put(out, number_of(responder))
    return bytes(out)


def decode_hops(data: bytes, address_of: Callable[[int], _T]) -> tuple[tuple[_T, ...], ...]:
    """The responders by ttl; `address_of` gives a number's address."""
    source = Bytes(data)
    hops = []
    while source.place < len(data):
        hops.append(tuple(address_of(source.number()) for _ in range(source.number())))
    return tuple(hops)


# Traces


def encode_trace(trace: Trace, path: Path) -> tuple[bytes, bytes]:
    """Form and detail of a trace; `path` is the trace's."""
    form, out = bytearray(), bytearray(1)
    head = _ENDINGS.index(trace.ending) | _REASONS.index(trace.reason) << 3 | (_SYNCED if trace.clock_synced else 0)
    put(out, trace.mono_ns)
    put(out, trace.duration_ns)
    if (trace.probes, trace.late, trace.duplicates, trace.error) != (_answers(trace.hops), 0, 0, ""):
        head |= _COUNTS
        error = trace.error.encode()
        for number in (trace.probes, trace.late, trace.duplicates, len(error)):
            put(out, number)
        out += error
    if trace.reached_ttl != _usual_reached_ttl(trace.ending, trace.hops):
        head |= _REACHED
        put(out, 0 if trace.reached_ttl is None else trace.reached_ttl + 1)
    out[0] = head
    runs = _runs(trace.hops)
    put(form, len(runs))
    for run in runs:
        for number in run:
            put(form, number)
    _put_answers(form, out, trace.hops, path)
    return bytes(form), bytes(out)


def started(detail: bytes) -> tuple[bool, int]:
    """Of a detail: whether the clock was known to be right, and the monotonic start."""
    source = Bytes(detail)
    return bool(source.take(1)[0] & _SYNCED), source.number()


def synced(detail: bytes) -> bytes:
    """A detail with its clock marked as right."""
    return bytes((detail[0] | _SYNCED,)) + detail[1:]


def without_mono(detail: bytes) -> tuple[int, bytes]:
    """A detail's monotonic start, and the rest."""
    source = Bytes(detail)
    source.take(1)
    mono_ns = source.number()
    return mono_ns, detail[:1] + detail[source.place :]


def with_mono(rest: bytes, mono_ns: int) -> bytes:
    """The opposite of `without_mono`."""
    out = bytearray(rest[:1])
    put(out, mono_ns)
    return bytes(out) + rest[1:]


def decode_trace(form: bytes, detail: bytes, path: Path) -> Content:
    """The opposite of `encode_trace`; round-trip times are rounded to 0.01 ms."""
    source = Bytes(detail)
    head = source.take(1)[0]
    mono_ns, duration_ns = source.number(), source.number()
    probes = late = duplicates = 0
    error = ""
    if head & _COUNTS:
        probes, late, duplicates = source.number(), source.number(), source.number()
        error = source.take(source.number()).decode()
    reached = source.number() if head & _REACHED else 0
    hops = _take_hops(Bytes(form), source, path)
    ending = _ENDINGS[head & 7]
    return Content(
        ending=ending,
        reason=_REASONS[head >> 3 & 3],
        clock_synced=bool(head & _SYNCED),
        mono_ns=mono_ns,
        duration_ns=duration_ns,
        probes=probes if head & _COUNTS else _answers(hops),
        late=late,
        duplicates=duplicates,
        error=error,
        reached_ttl=(reached - 1 if reached else None) if head & _REACHED else _usual_reached_ttl(ending, hops),
        hops=hops,
    )


def _answers(hops: tuple[Hop, ...]) -> int:
    return sum(len(hop.answers) for hop in hops)


def _usual_reached_ttl(ending: Ending, hops: tuple[Hop, ...]) -> int | None:
    return hops[-1].ttl if ending is Ending.REACHED and hops else None


def _runs(hops: tuple[Hop, ...]) -> list[tuple[int, int, int]]:
    """First ttl, hops and answers per hop of each run of consecutive ttls with equally many answers."""
    # Along a run both the number of answers and ttl minus position stay the same.
    keyed = [(hop.ttl - position, len(hop.answers), hop.ttl) for position, hop in enumerate(hops)]
    groups = [list(group) for _, group in groupby(keyed, key=lambda item: item[:2])]
    return [(group[0][2], len(group), group[0][1]) for group in groups]


def _start_of_hop(before: _Shape) -> _Shape:
    marks = before.marks if before.marks is UNMARKED else before.marks._replace(mtu=0, segment=b"", extensions=())
    return _Shape(0, before.kind, max(before.reply_ttl - 1, 0), before.quoted_ttl, (), marks)


def _put_answers(form: bytearray, out: bytearray, hops: tuple[Hop, ...], path: Path) -> None:
    shape, rtt, first_query = _BEFORE_FIRST, 0, 0
    for hop in hops:
        usual, usual_query, first_reply = _start_of_hop(shape), first_query, True
        first_query = hop.answers[0].query if hop.answers else first_query
        before: Answer | None = None
        for answer in hop.answers:
            # Of nearly all hops the answers differ in query and time alone, and then have one shape.
            if before is None or answer.responder != before.responder or answer[_LIKE] != before[_LIKE]:
                shape = _shape(answer, hop.ttl, path) or usual
            before = answer
            if answer.rtt_ns is not None and first_reply:
                first_reply = False
                _put_shape(form, usual, shape, usual_query, answer.query)
            elif shape != usual or answer.query != usual_query:
                out.append(_SHAPE_FOLLOWS)
                _put_shape(out, usual, shape, usual_query, answer.query)
            if answer.rtt_ns is None:
                out.append(_SILENT)
            else:
                difference = ticks(answer.rtt_ns) - rtt
                rtt += difference
                put(out, (difference << 1 if difference >= 0 else -difference * 2 - 1) + _FIRST_RTT)
            usual, usual_query = shape, answer.query + 1
        shape = usual


def _shape(answer: Answer, ttl: int, path: Path) -> _Shape | None:
    """An answer's shape; None if it is silent."""
    if answer.responder is None or answer.kind is None:
        return None
    marks = answer.marks
    alone = answer.mpls if len(marks.extensions) == 1 else ()
    if alone:
        marks = marks._replace(extensions=())
    return _Shape(
        responder=path.hops[ttl - 1].index(answer.responder),
        kind=(_KIND_NUMBERS[answer.kind], answer.icmp_type, answer.icmp_code),
        reply_ttl=answer.reply_ttl,
        quoted_ttl=answer.quoted_ttl,
        mpls=alone,
        marks=marks,
    )


def _put_shape(out: bytearray, usual: _Shape, shape: _Shape, usual_query: int, query: int) -> None:
    place = len(out)
    out.append(0)
    if query == usual_query and shape == usual:  # as nearly always
        return
    fields = (
        (_QUERY, (query,), (usual_query,)),
        (_RESPONDER, (shape.responder,), (usual.responder,)),
        (_KIND, shape.kind, usual.kind),
        (_REPLY_TTL, (shape.reply_ttl,), (usual.reply_ttl,)),
        (_QUOTED_TTL, (shape.quoted_ttl,), (usual.quoted_ttl,)),
    )
    for flag, values, usual_values in fields:
        if values != usual_values:
            out[place] |= flag
            for value in values:
                put(out, value)
    if shape.mpls != usual.mpls:
        out[place] |= _MPLS
        put_stack(out, shape.mpls)
    if shape.marks != usual.marks:
        out[place] |= _MARKS
        put_marks(out, shape.marks)


def _take_hops(form: Bytes, detail: Bytes, path: Path) -> tuple[Hop, ...]:
    runs = [(form.number(), form.number(), form.number()) for _ in range(form.number())]
    shape, rtt, first_query = _BEFORE_FIRST, 0, 0
    hops = []
    for ttl, count in ((first + step, answers) for first, length, answers in runs for step in range(length)):
        shape, query, first_reply = _start_of_hop(shape), first_query, True
        answers = []
        for _ in range(count):
            code = detail.number()
            if code == _SHAPE_FOLLOWS:
                query, shape = _take_shape(detail, query, shape)
                code = detail.number()
            if code == _SILENT:
                answers.append(Answer(query))
            else:
                if first_reply:
                    first_reply = False
                    query, shape = _take_shape(form, query, shape)
                code -= _FIRST_RTT
                rtt += -(code + 1 >> 1) if code & 1 else code >> 1
                answers.append(_answer(query, shape, path.hops[ttl - 1], rtt * TICK_NS))
            query += 1
        first_query = answers[0].query if answers else first_query
        hops.append(Hop(ttl, tuple(answers)))
    return tuple(hops)


def _answer(query: int, shape: _Shape, responders: tuple[str, ...], rtt_ns: int) -> Answer:
    kind, icmp_type, icmp_code = shape.kind
    return Answer(
        query,
        responders[shape.responder],
        rtt_ns,
        _KINDS[kind],
        icmp_type,
        icmp_code,
        shape.reply_ttl,
        shape.quoted_ttl,
        shape.marks._replace(extensions=(MplsStack(shape.mpls),)) if shape.mpls else shape.marks,
    )


def _take_shape(source: Bytes, usual_query: int, usual: _Shape) -> tuple[int, _Shape]:
    flags = source.take(1)[0]
    query = source.number() if flags & _QUERY else usual_query
    return query, _Shape(
        responder=source.number() if flags & _RESPONDER else usual.responder,
        kind=(source.number(), source.number(), source.number()) if flags & _KIND else usual.kind,
        reply_ttl=source.number() if flags & _REPLY_TTL else usual.reply_ttl,
        quoted_ttl=source.number() if flags & _QUOTED_TTL else usual.quoted_ttl,
        mpls=take_stack(source) if flags & _MPLS else usual.mpls,
        marks=take_marks(source) if flags & _MARKS else usual.marks,
    )
