"""Traces of every kind that a history can hold: one of each by hand, and a strategy that makes all others."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from equipment.fakes import NOW, SECOND
from pathwarden.export.reading.answers import ICMP_TYPES, icmp_kind
from pathwarden.model.probe import Extra, Flow, InterfaceInfo, Method, MplsLabel, MplsStack, OtherObject, ReplyKind
from pathwarden.model.trace import UNMARKED, Answer, Ending, Hop, KernelRoute, Marks, Reason, Trace

TICK_NS = 10_000
HERE = {4: "192.0.2.1", 6: "2001:db8::1"}
SITE = {4: "192.0.2.9", 6: "2001:db8::9"}
ROUTERS = {
    4: ("10.0.0.1", "198.51.100.6", "203.0.113.77", SITE[4]),
    6: ("2001:db8:1::1", "2001:db8:2::ffff", "2001:db8:3::1:2", SITE[6]),
}
LABELS = MplsStack((MplsLabel(24015, 0, False, 1), MplsLabel(16, 3, True, 255)))
EXTENSIONS = (
    LABELS,
    InterfaceInfo("INC", 7, "192.0.2.77", "ge-0/0/1", 1500),
    InterfaceInfo("NXT", mtu=9000),
    OtherObject(250, 9, b"\x01\x02\x03\x04"),
    MplsStack(()),
)
# How the destination takes a proper probe, by method: (kind, type, code) on IPv4 and on IPv6.
PROPER = {
    Method.UDP: ((ReplyKind.PORT_UNREACHABLE, 3, 3), (ReplyKind.PORT_UNREACHABLE, 1, 4)),
    Method.ICMP: ((ReplyKind.ECHO_REPLY, 0, 0), (ReplyKind.ECHO_REPLY, 129, 0)),
    Method.TCP: ((ReplyKind.OPEN, 0, 0), (ReplyKind.OPEN, 0, 0)),
    Method.TCP_CONNECT: ((ReplyKind.CLOSED, 0, 0), (ReplyKind.CLOSED, 0, 0)),
    Method.UDPLITE: ((ReplyKind.UNREACHABLE, 3, 2), (ReplyKind.PARAMETER_PROBLEM, 4, 1)),
    Method.DCCP: ((ReplyKind.CLOSED, 0, 0), (ReplyKind.PORT_UNREACHABLE, 1, 4)),
    Method.RAW: ((ReplyKind.UNREACHABLE, 3, 2), (ReplyKind.PARAMETER_PROBLEM, 4, 1)),
}
_EXCEEDED = {4: (ReplyKind.TIME_EXCEEDED, 11, 0), 6: (ReplyKind.TIME_EXCEEDED, 3, 0)}


def flow_of(method: Method, af: int, **changes: object) -> Flow:
    """A flow of a method."""
    port = {Method.ICMP: 0x1234, Method.RAW: 0}.get(method, 33434)
    plain = Flow(af, method, HERE[af], SITE[af], 0 if method is Method.RAW else 61000, port, 0, 0 if af == 4 else 5, 60 if af == 4 else 80)
    return plain._replace(**changes)  # type: ignore[arg-type] - whatever a test wants


def answer(query: int, responder: str, rtt_ms: float, what: tuple[ReplyKind, int, int], marks: Marks = UNMARKED, left: int = 1) -> Answer:
    """An answer with an RTT that the history keeps as it is."""
    return Answer(query, responder, round(rtt_ms * 100) * TICK_NS, *what, 61, left if what[0] is not ReplyKind.OPEN else 0, marks)


def trace(method: Method = Method.UDP, af: int = 4, *hops: Hop, number: int = 0, **changes: object) -> Trace:
    """A trace of these hops; without any it finds its destination behind a silent hop."""
    router, second, *_ = ROUTERS[af]
    proper = PROPER[method][af == 6]
    if not hops:
        hops = (
            Hop(1, (answer(0, router, 0.54, _EXCEEDED[af]), answer(1, router, 0.61, _EXCEEDED[af]), Answer(2))),
            Hop(2, (Answer(0), Answer(1), Answer(2))),
            Hop(3, tuple(answer(query, second, 4.2, _EXCEEDED[af], Marks(extensions=(LABELS,))) for query in range(3))),
            Hop(4, (answer(0, SITE[af], 9.9, proper), Answer(1), answer(2, SITE[af], 10.12, proper))),
        )
    fields: dict[str, object] = {
        "target": "site",
        "address": SITE[af],
        "flow": flow_of(method, af),
        "source": "",
        "kernel_route": KernelRoute("wan", HERE[af], "192.0.2.254", 254),
        "transport": "raw",
        "reason": Reason.SCHEDULE,
        "at": NOW + number * 300 * SECOND,
        "mono_ns": 10**12 + number * 300 * SECOND,
        "duration_ns": 2_345_678_901,
        "clock_synced": True,
        "ending": Ending.REACHED,
        "error": "",
        "reached_ttl": hops[-1].ttl,
        "hops": hops,
        "probes": sum(len(hop.answers) for hop in hops),
        "late": 0,
        "duplicates": 0,
    }
    return Trace(**fields | changes)  # type: ignore[arg-type] - whatever a test wants


def by_hand() -> Iterator[tuple[str, Trace]]:
    """One trace of each kind, with its name; they are five minutes apart."""
    numbers = iter(range(1000))
    for method in Method:
        for af in (4, 6):
            yield f"{method.value} over IPv{af}", trace(method, af, number=next(numbers))
    for name, changes in _changed().items():
        yield name, replace(trace(number=next(numbers)), **changes)  # type: ignore[arg-type]
    lost = (Hop(1, (answer(0, "10.0.0.1", 0.5, _EXCEEDED[4]),)), Hop(2, (Answer(0),)), Hop(3, (Answer(0),)))
    ended = {"reached_ttl": None, "late": 3, "duplicates": 2, "probes": 9}
    yield "silent to the end", trace(Method.UDP, 4, *lost, number=next(numbers), ending=Ending.GAP, **ended)
    yield "only routers", trace(Method.UDP, 4, lost[0], number=next(numbers), ending=Ending.MAX_TTL, reached_ttl=None)
    for af in (4, 6):
        for icmp_type in ICMP_TYPES[af]:
            for code in (0, 1, 2, 3, 4, 9, 13):
                kind = icmp_kind(af, icmp_type, code)
                if kind in (ReplyKind.ECHO_REPLY, ReplyKind.TIME_EXCEEDED):
                    continue
                marks = Marks(mtu=1400) if kind is ReplyKind.PACKET_TOO_BIG else UNMARKED
                refused = Hop(2, (answer(0, ROUTERS[af][1], 3.0, (kind, icmp_type, code), marks),))
                first = Hop(1, (answer(0, ROUTERS[af][0], 0.5, _EXCEEDED[af]),))
                said = trace(Method.UDP, af, first, refused, number=next(numbers), ending=Ending.UNREACHABLE, reached_ttl=None)
                yield f"{icmp_type}/{code} of a router over IPv{af}", said


def _changed() -> dict[str, dict[str, object]]:
    usual = trace()
    extended = Hop(3, (answer(0, "198.51.100.6", 4.2, _EXCEEDED[4], Marks(tos=8, nat=77, mss=1400, extensions=EXTENSIONS)),))
    own = Hop(4, (answer(0, SITE[4], 9.0, _EXCEEDED[4]),))
    prohibited = Hop(4, (answer(0, SITE[4], 9.0, (ReplyKind.UNREACHABLE, 3, 13)),))
    answered = Hop(4, (answer(0, SITE[4], 9.0, (ReplyKind.ANSWER, 0, 0), left=0),))
    nobody = {"ending": Ending.ERROR, "reached_ttl": None, "hops": (), "probes": 0}
    return {
        "extensions and marks": {"hops": (*usual.hops[:2], extended, usual.hops[3])},
        "the target passes probes on": {"hops": (*usual.hops[:3], own), "reached_ttl": None, "ending": Ending.MAX_TTL},
        "the target prohibits": {"hops": (*usual.hops[:3], prohibited)},
        "a program answers": {"hops": (*usual.hops[:3], answered)},
        "faster than 0.01 ms": {"hops": (Hop(1, (answer(0, SITE[4], 0.0, PROPER[Method.UDP][0]),)),), "reached_ttl": 1},
        "a ttl left out": {"hops": (usual.hops[0], usual.hops[2], usual.hops[3])},
        "more ttl left than one": {"hops": (*usual.hops[:3], Hop(4, (answer(0, SITE[4], 9.9, PROPER[Method.UDP][0], left=3),)))},
        "late and duplicate": {"late": 4, "duplicates": 1},
        "an unknown clock": {"clock_synced": False},
        "an option": {
            "flow": flow_of(Method.TCP, 4, tos=184, extra=Extra(tcp_options=b"\2\4\5\xb4")),
            "hops": trace(Method.TCP).hops,
        },
        "no way": {**nobody, "error": "no_route"},
        "refused by the kernel": {**nobody, "error": "send_failed: Operation not permitted"},
        "no name": {**nobody, "error": "unknown_host", "address": "", "kernel_route": None, "flow": flow_of(Method.UDP, 4, src="", dst="")},
        "no device, no name": {**nobody, "error": "device_absent: wwan0", "address": "", "flow": flow_of(Method.UDP, 4, src="", dst="")},
        "an error on the way": {"ending": Ending.ERROR, "error": "device_down", "reached_ttl": None, "hops": usual.hops[:2]},
    }


def traces() -> st.SearchStrategy[Trace]:
    """Any trace that a history can hold, RTTs in its steps: a number stands for each, since drawing every part takes too long."""
    return st.integers(0, 2**32).map(lambda number: any_trace(Random(number)))


def any_trace(random: Random) -> Trace:
    """A trace drawn at random."""
    af, method = random.choice((4, 6)), random.choice(tuple(Method))
    ttls = sorted(random.sample(range(1, 65), random.randint(0, 6)))
    hops = tuple(Hop(ttl, tuple(_any_answer(random, af, query) for query in range(random.randint(1, 3)))) for ttl in ttls)
    arrivals = [hop.ttl for hop in hops if SITE[af] in hop.responders]
    reached = random.choice(arrivals) if arrivals and random.random() < 0.7 else None
    ending = Ending.REACHED if reached else random.choice([each for each in Ending if each is not Ending.REACHED])
    return trace(
        method,
        af,
        flow=flow_of(method, af, sport=random.randrange(65536), dport=random.randrange(65536), tos=random.randrange(256)),
        kernel_route=random.choice((None, KernelRoute("wan", HERE[af], "", 254), KernelRoute("", "", "", 0))),
        at=random.randrange(2**62),
        duration_ns=random.randrange(10**12),
        clock_synced=random.random() < 0.5,
        ending=ending,
        error=random.choice(("no_route", "send_failed", "send_failed: x: y", "odd")) if ending is Ending.ERROR else "",
        reached_ttl=reached,
        hops=hops,
        **{name: random.randrange(99) for name in ("probes", "late", "duplicates")},
    )


def _any_answer(random: Random, af: int, query: int) -> Answer:
    if random.random() < 0.25:
        return Answer(query)
    if random.random() < 0.2:
        what = random.choice([(kind, 0, 0) for kind in (ReplyKind.OPEN, ReplyKind.CLOSED, ReplyKind.ANSWER)])
    else:
        icmp = random.choice(ICMP_TYPES[af]), random.choice((random.randrange(256), random.randrange(16)))
        what = icmp_kind(af, *icmp), *icmp
    marks = Marks(
        tos=random.randrange(-1, 256),
        mtu=random.choice((0, 1492, 2**32 - 1)),
        nat=random.randrange(65536),
        extensions=tuple(random.sample(EXTENSIONS, random.randrange(3))),
    )
    rtt_ns = random.choice((0, random.randrange(10**6))) * TICK_NS
    left, reply_ttl = random.randrange(256), random.randrange(256)
    return Answer(query, random.choice(ROUTERS[af]), rtt_ns, *what, reply_ttl, left, random.choice((UNMARKED, marks)))
