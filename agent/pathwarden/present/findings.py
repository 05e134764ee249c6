"""What a trace tells beyond its hops: what the way did to the probes, the way back, the sizes it takes, how the target took it.

Rules:
1. A quote shows a probe as it came to the responder. So what is named is the first hop that saw the change; whoever made it stands
   there or before it, behind the last hop that saw nothing.
2. A change counts from the first hop that shows it if the next hop that tells shows it, too, or if none does. If that one shows the
   value of before, a single router is odd (`back_at`): it quotes wrongly, or answers by another way.
3. Time Exceeded from the target's own address is no arrival: whoever has that address passes probes on. That is a router that
   translates destinations (DNAT); the first such hop is named.
4. A hop without a quote (silent, or read without privilege) tells nothing, and neither does what no quote holds.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Answer, Ending, Hop, Trace
from pathwarden.present.hops import annotation, way_back

_Value = int | str | None
_Reader = Callable[[Answer, int, Trace], int | None]  # the ttl is the hop's

_STATES = {ReplyKind.OPEN: "open", ReplyKind.CLOSED: "closed", ReplyKind.UNREACHABLE: "unreachable"}


class Finding(NamedTuple):
    """One thing that a trace tells.

    `kind` is `nat`, `dscp`, `ecn`, `length`, `mss`, `hidden_mpls`, `way_back`, `dnat`, `mtu` or `destination`. `ttl` and `responder`
    are the hop that showed it first (None: nobody in particular), `before` and `after` the value up to there and from there on: for
    `nat` the difference of the checksums; for `hidden_mpls` the TTL that was left (1 is usual); for `way_back` how many hops longer
    than the way there; for `dnat` `after` is how far behind the target answered, None if it did not; for `mtu` bytes; for
    `destination` `after` is `open`, `closed`, `answered`, `unreachable` or `silent`, and `before` the mark of an unreachable (`!X`),
    else None. `back_at` is the ttl that shows the old value again, None if it stays changed.
    """

    kind: str
    ttl: int | None
    responder: str | None
    before: _Value
    after: _Value
    back_at: int | None = None

    @property
    def sentence(self) -> str:
        """The finding as one English sentence."""
        where = f"hop {self.ttl} ({self.responder})" if self.responder else f"hop {self.ttl}"
        text = _SENTENCES[self.kind](self, where)
        return f"{text}; hop {self.back_at} shows the old value again, so only this router is odd." if self.back_at else f"{text}."


def findings(trace: Trace) -> tuple[Finding, ...]:
    """All findings of a trace: changes by kind and ttl, then sizes, then the destination's outcome (none if no probe could leave)."""
    result = [found for kind, (read, sent) in _CHANGES.items() for found in _changes(kind, trace, read, sent(trace))]
    result.extend(_dnat(trace))
    result.extend(_mtu(trace))
    if trace.ending is not Ending.ERROR:
        result.append(_destination(trace))
    return tuple(result)


def as_json(found: Finding) -> dict[str, object]:
    """A finding as a JSON-ready dict; `text` is the sentence."""
    return {**found._asdict(), "text": found.sentence}


# -- what a quote says; None: nothing


def _quoted(answer: Answer) -> bool:
    return answer.quoted_ttl > 0


def _tos(answer: Answer, _ttl: int, trace: Trace) -> int | None:
    if not _quoted(answer):
        return None
    return trace.flow.tos if answer.marks.tos < 0 else answer.marks.tos


def _dscp(answer: Answer, ttl: int, trace: Trace) -> int | None:
    tos = _tos(answer, ttl, trace)
    return None if tos is None else tos >> 2


def _ecn(answer: Answer, ttl: int, trace: Trace) -> int | None:
    tos = _tos(answer, ttl, trace)
    return None if tos is None else tos & 3


def _length(answer: Answer, _ttl: int, trace: Trace) -> int | None:
    return (answer.marks.length or trace.flow.size) if _quoted(answer) else None


def _nat(answer: Answer, _ttl: int, _trace: Trace) -> int | None:
    return answer.marks.nat if _quoted(answer) else None


def _mss(answer: Answer, _ttl: int, _trace: Trace) -> int | None:
    return answer.marks.mss or None


def _left(answer: Answer, _ttl: int, _trace: Trace) -> int | None:
    return answer.quoted_ttl if _quoted(answer) and answer.kind is ReplyKind.TIME_EXCEEDED else None


def _longer_back(answer: Answer, ttl: int, _trace: Trace) -> int | None:
    return way_back(answer.reply_ttl) - ttl if answer.reply_ttl else None


_CHANGES: dict[str, tuple[_Reader, Callable[[Trace], int]]] = {
    "nat": (_nat, lambda _trace: 0),
    "dscp": (_dscp, lambda trace: trace.flow.tos >> 2),
    "ecn": (_ecn, lambda trace: trace.flow.tos & 3),
    "length": (_length, lambda trace: trace.flow.size),
    "mss": (_mss, lambda _trace: 0),
    "hidden_mpls": (_left, lambda _trace: 1),
    "way_back": (_longer_back, lambda _trace: 0),
}


