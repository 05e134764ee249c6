"""What truly happened in a world, target by target, and whether anybody could have seen it.

Rules:
1. A `View` is what a path looks like to a patient observer: per ttl the addresses that answer there over all flows, an empty set where
   nobody answers. The last one is the destination's.
2. A change is observable if the lengths differ, or at some ttl both views have answers and none in common. Anything else, such as a
   silent router replaced by another silent one, leaves no trace; it is listed, not counted.
3. The class follows the known hops between the common beginning and the common end. Two or more that came of an AS that the path did not
   touch before, or that went of one that it does not touch now, are an AS change. Otherwise two or more replaced are a reroute, one a hop
   change, none but another length a length change.
4. The segment is that of the first ttl that differs.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import zip_longest
from typing import NamedTuple

View = tuple[frozenset[str], ...]
AsOf = Callable[[str], int | None]
LEAST_AS_HOPS = 2  # a single one is a border, numbered from either side


class What(StrEnum):
    """The kinds of happenings."""

    DEPARTURE = "departure"  # a target leaves its base path
    RETURN = "return"  # and goes back to it
    SHARED = "shared"  # a trunk of the provider changes under all targets behind it
    SHARED_RETURN = "shared_return"
    LOST = "lost"  # the target cannot be reached
    BACK = "back"


PATHS = frozenset({What.DEPARTURE, What.RETURN, What.SHARED, What.SHARED_RETURN})
RETURNS = {What.RETURN: What.DEPARTURE, What.SHARED_RETURN: What.SHARED, What.BACK: What.LOST}


class Happening(NamedTuple):
    """A change of one target, in force from `at_s` to `until_s`. `cause` is the same number for all that one cause brought about."""

    target: str
    what: What
    at_s: float
    until_s: float
    cause: int
    observable: bool
    classes: str = ""
    segment: str = ""

    @property
    def lasts_s(self) -> float:
        """Seconds."""
        return self.until_s - self.at_s


def differing(before: View, after: View) -> list[int]:
    """The ttls at which both have answers, and none in common; a view's last is aligned with the other's last."""
    same_length = len(before) == len(after)
    last = min(len(before), len(after))
    pairs = enumerate(zip_longest(before, after, fillvalue=frozenset()), start=1)
    return [ttl for ttl, (a, b) in pairs if a and b and not a & b and (same_length or ttl < last)]


def observable(before: View, after: View) -> bool:
    """Rule 2."""
    return len(before) != len(after) or bool(differing(before, after))


def class_of(before: View, after: View, as_of: AsOf) -> str:
    """Rule 3: as_path, reroute, hop or length; `as_of` gives an address's AS, None for what is nobody's."""
    gone, come = _replaced(before, after)
    if _strange(come, before, as_of) or _strange(gone, after, as_of):
        return "as_path"
    replaced = max(len(gone), len(come))
    if replaced >= 2:
        return "reroute"
    return "hop" if replaced else "length"


def first_difference(before: View, after: View) -> int:
    """The first ttl at which the two are not the same."""
    for ttl, (a, b) in enumerate(zip_longest(before, after, fillvalue=frozenset()), start=1):
        if a != b:
            return ttl
    return 0


def counted(happenings: Iterable[Happening], kinds: Sequence[What]) -> list[Happening]:
    """The observable ones of these kinds, in the order of time."""
    return sorted((each for each in happenings if each.what in kinds and each.observable), key=lambda each: each.at_s)


def _strange(hops: Iterable[frozenset[str]], path: View, as_of: AsOf) -> bool:
    """Whether enough of these hops are of one AS that a path does not touch."""
    touched = {as_of(who) for hop in path for who in hop}
    counts = Counter(number for hop in hops for number in {as_of(who) for who in hop} - touched - {None})
    return max(counts.values(), default=0) >= LEAST_AS_HOPS


def _replaced(before: View, after: View) -> tuple[list[frozenset[str]], list[frozenset[str]]]:
    """The known hops between the common beginning and the common end."""
    head, shorter = 0, min(len(before), len(after))
    while head < shorter and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < shorter - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return [hop for hop in before[head : len(before) - tail] if hop], [hop for hop in after[head : len(after) - tail] if hop]
