"""Where a fault lies, in words."""

from typing import NamedTuple

from pathwarden.detect.locate import SEPARATED, SIGNALS, Evidence
from pathwarden.detect.segments import Part
from pathwarden.model.change import Location, Segment

_PARTS = {
    Segment.LAN: Part.ME,
    Segment.WAN: Part.ACCESS,
    Segment.ISP: Part.ISP,
    Segment.BORDER: Part.BORDER,
    Segment.TRANSIT: Part.TRANSIT,
    Segment.DESTINATION: Part.NETWORK,
    Segment.UNKNOWN: Part.UNKNOWN,
}
_PLACES = {
    Part.ME: "at home",
    Part.ACCESS: "on the line to your ISP",
    Part.ISP: "in your ISP's network",
    Part.BORDER: "where your ISP's network meets the next one",
    Part.IXP: "at an Internet exchange",
    Part.TRANSIT: "in a network on the way, neither your ISP's nor the destination's",
    Part.NETWORK: "in the destination's network",
    Part.HOST: "at the destination itself",
    Part.UNKNOWN: "somewhere on the way",
}
_LOCAL = {
    Evidence.NO_CARRIER: "The uplink has no carrier: look at cable and modem.",
    Evidence.NO_ADDRESS: "The uplink has no address: the ISP or the modem gave none.",
    Evidence.NO_DEFAULT_ROUTE: "There is no default route, so no probe can leave.",
    Evidence.GATEWAY_SILENT: "The gateway {far} does not answer, and nothing comes back through it.",
}
_SENTENCES = {
    "between": "The fault {is} {place}, between {near} and {far}.",
    "behind": "The fault {is} {place}, at {near} or behind it.",
    "left": "The path left its old way {place}, behind {near}.",
    "part": "The fault {is} {place}.",
    "unknown": "Where the fault lies cannot be told from here.",
}
_HERE = "this router"


class Description(NamedTuple):
    """A location in one English sentence, and what a sentence of another language is made of.

    `key` is `between`, `behind`, `left`, `part`, `unknown`, or one of the local evidences. `args` holds `place` (a `Part`), `sureness`
    (`sure`, `probable` or `possible`), `near` and `far` (responders, '' for our own router), as far as the key needs them.
    """

    text: str
    key: str
    args: dict[str, str]


def describe(location: Location, address: str = "") -> Description:
    """The sentence about a location; `address` is the target's, which tells the destination from its network."""
    near, far = (", ".join(hop) for hop in location.between or ((), ()))
    first = location.evidence[0] if location.evidence else ""
    for evidence, sentence in _LOCAL.items():
        if first == evidence:
            return Description(sentence.format(far=far), evidence.value, {"far": far} if far else {})
    if location.confidence is None:
        return Description(_SENTENCES["unknown"], "unknown", {})
    key = "part" if not (near or far) else "left" if Evidence.ROUTE_LEFT in location.evidence else "between" if far else "behind"
    place, sureness = _place(location, address), _sureness(location.confidence)
    words = {"place": _PLACES[place], "is": _IS[sureness], "near": near or _HERE, "far": far}
    return Description(_SENTENCES[key].format(**words), key, {"place": place.value, "sureness": sureness, "near": near, "far": far})


_IS = {"sure": "is", "probable": "is probably", "possible": "may be"}


def _sureness(confidence: float) -> str:
    return "sure" if confidence >= SEPARATED else "probable" if confidence >= SIGNALS else "possible"


def _place(location: Location, address: str) -> Part:
    if Evidence.EXCHANGE in location.evidence:
        return Part.IXP
    if location.segment is Segment.DESTINATION and location.between and address in location.between[1]:
        return Part.HOST
    return _PARTS[location.segment]
