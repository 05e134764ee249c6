"""Latency shifts of a target: what of the trigger's findings is told.

Rules:
1. A series is what may be compared: one flow, epoch and route. One series is live, the one sampled last; of the `MOST_PARKED` before
   it only the usual level is remembered. Levels of different series meet in rule 5 alone.
2. A sample is the least of the last three replies of the live series. Three silent sentinels in a row forget them.
3. The usual level is the trigger's baseline, once it has stood for `HELD_NS` without a shift; a new series begins with its first one.
4. A shift of the trigger opens a pending one if its new level is at least 5 ms and 10 % from the usual one, and closes it if it is not.
   A pending shift that has lasted for `HELD_NS` and `HELD_SAMPLES` is told if its level and its newest sample are that far off. Three
   silent sentinels in a row start this anew: of silence nothing is known, and nothing is told.
5. A confirmed path change asks once whether the level moved with it: if three replies of the new series, the first of them within
   `JOIN_NS`, are at least 10 ms and 15 % from the usual level of the old one, the shift is told at once, as joined to the change. Old and
   new may be one series. A shift that was pending for longer than that before the change is no part of it.
6. A usual level has a reach, where all but a tenth of its samples lay. No level within that reach is told: it is usual, too.
"""

from array import array
from collections.abc import Mapping
from typing import NamedTuple, Self

from pathwarden.detect.diurnal import Hours
from pathwarden.detect.rtt import FURTHER, RUN, Shift, Trigger, whole
from pathwarden.model.instants import ClockShift

LEAST_OF = 3  # replies; queues only add to the time, so the least of a few is the path's own
HELD_NS = 30 * 60 * 10**9  # a burst of traffic is over sooner; a level of half an hour is worth telling
JOIN_NS = 5 * 60 * 10**9  # longer than confirming a change takes
HELD_SAMPLES = 12  # where sentinels are rare, half an hour holds too few of them to tell a level from a run of full queues
HELD_STEP = (5.0, 0.10)  # ms, share of the usual level: what a person would notice
JOINED_STEP = (10.0, 0.15)  # more, since it is told at once
MOST_PARKED = 3  # a change that is confirmed late finds its old series among the last few
REMEMBERED = FURTHER + LEAST_OF  # sentinels: back to the first reply that a shift's onset may rest on


class LatencyShift(NamedTuple):
    """A level shift worth telling, in either direction. `since_at` is its onset, both instants wall-clock nanoseconds.

    `joined`: it came with a confirmed path change. `diurnal`: this target is slower at the same hours of most days of the week before.
    """

    before_ms: float
    after_ms: float
    since_at: int
    decided_at: int
    joined: bool
    diurnal: bool = False


class _Level(NamedTuple):
    """A usual level and how far from it the samples lay, in ms."""

    ms: float
    reach_ms: float


class _Join(NamedTuple):
    """A path change that waits for replies of its new series. Instants are of the machine's own clock."""

    series: str
    before: _Level
    changed_ns: int


class _Pending(NamedTuple):
    """A shift that has to last."""

    since_at: int
    held_from_ns: int
    held_samples: int
    rising: bool


