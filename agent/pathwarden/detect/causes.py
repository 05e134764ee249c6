"""What brought a change about: something of our own, as far as kernel and netifd told, or the network beyond.

Rules:
1. A happening can explain a change if it came within 120 s before it (or 1 s after: news are read a moment late) and concerns the
   way: the device, gateway, address or table of the kernel's route before or after.
2. What comes together belongs together: of the happenings that can explain it, only the nearest ones count, each at most 5 s before the
   next (netifd takes so long for a new link). Of those the first in the order of causes is named: uplink, address, route, rule. A link that
   goes takes its addresses, routes and rules along.
3. Routes, rules and addresses that nothing leaves from explain a change only if the kernel's answer differs. If it differs and nothing
   was told, the difference is the cause.
4. A full line explains what gets slow or lost, where the caller says so, and nothing of the above does.
5. The network beyond is named only if our own side is proven quiet: the same kernel route, the gate green, the journal complete and
   without a link that went up or down, an address, a default route, a rule or an interface that changed, for 120 s.
"""

from collections import deque
from collections.abc import Sequence

from pathwarden.detect.gate import GateState
from pathwarden.detect.load import Full
from pathwarden.detect.load import sentence as full_sentence
from pathwarden.model.change import NO_CAUSE, Cause, CauseKind
from pathwarden.model.happening import Happening, HappeningKind, What, earlier
from pathwarden.model.trace import KernelRoute

SIZE = 64
BEFORE_NS = 120_000_000_000  # a modem that dials again needs a minute or two
AFTER_NS = 1_000_000_000
TOGETHER_NS = 5_000_000_000
SAME_NS = 1_000_000_000  # the kernel says some things several times

_KINDS = {
    HappeningKind.LINK: CauseKind.UPLINK,
    HappeningKind.INTERFACE: CauseKind.UPLINK,
    HappeningKind.NEIGHBOUR: CauseKind.UPLINK,
    HappeningKind.ADDRESS: CauseKind.ADDRESS,
    HappeningKind.ROUTE: CauseKind.ROUTE,
    HappeningKind.RULE: CauseKind.RULE,
}
# Of several that came together: a link that goes takes all else along, and netifd and the neighbours tell of it later.
_ORDER = tuple(_KINDS)
_WORSE = (What.DOWN, What.REMOVED, What.FAILED)  # of one kind, what was lost explains more than what came
_LINK_WORDS = {
    What.ADDED: "{device} appeared",
    What.REMOVED: "{device} disappeared",
    What.UP: "{device} came up",
    What.CHANGED: "{device} changed ({detail})",
    What.DOWN: "{device} went down",
}
_DOWN_WORDS = {"no carrier": "{device} lost its carrier", "set down": "{device} was set down"}
_INTERFACE_WORDS = {What.UP: "interface {detail} came up", What.DOWN: "interface {detail} went down"}
_SIDES = ("device", "gateway", "source", "table")


class Journal:
    """The newest happenings, oldest first. `since_ns` is when it began to be kept."""

    def __init__(self, since_ns: int) -> None:
        self._complete_ns = since_ns  # what came before this is not known
        self._happenings: deque[Happening] = deque()

    def note(self, happening: Happening) -> None:
        """Add one. The same again within a second is left out.

        A neighbour that is removed at once did not fail: of one that somebody deletes the kernel says that it failed, then that it went.
        """
        if happening.kind is HappeningKind.NEIGHBOUR and happening.what is What.REMOVED:
            self._forget(happening._replace(what=What.FAILED))
            return
        for known in reversed(self._happenings):
            if happening.mono_ns - known.mono_ns > SAME_NS:
                break
            if known._replace(mono_ns=0) == happening._replace(mono_ns=0):
                return
        if len(self._happenings) >= SIZE:
            self._complete_ns = max(self._complete_ns, self._happenings.popleft().mono_ns + 1)
        self._happenings.append(happening)

    def _forget(self, happening: Happening) -> None:
        """Take back what was said within the last second."""
        said = happening._replace(mono_ns=0)
        kept = [one for one in self._happenings if one._replace(mono_ns=0) != said or happening.mono_ns - one.mono_ns > SAME_NS]
        self._happenings = deque(kept)

    def recent(self, mono_ns: int) -> list[Happening]:
        """What can have to do with a change at this instant."""
        return [one for one in self._happenings if -AFTER_NS <= mono_ns - one.mono_ns <= BEFORE_NS]

    def cause_of(self, mono_ns: int, old: KernelRoute | None, new: KernelRoute | None, gate: GateState, full: Full | None = None) -> Cause:
        """The cause of a change that was first seen at `mono_ns`.

        `old` and `new` are the kernel's routes before and after, None where there was no way out. `full` is a full line that may explain
        it, None for a change that load does not explain (another path).
        """
        recent = self.recent(mono_ns)
        named = _nearest([one for one in recent if _explains(one, old, new)])
        if named:
            return _local(min(named, key=_rank), named, mono_ns, old, new)
        if old != new:
            return _difference(old, new)
        if full:
            return Cause(CauseKind.LOAD, full_sentence(full))
        quiet = mono_ns - BEFORE_NS >= self._complete_ns and not any(_disturbs(one) for one in recent)
        if quiet and gate is GateState.GREEN and old is not None:
            return Cause(CauseKind.REMOTE, "nothing changed on this side in the two minutes before")
        return NO_CAUSE


