"""Traces as RIPE Atlas traceroute results of firmware 5080, one a line: what `reading.atlas` reads.

Rules:
1. What the form has a word for is said with that word, so that other readers understand it: `x` for silence, `err` where somebody says
   that there is no way, nothing with the destination's proper answer (`ripe.atlas.sagan` takes any `err` there for a failure).
2. What it has no word for stands in the member `pathwarden`, which others pass over: see `facts`, and an answer's kind where the words
   would be read as another.
3. RIPE Atlas knows UDP, ICMP and TCP; with any other method `proto` is left out, since a wrong one would be a lie.
4. What is not known is left out: the reply's size, the way to a public address. `lts` is 0 where the clock was known to be right, else -1.
5. Times are exact to the second, round-trip times to 0.01 ms. `ripe.atlas.sagan` takes 0.0 ms for silence; a time below the resolution is
   written as 0.001.
"""

import json
from collections.abc import Iterable, Iterator

from pathwarden.export import facts
from pathwarden.export.origin import Origin
from pathwarden.export.reading.answers import PROTOCOL, payload_size
from pathwarden.export.reading.atlas import ERRORS, METHODS, kind_of, quotes
from pathwarden.export.reading.fields import Fields
from pathwarden.model.probe import Extension, InterfaceInfo, Method, MplsStack, OtherObject, ReplyKind
from pathwarden.model.protocols import AsResult
from pathwarden.model.settings import Target
from pathwarden.model.trace import Answer, Ending, Hop, Trace
from pathwarden.wire.extensions import MPLS_CLASS, MPLS_INCOMING, interface_object

FIRMWARE = 5080
_SECOND = 1_000_000_000
_LEAST_MS = 0.001
_PROTOCOLS = {method: name for name, method in METHODS.items()} | {Method.TCP_CONNECT: "TCP"}
_LETTERS = {af: {of: letter for letter, of in errors.items()} for af, errors in ERRORS.items()}
_FLAGS = {ReplyKind.OPEN: "SA", ReplyKind.CLOSED: "RA"}
# How a destination without that protocol, or without a program on that port, takes a probe.
_NO_PORT, _NO_PROTOCOL = ((3, 3), (1, 4)), (PROTOCOL[4], PROTOCOL[6])
_PROPER = {
    Method.UDP: _NO_PORT,
    Method.UDPLITE: (*_NO_PORT, *_NO_PROTOCOL),
    Method.DCCP: (*_NO_PORT, *_NO_PROTOCOL),
    Method.RAW: (*_NO_PORT, *_NO_PROTOCOL),
}
_EXTENSIONS_VERSION = 2  # RFC 4884


def lines(origin: Origin, traces: Iterable[Trace]) -> Iterator[str]:
    """One result a line."""
    for trace in traces:
        yield json.dumps(result(origin, trace), ensure_ascii=False, separators=(",", ":")) + "\n"


def of_ours(agent: str, targets: Iterable[Target]) -> AsResult:
    """What makes results of this agent's own traces to these targets."""
    origins = {target.tid: Origin.of_ours(agent, target.tid, target.host) for target in targets}
    return lambda trace: result(origins[trace.target], trace)


def result(origin: Origin, trace: Trace) -> dict[str, object]:
    """A trace as the JSON object of a result."""
    flow, route = trace.flow, trace.kernel_route
    seen = {
        "fw": FIRMWARE,
        "lts": 0 if trace.clock_synced else -1,
        "endtime": (trace.at + trace.duration_ns) // _SECOND,
        "dst_name": origin.asked_for(trace.address),
        "dst_addr": trace.address,
        "src_addr": flow.src,
        "proto": _PROTOCOLS.get(flow.method, ""),
        "af": flow.af,
        "size": payload_size(flow),
        "tos": flow.tos,
        "paris_id": flow.sport,
        "result": _result(trace),
        "msm_id": origin.measurement,
        "prb_id": origin.observer,
        "timestamp": trace.at // _SECOND,
        "msm_name": "Traceroute",
        "from": (route.source if route else "") or flow.src,
        "type": "traceroute",
        facts.MEMBER: facts.of(trace),
    }
    return {key: value for key, value in seen.items() if value != ""}


def _result(trace: Trace) -> list[dict[str, object]]:
    hops: list[dict[str, object]] = [_hop(hop, trace) for hop in trace.hops if hop.answers]
    if trace.ending is Ending.ERROR:
        hops.append({"hop": len(hops) + 1, "error": facts.in_words(trace.error) or "no probe could leave"})
    return hops


def _hop(hop: Hop, trace: Trace) -> dict[str, object]:
    return {"hop": hop.ttl, "result": [_answer(answer, hop.ttl, trace) for answer in hop.answers]}


def _answer(answer: Answer, ttl: int, trace: Trace) -> dict[str, object]:
    if answer.responder is None or answer.rtt_ns is None or answer.kind is None:
        return {"x": "*"}
    marks = answer.marks
    reply: dict[str, object] = {"from": answer.responder}
    if answer.reply_ttl:
        reply["ttl"] = answer.reply_ttl
    reply["rtt"] = max(round(answer.rtt_ns / 1e6, 3), _LEAST_MS)
    arrived = ttl == trace.reached_ttl and answer.responder == trace.address
    reply.update(_said(answer, answer.kind, trace, arrived=arrived))
    if quotes(answer.kind) and answer.quoted_ttl > 1:
        reply["ittl"] = answer.quoted_ttl
    if marks.tos not in (-1, trace.flow.tos):
        reply["itos"] = marks.tos
    if marks.extensions:
        reply["icmpext"] = {"version": _EXTENSIONS_VERSION, "obj": [_extension(each) for each in marks.extensions]}
    return reply


def _said(answer: Answer, kind: ReplyKind, trace: Trace, *, arrived: bool) -> dict[str, object]:
    """The members that tell an answer's kind (rules 1 and 2)."""
    flow, what = trace.flow, (kind, answer.icmp_type, answer.icmp_code)
    proper = arrived and what[1:] in _PROPER.get(flow.method, ()) and kind is not ReplyKind.ANSWER
    words = {} if proper else _words(answer, kind, flow.af, flow.method)
    if kind_of(Fields(words), flow.af, flow.method, arrived=arrived) != what:
        words[facts.MEMBER] = {"kind": kind, "icmp_type": answer.icmp_type, "icmp_code": answer.icmp_code}
    return words


def _words(answer: Answer, kind: ReplyKind, af: int, method: Method) -> dict[str, object]:
    if kind is ReplyKind.PACKET_TOO_BIG:
        # The probes of RIPE Atlas write no `err` here, and so its parser takes a packet that got stuck for one that arrived.
        return {"mtu": answer.marks.mtu, "err": answer.icmp_code}
    if kind in _FLAGS and method in (Method.TCP, Method.TCP_CONNECT):
        return {"flags": _FLAGS[kind]}
    if kind in (ReplyKind.UNREACHABLE, ReplyKind.PORT_UNREACHABLE, ReplyKind.PARAMETER_PROBLEM):
        letter = _LETTERS[af].get((answer.icmp_type, answer.icmp_code))
        return {"err": letter or answer.icmp_code}
    return {}


def _extension(each: Extension) -> dict[str, object]:
    match each:
        case MplsStack(labels):
            entries = [{"label": e.label, "exp": e.traffic_class, "s": int(e.bottom), "ttl": e.ttl} for e in labels]
            return {"class": MPLS_CLASS, "type": MPLS_INCOMING, "mpls": entries}
        case InterfaceInfo():
            return _extension(interface_object(each))
        case OtherObject(class_num, c_type, _):
            return {"class": class_num, "type": c_type}
