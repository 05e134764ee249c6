"""What a trace says that a detector wants to know."""

from pathwarden.detect.loops import clean
from pathwarden.detect.suspicion import Sight
from pathwarden.model.history import Route
from pathwarden.model.trace import Trace


def sight_of(trace: Trace) -> Sight:
    """Who answered at each ttl, in the order of queries, and where the destination was."""
    answers = {hop.ttl: tuple([answer.responder for answer in hop.answers]) for hop in clean(trace)}
    last = max((ttl for ttl, row in answers.items() if any(row)), default=0)
    return Sight(tuple([answers.get(ttl, ()) for ttl in range(1, last + 1)]), trace.reached_ttl)


def silent_at_destination(trace: Trace, route: Route | None) -> int:
    """How many silent probes should have met the destination: from its known distance on, or from where it answered."""
    nearest = min([ttl for ttl in (route.length if route else None, trace.reached_ttl) if ttl is not None], default=None)
    answers = [answer for hop in trace.hops if hop.ttl >= nearest for answer in hop.answers] if nearest is not None else []
    return sum([answer.responder is None for answer in answers])


def one_more(counts: tuple[int, ...], ttl: int, most: int) -> tuple[int, ...]:
    """Counts by ttl with one more at this one, `most` at the most."""
    known = (*counts, *(0,) * (ttl - len(counts)))
    return (*known[: ttl - 1], min(known[ttl - 1] + 1, most), *known[ttl:])
