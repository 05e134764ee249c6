"""Alarms against the truth.

Rules:
1. Departures and shared changes are the events. Each target's own alarm is wanted for each. Returns are told apart: their alarms are
   right, but a tool that missed a departure has nothing to tell when it ends, so returns count for neither recall nor delay, and the
   return from what was missed is no event at all.
2. One-to-one: an alarm belongs to the event of its kind that began last before it, has no earlier alarm and did not end more than 30 s
   ago. So each event has its earliest alarm, and none is taken for an older one that nobody saw. The delay runs from the beginning.
3. Unobservable events are listed, not counted; an alarm near one of them is neither right nor false.
4. An alarm that no event took is extra; it is false if no event of its target began or ended within 600 s of it.
5. A missed event has no delay: it stands in the distribution beyond every delay (censored), and medians run over all events.
6. Reachability is scored likewise, by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.detect.truth import PATHS, RETURNS, Happening, What

GRACE_S = 30.0
NEAR_S = 600.0
LONG_S = 300.0  # events that last so long are the ones that recall is told for
MISSED = float("inf")
EVENTS = (What.DEPARTURE, What.SHARED)
LOSSES = frozenset({What.LOST, What.BACK})


class Alarm(NamedTuple):
    """What a contestant told: about which target, when (seconds since the world began), and what. `lost` is None for paths."""

    target: str
    at_s: float
    lost: bool | None = None
    classes: str = ""
    segment: str = ""
    incident: str = ""
    detail: str = ""


class Match(NamedTuple):
    """An event and the alarm that told it, None if none did."""

    event: Happening
    alarm: Alarm | None

    @property
    def delay_s(self) -> float:
        """Seconds, `MISSED` if nobody told."""
        return MISSED if self.alarm is None else self.alarm.at_s - self.event.at_s


@dataclass(slots=True)
class Score:
    """One contestant in one world, or in several added up. `days` are target-days."""

    days: float = 0.0
    spent: int = 0
    seconds: float = 0.0
    right: int = 0
    extra: int = 0
    unobservable: int = 0
    paths: list[Match] = field(default_factory=list)
    returns: list[Match] = field(default_factory=list)
    losses: list[Match] = field(default_factory=list)
    false: list[Alarm] = field(default_factory=list)
    false_lost: list[Alarm] = field(default_factory=list)
    over_budget: bool = False

    def add(self, other: "Score") -> None:
        """Take another world in."""
        self.days, self.spent, self.seconds = self.days + other.days, self.spent + other.spent, self.seconds + other.seconds
        self.right, self.extra = self.right + other.right, self.extra + other.extra
        self.unobservable += other.unobservable
        self.over_budget |= other.over_budget
        for name in ("paths", "returns", "losses", "false", "false_lost"):
            getattr(self, name).extend(getattr(other, name))

    @property
    def false_per_target_day(self) -> float:
        """False path alarms a target and day."""
        return len(self.false) / self.days

    @property
    def precision(self) -> float | None:
        """Right path alarms among right and false ones."""
        told = self.right + len(self.false)
        return self.right / told if told else None

    @property
    def pps(self) -> float:
        """Probes a second, the initial map apart."""
        return self.spent / self.seconds

    def recall(self, least_s: float = LONG_S) -> float | None:
        """The share of events at least so long that were told."""
        events = [match for match in self.paths if match.event.lasts_s >= least_s]
        return sum(match.alarm is not None for match in events) / len(events) if events else None

    def within(self, seconds: float) -> float | None:
        """The share of all events that were told so soon."""
        return sum(match.delay_s <= seconds for match in self.paths) / len(self.paths) if self.paths else None


def judge(happenings: Sequence[Happening], alarms: Iterable[Alarm]) -> Score:
    """Match a world's happenings with what a contestant told."""
    score = Score()
    by_target: dict[str, tuple[list[Happening], list[Alarm]]] = {}
    for happening in happenings:
        by_target.setdefault(happening.target, ([], []))[0].append(happening)
    for alarm in sorted(alarms, key=lambda each: each.at_s):
        by_target.setdefault(alarm.target, ([], []))[1].append(alarm)
    for events, told in by_target.values():
        _judge_paths(score, [each for each in events if each.what in PATHS], [alarm for alarm in told if alarm.lost is None])
        _judge_losses(score, [each for each in events if each.what in LOSSES], [alarm for alarm in told if alarm.lost is not None])
    return score


def median(delays: Sequence[float]) -> float | None:
    """The median over all, missed ones beyond every delay; `MISSED` if most were missed, None of nothing."""
    ordered = sorted(delays)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def _judge_paths(score: Score, events: list[Happening], alarms: list[Alarm]) -> None:
    matches, left = _match([each for each in events if each.observable], alarms)
    score.paths += [match for match in matches if match.event.what in EVENTS]
    score.returns += [match for match in matches if match.event.what in RETURNS]
    score.unobservable += sum(not each.observable for each in events if each.what in EVENTS)
    score.right += sum(match.alarm is not None for match in matches)
    _sort_left(left, events, score, score.false)


def _judge_losses(score: Score, events: list[Happening], alarms: list[Alarm]) -> None:
    left: list[Alarm] = []
    for lost in (True, False):
        concerned = [each for each in events if (each.what is What.LOST) is lost]
        # Who was lost unnoticed cannot be told to be back, but that is no path: each kind by itself.
        matches, unmatched = _match(
            [each._replace(what=What.LOST) for each in concerned], [alarm for alarm in alarms if alarm.lost is lost]
        )
        score.losses += [match for match in matches if lost]
        left += unmatched
    _sort_left(left, events, score, score.false_lost)


def _match(events: list[Happening], alarms: list[Alarm]) -> tuple[list[Match], list[Alarm]]:
    """Rule 2; the returns from what was not told are left out."""
    ordered = sorted(events, key=lambda each: each.at_s, reverse=True)
    taken: dict[Happening, Alarm] = {}
    told: set[tuple[int, What]] = set()
    left = []
    for alarm in alarms:
        event = next((each for each in ordered if each not in taken and _may_take(each, alarm, told)), None)
        if event is None:
            left.append(alarm)
        else:
            taken[event] = alarm
            told.add((event.cause, event.what))
    counted = [each for each in reversed(ordered) if each.what not in RETURNS or (each.cause, RETURNS[each.what]) in told]
    return [Match(event, taken.get(event)) for event in counted], left


def _may_take(event: Happening, alarm: Alarm, told: set[tuple[int, What]]) -> bool:
    if not event.at_s <= alarm.at_s <= event.until_s + GRACE_S:
        return False
    return event.what not in RETURNS or (event.cause, RETURNS[event.what]) in told


def _sort_left(left: list[Alarm], events: list[Happening], score: Score, false: list[Alarm]) -> None:
    """Rule 4."""
    for alarm in left:
        if any(abs(alarm.at_s - each.at_s) <= NEAR_S or abs(alarm.at_s - each.until_s) <= NEAR_S for each in events):
            score.extra += 1
        else:
            false.append(alarm)
