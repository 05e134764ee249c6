"""Traces in the forms of RIPE Atlas and scamper, and back."""

import json
from dataclasses import replace

import pytest
from hypothesis import given

from equipment import mixed
from pathwarden.export import atlas, scamper
from pathwarden.export.origin import Origin
from pathwarden.export.reading.forms import traces as read
from pathwarden.export.reading.recorded import Recorded
from pathwarden.model.trace import Trace

ORIGIN = Origin.of_ours("home-rt", "site", "www.example")
WRITERS = {"atlas": atlas.result, "scamper": scamper.entry}
CORPUS = dict(mixed.by_hand())


def back(item: object) -> Recorded:
    (found,) = read(json.dumps(item).encode())
    return found


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("name", CORPUS)
def test_what_was_read_back_is_written_the_same(form, name):
    once = WRITERS[form](ORIGIN, CORPUS[name])
    found = back(once)
    assert WRITERS[form](found.origin, found.trace) == once


@pytest.mark.parametrize("form", WRITERS)
@given(trace=mixed.traces())
def test_any_trace_is_written_the_same_once_more(form, trace):
    once = WRITERS[form](ORIGIN, trace)
    found = back(once)
    assert WRITERS[form](found.origin, found.trace) == once


@pytest.mark.parametrize("form", WRITERS)
@given(trace=mixed.traces())
def test_how_a_trace_ended_and_who_answered_is_kept(form, trace):
    found = back(WRITERS[form](ORIGIN, trace)).trace
    assert kept(found) == kept(trace)


def kept(trace: Trace) -> object:
    """What both forms carry of a trace."""
    plain = replace(trace, target="", source="", transport="", kernel_route=None, at=0, mono_ns=0, duration_ns=0, hops=())
    flow = trace.flow
    hops = [
        (hop.ttl, [(a.responder, a.rtt_ns and max(a.rtt_ns // 10_000, 0), a.kind, a.icmp_type, a.icmp_code) for a in hop.answers])
        for hop in trace.hops
    ]
    return replace(plain, flow=None), (flow.method, flow.af, flow.src, flow.dst, flow.sport, flow.tos), hops
