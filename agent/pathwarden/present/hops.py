"""Honest hop statistics: what a trace tells about each hop, and what it does not.

A router may answer seldom or late and still forward everything in time. So a hop's loss and latency count only as far as the hops
behind it show them too: what does not persist to the end is the router's own habit, not the network's fault.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from pathwarden.detect.loss import LEAST, Count, Habit, from_here, habits, shown
from pathwarden.model.network import Whose, nobody
from pathwarden.model.probe import MplsLabel
from pathwarden.model.trace import Hop, Trace

# ICMP destination unreachable as traceroute(8) marks it; a port unreachable is an arrival and has no mark.
_UNREACHABLE4 = {
    0: "!N",
    1: "!H",
    2: "!P",
    3: "",
    4: "!F",
    5: "!S",
    6: "!N",
    7: "!H",
    8: "!N",
    9: "!X",
    10: "!X",
    11: "!N",
    12: "!H",
    13: "!X",
    14: "!V",
    15: "!C",
}
_UNREACHABLE6 = {0: "!N", 1: "!X", 2: "!H", 3: "!H", 4: ""}
# Address family -> (type of destination unreachable, its marks, marks of other types by (type, code)).
# (0, 0) is IPv4's echo reply, and an answer that is no ICMP.
_MARKS = {
    4: (3, _UNREACHABLE4, {(11, 0): "", (0, 0): ""}),
    6: (1, _UNREACHABLE6, {(3, 0): "", (129, 0): "", (0, 0): "", (2, 0): "!F", (4, 1): "!P"}),
}


NETWORK = ("asn", "as_name", "country", "city", "ixp")
_INITIAL_TTLS = (64, 128, 255)
_NOTHING_BEFORE: Mapping[int, Count] = MappingProxyType({})


class Destination(NamedTuple):
    """What a trace says about the target itself.

    `hop_count` is the ttl of the destination, or of the last hop that answered. RTTs in ms, None if the destination did not answer;
    `loss_pct` is 100 then, and None if no probe could leave.
    """

    hop_count: int
    rtt_ms: float | None
    rtt_min_ms: float | None
    rtt_max_ms: float | None
    loss_pct: float | None


def annotation(af: int, icmp_type: int, icmp_code: int, mtu: int = 0) -> str:
    """The mark of an answer as in traceroute(8): `!N !H !P !S !X !V !C`, `!F-<mtu>`, `!<code>`, `!<type-code>`, or ''.

    `af` is 4 or 6, codes from RFC 792, 1122, 1812 and 4443; `mtu` is what a packet-too-big said, 0 if nothing.
    """
    unreachable, codes, others = _MARKS[af]
    if icmp_type == unreachable:
        mark = codes.get(icmp_code, f"!<{icmp_code}>")
    else:
        mark = others.get((icmp_type, icmp_code), f"!<{icmp_type}-{icmp_code}>")
    return f"!F-{mtu}" if mark == "!F" else mark


def way_back(reply_ttl: int) -> int:
    """How many hops a reply took, guessed from what is left of its initial TTL of 64, 128 or 255 (as tracepath(8) and traceroute(8) do)."""
    return next(initial for initial in _INITIAL_TTLS if reply_ttl <= initial) + 1 - reply_ttl


def destination(trace: Trace) -> Destination:
    """The target's own figures."""
    rtts = trace.destination_rtts_ns
    if trace.reached_ttl is None:
        return Destination(len(trace.path.hops), None, None, None, 100.0 if trace.probes else None)
    sent = next((len(hop.answers) for hop in trace.hops if hop.ttl == trace.reached_ttl), 0)
    loss = _percent(1 - len(rtts) / sent) if sent else None
    return Destination(trace.reached_ttl, median_ms(rtts), _ms(min(rtts, default=None)), _ms(max(rtts, default=None)), loss)


