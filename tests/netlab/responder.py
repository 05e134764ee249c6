"""A scripted network behind a TUN device: it answers probes with what no kernel here can make.

    agent - 198.18.1.1 - 198.18.2.1 - ... - 198.19.0.1         2001:db8:1::1 - 2001:db8:2::1 - ... - 2001:db8:ffff::1

The script says for each ttl what comes back; the target answers its own ttl and all greater ones. Nothing here uses the agent's codecs:
what reads the answers must not have made them.
"""

import fcntl
import heapq
import itertools
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from netlab.lab import Lab

AGENT = {4: "10.78.0.1", 6: "fd78::1"}
TARGET = {4: "198.19.0.1", 6: "2001:db8:ffff::1"}
_NETS = ("198.18.0.0/15", "2001:db8::/32")  # RFC 2544 and RFC 3849: nobody's
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
ICMP, TCP, UDP, DCCP, ICMP6, UDPLITE = 1, 6, 17, 33, 58, 136
_RST = 0x04
_FRAGMENT = 44  # IPv6's extension header
TIME_EXCEEDED = {4: (11, 0), 6: (3, 0)}
PORT = {4: (3, 3), 6: (1, 4)}
PROHIBITED = {4: (3, 13), 6: (1, 1)}
TOO_BIG = {4: (3, 4), 6: (2, 0)}


class Packet(NamedTuple):
    """A datagram: addresses as bytes, `body` from the transport header on."""

    af: int
    src: bytes
    dst: bytes
    protocol: int
    ttl: int
    body: bytes
    whole: bytes


Edit = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Says:
    """One answer to one probe: an ICMP error that quotes it, or what `direct` makes of it.

    `kind` is the error's type and code by IP version. `edits` change the quote, in order; before them it is the whole datagram as the
    responder gets it, with the TTL that is left. `structure` are the extensions; `length` overrides the length field (in its own units).
    `source` is the address by IP version from which it comes (the hop's own); `copies` come at once, after `delay_s`.
    """

    kind: Mapping[int, tuple[int, int]] | None = None
    edits: tuple[Edit, ...] = ()
    structure: bytes = b""
    length: int | None = None
    word: int = 0
    source: Mapping[int, str] | None = None
    direct: Callable[[Packet], bytes] | None = None
    ttl: int = 64
    delay_s: float = 0.0
    copies: int = 1
    checksum_off_by: int = 0


Script = Mapping[int, Says | tuple[Says, ...]]
SILENT: tuple[Says, ...] = ()


def hop(af: int, ttl: int) -> str:
    """The address of the router at a ttl."""
    return f"198.18.{ttl}.1" if af == 4 else f"2001:db8:{ttl:x}::1"


