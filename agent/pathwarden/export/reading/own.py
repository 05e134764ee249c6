"""Our own JSON: what `pathwarden trace --json`, `pathwarden history TARGET --at TIME --json` and `/api/v1/traces/{id}` say of a trace.

Facts that shape the reading:
1. The flow is told by protocol and family alone, and in a table of several traces by port and number too. A target keeps its flow from
   trace to trace, so target, source and protocol name a stream.
2. ICMP's type and code stand as kind and annotation: the least code that gives the same annotation stands for them.
3. Segments and interface objects are told in words that do not lead back to their bytes; they are left out.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from typing import Any

from pathwarden.errors import PROBE_ERRORS
from pathwarden.export.reading.answers import ICMP_TYPES, MOST_ANSWERS, NO_ICMP, icmp_kind
from pathwarden.export.reading.fields import LAST_NS, Fields
from pathwarden.export.reading.recorded import HERE, Recorded, Stream, Unreadable
from pathwarden.model.probe import Extension, Flow, Method, MplsLabel, MplsStack, OtherObject, ReplyKind
from pathwarden.model.trace import UNMARKED, Answer, Ending, Hop, KernelRoute, Marks, Reason, Trace
from pathwarden.present.hops import annotation
from pathwarden.present.instants import parse_instant

_OBJECT = re.compile(r"(\d{1,3})/(\d{1,3}):((?:[0-9a-f]{2}|,)*+)", re.ASCII)
_LABEL = re.compile(r"L=(\d{1,7}),E=(\d),S=([01]),T=(\d{1,3})", re.ASCII)
_MPLS, _MPLS_OBJECT = "MPLS:", (1, 1)
_MS = 1e-6
_MOST_MS = LAST_NS * _MS


def is_mine(values: Mapping[str, Any]) -> bool:
    """Whether an item is ours: a trace, or a table of traces."""
    return ("kernel_route" in values and "ending" in values) or ("columns" in values and "rows" in values)


def read(values: Mapping[str, Any]) -> tuple[Recorded, ...]:
    """The traces of one item; a table's columns that have none are left out. Raises `Unreadable`."""
    head = Fields(values)
    if "columns" not in values:
        return (_recorded(head, Fields({})),)
    return tuple(_recorded(column.child("trace"), column) for column in head.children("columns") if "trace" in column)


def _recorded(head: Fields, column: Fields) -> Recorded:
    if "hops" not in head:
        raise Unreadable("it has no hops, as the lists of `pathwarden history` have none; --at TIME prints a whole trace")
    target, source = head.text("target"), head.text("source", "")
    port, number = column.integer("port", 0, 65535, 0), column.integer("flow", 0, 65535, 0)
    trace = _trace(head, target, source, port, number)
    way = " ".join(filter(None, [source, f"IPv{trace.flow.af}", trace.flow.method, str(port or "")]))
    return Recorded(Stream(HERE, way, target, str(number or "")), trace)


def _trace(head: Fields, target: str, source: str, port: int, number: int) -> Trace:
    af = head.integer("af", 4, 6, 4)
    if af not in ICMP_TYPES:
        raise head.wrong("af", "4 or 6")
    address = head.address("address", af, "")
    route = _kernel_route(head.child("kernel_route"), af) if "kernel_route" in head else None
    ending = head.one_of("ending", Ending)
    at = _instant(head, "at")
    hops = tuple(_hop(hop, af) for hop in head.children("hops"))
    if sum(len(hop.answers) for hop in hops) > MOST_ANSWERS:
        raise Unreadable(f"it has more than {MOST_ANSWERS} answers")
    reached = head.integer("reached_ttl", 1, 255) if "reached_ttl" in head else None
    if reached is not None and reached not in {hop.ttl for hop in hops}:
        raise head.wrong("reached_ttl", "the ttl of a hop")
    if ending is not Ending.ERROR and not address:
        raise head.wrong("address", "the address that was probed")
    return Trace(
        target=target,
        address=address,
        flow=Flow(af, head.one_of("method", Method), route.source if route else "", address, number, port, 0, 0, 0),
        source=source,
        kernel_route=route,
        transport=head.text("transport", ""),
        reason=head.one_of("reason", Reason),
        at=at,
        mono_ns=at,
        duration_ns=head.ns("duration_ms", _MOST_MS) or 0,
        clock_synced=head.flag("clock_synced"),
        ending=ending,
        error=_error(head),
        reached_ttl=reached,
        hops=hops,
        probes=head.integer("probes", 0, LAST_NS, 0),
        late=head.integer("late", 0, LAST_NS, 0),
        duplicates=head.integer("duplicates", 0, LAST_NS, 0),
    )


