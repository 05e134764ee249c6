"""Where a fault lies, in words."""

import pytest

from pathwarden.detect.locate import AFTER, LOCAL, SEPARATED, SIGNALS, Evidence
from pathwarden.detect.segments import Part
from pathwarden.model.change import NOWHERE, Direction, Location, Segment
from pathwarden.present.location import describe

A, B = ("192.0.2.1",), ("198.51.100.1", "198.51.100.2")


def at(segment: Segment, between: object = (A, B), confidence: float = SEPARATED, *evidence: Evidence) -> Location:
    return Location(segment, between, confidence, Direction.UNKNOWN, evidence)  # type: ignore[arg-type]  # the test's shorthand


@pytest.mark.parametrize(
    ("location", "text"),
    [
        (at(Segment.ISP), "The fault is in your ISP's network, between 192.0.2.1 and 198.51.100.1, 198.51.100.2."),
        (at(Segment.WAN, ((), A), SIGNALS), "The fault is probably on the line to your ISP, between this router and 192.0.2.1."),
        (
            at(Segment.TRANSIT, (A, ()), AFTER),
            "The fault may be in a network on the way, neither your ISP's nor the destination's, at 192.0.2.1 or behind it.",
        ),
        (at(Segment.DESTINATION, (A, ("203.0.113.9",))), "The fault is at the destination itself, between 192.0.2.1 and 203.0.113.9."),
        (at(Segment.BORDER, (A, B), SIGNALS, Evidence.EXCHANGE),
         "The fault is probably at an Internet exchange, between 192.0.2.1 and 198.51.100.1, 198.51.100.2."),
        (at(Segment.BORDER, (A, B), SIGNALS, Evidence.ROUTE_LEFT),
         "The path left its old way where your ISP's network meets the next one, behind 192.0.2.1."),
        (at(Segment.TRANSIT, None, AFTER), "The fault may be in a network on the way, neither your ISP's nor the destination's."),
        (at(Segment.WAN, ((), A), LOCAL, Evidence.GATEWAY_SILENT),
         "The gateway 192.0.2.1 does not answer, and nothing comes back through it."),
        (at(Segment.LAN, None, LOCAL, Evidence.NO_CARRIER), "The uplink has no carrier: look at cable and modem."),
        (NOWHERE, "Where the fault lies cannot be told from here."),
    ],
)  # fmt: skip
def test_a_location_is_one_sentence(location: Location, text: str) -> None:
    assert describe(location, "203.0.113.9").text == text


def test_other_languages_get_a_key_and_its_arguments() -> None:
    found = describe(at(Segment.DESTINATION, (A, ("203.0.113.9",)), SIGNALS), "203.0.113.9")
    args = {"place": "destination_host", "sureness": "probable", "near": "192.0.2.1", "far": "203.0.113.9"}
    assert (found.key, found.args) == ("between", args)
    assert describe(at(Segment.LAN, None, LOCAL, Evidence.NO_DEFAULT_ROUTE))[1:] == ("no_default_route", {})
    assert describe(NOWHERE)[1:] == ("unknown", {})


@pytest.mark.parametrize("segment", list(Segment))
def test_every_segment_has_a_place(segment: Segment) -> None:
    found = describe(at(segment))
    assert found.args["place"] in {part.value for part in Part}
    assert "{" not in found.text
