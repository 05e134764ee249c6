"""Probes and replies: what leaves, and what comes back.

These are made for every packet, so they are named tuples (half the cost of a frozen dataclass).
"""

from enum import StrEnum
from typing import NamedTuple


class Method(StrEnum):
    """How a target is probed."""

    UDP = "udp"
    ICMP = "icmp"


class Binding(NamedTuple):
    """Where probes of a source leave: device name, source address, routing table and fwmark; empty or 0 leaves it to the kernel."""

    device: str = ""
    address: str = ""
    table: int = 0
    fwmark: int = 0


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


class MplsLabel(NamedTuple):
    """One entry of an MPLS label stack as quoted by a router (RFC 4950): label, traffic class, bottom of stack, TTL."""

    label: int
    traffic_class: int
    bottom: bool
    ttl: int


class Reply(NamedTuple):
    """One answer from the network.

    `ident` and `ident_checksum` are the two places that may name the probe (IP-ID or ICMP sequence; UDP checksum), 0 where the
    quote does not hold it. `dst`, `sport`, `dport` are the quoted ones (for an echo reply: responder, identifier, 0). `ttl` is the
    reply's own TTL, `quoted_ttl` the TTL that the responder saw; 0 means unknown. `quoted_tos` is -1 if unknown.
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
    mpls: tuple[MplsLabel, ...] = ()
