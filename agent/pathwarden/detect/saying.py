"""Saying once what happened once: changes of traits put together, repeated ones left out, flapping ones silenced.

Rules:
1. What turned from the same to the same by one trace is one change, from its first ttl to its last.
2. A neighbouring hop that follows within `FOLLOW_NS` belongs to a change already told: a router that answers seldom shows it later. What
   is marked or translated at a hop is so for all hops behind it.
3. Going back is told, too; the third time within a day the trait flaps, and nothing more is told of it before a day has less.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pathwarden.detect.steady import numbers
from pathwarden.model.instants import ClockShift

_HOUR_NS = 3_600_000_000_000
FOLLOW_NS = 6 * _HOUR_NS  # a hop that answers every tenth trace, one every five minutes, needs two hours for two answers and some luck
AUDIT_FOLLOW_NS = 48 * _HOUR_NS  # audits ask each hop about once an hour, and closing a set takes twenty
DAY_NS = 24 * _HOUR_NS
MOST_REVERSALS = 3
_EVERYWHERE = 255
_SEVERITIES = {"nat": "notice"}  # a translator more ends what was reachable from outside; the others are for the record


class Found(NamedTuple):
    """One trait of one hop that turned (ttl 0: of the whole path). `by` is who said so, '' if nobody in particular did."""

    cls: str
    ttl: int
    before: str
    after: str
    first_seen_at: int
    confirmations: int
    by: str = ""


class TraitChange(NamedTuple):
    """A change of the class `cls` between two ttls (0..0: nowhere in particular), in short words; `severity` is a hint."""

    cls: str
    first_ttl: int
    last_ttl: int
    before: str
    after: str
    first_seen_at: int
    confirmations: int
    severity: str
    by: str = ""


class _Told(NamedTuple):
    before: str
    after: str
    first_ttl: int
    last_ttl: int
    at: int


class Sayer:
    """Turns what was found into what is told, for one target."""

    __slots__ = ("_reversals", "_told")

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}
        self._reversals: dict[str, list[int]] = {}

    def tell(self, found: Iterable[Found], at: int) -> tuple[TraitChange, ...]:
        """The changes to tell, of what was found at one instant."""
        groups: dict[tuple[str, str, str], list[Found]] = {}
        for each in found:
            groups.setdefault((each.cls, each.before, each.after), []).append(each)
        return tuple(change for group in groups.values() if (change := self._one(group, at)) is not None)

    def shift(self, shift: ClockShift) -> None:
        """Correct the instants noted by a wrong clock."""
        self._told = {cls: told._replace(at=shift.of(told.at)) for cls, told in self._told.items()}
        self._reversals = {cls: [shift.of(at) for at in instants] for cls, instants in self._reversals.items()}

    def export(self) -> dict[str, object]:
        """All there is, JSON-ready."""
        return {
            "told": {cls: list(told) for cls, told in self._told.items()},
            "reversals": {c: list(i) for c, i in self._reversals.items()},
        }

    @classmethod
    def restore(cls, values: Mapping[str, object]) -> "Sayer":
        """What `export` gave. Raises ValueError, TypeError or KeyError on anything else."""
        made = cls()
        for name, told in _fields(values["told"]):
            before, after, first, last, at = told
            if not (isinstance(before, str) and isinstance(after, str)):
                raise TypeError("what was told is in words")
            made._told[name] = _Told(before, after, *numbers([first, last, at], 3))
        made._reversals = {name: numbers(instants, len(instants)) for name, instants in _fields(values["reversals"])}
        return made

    def _one(self, group: list[Found], at: int) -> TraitChange | None:
        cls, _, before, after, *_ = group[0]
        first, last = min(each.ttl for each in group), max(each.ttl for each in group)
        told = self._told.get(cls)
        near = told is not None and told.first_ttl - 1 <= last and first <= told.last_ttl + 1
        if told is not None and near and (before, after) == (told.before, told.after) and abs(at - told.at) < _follows_ns(cls):
            self._told[cls] = told._replace(first_ttl=min(first, told.first_ttl), last_ttl=max(last, told.last_ttl))
            return None
        if told is not None and near and (before, after) == (told.after, told.before):
            lately = [then for then in self._reversals.get(cls, []) if abs(at - then) < DAY_NS]
            self._reversals[cls] = [*lately, at][-MOST_REVERSALS:]
        self._told[cls] = _Told(before, after, first, _EVERYWHERE if cls in _FROM_THERE_ON else last, at)
        if self._flaps(cls, at):
            return None
        seen_at, by = min(each.first_seen_at for each in group), next((each.by for each in group if each.by), "")
        confirmations = max(each.confirmations for each in group)
        return TraitChange(cls, first, last, before, after, seen_at, confirmations, _severity(cls, before, after), by)

    def _flaps(self, cls: str, at: int) -> bool:
        return sum(abs(at - then) < DAY_NS for then in self._reversals.get(cls, [])) >= MOST_REVERSALS


_FROM_THERE_ON = frozenset({"dscp", "nat"})


def _follows_ns(cls: str) -> int:
    return AUDIT_FOLLOW_NS if cls == "lb_set" else FOLLOW_NS


def _severity(cls: str, before: str, after: str) -> str:
    if cls == "mtu":
        return "warning" if int(after) < int(before) else "info"
    return _SEVERITIES.get(cls, "info")


def _fields(values: object) -> Iterable[tuple[str, list[object]]]:
    if not isinstance(values, dict):
        raise TypeError("not a table of lists")
    for name, row in values.items():
        if not isinstance(name, str) or not isinstance(row, list):
            raise TypeError("not a table of lists")
        yield name, row
