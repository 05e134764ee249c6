"""The usual route: the one with most time, or the one that the owner accepted as such.

Accepting credits a route with so much time that it leads all others by `LEAD_S`. From there on time counts as before: a route that
then holds for longer than the accepted one, its credit included, becomes the usual one by itself, so an acceptance long forgotten
stands in nobody's way.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pathwarden.model.history import Route

LEAD_S = 604_800  # a week: the owner's word outweighs what another route shows in less


class Accepted(NamedTuple):
    """The route that was accepted last, '' if none was, and the time credited to it."""

    route_id: str = ""
    credit_s: int = 0

    def weight(self, route: Route) -> int:
        """A route's time with its credit."""
        return route.held_s + (self.credit_s if route.route_id == self.route_id else 0)

    def export(self) -> dict[str, object]:
        """The acceptance as JSON-ready values, for `restore`."""
        return self._asdict()

    @classmethod
    def restore(cls, values: Mapping[str, object]) -> "Accepted":
        """An acceptance as it was exported. Raises TypeError or KeyError on anything else."""
        route_id, credit_s = values["route_id"], values["credit_s"]
        if not isinstance(route_id, str) or not isinstance(credit_s, int):
            raise TypeError("an acceptance has a route and seconds")
        return cls(route_id, credit_s)


NOT_ACCEPTED = Accepted()


def accept(route: Route, others: Iterable[Route]) -> Accepted:
    """Make a route the usual one among all of its target."""
    most_s = max((other.held_s for other in others), default=0)
    return Accepted(route.route_id, max(most_s - route.held_s, 0) + LEAD_S)
