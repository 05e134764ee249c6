"""RIPE Atlas traceroute results (https://atlas.ripe.net/docs/apis/measurement-result-format/), firmware 4400 to 5080.

Facts that shape the reading:
1. A result names no ICMP type: `err` says what kind of unreachable it was, and without it the place in the trace tells. The probe
   stops at the first hop that ends it, so the destination's address in the last hop is an arrival, before it Time Exceeded.
2. `paris_id` picks one of the flows among which a measurement rotates; 0 is the classic traceroute, each probe a flow of its own. It
   stands as the source port of our flow, since results name no ports.
3. After a gap of silent hops a last probe has ttl 255 and asks the destination itself. Unanswered it is no hop.
4. `late` replies belong to an earlier probe and `dup` ones were counted already: neither is an answer of its hop.
5. Results of firmware below 4460 have other names for the same members.
6. Results that we wrote say in `pathwarden` what the form has no words for: how the trace ended (export.facts), and with an answer its
   kind where the place would tell another.
"""

from collections.abc import Mapping
from typing import Any

from pathwarden.engine.distance import pull_back
from pathwarden.export import facts
from pathwarden.export.origin import ATLAS, MOST_ID, Origin
from pathwarden.export.reading.answers import (
    ECHO_REPLY,
    ICMP_TYPES,
    MOST_ANSWERS,
    MOST_MTU,
    NO_ICMP,
    PORT,
    PROTOCOL,
    TIME_EXCEEDED,
    UNREACHABLE,
    arrival,
    datagram_size,
    ending,
    icmp_kind,
    label,
    tcp_kind,
)
from pathwarden.export.reading.fields import LAST_NS, Fields
from pathwarden.export.reading.recorded import Ignored, Recorded, Stream, Unreadable
from pathwarden.model.probe import Extension, Flow, Method, MplsStack, OtherObject, ReplyKind
from pathwarden.model.trace import UNMARKED, Answer, Ending, Hop, KernelRoute, Marks, Reason, Trace

LAST_TTL = 255  # of the probe after a gap
CLOCK_TRUSTED_S = 86_400  # a crystal strays a second or two a day, and results count whole seconds
_SECOND = 1_000_000_000
METHODS = {"UDP": Method.UDP, "ICMP": Method.ICMP, "TCP": Method.TCP}
_OLD_NAMES = {"addr": "dst_addr", "name": "dst_name", "paris-id": "paris_id", "pf": "af", "srcaddr": "src_addr", "mode": "proto"}
# `err` as (type, code) by family; a number is the code of a destination unreachable.
ERRORS: dict[int, dict[object, tuple[int, int]]] = {
    4: {"N": (3, 0), "H": (3, 1), "P": (3, 2), "p": (3, 3), "A": (3, 13)},
    6: {"N": (1, 0), "A": (1, 1), "h": (1, 2), "H": (1, 3), "p": (1, 4), "P": (4, 1)},
}
_TOO_BIG = {4: (3, 4), 6: (2, 0)}
_FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}
_ITS = {"traceroute", None}
Kind = tuple[ReplyKind, int, int]  # with the type and code of ICMP, 0 and 0 where it is none


def is_mine(values: Mapping[str, Any]) -> bool:
    """Whether an item is a result of RIPE Atlas."""
    return "fw" in values and ("prb_id" in values or "msm_id" in values)


def read(values: Mapping[str, Any]) -> Recorded | Ignored:
    """One result. Raises `Unreadable`; results of other measurements are `Ignored`."""
    kind = values.get("type")
    if kind not in _ITS if isinstance(kind, str | None) else True:
        return Ignored(kind if isinstance(kind, str) else "other")
    head = Fields({**{new: values[old] for old, new in _OLD_NAMES.items() if old in values}, **values})
    if isinstance(values.get("result"), str):
        raise Unreadable("it is of firmware 1, whose results are the text of traceroute")
    return _Result(head).recorded()


