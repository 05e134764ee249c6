"""Probes and replies: what leaves, and what comes back.

These are made for every packet, so they are named tuples (half the cost of a frozen dataclass).
"""

from enum import StrEnum
from typing import NamedTuple


class Method(StrEnum):
    """How a target is probed."""

    UDP = "udp"
    ICMP = "icmp"
    TCP = "tcp"  # one raw segment, a SYN unless told otherwise
    TCP_CONNECT = "tcp-connect"  # the kernel's own connect()
    UDPLITE = "udplite"
    DCCP = "dccp"
    RAW = "raw"  # an IP protocol by its number


class Binding(NamedTuple):
    """Where probes of a source leave: device name, source address, routing table and fwmark; empty or 0 leaves it to the kernel.

    `next_hop` is a neighbour's address to which packets are handed whatever the kernel's routes say; `direct` allows
    targets on the link alone (SO_DONTROUTE), `debug` asks the kernel for SO_DEBUG.
    """

    device: str = ""
    address: str = ""
    table: int = 0
    fwmark: int = 0
    next_hop: str = ""
    direct: bool = False
    debug: bool = False


class Extra(NamedTuple):
    """What a flow's packets carry beyond the usual; each method looks at its own. Constant in a flow.

    `tcp_flags` as in the header's byte 13 (and ECN's AE bit as 0x100), `tcp_options` in whole words of 4 bytes. `coverage` is UDP-Lite's
    (RFC 3828, 0 or 8..size), `service` DCCP's code (RFC 4340), `protocol` the IP protocol of `Method.RAW`. `gateways` is a loose
    source route (IPv4, RFC 791) or what a routing header of `routing_type` lists (IPv6, RFC 8200). `split` lets a datagram longer than a
    link carries go in fragments (on IPv4 without DF); else it does not leave, and routers say what they carry.
    """

    tcp_flags: int = 0x02
    tcp_options: bytes = b""
    coverage: int = 8
    service: int = 1885957735
    protocol: int = 253
    gateways: tuple[str, ...] = ()
    routing_type: int = 2
    split: bool = False


PLAIN = Extra()


class Flow(NamedTuple):
    """What a load balancer hashes; constant within a trace and from trace to trace.

    For ICMP `sport` is the identifier and `dport` the constant checksum: both stand in the first four bytes that routers hash,
    as the ports do. `size` is the whole IP datagram in bytes, `label` the IPv6 flow label (20 bits, never 0 on IPv6), `tos`
    the IPv4 ToS or IPv6 traffic class.
    """

    af: int
    method: Method
    src: str
    dst: str
    sport: int
    dport: int
    tos: int
    label: int
    size: int
    extra: Extra = PLAIN


class Probe(NamedTuple):
    """One packet to send. `ident` (1..0xfffe) is unique among all live probes of the process; `query` counts within a ttl."""

    ident: int
    flow: Flow
    ttl: int
    query: int


class ReplyKind(StrEnum):
    """What a reply says, whatever the IP version."""

    TIME_EXCEEDED = "time_exceeded"
    ECHO_REPLY = "echo_reply"
    PORT_UNREACHABLE = "port_unreachable"
    UNREACHABLE = "unreachable"
    PACKET_TOO_BIG = "packet_too_big"
    PARAMETER_PROBLEM = "parameter_problem"
    OPEN = "open"  # the target takes connections on this port: SYN+ACK, or a DCCP response
    CLOSED = "closed"  # it refuses them: RST, or a DCCP reset
    ANSWER = "answer"  # its program answered with a datagram of the probe's own protocol


class MplsLabel(NamedTuple):
    """One entry of an MPLS label stack as quoted by a router (RFC 4950): label, traffic class, bottom of stack, TTL."""

    label: int
    traffic_class: int
    bottom: bool
    ttl: int


class MplsStack(NamedTuple):
    """The label stack that a probe carried when it reached the responder, top first (RFC 4950)."""

    labels: tuple[MplsLabel, ...]


class InterfaceInfo(NamedTuple):
    """What a router says about one of its interfaces (RFC 5837).

    `role` is incoming (`INC`), sub-IP part of it (`SUB`), outgoing (`OUT`) or next hop (`NXT`). `ifindex` and `mtu` are 0, `address` and
    `name` '' where it does not say.
    """

    role: str
    ifindex: int = 0
    address: str = ""
    name: str = ""
    mtu: int = 0


class OtherObject(NamedTuple):
    """Any other object of an ICMP extension structure (RFC 4884), unread."""

    class_num: int
    c_type: int
    payload: bytes


Extension = MplsStack | InterfaceInfo | OtherObject


def mpls_of(extensions: tuple[Extension, ...]) -> tuple[MplsLabel, ...]:
    """The labels of the first stack, () without one."""
    return next((each.labels for each in extensions if isinstance(each, MplsStack)), ())


class Reply(NamedTuple):
    """One answer from the network.

    `ident` and `ident_checksum` are the two places that may name the probe (IP-ID or ICMP sequence; UDP checksum), 0 where the
    quote does not hold it. `dst`, `sport`, `dport` are the quoted ones (for an echo reply: responder, identifier, 0). `ttl` is the
    reply's own TTL, `quoted_ttl` the TTL that the responder saw; 0 means unknown. `quoted_tos` is -1 if unknown, `quoted_length` (of the
    whole datagram, in bytes) and `quoted_mss` (of a quoted SYN) are 0. `extensions` stand in the order of the packet. `segment` is
    the TCP header of an OPEN or CLOSED, with its options.
    """

    kind: ReplyKind
    responder: str
    at_ns: int
    method: Method
    dst: str
    sport: int
    dport: int
    ident: int
    ident_checksum: int
    icmp_type: int
    icmp_code: int
    ttl: int = 0
    quoted_ttl: int = 0
    quoted_tos: int = -1
    mtu: int = 0
    extensions: tuple[Extension, ...] = ()
    quoted_length: int = 0
    quoted_mss: int = 0
    segment: bytes = b""

    @property
    def mpls(self) -> tuple[MplsLabel, ...]:
        """The label stack among the extensions, () without one."""
        return mpls_of(self.extensions) if self.extensions else ()