def rows(trace: Trace, usual: Mapping[int, Count] = _NOTHING_BEFORE, whose: Whose = nobody) -> list[dict[str, object]]:
    """One row per hop, as the `path` topic and the API show it.

    `usual` counts, by ttl, what this and earlier traces of the same route got: one trace is too short to tell a router's habit.
    `loss_pct` is the smallest loss from this hop to the last, `adds_ms` the latency that this hop adds and all deeper ones keep
    (None if it never answered; what silent hops add counts for the next that answers). `note` is `quiet` for a hop that does not
    answer while a deeper one does, `rate_limited` for one that answers less than a deeper one beyond chance, else ''. `mpls` is the
    first label stack seen, as [label, traffic class, bottom, ttl]. `asn`, `as_name`, `country`, `city` and `ixp` are `network`'s.
    """
    counts = [Count(len(hop.answers), len(hop.answers) - len(hop.rtts_ns)) for hop in trace.hops]
    losses = shown(counts)
    medians = [median_ns(hop.rtts_ns) for hop in trace.hops]
    result = []
    reached_ns = 0.0
    figures = zip(trace.hops, counts, losses, medians, from_here(medians), _notes(trace.hops, counts, usual), strict=True)
    for hop, count, loss, median, lowest, note in figures:
        adds_ns = None
        if median is not None and lowest is not None:
            adds_ns, reached_ns = lowest - reached_ns, lowest
        result.append(
            {
                "ttl": hop.ttl,
                "responders": list(hop.responders),
                "silent": median is None,
                "rtt_ms": _ms(median),
                "rtt_min_ms": _ms(min(hop.rtts_ns, default=None)),
                "rtt_max_ms": _ms(max(hop.rtts_ns, default=None)),
                "sent": count.sent,
                "lost": count.lost,
                "loss_pct": None if loss is None else _percent(loss),
                "adds_ms": _ms(adds_ns),
                "note": note.value,
                "mpls": labels(next((answer.mpls for answer in hop.answers if answer.mpls), ())),
                **network(hop.responders, whose),
            }
        )
    return result


def network(responders: Sequence[str], whose: Whose) -> dict[str, object]:
    """Whose a hop is and where, None where nobody knows or its responders are not of one mind."""
    found = [whose(responder) for responder in responders]
    told = {key: {value for each in found if (value := getattr(each, key))} for key in NETWORK}
    return {key: values.pop() if len(values) == 1 else None for key, values in told.items()}


def labels(mpls: Sequence[MplsLabel]) -> list[list[int | bool]]:
    """An MPLS label stack as lists of [label, traffic class, bottom, ttl]."""
    return [[entry.label, entry.traffic_class, entry.bottom, entry.ttl] for entry in mpls]


def median_ms(rtts_ns: Sequence[int]) -> float | None:
    """The median in ms, 3 decimals; None without samples."""
    return _ms(median_ns(rtts_ns))


def median_ns(rtts_ns: Sequence[int]) -> float | None:
    """The median; None without samples. Ours, since the standard library's brings decimals, fractions and randomness along."""
    if not rtts_ns:
        return None
    ordered = sorted(rtts_ns)
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _notes(hops: Sequence[Hop], counts: Sequence[Count], usual: Mapping[int, Count]) -> list[Habit]:
    """The habit of each hop: of many probes where there were many, else of this trace alone."""
    many = [usual[hop.ttl] if usual.get(hop.ttl, Count()).sent >= LEAST else count for hop, count in zip(hops, counts, strict=True)]
    # Quiet is not said of a hop that answers in this very trace.
    return [
        Habit.NONE if habit is Habit.QUIET and count.lost < count.sent else habit for habit, count in zip(habits(many), counts, strict=True)
    ]


def _ms(duration_ns: float | None) -> float | None:
    return None if duration_ns is None else round(duration_ns / 1e6, 3)


def _percent(ratio: float) -> float:
    return round(ratio * 100, 1)
