"""The tools that people watch paths with today, in the same world over the same transport with the same budget.

None is held back: each traces as its documentation says, target after target, as often as its budget lets it, and is told to have
noticed a change in the moment its trace ends.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bench.detect.budget import Metered
from bench.detect.score import Alarm
from bench.detect.tracing import GAP_LIMIT, MAX_TTL, Prober, Seen
from bench.detect.world import World
from pathwarden.model.probe import Flow, Method

CLASSIC_QUERIES = 3  # traceroute's default
MTR_CYCLES = 10  # mtr --report's default
SILENT = "*"


class Paris(NamedTuple):
    """A path as one flow saw it: a responder or None by ttl, up to the destination if it was reached."""

    hops: tuple[str | None, ...]
    reached: bool


def classic(world: World, network: Metered, pps: float) -> list[Alarm]:
    """`traceroute -q 3` and a text diff of its output without times.

    UDP, each probe to the next port after 33434, as the program does; so a balancer per flow shows another member from one probe to the
    next. A line is the list of distinct answers in their order, `*` for silence, as printed. Any difference to the last output is a
    change.
    """

    def output(prober: Prober, target: str) -> list[str]:
        flow, lines, port = prober.flow(target), list[str](), 0
        for ttl in range(1, MAX_TTL + 1):
            answers = []
            for _ in range(CLASSIC_QUERIES):
                answers.append(prober.ask(flow._replace(dport=flow.dport + port), ttl))
                port += 1
            lines.append(" ".join(dict.fromkeys(seen.responder if seen else SILENT for seen in answers)))
            if any(seen and seen.arrived for seen in answers) or _gap(lines):
                break
        return lines

    return _differing(world, network, pps, output)


def mtr(world: World, network: Metered, pps: float) -> list[Alarm]:
    """`mtr --report -n` (10 cycles of ICMP echo) and a text diff of its column of hosts.

    mtr's probes differ in sequence number, hence in checksum, which balancers hash. Its report shows for each hop the responder that
    it heard last, `???` where it heard none. Loss and times are left out of the comparison.
    """

    def output(prober: Prober, target: str) -> list[str]:
        flow = prober.flow(target, Method.ICMP)
        hosts: list[str] = []
        for cycle in range(MTR_CYCLES):
            for ttl in range(1, (len(hosts) if cycle else MAX_TTL) + 1):
                # An echo request's checksum falls by one as its sequence rises by one.
                seen = prober.ask(flow._replace(dport=0xFFFE - (cycle * MAX_TTL + ttl)), ttl)
                if len(hosts) < ttl:
                    hosts.append(SILENT)
                if seen:
                    hosts[ttl - 1] = seen.responder
                if seen and seen.arrived:
                    del hosts[ttl:]
                    break
                if _gap(hosts):
                    break
        return hosts

    return _differing(world, network, pps, output)


def paris_literal(world: World, network: Metered, pps: float) -> list[Alarm]:
    """Paris traceroute with scamper's defaults (one probe a hop, a second where the first stays silent), `*` compared as a value."""
    return _differing(world, network, pps, paris)


def paris_wildcard(world: World, network: Metered, pps: float) -> list[Alarm]:
    """The same traces; `*` matches everything, and silent hops are filled from later traces.

    A change is a hop at which two known responders differ, or another length where the destination was reached both times.
    """
    known: dict[str, Paris] = {}
    alarms = []
    prober = Prober(world, network, pps)
    for target in prober.rounds():
        new, old = paris(prober, target), known.get(target)
        changed = old is not None and differ(old, new)
        known[target] = new if old is None or changed else merged(old, new)
        if changed:
            alarms.append(Alarm(target, network.elapsed_s))
    return alarms


def paris(prober: Prober, target: str) -> Paris:
    """One Paris traceroute of a target's flow."""
    flow, hops = prober.flow(target), list[str | None]()
    for ttl in range(1, MAX_TTL + 1):
        seen = ask_twice(prober, flow, ttl)
        hops.append(seen.responder if seen else None)
        if seen and seen.arrived:
            return Paris(tuple(hops), True)
        if hops[-GAP_LIMIT:] == [None] * GAP_LIMIT:
            return Paris(tuple(hops[:-GAP_LIMIT]), False)
    return Paris(tuple(hops), False)


def ask_twice(prober: Prober, flow: Flow, ttl: int) -> Seen | None:
    """A probe, and another if it stays unanswered."""
    return prober.ask(flow, ttl) or prober.ask(flow, ttl)


def differ(old: Paris, new: Paris) -> bool:
    """Whether two paths cannot be the same."""
    if old.reached and new.reached and len(old.hops) != len(new.hops):
        return True
    return any(a != b for a, b in zip(old.hops, new.hops, strict=False) if a and b)


def merged(old: Paris, new: Paris) -> Paris:
    """What two compatible traces know together."""
    longer = old if old.reached or (not new.reached and len(old.hops) >= len(new.hops)) else new
    hops = [(_at(new.hops, index) or _at(old.hops, index)) for index in range(len(longer.hops))]
    return Paris(tuple(hops), longer.reached)


def _at(hops: Sequence[str | None], index: int) -> str | None:
    return hops[index] if index < len(hops) else None


def _gap(lines: Iterable[str]) -> bool:
    last = list(lines)[-GAP_LIMIT:]
    return len(last) == GAP_LIMIT and all(line == SILENT for line in last)


def _differing(world: World, network: Metered, pps: float, output: Callable[[Prober, str], object]) -> list[Alarm]:
    """An alarm whenever a target's output differs from its last one."""
    last: dict[str, object] = {}
    alarms = []
    prober = Prober(world, network, pps)
    for target in prober.rounds():
        new = output(prober, target)
        if target in last and last[target] != new:
            alarms.append(Alarm(target, network.elapsed_s))
        last[target] = new
    return alarms