class Responder:
    """Answers what an agent's namespace sends to the two test nets, in a thread of its own, until the `with` block ends.

    `play` sets the script: its greatest ttl is the target's. `heard` are the probes so far.
    """

    def __init__(self, lab: Lab, node: str, dev: str = "tun0") -> None:
        self.heard: list[Packet] = []
        self._script: Script = {}
        self._due: list[tuple[float, int, bytes]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        with lab.enter(node):
            self._tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(self._tun, _TUNSETIFF, struct.pack("16sH22x", dev.encode(), _IFF_TUN | _IFF_NO_PI))
        lab.ip(
            node,
            f"link set {dev} up",
            f"address add {AGENT[4]}/32 dev {dev}",
            f"address add {AGENT[6]}/128 dev {dev} nodad",
            *(f"route add {net} dev {dev}" for net in _NETS),
        )
        self._bell, self._ring = os.pipe()
        self._thread = threading.Thread(target=self._run, name="responder")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._ring)
        self._thread.join()
        os.close(self._bell)
        os.close(self._tun)

    def play(self, script: Script) -> None:
        """Answer by this script from now on, and forget what was heard and what is still due."""
        with self._lock:
            self._due.clear()
            self.heard.clear()
            self._script = script

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._tun, select.POLLIN)
        poll.register(self._bell, select.POLLIN)
        wait_ms: float | None = None
        while True:
            ready = {fd for fd, _ in poll.poll(wait_ms)}
            if self._bell in ready:
                return
            with self._lock:
                while self._due and self._due[0][0] <= time.monotonic():
                    os.write(self._tun, heapq.heappop(self._due)[2])
                if self._tun in ready:
                    self._answer(os.read(self._tun, 65535))
                wait_ms = max(self._due[0][0] - time.monotonic(), 0) * 1000 + 1 if self._due else None

    def _answer(self, data: bytes) -> None:
        packet = parse(data)
        if packet.dst[0] == 0xFF or (packet.protocol == TCP and packet.body[13] & _RST) or _later_fragment(packet):
            return  # what the kernel says of itself, and what no router answers (RFC 1122 section 3.2.2)
        self.heard.append(packet)
        last = max(self._script, default=0)
        at = min(packet.ttl, last)
        says = self._script.get(at, SILENT)
        for each in says if isinstance(says, tuple) else (says,):
            own = TARGET[packet.af] if at == last else hop(packet.af, at)
            source = each.source[packet.af] if each.source else own
            made = answer(each, packet, source, packet.ttl - at + 1)
            for _ in range(each.copies):
                if each.delay_s:
                    heapq.heappush(self._due, (time.monotonic() + each.delay_s, next(self._numbers), made))
                else:
                    os.write(self._tun, made)


def answer(says: Says, packet: Packet, source: str, ttl_left: int) -> bytes:
    """The datagram that says it to a probe, from an address, with so much of the probe's TTL left."""
    src, dst = _bytes(packet.af, source), packet.src
    if says.direct:
        return datagram(packet.af, src, dst, packet.protocol, says.direct(packet), says.ttl)
    quote = with_ttl(ttl_left)(packet.whole)
    for edit in says.edits:
        quote = edit(quote)
    unit = 4 if packet.af == 4 else 8
    kind, code = (says.kind or TIME_EXCEEDED)[packet.af]
    if says.structure:
        quote = quote.ljust(max(128, len(quote) + -len(quote) % unit), b"\0")
    length = says.length if says.length is not None else len(quote) // unit if says.structure else 0
    rest = struct.pack(">BBH", 0, length, says.word) if packet.af == 4 else struct.pack(">I", length << 24 | says.word)
    body = rest + quote + says.structure
    pseudo = b"" if packet.af == 4 else src + dst + struct.pack(">II", 4 + len(body), ICMP6)
    check = (internet_checksum(pseudo + bytes((kind, code, 0, 0)) + body) - says.checksum_off_by) % 0x10000
    message = struct.pack(">BBH", kind, code, check) + body
    return datagram(packet.af, src, dst, ICMP if packet.af == 4 else ICMP6, message, says.ttl)


# -- edits of a quote


def with_ttl(ttl: int) -> Edit:
    """Another TTL or hop limit in the quote."""
    return lambda quote: _ip_header(quote[:8] + bytes((ttl,)) + quote[9:]) if quote[0] >> 4 == 4 else quote[:7] + bytes((ttl,)) + quote[8:]


def with_tos(tos: int) -> Edit:
    """Another ToS or traffic class: a router on the way has rewritten it."""

    def edit(quote: bytes) -> bytes:
        if quote[0] >> 4 == 4:
            return _ip_header(quote[:1] + bytes((tos,)) + quote[2:])
        word = int.from_bytes(quote[:4], "big") & ~(0xFF << 20) | tos << 20
        return word.to_bytes(4, "big") + quote[4:]

    return edit


def cut(transport_bytes: int) -> Edit:
    """Only so many bytes behind the IP header, as RFC 792 asked for 8."""
    return lambda quote: quote[: _ip_length(quote) + transport_bytes]


def filled(zeros: int) -> Edit:
    """Zeros behind the quote."""
    return lambda quote: quote + bytes(zeros)


