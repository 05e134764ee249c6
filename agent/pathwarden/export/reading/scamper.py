"""scamper's JSON, as `sc_warts2json` and `scamper -O json` write it: one object a line, of which type `trace` is read.

Facts that shape the reading:
1. `hops` holds replies alone, each with `probe_ttl` and `probe_id` (the attempt, from 1). A hop that answered was asked up to the
   attempt that did, one that did not `attempts` times; where a hop answered two attempts all were made everywhere (`-Q`).
2. A flow is the ports, or for icmp-echo-paris the checksum. The source port comes from scamper's process id unless `-s` holds it,
   so runs of their own are flows of their own.
3. `src` is the line: another address is another epoch.
4. icmp_q_ipl is left out: some versions wrote its bytes in the host's order.
5. Traces that we wrote say in `pathwarden` what the form has no words for (export.facts), and in `asked` how many probes each ttl got,
   as pairs.
"""

from collections.abc import Mapping
from typing import Any

from pathwarden.export import facts
from pathwarden.export.origin import SCAMPER, Origin
from pathwarden.export.reading.answers import ICMP_TYPES, MOST_ANSWERS, MOST_MTU, NO_ICMP, arrival, ending, icmp_kind, label, tcp_kind
from pathwarden.export.reading.fields import LAST_NS, Fields
from pathwarden.export.reading.recorded import Ignored, Recorded, Stream, Unreadable
from pathwarden.model.probe import Extension, Flow, Method, MplsStack, OtherObject, ReplyKind
from pathwarden.model.trace import UNMARKED, Answer, Ending, Hop, KernelRoute, Marks, Reason, Trace

_SECOND = 1_000_000_000
_CYCLES = ("cycle-start", "cycle-def", "cycle-stop")
_OTHERS = ("dealias", "host", "http", "neighbourdisc", "owamp", "ping", "sniff", "sting", "tbit", "tracelb", "udpprobe")
_TYPES = frozenset({"trace", *_OTHERS, *_CYCLES})
METHODS = {
    "udp": Method.UDP,
    "udp-paris": Method.UDP,
    "icmp-echo": Method.ICMP,
    "icmp-echo-paris": Method.ICMP,
    "tcp": Method.TCP,
    "tcp-ack": Method.TCP,
    # Not scamper's own: it has no such methods, and we do.
    **{method.value: method for method in (Method.TCP_CONNECT, Method.UDPLITE, Method.DCCP, Method.RAW)},
}
_GAP, _ERROR = "GAPLIMIT", "ERROR"
_PORTS = 65535
_SILENT = Answer(0)


def is_mine(values: Mapping[str, Any]) -> bool:
    """Whether an item is one of scamper's."""
    kind = values.get("type")
    return isinstance(kind, str) and kind in _TYPES and ("userid" in values or kind in _CYCLES or "version" in values)


def read(values: Mapping[str, Any]) -> Recorded | Ignored:
    """One object. Raises `Unreadable`; all but traces are `Ignored`, the marks of a cycle with no kind."""
    kind = values.get("type")
    if kind != "trace":
        return Ignored("" if kind in _CYCLES else str(kind))
    head = Fields(values)
    if head.text("method") not in METHODS:
        raise head.wrong("method", f"one of {', '.join(METHODS)}")
    said = head.child(facts.MEMBER) if facts.MEMBER in head else None
    # Without an address only we write a trace: the name did not resolve.
    af = said.integer("af", 4, 6) if said and "dst" not in head else head.family("dst")
    if af not in ICMP_TYPES:
        raise head.wrong("dst", "an address")
    source, address = head.address("src", af, ""), head.address("dst", af, "" if said else None)
    asked_for = (said.text("name", "") if said else "") or address
    if not asked_for:
        raise head.wrong("dst", "an address")
    flow, flow_name = _flow(head, af, source, address)
    monitor, method = head.text("monitor", "") or source, head.text("method")
    origin = _origin(monitor, asked_for, "" if said else method)
    return Recorded(Stream(monitor, f"IPv{af} {method}", asked_for, flow_name), _trace(head, flow), origin)