def _explains(one: Happening, old: KernelRoute | None, new: KernelRoute | None) -> bool:
    ways = [way for way in (old, new) if way]
    on_way = one.device in {way.device for way in ways} - {""}
    same = old == new
    match one.kind:
        case HappeningKind.NEIGHBOUR:
            return any(one.detail == way.gateway and one.device == way.device for way in ways)
        case HappeningKind.ADDRESS:  # IPv6 adds and drops addresses that nothing of ours leaves from
            return one.detail.partition("/")[0] in {way.source for way in ways} or (on_way and not same)
        case HappeningKind.ROUTE:
            return not same and (on_way or one.changes > 1 or one.table in {way.table for way in ways})
        case HappeningKind.RULE:
            return not same and len({way.table for way in ways}) != 1
        case HappeningKind.INTERFACE:  # netifd updates an interface whenever a lifetime changes
            return on_way and not (same and one.what is What.CHANGED)
        case HappeningKind.LINK:
            return on_way
        case _:
            return False


def _disturbs(one: Happening) -> bool:
    """Whether our own side cannot be called quiet. Guests' devices come and go, neighbours fail, and narrow routes change all day."""
    match one.kind:
        case HappeningKind.ROUTE:
            return one.wide
        case HappeningKind.LINK | HappeningKind.INTERFACE:
            return one.what in (What.UP, What.DOWN)
        case _:
            return one.kind is not HappeningKind.NEIGHBOUR


def _nearest(happenings: Sequence[Happening]) -> list[Happening]:
    """The newest ones, back to the first gap."""
    found: list[Happening] = []
    for one in sorted(happenings, key=lambda happening: -happening.mono_ns):
        if found and found[-1].mono_ns - one.mono_ns > TOGETHER_NS:
            break
        found.append(one)
    return found


def _rank(one: Happening) -> tuple[int, bool, bool, int]:
    """The order of causes; of equals a wide route first, then the newest."""
    return _ORDER.index(one.kind), one.what not in _WORSE, not one.wide, -one.mono_ns


def _local(one: Happening, others: Sequence[Happening], mono_ns: int, old: KernelRoute | None, new: KernelRoute | None) -> Cause:
    kind = _KINDS[one.kind]
    words = {CauseKind.ADDRESS: _address_words, CauseKind.ROUTE: _route_words}.get(kind)
    text = words(one, others, old, new) if words else _plain_words(one)
    when = earlier(mono_ns - one.mono_ns)
    moved = f"; your traffic moved from {old.device} to {new.device}" if old and new and old.device != new.device else ""
    return Cause(kind, f"{text} {when}{'' if kind is CauseKind.ROUTE else moved}")


def _plain_words(one: Happening) -> str:
    match one.kind:
        case HappeningKind.LINK:
            template = _LINK_WORDS.get(one.what, "{device} changed")
            if one.what is What.DOWN:
                template = _DOWN_WORDS.get(one.detail, template)
        case HappeningKind.INTERFACE:
            template = _INTERFACE_WORDS.get(one.what, "interface {detail} was updated")
        case HappeningKind.NEIGHBOUR:
            template = "your gateway {detail} on {device} did not answer the address query"
        case _:
            template = "policy rule {what} ({detail})"
    return template.format(device=one.device, detail=one.detail, what=one.what.value)


def _address_words(one: Happening, others: Sequence[Happening], _old: KernelRoute | None, _new: KernelRoute | None) -> str:
    """The address that came and the one that went, of the same device and family."""

    def alike(other: Happening) -> bool:
        return other.kind is one.kind and other.device == one.device and (":" in other.detail) == (":" in one.detail)

    def bare(happening: Happening) -> str:
        return happening.detail.partition("/")[0]

    came = next((bare(other) for other in others if alike(other) and other.what is What.ADDED), "")
    went = next((bare(other) for other in others if alike(other) and other.what is What.REMOVED), "")
    if came == went:
        return f"the address {came} of {one.device} was set anew"
    if came and went:
        return f"your address on {one.device} changed from {went} to {came}"
    return f"{one.device} got the address {came}" if came else f"{one.device} lost the address {went}"


def _route_words(one: Happening, _others: Sequence[Happening], old: KernelRoute | None, new: KernelRoute | None) -> str:
    what = "default route" if one.wide else "kernel route"
    if old and new and old.device != new.device:
        return f"your {what} moved from {old.device} to {new.device}"
    if old and new and old.gateway != new.gateway:
        return f"your {what} moved from gateway {old.gateway or 'none'} to {new.gateway or 'none'}"
    if one.changes > 1:
        return f"{one.changes} or more kernel routes changed"
    on = f" on {one.device}" if one.device else ""
    return f"your {what} ({one.detail}, table {one.table}){on} was {one.what.value}"


def _difference(old: KernelRoute | None, new: KernelRoute | None) -> Cause:
    """What differs between the kernel's routes, where nobody told why."""
    if old is None or new is None:
        return Cause(CauseKind.ROUTE, "there is a way out again" if old is None else "there is no way out")
    side = next(side for side in _SIDES if getattr(old, side) != getattr(new, side))
    before, after = getattr(old, side), getattr(new, side)
    match side:
        case "source":
            return Cause(CauseKind.ADDRESS, f"your address changed from {before} to {after}")
        case "table":
            return Cause(CauseKind.RULE, f"your traffic moved from routing table {before} to {after}")
        case "gateway":
            return Cause(CauseKind.ROUTE, f"your route moved from gateway {before or 'none'} to {after or 'none'}")
        case _:
            return Cause(CauseKind.ROUTE, f"your route moved from {before} to {after}")
