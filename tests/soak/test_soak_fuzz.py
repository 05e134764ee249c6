"""Damaged replies: into the decoders, and into traces that run. Nothing but MalformedPacket is raised, and nothing is booked wrongly.

What the bytes carry is read here once more, slowly and from the RFCs alone: a reply may name only what stands in its bytes, and is
booked only on a probe whose destination, ports and ident stand there.

PATHWARDEN_SOAK_SHARE is the share of the full counts to run: 0.02 unless given, 1 for the whole campaign.
"""

import json
import os
import random
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from netlab import responder as net
from netlab.responder import ICMP, ICMP6, PORT, PROHIBITED, TCP, TOO_BIG, UDP, UDPLITE, Packet, Says
from pathwarden.engine.correlator import Correlator, Slot
from pathwarden.engine.session import TraceSession
from pathwarden.engine.spec import TraceSpec
from pathwarden.errors import MalformedPacket
from pathwarden.model.probe import Flow, Method, Reply, ReplyKind
from pathwarden.net import filters
from pathwarden.wire.probe_codec import decode4, decode6, decode_answer4, decode_answer6, default_size, encoder

SHARE = float(os.environ.get("PATHWARDEN_SOAK_SHARE") or 0.02)
DECODED = round(5_000_000 * SHARE)
LIVE = round(200_000 * SHARE)
CORPUS = Path(__file__).parent.parent / "corpus"
SRC = {4: "192.0.2.1", 6: "2001:db8::1"}
METHODS = (Method.UDP, Method.ICMP, Method.TCP, Method.UDPLITE, Method.DCCP, Method.RAW)
NUMBERS = {Method.UDP: UDP, Method.TCP: TCP, Method.UDPLITE: UDPLITE, Method.DCCP: 33, Method.RAW: 253}
MS, SECOND_NS = 1_000_000, 1_000_000_000
LENGTH = 6  # hops to each target
HONEST = 0.3  # of the replies to traces; the others are damaged
LATE = 0.05  # of them come up to two seconds later, some of these after the time-out


class Arrived(NamedTuple):
    """What a raw socket gives: on IPv4 the datagram, on IPv6 what follows its header."""

    af: int
    protocol: int
    data: bytes
    responder: str


def decoded(arrived: Arrived) -> Reply | None:
    """What the transport makes of it."""
    af, protocol, data, responder = arrived
    if protocol in (ICMP, ICMP6):
        return decode4(data, 7) if af == 4 else decode6(data, responder, 60, 7)
    return decode_answer4(data, 7) if af == 4 else decode_answer6(protocol, data, responder, 60, 7)


# -- the slow reader


class Said(NamedTuple):
    """Everything in the bytes that could name a probe."""

    dsts: set[bytes]
    sport: int
    dport: int
    idents: set[int]


def word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def doubled(data: bytes, at: int) -> set[int]:
    return {word(data, at)} if word(data, at) == word(data, at + 2) else set()


def packed(af: int, address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET if af == 4 else socket.AF_INET6, address)


def windows(data: bytes, size: int) -> set[bytes]:
    return {data[at : at + size] for at in range(len(data) - size + 1)}


def said(arrived: Arrived) -> Said:
    """Read a reply that a decoder has taken."""
    af, protocol, data, _ = arrived
    start = (data[0] & 15) * 4 if af == 4 else 0
    protocol = data[9] if af == 4 else protocol  # damaged, perhaps
    responder = data[12:16] if af == 4 else packed(6, arrived.responder)
    message = data[start:]
    if protocol in (ICMP, ICMP6):
        if message[0] in (0, 129):
            return Said({responder}, word(message, 4), 0, {word(message, 6)})
        return quoted(af, message[8:])
    dport, sport = word(message, 0), word(message, 2)
    if protocol == TCP:  # an acknowledgment lies a little beyond the sequence
        high = word(message, 8)
        return Said({responder}, sport, dport, {high, high - 1} | doubled(message, 4))
    if protocol == NUMBERS[Method.DCCP]:
        return Said({responder}, sport, dport, doubled(message, 20))
    return Said({responder}, sport, dport, set()) if protocol in (UDP, UDPLITE) else Said({responder}, 0, 0, set())


