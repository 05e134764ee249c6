"""Write kernel4.json and kernel6.json: what a real kernel answers to probes, and how it must be read.

    agent - r1 - r2 - target        r1 - r2 has an MTU of 1280

Run as root: `python tests/corpus/capture.py`. All traffic stays in namespaces made here. What is expected is written down
from what was sent and from how the network is built, never by asking the decoder.
"""

import array
import fcntl
import json
import select
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from netlab import Lab  # noqa: E402 - the path has to be set first
from pathwarden.model.probe import Flow, Method  # noqa: E402
from pathwarden.wire.probe_codec import default_size, dgram_encoder, encoder  # noqa: E402

PATIENCE_S = 10  # the kernel asks three times, a second apart, for a neighbour before it says host unreachable
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17  # <linux/sockios.h>, <linux/ethtool.h>
NEIGHBOUR_DISCOVERY = range(133, 144)  # ICMPv6 types up to MLDv2 that come unasked
TTL, NARROW, LARGE, TOS = 10, 1280, 1400, 0x28
AGENT = {4: "10.77.1.1", 6: "fd77:1::1"}
R1 = {4: "10.77.1.2", 6: "fd77:1::2"}
R2 = {4: "10.77.2.2", 6: "fd77:2::2"}
TARGET = {4: "10.77.3.2", 6: "fd77:3::2"}
ABSENT = {4: "10.77.3.99", 6: "fd77:3::99"}  # in the target's net, nobody has it
NOWHERE = {4: "192.0.2.1", 6: "2001:db8::1"}  # r1 has no kernel route
FORBIDDEN = {4: "10.77.3.13", 6: "fd77:3::13"}  # r1's filter rejects it


class Case(NamedTuple):
    """One probe and the answer that the network is built to give. `quoted_ttl` counts the routers that had forwarded it."""

    name: str
    method: Method
    dst: dict[int, str]
    ttl: int
    kind: str
    responder: dict[int, str]
    type4: tuple[int, int]
    type6: tuple[int, int]
    reply_ttl: int
    quoted_ttl: int
    size: int = 0
    dgram: bool = False


UDP, ICMP = Method.UDP, Method.ICMP
CASES = (
    # First: the kernel gives each peer few of these (ip_error), and other errors empty the same bucket.
    Case("no kernel route, UDP", UDP, NOWHERE, TTL, "unreachable", R1, (3, 0), (1, 0), 64, TTL),
    Case("no kernel route, ICMP", ICMP, NOWHERE, TTL, "unreachable", R1, (3, 0), (1, 0), 64, TTL),
    Case("time exceeded, hop 1, UDP", UDP, TARGET, 1, "time_exceeded", R1, (11, 0), (3, 0), 64, 1),
    Case("time exceeded, hop 1, ICMP", ICMP, TARGET, 1, "time_exceeded", R1, (11, 0), (3, 0), 64, 1),
    Case("time exceeded, hop 2, UDP", UDP, TARGET, 2, "time_exceeded", R2, (11, 0), (3, 0), 63, 1),
    Case("time exceeded, large UDP", UDP, TARGET, 2, "time_exceeded", R2, (11, 0), (3, 0), 63, 1, size=1200),
    Case("port unreachable", UDP, TARGET, TTL, "port_unreachable", TARGET, (3, 3), (1, 4), 62, TTL - 2),
    Case("echo reply", ICMP, TARGET, TTL, "echo_reply", TARGET, (0, 0), (129, 0), 62, 0),
    Case("host unreachable", UDP, ABSENT, TTL, "unreachable", R2, (3, 1), (1, 3), 63, TTL - 2),
    Case("administratively prohibited", UDP, FORBIDDEN, TTL, "unreachable", R1, (3, 13), (1, 1), 64, TTL - 1),
    Case("packet too big, UDP", UDP, TARGET, TTL, "packet_too_big", R1, (3, 4), (2, 0), 64, TTL, size=LARGE),
    Case("packet too big, ICMP", ICMP, TARGET, TTL, "packet_too_big", R1, (3, 4), (2, 0), 64, TTL, size=LARGE),
    Case("time exceeded, UDP socket without raw rights", UDP, TARGET, 2, "time_exceeded", R2, (11, 0), (3, 0), 63, 1, dgram=True),
    Case("time exceeded, ping socket", ICMP, TARGET, 2, "time_exceeded", R2, (11, 0), (3, 0), 63, 1, dgram=True),
    Case("echo reply, ping socket", ICMP, TARGET, TTL, "echo_reply", TARGET, (0, 0), (129, 0), 62, 0, dgram=True),
)


