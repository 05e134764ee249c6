"""A long run at a high pace: `python -m bench.sustained [--pps N] [--seconds N] [--flood N]`, as root, in a network of its own.

Traces of 50 targets side by side, one after another, as fast as the pace allows. Held against the kernel: what it sent for us, what
ICMP it received for us, and what of that found no room. Of the replies the engine must know each one. With `--flood` the first
router sends so many ICMP packets a second that are nobody's answer: then the RTTs are to be compared with those of a run without.
"""

import argparse
import gc
import tracemalloc
from random import Random
from statistics import median, quantiles
from time import monotonic, process_time
from typing import NamedTuple

from bench.figures import Row
from bench.lab import AGENT, FIRST, HOPS, TARGETS, BenchLab
from equipment.flood import Flood, heard
from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator, Session
from pathwarden.engine.pacing import TokenBucket
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import TraceSpec
from pathwarden.model.probe import Binding, Method
from pathwarden.net.clock import SystemClock
from pathwarden.net.raw import RawTransport

PPS = 2000
SECONDS = 60.0
QUERIES, MAX_TTL, WAIT_NS, GAP_LIMIT, WINDOW = 3, 30, 5_000_000_000, 5, 16
LINGER_NS = 1_000_000_000  # for what is still on its way at the end
SIDE_BY_SIDE = 500  # traces whose memory is taken: ten to each target, which have its flow and no ident in common
MOST_KB = 20.0


class Sustained(NamedTuple):
    """Figures of one run.

    `counted` are the probes that the first router saw, `delivered` the ICMP messages that the agent's kernel received and that were
    ours to hear (-1 under a flood, as the kernel counts all together), `lost` those of them that the engine does not know. RTTs are
    of all hops together.
    """

    seconds: float
    sent: int
    counted: int
    delivered: int
    replies: int
    late: int
    duplicates: int
    foreign: int
    silent: int
    overflow: int
    enobufs: int
    malformed: int
    cpu_s: float
    rtt_median_ms: float
    rtt_p99_ms: float
    flood_pps: float

    @property
    def pps(self) -> float:
        """The pace that was held."""
        return self.sent / self.seconds

    @property
    def lost(self) -> int:
        """Replies that the kernel delivered and the engine does not know."""
        return self.delivered - self.replies - self.late - self.duplicates - self.foreign if self.delivered >= 0 else 0

    @property
    def cpu_us(self) -> float:
        """CPU per probe."""
        return self.cpu_s * 1e6 / self.sent


def figures(lab: BenchLab) -> list[Row]:
    """One run without a flood, of 120,000 probes: the pace that was held, what was lost, and what it cost; and what memory traces take."""
    found = sustained(lab)

    def row(name: str, unit: str, figure: str, most: float | None = None) -> Row:
        return Row(name, unit, (float(getattr(found, figure)),), most=most)

    return [
        row("probes a second that were held", "probes/s", "pps"),
        row("replies that the kernel delivered and we lost", "replies", "lost", 0),
        row("replies that found no room in the socket", "replies", "overflow", 0),
        row("probes without a reply in time", "probes", "silent", 0),
        row("CPU per probe, us", "us", "cpu_us"),
        row("RTT over all hops, 99th percentile, ms", "ms", "rtt_p99_ms"),
        Row(f"memory of a trace among {SIDE_BY_SIDE} side by side, kB", "kB", (memory_kb(lab),), most=MOST_KB),
    ]


def memory_kb(lab: BenchLab) -> float:
    """What a trace takes at most (kB), with what correlator and driver keep of it."""
    with lab.enter(AGENT):
        transport = RawTransport()
        try:
            correlator = Correlator()
            driver = Driver(transport, SystemClock(), correlator, TokenBucket(PPS))
            specs, random = [_spec(transport, target) for target in TARGETS], Random(1)
            gc.collect()
            tracemalloc.start()
            for number in range(SIDE_BY_SIDE):
                driver.add(TraceSession(specs[number % len(specs)], correlator, random), Binding(), lambda _: None)
            while len(driver):
                driver.step()
            return tracemalloc.get_traced_memory()[1] / SIDE_BY_SIDE / 1000
        finally:
            tracemalloc.stop()
            transport.close()