def quoted(af: int, quote: bytes) -> Said:
    if af == 4:
        at, protocol = (quote[0] & 15) * 4, quote[9]
        idents, dsts = {word(quote, 4)}, {quote[16:20]} | windows(quote[20:at], 4)  # a source route names the end
    else:
        at, protocol, idents, dsts = 40, quote[6], set(), {quote[24:40]}
        while protocol in (0, 43, 44, 60):
            following, length = quote[at], 8 if protocol == 44 else (quote[at + 1] + 1) * 8
            if protocol == 43:
                dsts |= windows(quote[at : at + length], 16)
            protocol, at = following, at + length
    header = quote[at:]
    if protocol == (ICMP if af == 4 else ICMP6):
        return Said(dsts, word(header, 4), word(header, 2), {word(header, 6)})
    if protocol in (UDP, UDPLITE):
        idents |= {word(header, 6), word(header, 10)}
    elif protocol == TCP:
        idents |= doubled(header, 4)
    elif protocol == NUMBERS[Method.DCCP]:
        idents |= {word(header, 6)} | doubled(header, 12)
    else:
        idents |= doubled(header, 4)
    return Said(dsts, word(header, 0), word(header, 2), idents)


def check(arrived: Arrived, reply: Reply) -> Said:
    """A reply says nothing that does not stand in its bytes."""
    stands = said(arrived)
    context = (arrived.data.hex(), reply, stands)
    assert packed(arrived.af, reply.dst) in stands.dsts, context
    assert (reply.sport, reply.dport) == (stands.sport, stands.dport), context
    assert {reply.ident, reply.ident_checksum} - {0} <= stands.idents, context
    return stands


# -- replies, and their damage


def flow_of(af: int, method: Method, target: int = 1) -> Flow:
    dst = f"198.51.100.{target}" if af == 4 else f"2001:db8:7::{target}"
    return Flow(af, method, SRC[af], dst, 61001, 33434, 0x28, 0x12345 if af == 6 else 0, default_size(af, method))


STACK = net.structure(net.mpls((100, 5, 1), (524288, 0, 255)))
ERRORS = (
    Says(),
    Says(structure=STACK),
    Says(structure=STACK, length=0),
    Says(edits=(net.cut(8),)),
    Says(edits=(net.translated({4: "203.0.113.7", 6: "2001:db8:99::7"}, 61001),)),
    Says(PORT),
    Says(PROHIBITED),
    Says(TOO_BIG, word=1400),
)
DIRECT: dict[Method, tuple[Callable[[Packet], bytes], ...]] = {
    Method.ICMP: (net.echo_reply,),
    Method.TCP: (net.tcp(0x12, net.mss(1400)), net.tcp(0x14)),
    Method.DCCP: (net.dccp(1), net.dccp(7)),
    Method.UDPLITE: (net.datagram_back(b"hello"),),
    Method.UDP: (net.datagram_back(b"hello"),),
}


def arrived(says: Says, probe: bytes, source: str) -> Arrived:
    """A reply as the socket gives it."""
    packet = net.parse(probe)
    whole = net.parse(net.answer(says, packet, source, 1))
    return Arrived(packet.af, whole.protocol, whole.whole if packet.af == 4 else whole.body, source)


def corpus() -> list[Arrived]:
    """Captured replies, and one of each kind that the scripted network can make."""
    found = []
    for path in sorted(CORPUS.glob("kernel*.json")):
        found += [
            Arrived(each["af"], ICMP if each["af"] == 4 else ICMP6, bytes.fromhex(each["hex"]), each.get("responder", ""))
            for each in json.loads(path.read_text("ascii"))
        ]
    for af in (4, 6):
        for method in METHODS:
            flow = flow_of(af, method)
            probe = encoder(flow)(0x1234, 3)
            found += [arrived(says, probe, net.hop(af, 3)) for says in ERRORS]
            found += [arrived(Says(direct=direct), probe, flow.dst) for direct in DIRECT.get(method, ())]
    return found


