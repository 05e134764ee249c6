"""What the way does to a target's probes besides where it leads: MPLS, DSCP and ECN, translation, MTU, quiet hops, balancers, the way back.

Rules:
1. Traits belong to a route, an epoch and a flow. Where one of these is new they begin anew, and nothing is told; but for translation,
   which is as good as a new address: where only the route is new, its last hop is held against the old one's when both are known.
2. Each hop is judged by one of its known responders; another one takes his place after `MOST_ABSENT` traces without him. So members
   of a balancer that differ do not look like a change.
3. A trait is told when it was known steadily and then seen otherwise steadily (see `steady` for how; `quotes` for what). MPLS,
   marking and translation are looked at hop by hop and put together (see `saying`).
4. Silence tells nothing, but for a quiet hop before one that answers (see `quiet`).
5. The members of a balancer are told by audits with fresh flows alone (see `members`).
6. The MTU is what a too long probe was told; probes shorter than `TELLING_SIZE` say nothing by getting through.
7. The way back is told by the ttl of the destination's replies to sentinels of one method, while the way there is verified. Another initial
   TTL is another host or another kind of reply, and begins anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from zlib import crc32

from pathwarden.detect.compare import hop_at
from pathwarden.detect.loops import clean
from pathwarden.detect.members import Members, Regrouped
from pathwarden.detect.quiet import Quiet
from pathwarden.detect.quotes import CLASSES, NAT, PARTS, read, word
from pathwarden.detect.saying import Found, Sayer, TraitChange
from pathwarden.detect.steady import SIGHTINGS, UNTOLD, Rule, Steady, Turn, numbers
from pathwarden.model.history import Route
from pathwarden.model.instants import ClockShift
from pathwarden.model.trace import UNMARKED, Answer, Ending, Hop, Trace

MOST_ABSENT = 3
MOST_TTLS = 64  # as far as a configured target is traced
TELLING_SIZE = 1280  # bytes: every IPv6 link takes so much (RFC 8200 section 5), and hardly an IPv4 link less
_REMEMBERED = 4096  # responders whose number is; a few hundred come again and again
_INITIAL_TTLS = (64, 128, 255)

_HOP = Rule(sightings=2, by_chance=True)
_SIZE = Rule(sightings=2, by_chance=False)  # no balancer picks an MTU
_BACK = Rule(sightings=5, by_chance=True)


class _HopTraits(Quiet):
    """One hop: whose answers are looked at (0: nobody's yet), what they tell, and whether it is quiet: one object, since there are many."""

    __slots__ = ("absent", "steady", "who")

    def __init__(self) -> None:
        super().__init__()
        self.who = 0
        self.absent = 0
        self.steady = Steady()

    def shift(self, shift: ClockShift) -> None:
        """Correct the instants noted by a wrong clock."""
        super().shift(shift)
        self.steady.shift(shift)

    def pick(self, by_responder: Mapping[int, Sequence[Answer]]) -> Sequence[Answer]:
        """The answers to look at: those of the one we know, or of another one once he stayed away."""
        if self.who in by_responder:
            self.absent = 0
            return by_responder[self.who]
        self.absent += 1
        if self.who and self.absent < MOST_ABSENT:
            return ()
        self.who, self.absent, self.steady = min(by_responder, key=lambda who: (-len(by_responder[who]), who)), 0, Steady()
        return by_responder[self.who]


class Traits:
    """The traits of one target. Feed it with every trace of the monitored flow, and with what the watch learns; it says what changed."""

    __slots__ = ("_back", "_hops", "_key", "_members", "_moved", "_mtu", "_sayer")

    def __init__(self) -> None:
        self._sayer = Sayer()
        self._key = ""
        self._hops: dict[int, _HopTraits] = {}
        self._members: dict[int, Members] = {}
        self._mtu = Steady()
        self._back = Steady()
        self._moved = (UNTOLD, 0)  # whether the last hop of the route before was translated, and since when there is another route

    def on_trace(self, trace: Trace, route: Route | None) -> tuple[TraitChange, ...]:
        """Take a finished trace and the route it follows, as it stands now; None (still undecided) says nothing."""
        if route is None or trace.ending is Ending.ERROR:
            return ()
        flow = trace.flow
        key = f"{_stretch(route)}{trace.transport}|{flow.method.value}|{flow.tos}|{flow.size}"
        if key != self._key:
            self._begin(key, trace.at)
        hops = clean(trace)
        found = [*self._quotes(hops, trace, route), *self._silences(hops, trace, route)]
        if self._moved[0] != UNTOLD:
            found.extend(self._translation(max((ttl for ttl, hop in enumerate(route.hops, 1) if hop), default=0)))
        size = _size_told(trace)
        if size is not None:
            found.extend(self._size(*size, trace.at))
        return self._sayer.tell(found, trace.at)

    def are_of(self, route: Route | None) -> bool:
        """Whether these are a route's and its epoch's: another one begins them with its first trace, and a restart may bring older ones."""
        return route is not None and self._key.startswith(_stretch(route))

    def on_audit(self, ttl: int, flow_no: int, responder: str | None, at: int) -> tuple[TraitChange, ...]:
        """Take the answer of a hop to a fresh flow of the route in force. `flow_no` must rise (see `members`); None is silence."""
        if not self._key or responder is None or not 1 <= ttl <= MOST_TTLS:
            return ()
        change = self._members.setdefault(ttl, Members()).audit(flow_no, _name(responder), at)
        if change is None:
            return ()
        found = Found("lb_set", ttl, _counted(change.before), _regrouped(change), change.first_seen_at, change.flows)
        return self._sayer.tell([found], at)

    def on_sentinel(self, reply_ttl: int, forward_verified: bool, at: int) -> tuple[TraitChange, ...]:
        """Take the ttl of a reply of the destination (0: unknown), and whether the way there is known to be unchanged."""
        if not self._key or not reply_ttl or not forward_verified:
            return ()
        if self._back.value and _initial(self._back.value[0]) != _initial(reply_ttl):
            self._back = Steady()
        turn = self._back.see((reply_ttl,), 1, at, _BACK)
        if turn is None:
            return ()
        before, after = (f"{_initial(ttl) + 1 - ttl} hops" for ttl in (turn.before[0], turn.after[0]))
        return self._sayer.tell([Found("return_path", 0, before, after, turn.first_seen_at, turn.confirmations)], at)

    def shift(self, shift: ClockShift) -> None:
        """The clock became right: correct every instant noted before."""
        self._sayer.shift(shift)
        for steady in (self._mtu, self._back):
            steady.shift(shift)
        self._moved = (self._moved[0], shift.of(self._moved[1]))
        for members in self._members.values():
            members.shift(shift)
        for hop in self._hops.values():
            hop.shift(shift)

    def export(self) -> dict[str, object]:
        """All there is, JSON-ready, for `restore`."""
        hops = [[ttl, hop.who, hop.absent, hop.steady.export(), hop.export()] for ttl, hop in self._hops.items()]
        members = [[ttl, *each.export()] for ttl, each in self._members.items()]
        rest = {"mtu": self._mtu.export(), "back": self._back.export(), "said": self._sayer.export(), "moved": list(self._moved)}
        return {"key": self._key, "hops": hops, "members": members, **rest}

    @classmethod
    def restore(cls, values: Mapping[str, object]) -> "Traits":
        """The traits as they were when `export` gave these; raises ValueError, TypeError or KeyError on anything else."""
        traits = cls()
        key, said = values["key"], values["said"]
        if not isinstance(key, str) or not isinstance(said, dict):
            raise TypeError("traits have a key, and what was said")
        traits._key = key
        for ttl, who, absent, steady, quiet in _rows(values["hops"], 5):
            hop = _HopTraits.restore(quiet)
            (ttl_no, hop.who, hop.absent) = numbers([ttl, who, absent], 3)
            hop.steady = Steady.restore(steady, PARTS)
            traits._hops[ttl_no] = hop
        for row in _rows(values["members"], 5):
            traits._members[numbers(row[:1], 1)[0]] = Members.restore(row[1:])
        traits._mtu, traits._back = Steady.restore(values["mtu"], 1), Steady.restore(values["back"], 1)
        traits._sayer = Sayer.restore(said)
        nat, at = numbers(values.get("moved", [UNTOLD, 0]), 2)  # an older version did not write it
        traits._moved = (nat, at)
        return traits

    def _begin(self, key: str, at: int) -> None:
        if key.partition("|")[2] == self._key.partition("|")[2]:
            before = self._translated(max(self._hops, default=0))
            # A route that was left before it was known says nothing: the one before it stands.
            self._moved = self._moved if before == UNTOLD else (before, at)
        else:
            self._moved = (UNTOLD, 0)
        self._key = key
        self._hops, self._members = {}, {}
        self._mtu, self._back = Steady(), Steady()

    def _translated(self, last_ttl: int) -> int:
        """Whether what comes to the last hop is translated, `UNTOLD` while it is not known."""
        for ttl in range(last_ttl, 0, -1):
            hop = self._hops.get(ttl)
            if hop is None and ttl < last_ttl:
                continue  # a quiet one
            if hop is None or not hop.steady.known:
                return UNTOLD
            if hop.steady.value[NAT] != UNTOLD:
                return hop.steady.value[NAT]
        return UNTOLD

    def _translation(self, last_ttl: int) -> tuple[Found, ...]:
        """A new route's translation against the old one's."""
        (before, since), now = self._moved, self._translated(last_ttl)
        if now == UNTOLD:
            return ()
        self._moved = (UNTOLD, 0)
        if now == before:
            return ()
        ttls = [ttl for ttl, hop in self._hops.items() if hop.steady.value and hop.steady.value[NAT] == 1]
        return (Found("nat", min(ttls, default=last_ttl), word(NAT, before), word(NAT, now), since, SIGHTINGS),)

    def _quotes(self, hops: Iterable[Hop], trace: Trace, route: Route) -> Iterator[Found]:
        """What the hops' answers say of the way up to them."""
        delta: int | None = None
        last = 0
        for hop in hops:
            if hop.ttl > MOST_TTLS:
                break
            by_responder = _by_responder(hop, hop_at(route.hops, hop.ttl))
            before, delta = (delta if hop.ttl == last + 1 else None), None
            last = hop.ttl
            if not by_responder:
                continue
            traits = self._hops.get(hop.ttl) or self._hops.setdefault(hop.ttl, _HopTraits())
            answers = traits.pick(by_responder)
            if not answers:
                continue
            reading = read(answers, trace.flow, before)
            delta = reading.delta
            if reading.mixed:
                traits.steady.waver(trace.at)
                continue
            turn = traits.steady.see(reading.value, reading.answers, trace.at, _HOP)
            if turn is not None:
                yield from _turned(turn, hop.ttl)

    def _silences(self, hops: Sequence[Hop], trace: Trace, route: Route) -> Iterator[Found]:
        """Which hops fell quiet before one that answered."""
        deepest = next((hop.ttl for hop in reversed(hops) if not set(hop.responders).isdisjoint(hop_at(route.hops, hop.ttl))), 0)
        for hop in hops:
            traits = self._hops.get(hop.ttl)
            if traits is None or hop.ttl >= deepest or not hop.answers:
                continue
            fell = traits.see(len(hop.rtts_ns), trace.at)
            if fell is not None:
                before, after = ("answers", "quiet") if fell.quiet else ("quiet", "answers")
                yield Found("filtered", hop.ttl, before, after, fell.first_seen_at, fell.confirmations)

    def _size(self, mtu: int, ttl: int, responder: str, at: int) -> tuple[Found, ...]:
        turn = self._mtu.see((mtu,), 1, at, _SIZE)
        if turn is None:
            return ()
        return (Found("mtu", ttl, str(turn.before[0]), str(turn.after[0]), turn.first_seen_at, turn.confirmations, responder),)


def _stretch(route: Route) -> str:
    """A route and its epoch, as keys begin."""
    return f"{route.route_id}|{route.epoch}|"


def _by_responder(hop: Hop, known: Sequence[str]) -> Mapping[int, Sequence[Answer]]:
    """The answers of the route's responders; strangers are the route's affair."""
    names = [each.responder for each in hop.answers]
    if names and names[0] is not None and names.count(names[0]) == len(names):  # as nearly everywhere
        return {_name(names[0]): hop.answers} if names[0] in known else {}
    answers: dict[int, list[Answer]] = {}
    for answer in hop.answers:
        if answer.responder is not None and answer.responder in known:
            answers.setdefault(_name(answer.responder), []).append(answer)
    return answers


def _turned(turn: Turn, ttl: int) -> Iterator[Found]:
    for part, (before, after) in enumerate(zip(turn.before, turn.after, strict=True)):
        if before != after and UNTOLD not in (before, after):
            yield Found(CLASSES[part], ttl, word(part, before), word(part, after), turn.first_seen_at, turn.confirmations)


def _size_told(trace: Trace) -> tuple[int, int, str] | None:
    """The MTU, the ttl and the responder that a trace tells; None if it tells nothing."""
    size = trace.flow.size
    # Who calls a size too long and asks for one that is not shorter lies (see `engine.mtu`).
    marked = [(hop.ttl, a) for hop in trace.hops for a in hop.answers if a.marks is not UNMARKED]
    said = [(a.marks.mtu, ttl, a.responder or "") for ttl, a in marked if 0 < a.marks.mtu < size]
    if said:
        return min(said)
    return (size, 0, "") if trace.reached_ttl is not None and size >= TELLING_SIZE else None


def _counted(members: int) -> str:
    return "1 member" if members == 1 else f"{members} members"


def _regrouped(change: Regrouped) -> str:
    return _counted(change.after) + (f", {change.came} new" if change.after == change.before else "")


def _initial(reply_ttl: int) -> int:
    return next(initial for initial in _INITIAL_TTLS if reply_ttl <= initial)


@lru_cache(_REMEMBERED)
def _name(responder: str) -> int:
    """A number that stands for an address in the state: two of one hop get the same one in 4 billion cases."""
    return crc32(responder.encode())


def _rows(values: object, fields: int) -> Iterator[list[object]]:
    if not isinstance(values, list):
        raise TypeError("not a list of rows")
    for row in values:
        if not isinstance(row, list) or len(row) != fields:
            raise ValueError(f"not a row of {fields} fields")
        yield row