def swapped(at: int) -> Edit:
    """Two bytes in the order of a little-endian machine, as old BSD routers leave them: 2 the length, 4 the ident, 6 the flags."""
    return lambda quote: quote[:at] + quote[at + 1 : at + 2] + quote[at : at + 1] + quote[at + 2 :]


def with_length(length: int) -> Edit:
    """Another total length (IPv4) or payload length (IPv6)."""
    return lambda quote: quote[:2] + _short(length) + quote[4:] if quote[0] >> 4 == 4 else quote[:4] + _short(length) + quote[6:]


def translated(src: Mapping[int, str], sport: int, *, checksum: bool = True) -> Edit:
    """Source address and port (ICMP: identifier) as a translator on the way rewrites them, with the checksum unless told otherwise."""

    def edit(quote: bytes) -> bytes:
        af, header = quote[0] >> 4, _ip_length(quote)
        protocol = quote[9] if af == 4 else quote[6]
        at, width = (12, 4) if af == 4 else (8, 16)
        port_at, sum_at = {ICMP: (4, 2), ICMP6: (4, 2), TCP: (0, 16)}.get(protocol, (0, 6))
        old_src, new_src = quote[at : at + width], _bytes(af, src[af])
        body = bytearray(quote[header:])
        old_port = bytes(body[port_at : port_at + 2])
        body[port_at : port_at + 2] = _short(sport)
        if checksum and len(body) >= sum_at + 2:
            old, new = (old_src + old_port, new_src + _short(sport)) if protocol != ICMP else (old_port, _short(sport))
            body[sum_at : sum_at + 2] = _updated(bytes(body[sum_at : sum_at + 2]), old, new)
        whole = quote[:at] + new_src + quote[at + width : header] + bytes(body)
        return _ip_header(whole) if af == 4 else whole

    return edit


# -- extensions


def structure(*objects: tuple[int, int, bytes], checksum: bool = True, version: int = 2) -> bytes:
    """Extensions (RFC 4884) of (class, c-type, payload); without checksum it says 0, which means none."""
    body = b"".join(struct.pack(">HBB", 4 + len(payload), *kind) + payload for *kind, payload in objects)
    head = bytes((version << 4, 0))
    return head + (_short(internet_checksum(head + b"\0\0" + body)) if checksum else b"\0\0") + body


def mpls(*entries: tuple[int, int, int]) -> tuple[int, int, bytes]:
    """A label stack object (RFC 4950) of (label, traffic class, TTL); the last is the bottom."""
    last = len(entries) - 1
    words = (label << 12 | tc << 9 | (place == last) << 8 | ttl for place, (label, tc, ttl) in enumerate(entries))
    return 1, 1, b"".join(word.to_bytes(4, "big") for word in words)


def interface(role: int, *, ifindex: int = 0, address: str = "", name: str = "", mtu: int = 0) -> tuple[int, int, bytes]:
    """An interface information object (RFC 5837): role 0 incoming, 1 sub-IP, 2 outgoing, 3 next hop; what is empty is left out."""
    af = 6 if ":" in address else 4
    ends = _short(1 if af == 4 else 2) + b"\0\0" + _bytes(af, address) if address else b""  # 1 and 2 are IANA's address families
    text = name.encode()
    named = bytes((len(text) + 1 + -(len(text) + 1) % 4,)) + text + bytes(-(len(text) + 1) % 4) if name else b""
    c_type = role << 6 | bool(ifindex) << 3 | bool(address) << 2 | bool(name) << 1 | bool(mtu)
    return 2, c_type, (ifindex.to_bytes(4, "big") if ifindex else b"") + ends + named + (mtu.to_bytes(4, "big") if mtu else b"")


# -- what targets answer themselves


def echo_reply(packet: Packet) -> bytes:
    """The reply to an echo request."""
    kind = b"\0" if packet.af == 4 else b"\x81"
    return _with_sum(packet, kind + b"\0\0\0" + packet.body[4:], 2, pseudo=packet.af == 6)


