"""What the overview tells of a target beyond its state: what each part of the way adds, and why the fault is said to be where it is."""

from pathwarden.detect.loss import from_here
from pathwarden.detect.segments import SEGMENTS, Owned, Surroundings, owners, part
from pathwarden.model.change import NOWHERE, Location
from pathwarden.model.network import Whose, exchanges, nobody, numbers
from pathwarden.model.trace import Trace
from pathwarden.present import hops
from pathwarden.present.live import VERDICTS
from pathwarden.present.location import describe
from pathwarden.present.sentences import LOCATION


def strip(trace: Trace, whose: Whose = nobody) -> dict[str, float | None]:
    """The ms that each part of the way adds to the latency, of those that persist to the end; None where no hop of it answered.

    Parts are named as verdicts are, so that the strip and the sentence above it agree; what is whose nobody knows is called transit.
    """
    way = trace.kernel_route
    owned = owners(trace.path.hops, trace.address, Surroundings(way.source if way else "", as_of=numbers(whose), ixp=exchanges(whose)))
    medians = [hops.median_ns(hop.rtts_ns) for hop in trace.hops]
    adds: dict[str, float | None] = dict.fromkeys(("local", "isp", "transit", "destination"))
    near: Owned | None = None
    near_ttl, near_ns = 0, 0.0
    for hop, median, lowest in zip(trace.hops, medians, from_here(medians), strict=True):
        if median is None or lowest is None:
            continue
        far = owned[hop.ttl - 1]
        name = VERDICTS.get(SEGMENTS[part(near, far, adjacent=hop.ttl == near_ttl + 1)], "transit")
        adds[name] = (adds[name] or 0) + (lowest - near_ns) / 1e6
        near, near_ttl, near_ns = far, hop.ttl, lowest
    return {name: None if ms is None else round(ms, 3) for name, ms in adds.items()}


def why(lost: bool, location: Location, address: str) -> dict[str, object] | None:
    """The place of a fault as a sentence's key and arguments, and the evidence for it (names of `detect.locate.Evidence`).

    None while the target is not `lost`, or nobody knows the place; `address` is the target's.
    """
    if not lost or location == NOWHERE:
        return None
    place = describe(location, address)
    return {"key": LOCATION + place.key, "args": place.args, "evidence": list(location.evidence)}