def build(lab: Lab) -> None:
    lab.nodes(hosts=["agent", "target"], routers=["r1", "r2"])
    first, middle, last = lab.link("agent", "r1"), lab.link("r1", "r2"), lab.link("r2", "target")
    assert (first.a4, last.b6) == (AGENT[4], TARGET[6])
    for node, dev in (("r1", "r2"), ("r2", "r1")):
        lab.ip(node, f"link set {dev} mtu {NARROW}")
    for default, far, home, ends in (
        ("0.0.0.0/0", last.net4, first.net4, (first.b4, middle.b4, middle.a4, last.a4)),
        ("::/0", last.net6, first.net6, (first.b6, middle.b6, middle.a6, last.a6)),
    ):
        lab.route("agent", default, ends[0])
        lab.route("r1", far, ends[1])
        lab.route("r2", home, ends[2])
        lab.route("target", default, ends[3])
    lab.nft(
        "r1",
        "add chain inet lab through { type filter hook forward priority 0; }\n"
        f"add rule inet lab through ip daddr {FORBIDDEN[4]} reject with icmp type admin-prohibited\n"
        f"add rule inet lab through ip6 daddr {FORBIDDEN[6]} reject with icmpv6 type admin-prohibited",
    )
    with lab.enter("agent"):
        compute_checksums("r1")
    lab.settle()


def compute_checksums(device: str) -> None:
    """Let the kernel compute UDP checksums, as for a real wire; a veth pair leaves them to hardware that never comes."""
    setting = array.array("I", [ETHTOOL_STXCSUM, 0])
    request = struct.pack("16sP", device.encode(), setting.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCETHTOOL, request)


def send(flow: Flow, case: Case, ident: int) -> None:
    """Send as the raw transport does, or as a program without its rights does."""
    family = socket.AF_INET if flow.af == 4 else socket.AF_INET6
    if not case.dgram:
        with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(encoder(flow)(ident, case.ttl), (flow.dst, 0))
        return
    protocol = 0 if flow.method is UDP else socket.IPPROTO_ICMP if flow.af == 4 else socket.IPPROTO_ICMPV6
    level, option = (socket.IPPROTO_IP, socket.IP_TTL) if flow.af == 4 else (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as dgram:
        dgram.bind((flow.src, flow.sport))
        dgram.setsockopt(level, option, case.ttl)
        dgram.sendto(dgram_encoder(flow)(ident), (flow.dst, flow.dport if flow.method is UDP else 0))


def answer(listener: socket.socket, af: int, name: str) -> dict[str, Any]:
    """The next packet that is not neighbour discovery."""
    deadline = time.monotonic() + PATIENCE_S
    while select.select([listener], [], [], deadline - time.monotonic())[0]:
        packet, control, _, address = listener.recvmsg(2048, 256)
        if af == 4:
            return {"hex": packet.hex()}
        if packet[0] not in NEIGHBOUR_DISCOVERY:
            (limit,) = (int.from_bytes(data, sys.byteorder) for _, kind, data in control if kind == socket.IPV6_HOPLIMIT)
            return {"hex": packet.hex(), "responder": address[0], "hop_limit": limit}
    raise TimeoutError(f"no answer: {name}, IPv{af}")


def expected(case: Case, flow: Flow, ident: int) -> dict[str, Any]:
    """The reply, field by field. A UDP socket's IP-ID is the kernel's choice: not compared."""
    echo = case.kind == "echo_reply"
    icmp_type, icmp_code = case.type4 if flow.af == 4 else case.type6
    fields = {
        "kind": case.kind,
        "responder": case.responder[flow.af],
        "method": str(case.method),
        "dst": flow.dst,
        "sport": flow.sport,
        "dport": 0 if echo else flow.dport,
        "ident": ident,
        "ident_checksum": ident if case.method is UDP else 0,
        "icmp_type": icmp_type,
        "icmp_code": icmp_code,
        "ttl": case.reply_ttl,
        "quoted_ttl": case.quoted_ttl,
        "quoted_tos": -1 if echo else flow.tos,
        "mtu": NARROW if case.kind == "packet_too_big" else 0,
        "mpls": [],
    }
    if case.dgram:
        fields["quoted_tos"] = -1 if echo else 0
        if flow.af == 4 and case.method is UDP:
            del fields["ident"]
    return fields


def capture(lab: Lab, af: int) -> list[dict[str, Any]]:
    entries = []
    family, protocol = (socket.AF_INET, socket.IPPROTO_ICMP) if af == 4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
    with lab.enter("agent"), socket.socket(family, socket.SOCK_RAW, protocol) as listener:
        if af == 6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        for ident, case in enumerate(CASES, 0x1001):
            label = 0x2BCDE if af == 6 else 0
            flow = Flow(af, case.method, AGENT[af], case.dst[af], 61001, 33434, TOS, label, case.size or default_size(af, case.method))
            send(flow, case, ident)
            entries.append({"name": case.name, "af": af, **answer(listener, af, case.name), "expect": expected(case, flow, ident)})
    return entries


def main() -> None:
    with Lab() as lab:
        build(lab)
        for af in (4, 6):
            text = json.dumps(capture(lab, af), indent=1)
            (HERE / f"kernel{af}.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
