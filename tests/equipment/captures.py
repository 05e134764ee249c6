"""What comes in at a node of a laboratory, as datagrams."""

import socket
from typing import Any

from netlab import Lab

_DEADLINE_S = 30.0  # what does not come by then does not come


def capture(lab: Lab, node: str, af: int) -> socket.socket:
    """A socket that hears every datagram of this family at a node."""
    with lab.enter(node):
        return socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800 if af == 4 else 0x86DD))


def captured(sniffer: socket.socket, wanted: int, source: str) -> list[bytes]:
    """The next datagrams from `source`, so many of them. Raises TimeoutError if they do not come."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in source else socket.AF_INET, source)
    packets: list[bytes] = []
    sniffer.settimeout(_DEADLINE_S)
    while len(packets) < wanted:
        packet: bytes
        address: Any
        packet, address = sniffer.recvfrom(65535)
        if address[2] != socket.PACKET_OUTGOING and packed in (packet[12:16], packet[8:24]) and not _solicits(packet):
            packets.append(packet)
    return packets


def _solicits(packet: bytes) -> bool:
    """Whether it is IPv6's own question about a neighbour, or the answer."""
    return packet[0] >> 4 == 6 and packet[6] == 58 and packet[40] in (135, 136)
