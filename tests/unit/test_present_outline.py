"""What the overview tells of a target beyond its state."""

from equipment.fakes import hop, make_trace
from pathwarden.detect.locate import Evidence
from pathwarden.model.change import NOWHERE, Location, Segment
from pathwarden.model.trace import KernelRoute
from pathwarden.present.outline import strip, why

PLACE = Location(Segment.ISP, (("100.64.0.1",), ("203.0.113.9",)), 0.9, evidence=(Evidence.SEVERAL_FAIL.value, Evidence.LAST_ANSWER.value))


def _home(*hops, reached=True):
    trace = make_trace(*hops, reached=reached)
    return strip(
        type(trace)(
            **{name: getattr(trace, name) for name in trace.__slots__} | {"kernel_route": KernelRoute("lan", "192.168.1.9", "", 254)}
        )
    )


def test_each_part_of_the_way_has_the_ms_that_persist():
    hops = (
        hop(1, "192.168.1.1", 0.5),
        hop(2, "100.64.0.1", 20.0),
        hop(3, "100.64.0.2", 8.0),
        hop(4, "198.51.100.1", 12.0),
        hop(5, "192.0.2.9", 12.5),
    )
    assert _home(*hops) == {"local": 0.5, "isp": 11.5, "transit": None, "destination": 0.5}


def test_a_part_without_an_answer_is_unknown():
    hops = (hop(1, "192.168.1.1", 0.5), hop(2, None, None), hop(3, "100.64.0.2", 8.0), hop(4, None, None))
    assert _home(*hops, reached=False) == {"local": 0.5, "isp": 7.5, "transit": None, "destination": None}


def test_why_a_fault_is_where_it_is():
    assert why(True, PLACE, "192.0.2.9") == {
        "key": "location.between",
        "args": {"place": "isp", "sureness": "sure", "near": "100.64.0.1", "far": "203.0.113.9"},
        "evidence": ["several_fail", "last_answer"],
    }
    assert why(False, PLACE, "192.0.2.9") is None
    assert why(True, NOWHERE, "192.0.2.9") is None
