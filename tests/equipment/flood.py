"""A flood of ICMP that is nobody's answer to us: `python -m equipment.flood IPV4 IPV6 PORT PPS` sends it to an agent until it is ended.

Echo replies to other programs' pings, and errors that quote other programs' packets, IPv4 and (unless IPV6 is '') IPv6 in turn.
PORT is the agent's own source port: the one that no packet names. The first line on standard output says that the flood is on.
"""

import itertools
import select
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from netlab import Lab
from netlab import responder as net
from netlab.responder import ICMP, ICMP6, TCP, UDP, Says

TESTS = Path(__file__).parent.parent
STRANGERS = {4: ("203.0.113.7", "198.51.100.9"), 6: ("2001:db8:7::7", "2001:db8:9::9")}  # a router, and whom they asked
PORTS = 200  # other programs' ports
TICK_S = 0.001


def main() -> None:
    """Send at an even pace; what a slow machine misses of it is not made up for."""
    agent, port, pps = {4: sys.argv[1], 6: sys.argv[2]}, int(sys.argv[3]), int(sys.argv[4])
    four = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    six.setsockopt(socket.IPPROTO_IPV6, 36, 1)  # IPV6_HDRINCL
    sending = itertools.cycle(
        [
            (sock.sendto, packet, (agent[af], 0))
            for number in range(PORTS)
            for af, sock in ((4, four), (6, six))
            if agent[af]
            for packet in foreign(af, agent[af], (port + 1 + number) & 0xFFFF)
        ]
    )
    at_once = max(1, round(pps * TICK_S))
    due = time.monotonic()
    said = False
    while True:
        for send, packet, where in itertools.islice(sending, at_once):
            with suppress(OSError):  # a full queue: the flood is as thick as the link
                send(packet, where)
        if not said:
            print("on", flush=True)
            said = True
        due = max(due + at_once / pps, time.monotonic() - TICK_S)
        select.select([], [], [], max(due - time.monotonic(), 0))


def foreign(af: int, agent: str, port: int) -> list[bytes]:
    """What other programs on the agent's machine get: a pong, and errors about their packets of three protocols."""
    router, asked = STRANGERS[af]
    echo, number = (8, ICMP) if af == 4 else (128, ICMP6)
    ours, theirs = (socket.inet_pton(socket.AF_INET if af == 4 else socket.AF_INET6, address) for address in (agent, asked))
    ports = port.to_bytes(2, "big") + (33434).to_bytes(2, "big")
    ping = net.datagram(af, ours, theirs, number, bytes((echo, 0, 0, 0)) + port.to_bytes(2, "big") + bytes(34))
    sent = [net.datagram(af, ours, theirs, protocol, ports + bytes(36)) for protocol in (UDP, TCP)]
    pong = net.answer(Says(direct=net.echo_reply), net.parse(ping), asked, 1)
    return [pong, *(net.answer(Says(), net.parse(packet), router, 1) for packet in (*sent, ping))]


class Flood:
    """The flood, sent by a program of its own in a node of a laboratory, until the `with` block ends."""

    def __init__(self, lab: Lab, node: str, agent4: str, agent6: str, port: int, pps: int) -> None:
        command = [sys.executable, "-m", "equipment.flood", agent4, agent6, str(port), str(pps)]
        with lab.enter(node):
            self._program = subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        assert self._program.stdout is not None
        assert self._program.stdout.readline() == "on\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._program.kill()
        self._program.communicate()


def heard() -> int:
    """ICMP and ICMPv6 messages that the kernel has received in the namespace of the calling thread."""
    mine = Path("/proc/thread-self/net")
    names, values = (line.split() for line in (mine / "snmp").read_text("ascii").splitlines() if line.startswith("Icmp:"))
    six = next(line.split()[1] for line in (mine / "snmp6").read_text("ascii").splitlines() if line.startswith("Icmp6InMsgs"))
    return int(values[names.index("InMsgs")]) + int(six)


if __name__ == "__main__":
    main()
