"""Traces told apart by their way: by their route, and where they have none by what they saw.

Rules:
1. Traces of one route are of one way, whatever they saw: its balancers and its silent hops are known.
2. A trace without a route (imported, or undecided when it was made) belongs to the first way without a route, to the same address, from
   which no known hop of it differs. A silent hop never differs.
"""

from collections.abc import Sequence

from pathwarden.detect.compare import Hop, compatible, fill
from pathwarden.errors import OperatorError
from pathwarden.model.history import StoredTrace

MOST_WAYS = 1000  # each takes some 10 kB where its hops are counted


class Way:
    """A way to a target: the id of its route (None without), the address, and its hops as far as they are known."""

    def __init__(self, route_id: str | None, address: str) -> None:
        self.route_id = route_id
        self.address = address
        self.hops: tuple[Hop, ...] = ()
        self.length: int | None = None

    def takes(self, seen: Sequence[Hop], length: int | None, address: str) -> bool:
        """Whether a trace without a route can be of this way."""
        return self.route_id is None and self.address == address and compatible(self.hops, self.length, seen, length)

    def add(self, seen: Sequence[Hop], length: int | None) -> None:
        """Learn from a trace of this way."""
        self.hops = fill(self.hops, seen)
        self.length = self.length or length


class Ways:
    """The ways of one target, in the order in which they were seen first."""

    def __init__(self) -> None:
        self.all: list[Way] = []
        self._by_route: dict[str, Way] = {}

    def of(self, stored: StoredTrace) -> Way:
        """The way of a trace. Raises `OperatorError` if there are too many."""
        trace = stored.trace
        seen, length = trace.path.hops, trace.reached_ttl
        if stored.route_id is not None:
            way = self._by_route.get(stored.route_id)
        else:
            way = next((way for way in self.all if way.takes(seen, length, trace.address)), None)
        if way is None:
            if len(self.all) >= MOST_WAYS:
                raise OperatorError(f"{trace.target} has more than {MOST_WAYS} paths in that time", "choose a shorter time")
            way = Way(stored.route_id, trace.address)
            self.all.append(way)
            if stored.route_id is not None:
                self._by_route[stored.route_id] = way
        way.add(seen, length)
        return way