def _changes(kind: str, trace: Trace, read: _Reader, before: int) -> Iterator[Finding]:
    """Where a value changes along the hops that tell it, beginning with what was sent."""
    told = [(hop.ttl, *seen) for hop in trace.hops if (seen := _told(hop, trace, read)) is not None]
    for place, (ttl, responder, value) in enumerate(told):
        if value == before:
            continue
        following = told[place + 1] if place + 1 < len(told) else None
        if following is not None and following[2] == before:
            yield Finding(kind, ttl, responder, before, value, following[0])
        else:
            # Inside a tunnel each hop has one more left, and behind it the usual one: its first hop stands for all.
            if kind != "hidden_mpls" or before == 1:
                yield Finding(kind, ttl, responder, before, value)
            before = value


def _told(hop: Hop, trace: Trace, read: _Reader) -> tuple[str, int] | None:
    for answer in hop.answers:
        if answer.responder is None:
            continue
        value = read(answer, hop.ttl, trace)
        if value is not None:
            return answer.responder, value
    return None


# -- what was said


def _dnat(trace: Trace) -> Iterator[Finding]:
    """Who has the target's address and passes probes on."""
    for hop in trace.hops:
        if any(answer.responder == trace.address and answer.kind is ReplyKind.TIME_EXCEEDED for answer in hop.answers):
            behind = None if trace.reached_ttl is None else trace.reached_ttl - hop.ttl
            yield Finding("dnat", hop.ttl, trace.address, None, behind)
            return


def _mtu(trace: Trace) -> Iterator[Finding]:
    """The smallest size that somebody said he can pass on, or that a search found."""
    said = [(answer.marks.mtu, hop.ttl, answer) for hop in trace.hops for answer in hop.answers if answer.marks.mtu]
    if said:
        mtu, ttl, answer = min(said, key=lambda each: each[0])
        who = answer.responder if answer.kind is ReplyKind.PACKET_TOO_BIG else None
        yield Finding("mtu", ttl, who, trace.flow.size, mtu)


def _destination(trace: Trace) -> Finding:
    af = trace.flow.af
    if trace.reached_ttl is not None:
        final = next((a for hop in trace.hops if hop.ttl == trace.reached_ttl for a in hop.answers if a.kind is not None), None)
        if final is not None and final.kind is not None:
            state = _STATES.get(final.kind, "answered")
            mark = annotation(af, final.icmp_type, final.icmp_code) if state == "unreachable" else None
            return Finding("destination", trace.reached_ttl, final.responder, mark, state)
    if trace.ending is Ending.UNREACHABLE and trace.hops:
        last = trace.hops[-1]
        for answer in last.answers:
            if answer.kind not in (None, ReplyKind.TIME_EXCEEDED):
                mark = annotation(af, answer.icmp_type, answer.icmp_code, answer.marks.mtu)
                return Finding("destination", last.ttl, answer.responder, mark, "unreachable")
    return Finding("destination", None, None, None, "silent")


# -- in words


def _in_words(found: Finding, where: str) -> str:
    if found.after == "silent":
        return "The target did not answer"
    if found.after == "unreachable":
        return f"{where[0].upper()}{where[1:]} says that the target cannot be reached ({found.before or 'port unreachable'})"
    words = {"open": "takes connections on this port", "closed": "refuses connections on this port", "answered": "answered"}
    return f"The target, {where}, {words[str(found.after)]}"


def _way_back_in_words(found: Finding, where: str) -> str:
    hops = int(found.after or 0)
    if not hops:
        return f"From {where} the way back is as long as the way there"
    count = "1 hop" if abs(hops) == 1 else f"{abs(hops)} hops"
    return f"From {where} the way back is {count} {'longer' if hops > 0 else 'shorter'} than the way there"


def _dnat_in_words(found: Finding, where: str) -> str:
    text = f"{where[0].upper()}{where[1:]} has the target's own address and passes probes on: it translates destinations"
    if not isinstance(found.after, int):
        return f"{text}, and nothing behind it answered"
    return f"{text}, and the target is {'1 hop' if found.after == 1 else f'{found.after} hops'} behind it"


def _mtu_in_words(found: Finding, where: str) -> str:
    return f"The path takes at most {found.after} bytes" + (f", says {where}" if found.responder else f" from hop {found.ttl} on")


_SENTENCES: dict[str, Callable[[Finding, str], str]] = {
    "nat": lambda found, where: (
        f"The probe's addresses or ports are translated before {where}"
        if found.after
        else f"Up to {where} a translation of the probe's addresses or ports is undone"
    ),
    "dscp": lambda found, where: f"DSCP is changed from {found.before} to {found.after} before {where}",
    "ecn": lambda found, where: f"ECN is changed from {found.before} to {found.after} before {where}",
    "length": lambda found, where: f"The probe's length is changed from {found.before} to {found.after} bytes before {where}",
    "mss": lambda found, where: f"The TCP segment size is clamped to {found.after} bytes before {where}",
    "hidden_mpls": lambda found, where: (
        f"The probe came to {where} with a TTL of {found.after} left, so a hidden MPLS tunnel probably leads there"
    ),
    "way_back": _way_back_in_words,
    "dnat": _dnat_in_words,
    "mtu": _mtu_in_words,
    "destination": _in_words,
}
