"""Who shares a hop behind load balancers, learned by fresh flows: when a member came or went.

Rules:
1. Each flow counts once: numbers must rise (they may start over after the last one, as `engine.flows` counts 4096). Silence says nothing.
2. The set is closed when, for as many members as it has, one more would have been seen but for 1 % (the stopping rule of MDA: Augustin et
   al., E2EMON 2007). Until then whoever answers joins without a word.
3. After that a stranger is fresh, not yet a member. He came if one share cannot explain that he was never seen before and that often
   since; a member went if one share cannot explain how often he was seen before and that he never was since (likelihoods 100 million to 1).
   The stopping rule supposes equal shares; this does not.
4. A newcomer takes flows from the others: who is missed while there are strangers is judged by his share of what they leave, and after
   every change, told or not, all shares are learned anew.
5. Either is told only when the set is closed again by the flows since then. All who came or went by 100 to 1 are part of the same change.
6. A stranger whom nothing confirms joins in the end; one who never came again, and a member seen too rarely to be missed, are forgotten.
"""

from math import ceil, log, log1p
from typing import NamedTuple

from pathwarden.detect.steady import log_chance, numbers
from pathwarden.model.instants import ClockShift

MOST_FLOWS = 4096
FAILURE = 0.01
MOST_MEMBERS = 16  # a seventeenth takes 118 flows to rule out, five days of audits at the usual rate; larger sets are not followed
MEMORY = 300  # flows; half of them still close a set of the largest size
_CERTAIN = log(1e-8)  # three hundred audits a day may each begin a row: at 1e-6 such rows were met
_LIKELY = log(1e-2)
_MOST = 0.99  # of all flows; nobody is known to get each
_FORGET = 64  # flows


class Regrouped(NamedTuple):
    """A set of members that changed: how many there were and are, who came and went, by how many flows it was found."""

    before: int
    after: int
    came: int
    went: int
    first_seen_at: int
    flows: int


class _Member:
    """`before`: flows that had not met him when he came, 0 for a member. Since then: `hits` of `tries` flows, the last `missed` without."""

    __slots__ = ("before", "hits", "missed", "tries", "who")

    def __init__(self, who: int, before: int, hits: int = 0, tries: int = 0, missed: int = 0) -> None:
        self.who = who
        self.before = before
        self.hits = hits
        self.tries = tries
        self.missed = missed

    @property
    def came(self) -> float:
        return log_chance(0, self.before, self.hits, self.tries) if self.before and self.hits > 1 else 0.0

    def went(self, left: float) -> float:
        """With this part of the flows left by strangers."""
        before = self.tries - self.missed
        if not before:
            return 0.0
        share = min(left * self.hits / before, _MOST)
        return max(log_chance(self.hits, before, 0, self.missed), self.missed * log1p(-share))


def needed(members: int) -> int:
    """How many flows rule out one member more than so many (1..), but for `FAILURE`."""
    hops = members + 1
    return ceil(log(FAILURE / hops) / log(1 - 1 / hops))


class Members:
    """The members of one hop. A member is named by a number that stands for his address."""

    __slots__ = ("_flows", "_last", "_members", "_since")

    def __init__(self) -> None:
        self._flows = 0
        self._last = -1
        self._since = 0  # when the first of those who are fresh was seen
        self._members: tuple[_Member, ...] = ()

    def audit(self, flow_no: int, who: int, at: int) -> Regrouped | None:
        """Take the answer to a fresh flow (0..4095)."""
        if self._last >= 0 and not 0 < (flow_no - self._last) % MOST_FLOWS < MOST_FLOWS // 2:
            return None
        self._last = flow_no
        for member in self._members:
            member.tries += 1
            member.missed += 1
        found = next((member for member in self._members if member.who == who), None)
        if found is not None:
            self._sight(found)
        elif len(self._members) < MOST_MEMBERS:
            closed = bool(self._members) and self._flows >= needed(len(self._members))
            self._members = (*self._members, _Member(who, self._flows if closed else 0))
            if closed:
                self._since = self._since or at
        else:
            self._learn_anew(0)
            return None
        self._flows = min(self._flows + 1, MEMORY)
        return self._judge(at)

    def shift(self, shift: ClockShift) -> None:
        """Correct the instants noted by a wrong clock."""
        self._since = shift.of(self._since)

    def export(self) -> list[object]:
        """All there is, JSON-ready."""
        rows = [[each.who, each.before, each.hits, each.tries, each.missed] for each in self._members]
        return [self._flows, self._last, self._since, rows]

    @classmethod
    def restore(cls, values: object) -> "Members":
        """What `export` gave. Raises ValueError or TypeError on anything else."""
        if not isinstance(values, list) or len(values) != 4 or not isinstance(values[3], list):
            raise ValueError("members have four fields")
        made = cls()
        made._flows, made._last, made._since = numbers(values[:3], 3)
        made._members = tuple(_Member(*numbers(row, 5)) for row in values[3])
        return made

    @staticmethod
    def _sight(member: _Member) -> None:
        member.hits += 1
        member.missed = 0
        if member.tries > MEMORY:
            member.hits, member.tries = max(member.hits // 2, 1), member.tries // 2

    def _judge(self, at: int) -> Regrouped | None:
        settled = [each for each in self._members if not each.before]
        fresh = [each for each in self._members if each.before]
        left = max(1 - sum((each.hits + 1) / (each.tries + 1) for each in fresh), 0.0)
        came = [each for each in fresh if each.came <= _LIKELY]
        went = [each for each in settled if each.went(left) <= _LIKELY]
        after = len(settled) - len(went) + len(came)
        sure = [each.tries for each in came if each.came <= _CERTAIN]
        sure += [each.missed for each in went if each.went(left) <= _CERTAIN and _closed(each, len(settled))]
        if max(sure, default=0) < needed(max(after, 1)):
            self._tidy()
            return None
        change = Regrouped(len(settled), after, len(came), len(went), self._since or at, max(sure))
        self._members = tuple(each for each in self._members if each not in went)
        for each in came:
            each.before = 0
        self._learn_anew(max(sure))
        return change

    def _learn_anew(self, flows: int) -> None:
        """Begin counting again; the set is known by the last so many flows."""
        self._flows = flows
        for each in self._members:
            each.hits = each.tries = each.missed = 0
        self._since = 0

    def _tidy(self) -> None:
        """Let strangers join whom nothing confirms, and forget who is not seen."""
        for each in self._members:
            if each.before and each.hits and each.tries >= 2 * each.before:
                each.before = 0
                self._learn_anew(self._flows)
            elif each.missed >= 4 * (each.tries - each.missed) + _FORGET:
                self._members = tuple(other for other in self._members if other is not each)
        if not any(each.before for each in self._members):
            self._since = 0


def _closed(gone: _Member, members: int) -> bool:
    """Whether the set was closed by the flows before a member was missed."""
    return min(gone.tries - gone.missed, MEMORY) >= needed(members)