def damaged(rng: random.Random, data: bytes, others: list[Arrived]) -> bytes:
    """Bits turned, bytes and words overwritten, cut, doubled, lost, or put in from another reply; one to four times."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not changed:
            break
        at = int(rng.random() * len(changed))
        match int(rng.random() * 8):
            case 0 | 1:
                changed[at] ^= 1 << int(rng.random() * 8)
            case 2:
                changed[at] = rng.choice((0, 1, 0x45, 0x7F, 0x80, 0xFF))
            case 3:
                changed[at : at + 2] = int(rng.random() * 0x10000).to_bytes(2, "big")
            case 4:
                del changed[at:]
            case 5:
                changed[at:at] = changed[at : at + rng.randint(1, 40)]
            case 6:
                del changed[at : at + rng.randint(1, 8)]
            case _:
                other = rng.choice(others).data
                changed[at : at + 4] = other[at : at + 4]
    return bytes(changed)


def test_damaged_replies_into_the_decoders(seed: int) -> None:
    rng, whole = random.Random(seed), corpus()
    outcomes: Counter[str] = Counter()
    for each in whole:
        reply = decoded(each)
        if reply is not None:
            check(each, reply)
    for _ in range(DECODED):
        one = rng.choice(whole)
        one = one._replace(data=damaged(rng, one.data, whole))
        try:
            reply = decoded(one)
        except MalformedPacket:
            outcomes["malformed"] += 1
            continue
        if reply is None:
            outcomes["no answer"] += 1
        else:
            outcomes["reply"] += 1
            check(one, reply)
    print(f"{DECODED} damaged replies to {len(whole)} kinds of probes and answers: {dict(outcomes)} (seed {seed})")
    assert set(outcomes) == {"malformed", "no answer", "reply"}
    assert outcomes["reply"] > DECODED / 10


class Sieve:
    """One of the transport's filters, in the kernel: on a pair of sockets, which hand over packets from their first byte on."""

    def __init__(self, program: bytes) -> None:
        self._into, self._out = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._out.setblocking(False)
        filters.attach(self._out, program)

    def keeps(self, data: bytes) -> bool:
        self._into.send(data)
        try:
            return bool(self._out.recv(len(data) + 1)) or not data
        except BlockingIOError:
            return False

    def close(self) -> None:
        self._into.close()
        self._out.close()