class _Result:
    """A result while it is read."""

    def __init__(self, head: Fields) -> None:
        self.head = head
        self.facts = facts.read(head)
        self.af = head.integer("af", 4, 6)
        if self.af not in UNREACHABLE:
            raise head.wrong("af", "4 or 6")
        self.method = self._method()
        self.address = head.address("dst_addr", self.af, "")
        self.late = self.duplicates = self.probes = 0
        self.error = ""

    def recorded(self) -> Recorded:
        """The trace in its stream."""
        head = self.head
        paris = head.integer("paris_id", 0, 65535, 0)
        name = head.text("dst_name", "") or self.address
        if not name:
            raise head.wrong("dst_name", "a name or an address")
        measurement, probe = head.integer("msm_id", 0, MOST_ID, 0), head.integer("prb_id", 0, MOST_ID)
        stream = Stream(f"probe-{probe}", f"measurement {measurement}, IPv{self.af} {self.method.upper()}", name, str(paris))
        return Recorded(stream, self._trace(name, paris), Origin(name, measurement, probe, stream.vantage, form=ATLAS))

    def _method(self) -> Method:
        if self.facts:
            return self.facts.method
        name = self.head.text("proto").upper().rstrip("46")  # firmware 4400 wrote UDP4 and UDP6
        if name not in METHODS:
            raise self.head.wrong("proto", "UDP, ICMP or TCP")
        return METHODS[name]

    def _trace(self, name: str, paris: int) -> Trace:
        head = self.head
        at = head.integer("timestamp", 0, LAST_NS // _SECOND) * _SECOND
        source = head.address("src_addr", self.af, "")
        size = datagram_size(self.af, self.method, head.integer("size", 0, 65535, 0))
        hops = self._hops()
        known = self.facts or self._guess(hops, name)
        if not self.facts and known.reached_ttl is not None:
            hops, reached = pull_back(hops, known.reached_ttl)
            known = known._replace(reached_ttl=reached)
        facts.check_reached(head, known, hops)
        if not self.address and known.ending is not Ending.ERROR:
            raise head.wrong("dst_addr", "the address that was probed")
        return Trace(
            target=name,
            address=self.address,
            flow=Flow(self.af, self.method, source, self.address, paris, 0, head.integer("tos", 0, 255, 0), 0, size),
            source="",
            kernel_route=self._line(source),
            transport="atlas",
            reason=Reason.SCHEDULE,
            at=at,
            mono_ns=at,
            duration_ns=max(head.integer("endtime", 0, LAST_NS // _SECOND, at // _SECOND) * _SECOND - at, 0),
            clock_synced=known.clock_synced,
            ending=known.ending,
            error=known.error,
            reached_ttl=known.reached_ttl,
            hops=hops if self.facts or known.ending is not Ending.ERROR else (),
            probes=known.probes,
            late=known.late,
            duplicates=known.duplicates,
        )

    def _guess(self, hops: tuple[Hop, ...], name: str) -> facts.Facts:
        """How a trace ended of which nobody says so."""
        reached = arrival(hops, self.address) if self.address else None
        error = self.error if self.address else f"unknown_host: {name}"
        failed = bool(error) and not any(hop.responders for hop in hops)
        ended = Ending.ERROR if failed else ending(hops, reached, Ending.GAP)
        synced = 0 <= self.head.integer("lts", -1, LAST_NS, 0) <= CLOCK_TRUSTED_S
        return facts.Facts(self.method, ended, error if failed else "", reached, self.probes, self.late, self.duplicates, synced)

    def _line(self, source: str) -> KernelRoute | None:
        """The probe's line: another public address is another epoch, as it is for us."""
        public = self.head.address("from", self.head.family("from")) if self.head.raw("from") else source
        return KernelRoute("", public, "", 0) if public else None

    def _hops(self) -> tuple[Hop, ...]:
        rows: dict[int, list[Fields]] = {}
        for hop in self.head.children("result"):
            if "error" in hop:
                self.error = f"send_failed: {hop.text('error')}"
                continue
            rows.setdefault(hop.integer("hop", 1, LAST_TTL), []).extend(hop.children("result"))
        last = self.facts.reached_ttl if self.facts else max(rows, default=0)
        hops = [Hop(ttl, tuple(self._answers(replies, ttl == last))) for ttl, replies in sorted(rows.items())]
        if not self.facts and hops and hops[-1].ttl == LAST_TTL and not hops[-1].responders:
            hops.pop()
        return tuple(hop for hop in hops if hop.answers)

    def _answers(self, replies: list[Fields], final: bool) -> list[Answer]:
        answers: list[Answer] = []
        for reply in replies:
            if "late" in reply:
                self.late += 1
            elif "dup" in reply:
                self.duplicates += 1
            elif "from" in reply and "rtt" in reply:
                answers.append(self._answer(reply, len(answers), final))
            elif "from" in reply:  # without an RTT it came too late to have one
                self.late += 1
            elif "x" in reply:
                answers.append(Answer(len(answers)))
            elif "error" in reply:
                self.error = f"send_failed: {reply.text('error')}"
        self.probes += len(answers)
        if self.probes > MOST_ANSWERS:
            raise Unreadable(f"it has more than {MOST_ANSWERS} answers")
        return answers

    def _answer(self, reply: Fields, query: int, final: bool) -> Answer:
        responder = reply.address("from", self.af)
        arrived = final and responder == self.address
        kind, icmp_type, icmp_code = _stated(reply, self.af) or kind_of(reply, self.af, self.method, arrived=arrived)
        tos = reply.integer("itos", 0, 255, -1)
        marks = Marks(
            tos=-1 if tos == self.head.integer("tos", 0, 255, 0) else tos,
            mtu=reply.integer("mtu", 0, MOST_MTU, 0),
            extensions=_extensions(reply),
        )
        return Answer(
            query,
            responder,
            reply.ns("rtt"),
            kind,
            icmp_type,
            icmp_code,
            reply.integer("ttl", 0, 255, 0),
            reply.integer("ittl", 0, 255, 1) if quotes(kind) else 0,
            UNMARKED if marks == UNMARKED else marks,
        )


def quotes(kind: ReplyKind) -> bool:
    """Whether an answer of this kind quotes the probe."""
    return kind is not ReplyKind.ECHO_REPLY and kind not in NO_ICMP


def kind_of(reply: Fields, af: int, method: Method, *, arrived: bool) -> Kind:
    """What an answer says in the words of the form; `arrived`: it is the destination's, in the last hop. Raises `Unreadable`."""
    error = reply.raw("err")
    if "flags" in reply:
        return tcp_kind(sum(_FLAGS.get(letter, 0) for letter in set(reply.text("flags")))), 0, 0
    if error is not None:
        of = (UNREACHABLE[af], reply.integer("err", 0, 255)) if isinstance(error, int | float) else ERRORS[af].get(_key(error))
        if of is None:
            raise reply.wrong("err", f"a code or one of {' '.join(map(str, ERRORS[af]))}")
        return icmp_kind(af, *of), *of
    if "mtu" in reply:
        return ReplyKind.PACKET_TOO_BIG, *_TOO_BIG[af]
    return _ARRIVALS[method](af) if arrived else (ReplyKind.TIME_EXCEEDED, TIME_EXCEEDED[af], 0)


def _port(af: int) -> Kind:
    return ReplyKind.PORT_UNREACHABLE, UNREACHABLE[af], PORT[af]


def _echo(af: int) -> Kind:
    return ReplyKind.ECHO_REPLY, ECHO_REPLY[af], 0


def _protocol(af: int) -> Kind:
    return icmp_kind(af, *PROTOCOL[af]), *PROTOCOL[af]


def _answer(_af: int) -> Kind:
    return ReplyKind.ANSWER, 0, 0


# How a destination takes a probe as it should; for UDP the probe of RIPE Atlas leaves `err` out, too.
_ARRIVALS = {
    Method.UDP: _port,
    Method.UDPLITE: _port,
    Method.DCCP: _port,
    Method.ICMP: _echo,
    Method.RAW: _protocol,
    Method.TCP: _answer,
    Method.TCP_CONNECT: _answer,
}


def _stated(reply: Fields, af: int) -> Kind | None:
    """What we said of an answer (fact 6)."""
    if facts.MEMBER not in reply:
        return None
    said = reply.child(facts.MEMBER)
    kind, icmp_type, icmp_code = said.one_of("kind", ReplyKind), said.integer("icmp_type", 0, 255), said.integer("icmp_code", 0, 255)
    if kind in NO_ICMP:
        return kind, 0, 0
    if icmp_type not in ICMP_TYPES[af] or icmp_kind(af, icmp_type, icmp_code) is not kind:
        raise said.wrong("icmp_type", f"one of {kind}")
    return kind, icmp_type, icmp_code


def _key(error: object) -> object:
    return error if isinstance(error, str) else None


def _extensions(reply: Fields) -> tuple[Extension, ...]:
    """The ICMP extension objects (RFC 4884); of any but MPLS the result keeps class and type alone."""
    if "icmpext" not in reply:
        return ()
    return tuple(_extension(each) for each in reply.child("icmpext").children("obj"))


def _extension(each: Fields) -> Extension:
    if "mpls" not in each:
        return OtherObject(each.integer("class", 0, 255), each.integer("type", 0, 255), b"")
    entries = each.children("mpls")
    return MplsStack(
        tuple(
            label(e.integer("label", 0, 2**20 - 1), e.integer("exp", 0, 7), e.integer("s", 0, 1), e.integer("ttl", 0, 255)) for e in entries
        )
    )
