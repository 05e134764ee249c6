"""Cleaning what a trace saw, and the loops that are left.

Rules:
1. The destination is at one place: where it answered as the destination. Before that its address may stand in a Time Exceeded (a router
   that hosts it, or translates to it); that is no hop of its own, and nothing lies beyond the destination.
2. A router that forwards a probe whose TTL is used up is seen as the next one, twice: the first time with a quoted TTL of 0, the second
   time with what is usual. Of the router itself nothing is known then (Augustin et al., "Avoiding traceroute anomalies with Paris
   traceroute", IMC 2006).
3. Who says that a probe is too long is no hop where it was sent to, but one before.
4. A router that calls the destination unreachable was not asked for itself: its answers to one trace may come for one ttl, to the next
   for another. It is the hop that was asked only right behind a hop that answered, and if it is none of the nearer ones.
5. Cleaning takes answers away and puts no silence in their place: silence would be evidence that a hop is quiet.
6. A loop is the same address at two ttls of a confirmed route at least two apart, both times alone: where several share a hop, branches
   of unequal length look alike. One trace alone may have seen a route that grew meanwhile.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Answer, Hop, Trace

LEAST_APART = 2
_EXCEEDED = ReplyKind.TIME_EXCEEDED
_NO_HOP = (ReplyKind.PACKET_TOO_BIG, ReplyKind.UNREACHABLE)  # who answers so may be none (rules 3 and 4)


class Loop(NamedTuple):
    """Who was met again, where first and where next."""

    responder: str
    first_ttl: int
    again_ttl: int


def clean(trace: Trace) -> tuple[Hop, ...]:
    """The hops of a trace without what is no hop of its own (rules 1 to 4); the trace's own tuple if it is clean."""
    end = trace.reached_ttl
    if end is None:
        end = next((hop.ttl for hop in trace.hops if trace.address in hop.responders), None)
    if not _suspicious(trace, end):
        return trace.hops
    rest: list[Hop] = []
    for place, hop in enumerate(trace.hops):
        if trace.reached_ttl is not None and hop.ttl > trace.reached_ttl:
            break
        beyond = trace.hops[place + 1] if place + 1 < len(trace.hops) else None
        address, ttl = trace.address, hop.ttl
        answers = tuple(
            [
                each
                for each in hop.answers
                if not (_elsewhere(each, ttl, end, address) or _zero_ttl(each, ttl, beyond) or _refused(each, ttl, address, rest))
            ]
        )
        rest.append(hop if len(answers) == len(hop.answers) else Hop(hop.ttl, answers))
    hops = tuple(rest)
    return trace.hops if hops == trace.hops else hops


def _suspicious(trace: Trace, end: int | None) -> bool:
    """Whether anything there might have to be cleaned; of nearly all traces nothing."""
    hops, address = trace.hops, trace.address
    if trace.reached_ttl is not None and hops and hops[-1].ttl > trace.reached_ttl:
        return True
    for ttl, answers in hops:
        for _, responder, _, kind, _, _, _, quoted_ttl, _ in answers:  # taken apart at once: this looks at every answer of every trace
            if kind in _NO_HOP or (kind is _EXCEEDED and not quoted_ttl) or (responder == address and ttl != end):
                return True
    return False


def circles(hops: Sequence[tuple[str, ...]], address: str) -> tuple[Loop, ...]:
    """The loops of a confirmed route to an address: its hops were seen by several traces already."""
    return tuple(sorted(_pairs([(ttl, hop[0]) for ttl, hop in enumerate(hops, start=1) if len(hop) == 1], address)))


def _pairs(alone: Sequence[tuple[int, str]], address: str) -> list[Loop]:
    """For each responder that comes again, its first ttl and the next one that is far enough; the destination's address makes none."""
    first: dict[str, int] = {}
    found: dict[str, Loop] = {}
    for ttl, who in alone:
        start = first.setdefault(who, ttl)
        if who != address and who not in found and ttl - start >= LEAST_APART:
            found[who] = Loop(who, start, ttl)
    return list(found.values())


def _elsewhere(answer: Answer, ttl: int, end: int | None, address: str) -> bool:
    """Rules 1 and 3."""
    return (answer.responder == address and ttl != end) or answer.kind is ReplyKind.PACKET_TOO_BIG


def _refused(answer: Answer, ttl: int, address: str, nearer: Sequence[Hop]) -> bool:
    """Rule 4."""
    if answer.kind is not ReplyKind.UNREACHABLE or answer.responder == address or not nearer:
        return False
    before = nearer[-1]
    return before.ttl != ttl - 1 or not before.responders or any(answer.responder in hop.responders for hop in nearer)


def _zero_ttl(answer: Answer, ttl: int, beyond: Hop | None) -> bool:
    if answer.kind is not ReplyKind.TIME_EXCEEDED or answer.quoted_ttl or beyond is None or beyond.ttl != ttl + 1:
        return False
    # A transport that cannot tell the quoted TTL gives 0 for all: only a usual one beside it makes 0 mean something.
    return any(each.responder == answer.responder and each.quoted_ttl for each in beyond.answers)
