"""Ties every reply to the probe that caused it, for all traces of the process.

Rules:
1. A probe's ident is unique among all probes of the process for `HOLD_NS` after sending, longer than any time-out plus ten seconds.
2. A reply belongs to a probe only if the quoted destination and ports agree, and IP-ID (or ICMP sequence) or UDP checksum names it.
   The quoted source is never looked at: NAT and some clouds rewrite it.
3. The first reply in time answers the probe. A second one is a duplicate, one after the time-out is late: both are counted, never
   booked on any hop. What names no probe of ours is foreign.
4. A quote too short to hold an ident answers a probe only if exactly one probe of that flow is in flight.
"""

from collections import deque
from typing import Protocol

from pathwarden.model.probe import Flow, Method, Probe, Reply, ReplyKind

HOLD_NS = 20_000_000_000  # the longest time-out (10 s) and ten seconds more, in which late replies still arrive
_new = tuple.__new__  # a tuple's constructor is faster than a named tuple's, and one runs for each probe
LAST_IDENT = 0xFFFE  # 0 and 0xffff are no usable checksums (RFC 768: 0 means none), and Linux replaces IP-ID 0


class Owner(Protocol):
    """A trace session or watch that sent a probe."""

    late: int
    duplicates: int

    def on_reply(self, slot: "Slot", reply: Reply) -> None:
        """Take the first reply to a probe, in time."""
        ...


class Session(Owner, Protocol):
    """What a driver runs: a trace, or another measurement that sends probes and hears replies.

    Hashable by identity; `done` once nothing is to be sent or awaited any more.
    """

    done: bool

    def poll(self, mono_ns: int, budget: int) -> "list[Slot]":
        """Probes to send now, at most `budget`; fewer than `budget` means: nothing more for now."""
        ...

    def unsent(self, slot: "Slot") -> None:
        """Take back a probe that the kernel's full queue refused."""
        ...

    def fail(self, reason: str) -> None:
        """End: no probe can leave, for this reason (the code of a `ProbeError`)."""
        ...

    def next_wakeup(self) -> int | None:
        """When the next probe times out; None if none is in flight."""
        ...


class Slot:
    """One probe on its way: `sent_ns` is 0 until it left; at most one of `answered` and `timed_out` becomes true."""

    __slots__ = ("answered", "issued_ns", "owner", "probe", "sent_ns", "timed_out")

    def __init__(self, probe: Probe, owner: Owner, issued_ns: int) -> None:
        self.probe = probe
        self.owner = owner
        self.issued_ns = issued_ns
        self.sent_ns = 0
        self.answered = False
        self.timed_out = False

    @property
    def left_ns(self) -> int:
        """When the probe left; while it has not, when it was issued."""
        return self.sent_ns or self.issued_ns


class Correlator:
    """Issues idents and finds the probe of each reply. `sent_by`, `replies`, `late`, `duplicates`, `foreign` count since start."""

    def __init__(self, first_ident: int = 1) -> None:
        self._slots: dict[int, Slot] = {}
        self._order: deque[Slot] = deque()
        self._next = first_ident
        self.sent_by: dict[Method, int] = dict.fromkeys(Method, 0)
        self.replies: dict[ReplyKind, int] = dict.fromkeys(ReplyKind, 0)
        self.late = 0
        self.duplicates = 0
        self.foreign = 0

    @property
    def probes(self) -> int:
        """How many probes have left since start."""
        return sum(self.sent_by.values())

    def issue(self, owner: Owner, flow: Flow, ttl: int, query: int, mono_ns: int) -> Slot | None:
        """Make a probe with a fresh ident, or None when all 65,534 are held."""
        slots, order = self._slots, self._order
        if order and order[0].issued_ns + HOLD_NS <= mono_ns:
            self._expire(mono_ns)
        if len(slots) >= LAST_IDENT:
            return None
        ident = self._next
        while ident in slots:
            ident = ident + 1 if ident < LAST_IDENT else 1
        self._next = ident + 1 if ident < LAST_IDENT else 1
        slot = slots[ident] = Slot(_new(Probe, (ident, flow, ttl, query)), owner, mono_ns)
        order.append(slot)
        return slot

    def sent(self, slot: Slot, mono_ns: int) -> None:
        """Note that the probe left at this instant."""
        slot.sent_ns = mono_ns
        self.sent_by[slot.probe.flow.method] += 1

    def withdraw(self, slot: Slot) -> None:
        """Take a probe back: nobody waits for its reply any more. One that never left frees its ident, or a full queue would eat them."""
        slot.timed_out = True
        if not slot.sent_ns and self._slots.get(slot.probe.ident) is slot:
            del self._slots[slot.probe.ident]
            self._order.remove(slot)

    def dispatch(self, reply: Reply) -> Owner | None:
        """Hand a reply to the owner of its probe, who is returned, or count why not."""
        slot = self._slots.get(reply.ident)
        if slot is None or not _belongs(slot.probe, reply):
            slot = self._by_checksum(reply)
        if slot is None:
            self.foreign += 1
        elif slot.answered:
            self.duplicates += 1
            slot.owner.duplicates += 1
        elif slot.timed_out:
            self.late += 1
            slot.owner.late += 1
        else:
            slot.answered = True
            self.replies[reply.kind] += 1
            slot.owner.on_reply(slot, reply)
            return slot.owner
        return None

    def _by_checksum(self, reply: Reply) -> Slot | None:
        slot = self._slots.get(reply.ident_checksum)
        if slot is not None and _belongs(slot.probe, reply):
            return slot
        if reply.ident or reply.ident_checksum:
            return None
        alone = [s for s in self._order if s.sent_ns and not s.answered and not s.timed_out and _belongs(s.probe, reply)]
        return alone[0] if len(alone) == 1 else None

    def _expire(self, mono_ns: int) -> None:
        order = self._order
        while order and order[0].issued_ns + HOLD_NS <= mono_ns:
            del self._slots[order.popleft().probe.ident]


def _belongs(probe: Probe, reply: Reply) -> bool:
    flow = probe.flow
    if flow.dst != reply.dst or flow.method is not reply.method or flow.sport != reply.sport:
        return False
    # An ICMP flow's dport is its checksum, which NAT rewrites together with the identifier it maps.
    return flow.method is Method.ICMP or flow.dport == reply.dport
