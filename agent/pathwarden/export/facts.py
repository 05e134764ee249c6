"""What the forms of other programs have no place for: the member `pathwarden` of the traces that we write in them.

Other readers pass it over. Ours takes from it how the trace ended, its method and its counts, which else are guessed from the hops.
"""

from typing import NamedTuple

from pathwarden.errors import PROBE_ERRORS, explain
from pathwarden.export.reading.fields import LAST_NS, Fields
from pathwarden.model.probe import Method
from pathwarden.model.trace import Ending, Hop, Trace

MEMBER = "pathwarden"


class Facts(NamedTuple):
    """How a trace ended and what was counted, as `model.trace.Trace` has it."""

    method: Method
    ending: Ending
    error: str
    reached_ttl: int | None
    probes: int
    late: int
    duplicates: int
    clock_synced: bool


def of(trace: Trace) -> dict[str, object]:
    """The member's value."""
    seen = Facts(
        trace.flow.method,
        trace.ending,
        trace.error,
        trace.reached_ttl,
        trace.probes,
        trace.late,
        trace.duplicates,
        trace.clock_synced,
    )
    return seen._asdict()


def read(head: Fields) -> Facts | None:
    """What the member says, None without one. Raises `Unreadable`."""
    if MEMBER not in head:
        return None
    said = head.child(MEMBER)
    return Facts(
        method=said.one_of("method", Method),
        ending=said.one_of("ending", Ending),
        error=said.text("error", ""),
        reached_ttl=said.integer("reached_ttl", 1, 255) if "reached_ttl" in said else None,
        probes=said.integer("probes", 0, LAST_NS, 0),
        late=said.integer("late", 0, LAST_NS, 0),
        duplicates=said.integer("duplicates", 0, LAST_NS, 0),
        clock_synced=said.flag("clock_synced"),
    )


def check_reached(head: Fields, facts: Facts, hops: tuple[Hop, ...]) -> None:
    """Raises `Unreadable` if the destination is said to have answered where there is no hop."""
    if facts.reached_ttl is not None and facts.reached_ttl not in {hop.ttl for hop in hops}:
        raise head.child(MEMBER).wrong("reached_ttl", "the ttl of a hop")


def in_words(error: str) -> str:
    """A stored error as other programs write one: what the kernel said, or what we say of it."""
    reason, _, detail = error.partition(": ")
    return detail if reason == "send_failed" and detail else explain(error) if reason in PROBE_ERRORS else error
