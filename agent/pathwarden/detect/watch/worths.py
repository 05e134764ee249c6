"""Which hop is worth a look: how long nobody looked, and how much a look there tells."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from pathwarden.detect.compare import hop_at
from pathwarden.detect.detector import Detector

WORTH = 4  # a hop where another known route differs is asked five times as often, and so on
OWN_EVERY = 4  # an answer to another target is no answer to ours: so many times as long after our own look it is due all the same


class Worth(NamedTuple):
    """An answering ttl: how much a look there tells of this target, and for how many targets it tells."""

    ttl: int
    own: int
    served: int

    def due(self, mono_ns: int, asked_ns: int, seen_ns: int) -> float:
        """How much it is its turn, when we looked last at `asked_ns`, and another target's probe was answered at `seen_ns`."""
        return self.own * max((mono_ns - max(asked_ns, seen_ns)) * self.served, (mono_ns - asked_ns) / OWN_EVERY)


def worths(detector: Detector, served: Mapping[tuple[int, str], int]) -> tuple[Worth, ...]:
    """The answering ttls of the route in force. More tells a look where other known routes have somebody else."""
    route = detector.route
    if route is None:
        return ()
    others = [r for r in detector.routes.values() if (r.address, r.epoch) == (route.address, route.epoch) and r is not route]
    found = []
    # The destination itself is the sentinel's.
    last = route.length - 1 if route.length is not None and detector.state.reach.answered and route.length > 1 else None
    for ttl, hop in enumerate(route.hops[:last], 1):
        if hop:
            differing = sum(bool(there) and not set(hop) & set(there) for there in (hop_at(other.hops, ttl) for other in others))
            found.append(_worth(ttl, 1 + WORTH * differing, served.get((ttl, hop[0]), 1)))
    return tuple(found)


@lru_cache(4096)
def _worth(ttl: int, own: int, served: int) -> Worth:
    """One object for all targets: most hops of all are worth the same."""
    return Worth(ttl, own, served)
