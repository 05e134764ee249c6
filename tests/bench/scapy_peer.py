"""Scapy's own traceroute() on all targets: `python -m bench.scapy_peer TARGET...`; prints cpu_s and wall_s of the work as JSON."""

import json
import socket
import sys
from resource import RUSAGE_SELF, getrusage
from time import monotonic

from bench.lab import FIRST, HOPS

QUERIES = 3
PORT = 33434
TIMEOUT_S = 2


def main() -> None:
    """Trace once with each query, since Scapy asks each ttl once."""
    from scapy.layers.inet import UDP, traceroute

    socket.if_nametoindex(FIRST)  # raises outside the bench's own network, where no probe may leave
    before, begun = getrusage(RUSAGE_SELF), monotonic()
    for _ in range(QUERIES):
        traceroute(sys.argv[1:], minttl=1, maxttl=HOPS, l4=UDP(dport=PORT), timeout=TIMEOUT_S, verbose=0)
    after = getrusage(RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu_s": cpu_s, "wall_s": monotonic() - begun}))


if __name__ == "__main__":
    main()