class Latency:
    """The machine of one target; below 4 kB. Its own clock runs from sample to sample and stands while the process does not run."""

    __slots__ = (
        "_ats",
        "_hours",
        "_join",
        "_mono_ns",
        "_now_ns",
        "_parked",
        "_pending",
        "_replies",
        "_series",
        "_silent",
        "_stood_from_ns",
        "_times_ns",
        "_trigger",
        "_usual",
    )

    _ats: "array[int]"
    _pending: _Pending | None
    _replies: "array[float]"
    _times_ns: "array[int]"
    _trigger: Trigger
    _usual: _Level | None

    def __init__(self) -> None:
        self._mono_ns: int | None = None
        self._now_ns = 0
        self._join: _Join | None = None
        self._parked: dict[str, _Level] = {}
        self._hours = Hours()
        self._begin("")

    def on_sample(self, series: str, rtt_ms: float | None, at: int, mono_ns: int) -> LatencyShift | None:
        """Take what a sentinel brought (None is no reply); the shift that this decided, else None."""
        self._run(mono_ns)
        if series != self._series:
            self._park()
            self._begin(series)
        self._note(at)
        if rtt_ms is None:
            self._miss()
            return None
        self._silent = 0
        self._replies.append(rtt_ms)
        del self._replies[:-LEAST_OF]
        least = min(self._replies)
        self._hours.add(least, at)
        self._learn()
        shift = self._trigger.push(least)
        if shift is not None:
            self._weigh(shift)
        return self._joined(at) or self._held(least, at)

    def on_path_change(self, old_series: str, new_series: str, at: int, mono_ns: int) -> LatencyShift | None:
        """Take a confirmed path change; it is joined with the step that came with it, at once if that is known already."""
        self._run(mono_ns)
        before = self._standing() if old_series == self._series else self._parked.get(old_series)
        if before is None and self._join is not None and self._join.series == old_series:
            before = self._join.before  # the path moved on before the change before had its replies
        self._join = _Join(new_series, before, self._now_ns) if before is not None else None
        if old_series == new_series:
            del self._replies[:]  # those before the change tell nothing of its impact
        return self._joined(at)

    def export(self) -> dict[str, object]:
        """The state, JSON-ready."""
        return {
            "now_ns": self._now_ns,
            "join": _listed(self._join),
            "parked": {name: list(level) for name, level in self._parked.items()},
            "hours": self._hours.export(),
            "series": self._series,
            "trigger": self._trigger.export(),
            "replies": list(self._replies),
            "ats": list(self._ats),
            "times_ns": list(self._times_ns),
            "silent": self._silent,
            "usual": _listed(self._usual),
            "stood_from_ns": self._stood_from_ns,
            "pending": _listed(self._pending),
        }

    @classmethod
    def restore(cls, values: Mapping[str, object]) -> Self:
        """The machine as it was exported; raises ValueError, TypeError or KeyError on anything else."""
        self = cls()
        self._begin(_text(values["series"]))
        self._now_ns, self._silent = whole(values["now_ns"]), whole(values["silent"])
        self._stood_from_ns = whole(values["stood_from_ns"])
        self._trigger = Trigger.restore(_mapping(values["trigger"]))
        self._hours = Hours.restore(_mapping(values["hours"]))
        self._replies = array("f", map(_number, _row(values["replies"])))
        self._ats = array("q", map(whole, _row(values["ats"])))
        self._times_ns = array("q", map(whole, _row(values["times_ns"])))
        if len(self._replies) > LEAST_OF or len(self._ats) > REMEMBERED or len(self._ats) != len(self._times_ns):
            raise ValueError("no state of a latency machine")
        self._parked = {name: _level(level) for name, level in _mapping(values["parked"]).items()}
        if len(self._parked) > MOST_PARKED:
            raise ValueError("too many series")
        self._usual = None if values["usual"] is None else _level(values["usual"])
        if values["join"] is not None:
            series, before, changed_ns = _row(values["join"])
            self._join = _Join(_text(series), _level(before), whole(changed_ns))
        if values["pending"] is not None:
            since_at, held_from_ns, held_samples, rising = _row(values["pending"])
            if not isinstance(rising, bool):
                raise TypeError("a direction is wanted")
            self._pending = _Pending(whole(since_at), whole(held_from_ns), whole(held_samples), rising)
        return self

    def shift(self, shift: ClockShift) -> None:
        """Correct the instants that a wrong wall clock noted."""
        self._ats = array("q", map(shift.of, self._ats))
        self._hours.shift(shift)
        if self._pending is not None:
            self._pending = self._pending._replace(since_at=shift.of(self._pending.since_at))

    def _begin(self, series: str) -> None:
        """A series becomes the live one, of which nothing is known yet."""
        self._series = series
        self._trigger = Trigger()
        self._replies = array("f")
        self._ats, self._times_ns = array("q"), array("q")
        self._silent = 0
        self._usual = None
        self._stood_from_ns = self._now_ns
        self._pending = None
        self._hours.part()

    def _park(self) -> None:
        """Remember the live series' usual level; the one that has been parked longest gives way."""
        self._parked.pop(self._series, None)
        standing = self._standing()
        if standing is not None:
            self._parked[self._series] = standing
        if len(self._parked) > MOST_PARKED:
            del self._parked[next(iter(self._parked))]

    def _standing(self) -> _Level | None:
        """The level that a path change now is held against (rule 5)."""
        pending = self._pending
        if pending is not None and self._now_ns - pending.held_from_ns > JOIN_NS:
            return self._level() or self._usual
        return self._usual

    def _run(self, mono_ns: int) -> None:
        if self._mono_ns is not None:
            self._now_ns += max(0, mono_ns - self._mono_ns)
        self._mono_ns = mono_ns

    def _note(self, at: int) -> None:
        self._ats.append(at)
        self._times_ns.append(self._now_ns)
        del self._ats[:-REMEMBERED], self._times_ns[:-REMEMBERED]

    def _miss(self) -> None:
        """Rules 2 and 4, for a silent sentinel."""
        self._trigger.push(None)
        self._silent += 1
        if self._silent < LEAST_OF:
            return
        del self._replies[:]
        self._stood_from_ns = self._now_ns
        if self._pending is not None:
            self._pending = self._pending._replace(held_from_ns=self._now_ns, held_samples=0)

    def _learn(self) -> None:
        """Rule 3."""
        stood = self._pending is None and self._now_ns - self._stood_from_ns >= HELD_NS
        if stood or self._usual is None:
            self._usual = self._level() or self._usual

    def _level(self) -> _Level | None:
        """The trigger's; None before it is known."""
        level, reach = self._trigger.level_ms, self._trigger.reach_ms
        return None if level is None or reach is None else _Level(level, reach)

    def _weigh(self, shift: Shift) -> None:
        """Rule 4: what the trigger found opens or closes a pending shift."""
        usual = self._usual or _Level(shift.before_ms, 0.0)
        rising = shift.after_ms > usual.ms
        # The least of three rises with the third reply of the new level but falls with the first.
        back = shift.decision_index - shift.onset_index + 1 + (LEAST_OF - 1 if rising else 0)
        back = min(back, len(self._ats))
        since_at, since_ns = self._ats[-back], self._times_ns[-back]
        self._stood_from_ns = since_ns
        if not _far(usual.ms, shift.after_ms, HELD_STEP):
            self._pending = None
        elif self._pending is None or self._pending.rising != rising:
            self._pending = _Pending(since_at, since_ns, RUN - 1, rising)

    def _held(self, least: float, at: int) -> LatencyShift | None:
        """Rule 4: a pending shift whose time has come, if the newest sample agrees; else the trigger may be about to close it."""
        pending, usual = self._pending, self._usual
        level = self._level() if pending is not None else None
        if pending is None or usual is None or level is None:
            return None
        pending = self._pending = pending._replace(held_samples=min(pending.held_samples + 1, HELD_SAMPLES))
        if self._now_ns - pending.held_from_ns < HELD_NS or pending.held_samples < HELD_SAMPLES:
            return None
        if not all(_far(usual.ms, now, HELD_STEP) and (now > usual.ms) == pending.rising for now in (level.ms, least)):
            return None
        if abs(level.ms - usual.ms) <= usual.reach_ms:
            self._pending = None
            return None
        return self._tell(usual, level, pending.since_at, at, joined=False)

    def _joined(self, at: int) -> LatencyShift | None:
        """Rule 5: a path change whose new series has its replies."""
        join = self._join
        if join is None or join.series != self._series or len(self._replies) < LEAST_OF:
            return None
        self._join = None
        if self._times_ns[-LEAST_OF] - join.changed_ns > JOIN_NS:
            return None
        least, middle, _ = sorted(self._replies)
        # Upwards all three replies must be far off; downwards two, since a queue may have held up one.
        after = _Level(least if middle > join.before.ms else middle, join.before.reach_ms)
        if not _far(join.before.ms, after.ms, JOINED_STEP) or abs(after.ms - join.before.ms) <= join.before.reach_ms:
            return None
        return self._tell(join.before, after, self._ats[-LEAST_OF], at, joined=True)

    def _tell(self, before: _Level, after: _Level, since_at: int, at: int, *, joined: bool) -> LatencyShift:
        """Tell it once: what was told is the usual level from now on."""
        self._pending, self._usual, self._stood_from_ns = None, after, self._now_ns
        return LatencyShift(before.ms, after.ms, since_at, at, joined, self._hours.diurnal())