def _spec(transport: RawTransport, target: str) -> TraceSpec:
    flow = transport.flow(target, Method.UDP, 0, Binding(), 0, 0)
    return TraceSpec(flow, 1, MAX_TTL, QUERIES, WAIT_NS, GAP_LIMIT, min(transport.window(flow), WINDOW))


def sustained(lab: BenchLab, pps: float = PPS, seconds: float = SECONDS, flood_pps: int = 0) -> Sustained:
    """Trace for so long at this pace, and count."""
    with lab.enter(AGENT):
        transport = RawTransport()
        try:
            if not flood_pps:
                return _run(lab, transport, pps, seconds, flooded=False)
            agent = transport.flow(TARGETS[0], Method.UDP, 0, Binding(), 0, 0).src
            with Flood(lab, FIRST, agent, "", transport.source_port, flood_pps):
                return _run(lab, transport, pps, seconds, flooded=True)
        finally:
            transport.close()


def _run(lab: BenchLab, transport: RawTransport, pps: float, seconds: float, *, flooded: bool) -> Sustained:
    correlator, clock, random = Correlator(), SystemClock(), Random(1)
    driver = Driver(transport, clock, correlator, TokenBucket(pps))
    rtts_ns: list[int] = []
    silent = 0
    counted, received, begun, cpu_s = lab.probes(), heard(), monotonic(), process_time()

    def start(target: str) -> None:
        driver.add(TraceSession(_spec(transport, target), correlator, random), Binding(), finished)

    def finished(session: Session) -> None:
        nonlocal silent
        assert isinstance(session, TraceSession)
        outcome = session.outcome()
        if outcome.reached_ttl != HOPS:
            raise RuntimeError(f"a trace did not see {HOPS} hops: {outcome}")
        rtts_ns.extend(rtt for hop in outcome.hops for rtt in hop.rtts_ns)
        silent += sum(answer.responder is None for hop in outcome.hops for answer in hop.answers)
        if monotonic() < begun + seconds:
            start(session.spec.flow.dst)

    for target in TARGETS:
        start(target)
    while len(driver):
        driver.step()
    took_s, used_s = monotonic() - begun, process_time() - cpu_s
    for reply in transport.receive(LINGER_NS):
        correlator.dispatch(reply)
    arrived = heard() - received
    counters = transport.counters()
    return Sustained(
        took_s,
        correlator.probes,
        lab.probes() - counted,
        -1 if flooded else arrived,
        sum(correlator.replies.values()),
        correlator.late,
        correlator.duplicates,
        correlator.foreign,
        silent,
        counters["overflow"],
        counters["enobufs"],
        counters["malformed"] + counters["ignored"],
        used_s,
        median(rtts_ns) / 1e6,
        quantiles(rtts_ns, n=100)[98] / 1e6,
        (arrived - correlator.probes) / (took_s + LINGER_NS / 1e9) if flooded else 0.0,
    )


def report(run: Sustained) -> str:
    """The figures as people read them."""
    under = f" under a flood of {run.flood_pps:.0f} ICMP packets/s" if run.flood_pps else ""
    delivered = run.delivered if run.delivered >= 0 else "uncounted"
    lines = (
        f"{run.pps:.0f} probes/s for {run.seconds:.0f} s{under}: {run.sent} sent, {run.counted} seen by the first router",
        f"replies: {run.replies} in time, {run.late} late, {run.duplicates} duplicates, {run.foreign} foreign; {run.silent} probes silent",
        f"the kernel delivered {delivered}, {run.lost} of them lost",
        f"overflow {run.overflow}, full send queues {run.enobufs}, malformed or ignored {run.malformed}",
        f"CPU {run.cpu_us:.0f} us a probe ({100 * run.cpu_s / run.seconds:.0f} % of a processor)",
        f"RTT median {run.rtt_median_ms:.3f} ms, 99th percentile {run.rtt_p99_ms:.3f} ms",
    )
    return "\n  ".join(lines)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.sustained", description="A long run at a high pace.")
    parser.add_argument("--pps", type=float, default=PPS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--flood", type=int, default=0, help="foreign ICMP packets a second")
    args = parser.parse_args()
    with BenchLab() as lab:
        print(report(sustained(lab, args.pps, args.seconds, args.flood)))


if __name__ == "__main__":
    main()
