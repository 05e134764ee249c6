"""Engine and transport alone, as a program that stays warm: `python -m bench.engine TRANSPORT TARGET...`.

Each line on standard input is a rate in probes per second; the 50 traces then run once, and one JSON line says what it cost:
`cpu_s` (user and system time of this process while the traces ran), `wall_s`, `hops` (the sum over all traces, to be checked).
The end of the input ends the program.
"""

import json
import socket
import sys
from resource import RUSAGE_SELF, getrusage
from time import monotonic

from bench.lab import FIRST
from pathwarden.daemon.dice import Dice
from pathwarden.daemon.drive import Driver
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import TraceSpec
from pathwarden.model.probe import Binding, Method
from pathwarden.model.protocols import Transport
from pathwarden.net.choose import open_transport
from pathwarden.net.clock import SystemClock

WINDOW = 16  # as the daemon does, and traceroute(8)
QUERIES = 3
MAX_TTL = 30
WAIT_NS = 5_000_000_000
GAP_LIMIT = 5
BURST_S = 0.1


def main() -> None:
    """Serve rates from standard input."""
    name, *targets = sys.argv[1:]
    socket.if_nametoindex(FIRST)  # raises outside the bench's own network, where no probe may leave
    transport, _ = open_transport(rootless=name == "rootless")
    correlator = Correlator()
    try:
        for line in sys.stdin:
            print(json.dumps(trace_all(transport, correlator, targets, float(line))), flush=True)
    finally:
        transport.close()


def trace_all(transport: Transport, correlator: Correlator, targets: list[str], rate_pps: float) -> dict[str, float]:
    """Trace all targets side by side, once."""
    cpu_s, wall_s = _cpu_s(), monotonic()
    driver = Driver(transport, SystemClock(), correlator, TokenBucket(rate_pps, round(rate_pps * BURST_S)))
    random = Dice(1)
    done: list[TraceSession] = []
    for target in targets:
        flow = transport.flow(target, Method.UDP, 0, Binding(), 0, 0)
        window = min(transport.window(flow), WINDOW)
        spec = TraceSpec(flow, 1, MAX_TTL, QUERIES, WAIT_NS, GAP_LIMIT, window)
        driver.add(TraceSession(spec, correlator, random), Binding(), done.append)
    while len(driver):
        driver.step()
    hops = sum(session.outcome().reached_ttl or 0 for session in done)
    return {"cpu_s": _cpu_s() - cpu_s, "wall_s": monotonic() - wall_s, "hops": hops}


def _cpu_s() -> float:
    used = getrusage(RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