def _instant(head: Fields, key: str) -> int:
    try:
        return parse_instant(head.text(key))
    except ValueError:
        raise head.wrong(key, "an instant such as 2026-11-21T08:45:00Z") from None


def _kernel_route(fields: Fields, af: int) -> KernelRoute:
    gateway = fields.text("gateway", "")
    return KernelRoute(fields.text("device", ""), fields.address("source", af, ""), gateway, fields.integer("table", 0, 2**32 - 1, 0))


def _error(head: Fields) -> str:
    """The stored code: the reason, and the detail that stands behind its words."""
    reason, words = head.text("error", ""), head.text("error_detail", "")
    said = PROBE_ERRORS.get(reason, reason)
    return reason + words.removeprefix(said) if words.startswith(f"{said}: ") else reason


def _hop(hop: Fields, af: int) -> Hop:
    answers = tuple(_answer(answer, query, af) for query, answer in enumerate(hop.children("answers")))
    return Hop(hop.integer("ttl", 1, 255), answers)


def _answer(answer: Fields, query: int, af: int) -> Answer:
    if "responder" not in answer:
        return Answer(query)
    marks = _marks(answer.child("marks")) if "marks" in answer else UNMARKED
    kind = answer.one_of("kind", ReplyKind)
    of = _icmp(af, kind, answer.text("annotation", ""), marks.mtu)
    if of is None:
        raise answer.wrong("annotation", f"one that {kind} can have")
    rtt_ns = answer.ns("rtt_ms")
    if rtt_ns is None:
        raise answer.wrong("rtt_ms", "a number of ms")
    reply_ttl, quoted_ttl = answer.integer("reply_ttl", 0, 255, 0), answer.integer("quoted_ttl", 0, 255, 0)
    return Answer(query, answer.address("responder", af), rtt_ns, kind, *of, reply_ttl, quoted_ttl, marks)


@lru_cache(1024)
def _icmp(af: int, kind: ReplyKind, mark: str, mtu: int) -> tuple[int, int] | None:
    """The least ICMP type and code of this kind with this annotation, None without one."""
    if kind in NO_ICMP:
        return None if mark else (0, 0)
    for icmp_type, icmp_code in product(ICMP_TYPES[af], range(256)):
        if icmp_kind(af, icmp_type, icmp_code) is kind and annotation(af, icmp_type, icmp_code, mtu) == mark:
            return icmp_type, icmp_code
    return None


def _marks(fields: Fields) -> Marks:
    return Marks(
        tos=fields.integer("tos", 0, 255, -1),
        length=fields.integer("length", 0, 65535, 0),
        nat=fields.integer("nat", 0, 65535, 0),
        mtu=fields.integer("mtu", 0, 2**32 - 1, 0),
        mss=fields.integer("mss", 0, 65535, 0),
        extensions=tuple(each for each in map(_extension, fields.texts("extensions")) if each is not None),
    )


def _extension(text: str) -> Extension | None:
    """The object that `present.text.extension` wrote so; None for one about an interface (fact 3)."""
    if text.startswith(_MPLS):
        entries = [_LABEL.fullmatch(entry) for entry in text.removeprefix(_MPLS).split("/")]
        return MplsStack(tuple(MplsLabel(int(e[1]), int(e[2]), e[3] == "1", int(e[4])) for e in entries if e))
    found = _OBJECT.fullmatch(text)
    if found is None:
        return None
    numbers = int(found[1]), int(found[2])
    return MplsStack(()) if numbers == _MPLS_OBJECT else OtherObject(*numbers, bytes.fromhex(found[3].replace(",", "")))