def _origin(monitor: str, name: str, method: str) -> Origin:
    """With numbers of the kind that RIPE Atlas has, in case somebody wants it in that form."""
    ours = Origin.of_ours(monitor, name, name)
    return ours._replace(method=method, form=SCAMPER)


def _flow(head: Fields, af: int, source: str, address: str) -> tuple[Flow, str]:
    method = METHODS[head.text("method")]
    sport, dport = head.integer("sport", 0, _PORTS, 0), head.integer("dport", 0, _PORTS, 0)
    name = f"{sport}-{dport}" if "sport" in head else ""
    if "icmp_sum" in head:
        dport = head.integer("icmp_sum", 0, _PORTS)
        name = str(dport)
    return Flow(af, method, source, address, sport, dport, head.integer("tos", 0, 255, 0), 0, head.integer("probe_size", 0, 65535, 0)), name


def _trace(head: Fields, flow: Flow) -> Trace:
    start = head.child("start")
    at = start.integer("sec", 0, LAST_NS // _SECOND - 1) * _SECOND + start.integer("usec", 0, 999_999, 0) * 1000
    hops = _hops(head, flow)
    known = facts.read(head) or _guess(head, hops, flow)
    facts.check_reached(head, known, hops)
    if not flow.dst and known.ending is not Ending.ERROR:
        raise head.wrong("dst", "the address that was probed")
    return Trace(
        target=flow.dst,
        address=flow.dst,
        flow=flow,
        source="",
        kernel_route=KernelRoute("", flow.src, "", 0) if flow.src else None,
        transport="scamper",
        reason=Reason.SCHEDULE,
        at=at,
        mono_ns=at,
        duration_ns=0,
        clock_synced=known.clock_synced,
        ending=known.ending,
        error=known.error,
        reached_ttl=known.reached_ttl,
        hops=hops if facts.MEMBER in head or known.ending is not Ending.ERROR else (),
        probes=known.probes,
        late=known.late,
        duplicates=known.duplicates,
    )


def _guess(head: Fields, hops: tuple[Hop, ...], flow: Flow) -> facts.Facts:
    """How a trace ended of which nobody says so in our words."""
    reached = arrival(hops, flow.dst)
    stop = head.text("stop_reason", "")
    failed = stop == _ERROR and not any(hop.responders for hop in hops)
    ended = Ending.ERROR if failed else ending(hops, reached, Ending.GAP if stop == _GAP else Ending.MAX_TTL)
    error = f"send_failed: errno {head.integer('stop_data', 0, 255, 0)}" if failed else ""
    probes = head.integer("probe_count", 0, _PORTS, sum(len(hop.answers) for hop in hops))
    duplicates = sum(1 for _ in head.children("hops")) - sum(len(hop.rtts_ns) for hop in hops)
    return facts.Facts(flow.method, ended, error, reached, probes, 0, duplicates, clock_synced=True)


def _hops(head: Fields, flow: Flow) -> tuple[Hop, ...]:
    """All hops from the first to the last one probed, with the probes that nobody answered; the first reply to a probe counts."""
    found: dict[int, dict[int, Answer]] = {}
    for reply in head.children("hops"):
        ttl, attempt = reply.integer("probe_ttl", 1, 255), reply.integer("probe_id", 0, 255, 1)
        found.setdefault(ttl, {}).setdefault(attempt, _answer(reply, flow))
    if facts.MEMBER in head:
        return _asked(head.child(facts.MEMBER), found)
    attempts = head.integer("attempts", 0, 255, 1)
    every = any(len(answered) > 1 for answered in found.values())
    first, last = head.integer("firsthop", 0, 255, 1), max([head.integer("hop_count", 0, 255, 0), *found])
    hops = [Hop(ttl, _row(found.get(ttl, {}), attempts, every=every)) for ttl in range(max(first, 1), last + 1)]
    if sum(len(hop.answers) for hop in hops) > MOST_ANSWERS:
        raise Unreadable(f"it has more than {MOST_ANSWERS} answers")
    return tuple(hop for hop in hops if hop.answers)


def _asked(said: Fields, found: Mapping[int, Mapping[int, Answer]]) -> tuple[Hop, ...]:
    """The hops where the trace says how many probes each ttl got (fact 5)."""
    asked = {}
    for each in said.children("asked"):
        asked[each.integer("ttl", 1, 255)] = each.integer("probes", 1, MOST_ANSWERS)
    answered = {ttl: max(answers) for ttl, answers in found.items()}
    if any(asked.get(ttl, 0) < last for ttl, last in answered.items()) or any(0 in answers for answers in found.values()):
        raise said.wrong("asked", "all ttls with at least as many probes as answered")
    if sum(asked.values()) > MOST_ANSWERS:
        raise Unreadable(f"it has more than {MOST_ANSWERS} answers")
    return tuple(
        Hop(ttl, tuple(found.get(ttl, {}).get(place, _SILENT)._replace(query=place - 1) for place in range(1, probes + 1)))
        for ttl, probes in sorted(asked.items())
    )


def _row(answered: Mapping[int, Answer], attempts: int, *, every: bool) -> tuple[Answer, ...]:
    asked = max(answered) if answered and not every else max([attempts, *answered])
    first = min([1, *answered])  # some versions count attempts from 0
    return tuple(answered.get(attempt, _SILENT)._replace(query=attempt - first) for attempt in range(first, asked + 1))


def _answer(reply: Fields, flow: Flow) -> Answer:
    responder = reply.address("addr", flow.af)
    if "icmp_type" in reply:
        icmp_type, icmp_code = reply.integer("icmp_type", 0, 255), reply.integer("icmp_code", 0, 255, 0)
        kind = icmp_kind(flow.af, icmp_type, icmp_code)
    else:
        icmp_type = icmp_code = 0
        kind = tcp_kind(reply.integer("tcp_flags", 0, 255)) if "tcp_flags" in reply else ReplyKind.ANSWER
        if facts.MEMBER in reply:
            kind = reply.child(facts.MEMBER).one_of("kind", ReplyKind)
            if kind not in NO_ICMP:
                raise reply.child(facts.MEMBER).wrong("kind", f"one of {', '.join(NO_ICMP)} without icmp_type")
    quoted_tos = reply.integer("icmp_q_tos", 0, 255, flow.tos)
    mtu = "icmp_nhmtu" if "icmp_nhmtu" in reply else "icmp_nhmtu:"  # scamper writes the colon into the name
    marks = Marks(tos=-1 if quoted_tos == flow.tos else quoted_tos, mtu=reply.integer(mtu, 0, MOST_MTU, 0), extensions=_extensions(reply))
    rtt_ns = reply.ns("rtt")
    if rtt_ns is None:
        raise reply.wrong("rtt", "a number of ms")
    return Answer(
        0,  # its attempt is told where the row is made
        responder,
        rtt_ns,
        kind,
        icmp_type,
        icmp_code,
        reply.integer("reply_ttl", 0, 255, 0),
        reply.integer("icmp_q_ttl", 0, 255, 0),
        UNMARKED if marks == UNMARKED else marks,
    )


def _extensions(reply: Fields) -> tuple[Extension, ...]:
    return tuple(_extension(each) for each in reply.children("icmpext"))


def _extension(each: Fields) -> Extension:
    if "mpls_labels" not in each:
        return OtherObject(each.integer("ie_cn", 0, 255), each.integer("ie_ct", 0, 255), b"")
    return MplsStack(
        tuple(
            label(
                e.integer("mpls_label", 0, 2**20 - 1), e.integer("mpls_exp", 0, 7), e.integer("mpls_s", 0, 1), e.integer("mpls_ttl", 0, 255)
            )
            for e in each.children("mpls_labels")
        )
    )