def tcp(flags: int, options: bytes = b"", window: int = 64240) -> Callable[[Packet], bytes]:
    """A segment that answers a SYN: flags 0x12 (SYN+ACK) or 0x14 (RST+ACK)."""

    def make(packet: Packet) -> bytes:
        sport, dport, seq = struct.unpack_from(">HHI", packet.body)
        words = 5 + len(options) // 4
        header = struct.pack(">HHIIBBHHH", dport, sport, 4711, (seq + 1) & 0xFFFFFFFF, words << 4, flags, window, 0, 0)
        return _with_sum(packet, header + options, 16)

    return make


def mss(value: int) -> bytes:
    """The TCP option that names the largest segment."""
    return b"\x02\x04" + _short(value)


def datagram_back(payload: bytes) -> Callable[[Packet], bytes]:
    """A UDP or UDP-Lite datagram back to where the probe came from (UDP-Lite: all of it is covered)."""

    def make(packet: Packet) -> bytes:
        length = 8 + len(payload)
        header = packet.body[2:4] + packet.body[:2] + (b"\0\0" if packet.protocol == UDPLITE else _short(length)) + b"\0\0"
        return _with_sum(packet, header + payload, 6)

    return make


def dccp(kind: int) -> Callable[[Packet], bytes]:
    """A response (1) or a reset (7, code 3: no connection) to a DCCP request, with long sequence numbers (RFC 4340)."""

    def make(packet: Packet) -> bytes:
        tail = packet.body[16:20] if kind == 1 else b"\x03\0\0\0"
        words = (16 + 8 + len(tail)) // 4
        header = packet.body[2:4] + packet.body[:2] + bytes((words, 0, 0, 0, kind << 1 | 1, 0)) + (99).to_bytes(6, "big")
        return _with_sum(packet, header + b"\0\0" + packet.body[10:16] + tail, 6)

    return make


def _with_sum(packet: Packet, body: bytes, at: int, *, pseudo: bool = True) -> bytes:
    """The body with its checksum at a place; an answer has the probe's addresses the other way round, which sum up to the same."""
    before = packet.src + packet.dst + struct.pack(">II", len(body), packet.protocol) if pseudo else b""
    return body[:at] + _short(internet_checksum(before + body)) + body[at + 2 :]


# -- bytes


def parse(data: bytes) -> Packet:
    """A datagram without IPv6 extension headers."""
    if data[0] >> 4 == 4:
        return Packet(4, data[12:16], data[16:20], data[9], data[8], data[_ip_length(data) :], data)
    return Packet(6, data[8:24], data[24:40], data[6], data[7], data[40:], data)


def _later_fragment(packet: Packet) -> bool:
    if packet.af == 4:
        return bool(int.from_bytes(packet.whole[6:8], "big") & 0x1FFF)
    return packet.protocol == _FRAGMENT and bool(int.from_bytes(packet.body[2:4], "big") >> 3)


def datagram(af: int, src: bytes, dst: bytes, protocol: int, body: bytes, ttl: int = 64) -> bytes:
    """An IP datagram."""
    if af == 6:
        return struct.pack(">IHBB", 6 << 28, len(body), protocol, ttl) + src + dst + body
    return _ip_header(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, ttl, protocol, 0) + src + dst + body)


def internet_checksum(data: bytes) -> int:
    """RFC 1071, word by word."""
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _updated(check: bytes, old: bytes, new: bytes) -> bytes:
    """The checksum after some of what it covers has changed (RFC 1624)."""
    return _short(internet_checksum(bytes(byte ^ 0xFF for byte in check + old) + new))


def _ip_header(packet: bytes) -> bytes:
    length = _ip_length(packet)
    return packet[:10] + _short(internet_checksum(packet[:10] + b"\0\0" + packet[12:length])) + packet[12:]


def _ip_length(packet: bytes) -> int:
    return (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40


def _short(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _bytes(af: int, address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET if af == 4 else socket.AF_INET6, address)
