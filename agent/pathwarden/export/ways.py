"""Traces told apart by their way: by their route, and where they have none by what they saw.

Rules:
1. Traces of one route are of one way, whatever they saw: its balancers and its silent hops are known.
2. A trace without a route (imported, or undecided when it was made) is of a way to the same address from which no known hop of it
   differs: that of the trace before, if it can be, else the first that can. A silent hop never differs.
"""

from collections.abc import Iterable, Sequence

from pathwarden.detect.compare import Hop, compatible, fill
from pathwarden.errors import OperatorError
from pathwarden.model.history import Route, StoredTrace

MOST_WAYS = 1000  # each takes some 10 kB where its hops are counted


class Way:
    """A way to a target: the id of its route (None without), the address, and its hops as far as they are known."""

    def __init__(self, route_id: str | None, address: str, hops: tuple[Hop, ...] = (), length: int | None = None) -> None:
        self.route_id = route_id
        self.address = address
        self.hops = hops
        self.length = length

    def takes(self, seen: Sequence[Hop], length: int | None, address: str) -> bool:
        """Whether a trace without a route can be of this way."""
        return self.address == address and compatible(self.hops, self.length, seen, length)

    def add(self, seen: Sequence[Hop], length: int | None) -> None:
        """Learn from a trace of this way; of a route all is known."""
        if self.route_id is None:
            self.hops = fill(self.hops, seen)
        self.length = self.length or length


class Ways:
    """The ways of one target; its routes are known from the beginning, the one that was seen last first."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        newest_first = sorted(routes, key=lambda route: route.last_at, reverse=True)
        self._all = [Way(route.route_id, route.address, route.hops, route.length) for route in newest_first]
        self._by_route = {way.route_id: way for way in self._all}
        self._last: Way | None = None

    def of(self, stored: StoredTrace) -> Way:
        """The way of the next trace. Raises `OperatorError` if there are too many."""
        trace = stored.trace
        seen, length = trace.path.hops, trace.reached_ttl
        if stored.route_id is not None:
            way = self._by_route.get(stored.route_id)
        else:
            nearest = [self._last, *self._all] if self._last else self._all
            way = next((way for way in nearest if way.takes(seen, length, trace.address)), None)
        way = way or self._new(stored)
        way.add(seen, length)
        self._last = way
        return way

    def _new(self, stored: StoredTrace) -> Way:
        if len(self._all) >= MOST_WAYS:
            raise OperatorError(f"{stored.trace.target} has more than {MOST_WAYS} paths in that time", "choose a shorter time")
        # Its route may have been trimmed meanwhile; then what the traces saw is all that is known.
        way = Way(stored.route_id, stored.trace.address, stored.trace.path.hops)
        self._all.append(way)
        if stored.route_id is not None:
            self._by_route[stored.route_id] = way
        return way