def classes(shift: LatencyShift, blamed_ttl: int | None) -> tuple[str, ...]:
    """The classes of a shift: always `latency`; also `congestion` if it is diurnal and begins behind a near side that stayed flat."""
    near_side_flat = blamed_ttl is not None and blamed_ttl > 1
    return ("latency", "congestion") if shift.diurnal and near_side_flat else ("latency",)


def blame(hop_minima_before: Mapping[int, float], hop_minima_after: Mapping[int, float]) -> int | None:
    """The ttl of the first hop whose own minimum moved by half the step together with all deeper hops; None if none did.

    Minima in ms by ttl, of hops that answered; the deepest ttl in both is the destination, its difference is the step. A hop that
    is not in both says nothing.
    """
    moves = {ttl: hop_minima_after[ttl] - before for ttl, before in hop_minima_before.items() if ttl in hop_minima_after}
    if not moves:
        return None
    step, blamed = moves[max(moves)], None
    if abs(step) < HELD_STEP[0]:
        return None
    for ttl in sorted(moves, reverse=True):
        if moves[ttl] / step < 0.5:
            break
        blamed = ttl
    return blamed


def _far(before_ms: float, after_ms: float, step: tuple[float, float]) -> bool:
    return abs(after_ms - before_ms) >= max(step[0], step[1] * before_ms)


def _listed(values: _Level | _Join | _Pending | None) -> list[object] | None:
    return None if values is None else [list(value) if isinstance(value, _Level) else value for value in values]


def _level(value: object) -> _Level:
    ms, reach_ms = map(_number, _row(value))
    return _Level(ms, reach_ms)


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"a number is wanted, not {value!r}")
    return float(value)


def _row(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("a list is wanted")
    return value


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError("an object is wanted")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is wanted")
    return value
