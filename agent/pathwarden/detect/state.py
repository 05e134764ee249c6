"""A detector's state as a value, and as JSON text."""

import json
from typing import NamedTuple

from pathwarden.detect.reach import Reach
from pathwarden.detect.suspicion import Suspicion
from pathwarden.detect.usual import NOT_ACCEPTED, Accepted


class State(NamedTuple):
    """All that must survive a restart, besides the routes themselves.

    `steady` counts, by ttl of the route in force, the answers in a row that came from known responders. `labels` is how many routes
    were named so far. `other`: the destination answers another method than the traces', which find it silent for no reason of interest.
    """

    address: str = ""
    epoch: str = ""
    route_id: str = ""
    rounds: int = 0
    learned_s: int = 0
    route_since: int = 0
    labels: int = 0
    steady: tuple[int, ...] = ()
    suspicion: Suspicion | None = None
    reach: Reach = Reach()
    other: bool = False
    accepted: Accepted = NOT_ACCEPTED


def encode(state: State) -> str:
    """The state as JSON text."""
    # Not dataclasses.asdict: it copies every value, and this runs for each trace.
    return _ENCODER.encode(state._asdict())


def decode(text: str) -> State:
    """The state that `encode` wrote as this text; raises ValueError, TypeError or KeyError on anything else."""
    values = json.loads(text)
    values.pop("change_no", None)  # counted here once; whoever tells changes counts them
    values["reach"] = Reach(**values["reach"])
    values["steady"] = tuple(values["steady"])
    values["accepted"] = Accepted(*values.get("accepted", NOT_ACCEPTED))
    if values["suspicion"] is not None:
        suspicion = values["suspicion"]
        suspicion["hops"] = tuple(tuple(hop) for hop in suspicion["hops"])
        suspicion["rows"] = tuple(suspicion["rows"])
        values["suspicion"] = Suspicion(**suspicion)
    return State(**values)


def _fields(value: Suspicion | Reach) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__slots__}


_ENCODER = json.JSONEncoder(default=_fields, separators=(",", ":"))
