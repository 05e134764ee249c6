"""Traces as scamper's JSON, one a line, in the members of `sc_warts2json`: what `reading.scamper` reads.

Rules:
1. `hops` holds replies alone. scamper's own members are left out where nobody knows them: when a probe left, a reply's size, ToS, IP-ID.
2. `method` is scamper's name of the flow-stable method, and ours where scamper has none (udplite, dccp, raw, tcp-connect).
3. The member `pathwarden` says what scamper has no word for: see `facts`; `asked`, how many probes each ttl got; and a reply's kind
   where neither ICMP nor TCP flags tell it.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from pathwarden.export import facts
from pathwarden.export.origin import Origin
from pathwarden.export.reading.answers import icmp_kind, tcp_kind
from pathwarden.model.probe import Extension, InterfaceInfo, Method, MplsStack, OtherObject, ReplyKind
from pathwarden.model.trace import Answer, Ending, Trace
from pathwarden.wire.extensions import MPLS_CLASS, MPLS_INCOMING, interface_object

_SECOND = 1_000_000_000
_METHODS = {Method.UDP: "udp-paris", Method.ICMP: "icmp-echo-paris"}
_STOPS = {
    Ending.REACHED: "COMPLETED",
    Ending.UNREACHABLE: "UNREACH",
    Ending.GAP: "GAPLIMIT",
    Ending.MAX_TTL: "HOPLIMIT",
    Ending.ERROR: "ERROR",
}
_FLAGS = {ReplyKind.OPEN: 0x12, ReplyKind.CLOSED: 0x14}  # SYN+ACK, RST+ACK


def lines(origin: Origin, traces: Iterable[Trace]) -> Iterator[str]:
    """One trace a line."""
    for trace in traces:
        yield json.dumps(entry(origin, trace), ensure_ascii=False, separators=(",", ":")) + "\n"


def entry(origin: Origin, trace: Trace) -> dict[str, object]:
    """A trace as scamper's JSON object."""
    flow = trace.flow
    hops = [hop for hop in trace.hops if hop.answers]
    seconds, rest_ns = divmod(trace.at, _SECOND)
    seen: dict[str, object] = {
        "type": "trace",
        "version": "0.1",
        "userid": 0,
        "monitor": origin.monitor,
        "method": origin.method or _METHODS.get(flow.method, flow.method.value),
        "src": flow.src,
        "dst": trace.address,
        "sport": flow.sport,
        **({"icmp_sum": flow.dport} if flow.method is Method.ICMP else {"dport": flow.dport}),
        "stop_reason": _STOPS[trace.ending],
        "stop_data": hops[-1].answers[-1].icmp_code if trace.ending is Ending.UNREACHABLE and hops else 0,
        "start": {"sec": seconds, "usec": rest_ns // 1000, "ftime": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")},
        "hop_count": max((hop.ttl for hop in hops), default=0),
        "attempts": max((len(hop.answers) for hop in hops), default=0),
        "firsthop": min((hop.ttl for hop in hops), default=1),
        "tos": flow.tos,
        "probe_size": flow.size,
        "probe_count": trace.probes,
        "hops": [
            _reply(answer, hop.ttl, place, trace)
            for hop in hops
            for place, answer in enumerate(hop.answers, 1)
            if answer.responder is not None
        ],
        facts.MEMBER: {
            "name": origin.asked_for(trace.address),
            "af": flow.af,
            **facts.of(trace),
            "asked": [{"ttl": hop.ttl, "probes": len(hop.answers)} for hop in hops],
        },
    }
    return {key: value for key, value in seen.items() if value != ""}


def _reply(answer: Answer, ttl: int, attempt: int, trace: Trace) -> dict[str, object]:
    marks, kind = answer.marks, answer.kind or ReplyKind.ANSWER
    reply: dict[str, object] = {
        "addr": answer.responder,
        "probe_ttl": ttl,
        "probe_id": attempt,
        "rtt": round((answer.rtt_ns or 0) / 1e6, 3),
    }
    if answer.reply_ttl:
        reply["reply_ttl"] = answer.reply_ttl
    if kind in (ReplyKind.OPEN, ReplyKind.CLOSED, ReplyKind.ANSWER):
        flags = _FLAGS.get(kind, 0) if trace.flow.method in (Method.TCP, Method.TCP_CONNECT) else 0
        told = tcp_kind(flags)
        if flags:
            reply["tcp_flags"] = flags
    else:
        told = icmp_kind(trace.flow.af, answer.icmp_type, answer.icmp_code)
        reply |= {"icmp_type": answer.icmp_type, "icmp_code": answer.icmp_code}
    if told is not kind:
        reply[facts.MEMBER] = {"kind": kind}
    if answer.quoted_ttl:
        reply["icmp_q_ttl"] = answer.quoted_ttl
    if marks.tos not in (-1, trace.flow.tos):
        reply["icmp_q_tos"] = marks.tos
    if marks.mtu:
        reply["icmp_nhmtu"] = marks.mtu
    if marks.extensions:
        reply["icmpext"] = [_extension(each) for each in marks.extensions]
    return reply


def _extension(each: Extension) -> dict[str, object]:
    match each:
        case MplsStack(labels):
            entries = [{"mpls_ttl": e.ttl, "mpls_s": int(e.bottom), "mpls_exp": e.traffic_class, "mpls_label": e.label} for e in labels]
            return {"ie_cn": MPLS_CLASS, "ie_ct": MPLS_INCOMING, "mpls_labels": entries}
        case OtherObject(class_num, c_type, _):
            return {"ie_cn": class_num, "ie_ct": c_type}
        case InterfaceInfo():
            other = interface_object(each)
            return {"ie_cn": other.class_num, "ie_ct": other.c_type}
