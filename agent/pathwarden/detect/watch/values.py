"""What the watch asks for."""

from enum import StrEnum
from typing import NamedTuple

from pathwarden.detect.compare import Hop


class Kind(StrEnum):
    """Why a probe is sent."""

    SENTINEL = "sentinel"  # does the destination answer, and from how far away
    VERIFY = "verify"  # is a hop still who it was
    AUDIT = "audit"  # who else answers there, for another flow
    LEARN = "learn"  # who is a hop that has been silent
    INQUIRY = "inquiry"  # following up a stranger
    VIGIL = "vigil"  # following up a destination's silence
    SWEEP = "sweep"  # how far probes still come
    SIBLING = "sibling"  # is another target's route touched as well


class Look(NamedTuple):
    """One probe: to the hop at `ttl` on flow `flow_no` (0: the monitored one), or with `sentinel` to the destination itself.

    `other` asks the destination by another method than the flow's, since a silent port is no silent host.
    """

    ttl: int = 0
    flow_no: int = 0
    sentinel: bool = False
    other: bool = False


class Whole(NamedTuple):
    """A route as the watch pieced it together: the responders of every hop, and the destination's ttl if it is known."""

    hops: tuple[Hop, ...]
    length: int | None


class Errand(NamedTuple):
    """Looks that go together, not before this instant. `whole` is what a sibling's route would be, `tries` how often it was silent.

    `number` tells which of its target's inquiries it belongs to: an errand outlives its inquiry while it is under way. Nobody waits for
    the answers of a `patient` one.
    """

    tid: str
    kind: Kind
    looks: tuple[Look, ...]
    not_before_ns: int = 0
    whole: Whole | None = None
    tries: int = 0
    number: int = 0
    patient: bool = False


SENTINEL = Look(sentinel=True)
OTHER_SENTINEL = Look(sentinel=True, other=True)