def test_the_kernels_filters_keep_every_reply_to_our_port(seed: int) -> None:
    rng, whole = random.Random(seed), corpus()
    port, outcomes = 61001, Counter[bool]()
    errors = {4: Sieve(filters.replies4(port)), 6: Sieve(filters.replies6(port))}
    answers = {4: Sieve(filters.answers4(port)), 6: Sieve(filters.answers6(port))}
    for _ in range(DECODED // 5):
        one = rng.choice(whole)
        one = one._replace(data=damaged(rng, one.data, whole))
        sieve = (errors if one.protocol in (ICMP, ICMP6) else answers)[one.af]
        kept = sieve.keeps(one.data)
        try:
            reply = decoded(one)
        except MalformedPacket:
            continue
        another = one.af == 4 and one.data[9] != one.protocol  # the socket would not get it
        if reply is not None and not another:
            outcomes[kept] += 1
            assert kept or reply.sport != port, (one.data.hex(), reply)
    for each in (*errors.values(), *answers.values()):
        each.close()
    print(f"{outcomes[True]} readable replies kept, {outcomes[False]} to other ports dropped (seed {seed})")
    assert outcomes[True] > outcomes[False] > 0


# -- into traces that run


class Watched(TraceSession):
    """A trace that tells on which probe it books."""

    booked: tuple[Slot, Reply] | None = None

    def on_reply(self, slot: Slot, reply: Reply) -> None:
        self.booked = slot, reply
        super().on_reply(slot, reply)


class Campaign:
    """Rounds of traces side by side, whose replies come damaged, doubled, late, in any order, and from strangers."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.correlator = Correlator(self.rng.randrange(1, 0xFFFE))
        self.now_ns = SECOND_NS
        self.fed = 0
        self.booked: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.before: list[Arrived] = corpus()  # other packets: strangers, and parts for damage

    def round(self) -> None:
        """One trace of each method to each of two targets."""
        flows = [flow_of(af, method, target) for af in (4, 6) for method in METHODS for target in (1, 2)]
        self.sessions = [
            Watched(TraceSpec(flow, 1, LENGTH + 2, 3, SECOND_NS, 3, 16, expected_ttl=LENGTH), self.correlator, self.rng) for flow in flows
        ]
        self.encoders = {flow: encoder(flow) for flow in flows}
        late: list[tuple[int, Arrived, Slot]] = []
        while any(not session.done for session in self.sessions):
            slots = [slot for session in self.sessions for slot in session.poll(self.now_ns, 16)]
            for slot in slots:
                self.correlator.sent(slot, self.now_ns)
            answers = [(self.answer(slot), slot) for slot in slots for _ in range(self.rng.choice((0, 1, 1, 1, 2)))]
            late += [(self.now_ns + self.rng.randrange(2 * SECOND_NS), *each) for each in answers if self.rng.random() < LATE]
            held = {id(one) for _, one, _ in late}
            answers = [each for each in answers if id(each[0]) not in held]
            answers += [(one, slot) for due_ns, one, slot in late if due_ns <= self.now_ns]
            late = [each for each in late if each[0] > self.now_ns]
            self.rng.shuffle(answers)
            for one, slot in answers:
                self.feed(one, slot)
            self.now_ns += 20 * MS if slots else 1100 * MS
        for session in self.sessions:
            assert not session.outcome().error

    def answer(self, slot: Slot) -> Arrived:
        """An honest reply."""
        flow, ttl = slot.probe.flow, slot.probe.ttl
        probe = self.encoders[flow](slot.probe.ident, ttl)
        if ttl < LENGTH:
            return arrived(self.rng.choice(ERRORS[:5]), probe, net.hop(flow.af, ttl))
        direct = DIRECT.get(flow.method)
        says = Says(PORT) if flow.method is Method.UDP or direct is None else Says(direct=self.rng.choice(direct))
        return arrived(says, probe, flow.dst)

    def feed(self, one: Arrived, slot: Slot) -> None:
        """Damage a reply perhaps, hand it in, and look where it was booked."""
        honest = self.rng.random() < HONEST
        if not honest:
            one = one._replace(data=damaged(self.rng, one.data, self.before[-200:]))
        self.before.append(one)
        del self.before[:-1000]
        self.fed += 1
        try:
            reply = decoded(one)
        except MalformedPacket:
            self.outcomes["malformed"] += 1
            assert not honest
            return
        if reply is None:
            self.outcomes["no answer"] += 1
            assert not honest
            return
        stands = check(one, reply)
        waiting = [each for each in self.in_flight() if self.fits(each, reply)]
        open_before = not slot.answered and not slot.timed_out
        self.correlator.dispatch(reply)
        taken = [session.booked for session in self.sessions if session.booked]
        for session in self.sessions:
            session.booked = None
        self.outcomes["booked" if taken else "not booked"] += 1
        if honest and open_before and (reply.ident or reply.ident_checksum):
            assert [each[0] for each in taken] == [slot], (one, reply)
        for booked, _ in taken:
            self.look(one, reply, stands, booked, waiting)

    def in_flight(self) -> list[Slot]:
        return [
            slot for session in self.sessions for slot in session._in_flight if slot.sent_ns and not slot.answered and not slot.timed_out
        ]

    @staticmethod
    def fits(slot: Slot, reply: Reply) -> bool:
        flow = slot.probe.flow
        same_ports = flow.sport == reply.sport and (flow.method is Method.ICMP or flow.dport == reply.dport)
        return flow.dst == reply.dst and flow.method is reply.method and same_ports

    def look(self, one: Arrived, reply: Reply, stands: Said, booked: Slot, waiting: list[Slot]) -> None:
        """The probe on which it was booked is the one that its bytes name."""
        flow, context = booked.probe.flow, (one.data.hex(), reply, booked.probe)
        assert packed(flow.af, flow.dst) in stands.dsts, context
        assert flow.sport == stands.sport, context
        assert flow.method is Method.ICMP or flow.dport == stands.dport, context
        if reply.ident or reply.ident_checksum:
            assert booked.probe.ident in stands.idents, context
            named = [slot for slot in waiting if slot.probe.ident == reply.ident]
            assert not named or named == [booked], context  # what the first place names goes before the second
        else:
            assert waiting == [booked], context
        self.booked[f"{flow.method} over IPv{flow.af}"] += 1


def test_damaged_replies_into_traces_that_run(seed: int) -> None:
    campaign = Campaign(seed)
    rounds = 0
    while campaign.fed < LIVE:
        campaign.round()
        rounds += 1
    correlator = campaign.correlator
    taken = sum(correlator.replies.values())
    print(
        f"{campaign.fed} replies to {correlator.probes} probes of {rounds * len(campaign.sessions)} traces: {dict(campaign.outcomes)}, "
        f"{correlator.late} late, {correlator.duplicates} duplicates, {correlator.foreign} foreign (seed {seed})"
    )
    assert taken == campaign.outcomes["booked"] == sum(campaign.booked.values())
    assert set(campaign.outcomes) == {"malformed", "no answer", "booked", "not booked"}
    assert len(campaign.booked) == 2 * len(METHODS)
    assert correlator.replies[ReplyKind.TIME_EXCEEDED]
    assert correlator.duplicates
    assert correlator.late
    assert correlator.foreign
