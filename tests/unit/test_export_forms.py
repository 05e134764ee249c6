"""Traces in the forms of RIPE Atlas and scamper, and back."""

import json
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import mixed
from pathwarden.export import atlas, scamper
from pathwarden.export.origin import Origin
from pathwarden.export.reading.forms import traces as read
from pathwarden.export.reading.recorded import Ignored, Recorded, Unreadable
from pathwarden.model.trace import Trace
from pathwarden.store.codec import encode_trace

ORIGIN = Origin.of_ours("home-rt", "site", "www.example")
WRITERS = {"atlas": atlas.result, "scamper": scamper.entry}
CORPUS = dict(mixed.by_hand())


def back(item: object) -> Recorded:
    found = read(json.dumps(item).encode())
    if isinstance(found, Ignored):
        raise Unreadable(found.kind)
    return found[0]


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


ODD = (
    None,
    True,
    -1,
    0,
    1,
    3,
    4,
    6,
    7,
    12,
    255,
    256,
    4096,
    65536,
    2**32,
    2**64,
    1.5,
    "",
    "x",
    "open",
    "echo_reply",
    "::1",
    "192.0.2.9",
    "é\x1b",
    [],
    {},
    [{}],
)


def places(value: object, place: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Where anything stands in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*place, key)
        yield from places(each, (*place, key))


def damaged(random: Random, item: dict[str, Any]) -> dict[str, Any]:
    """A copy with another value at a place or two, or with a member less."""
    copy = json.loads(json.dumps(item))
    for _ in range(random.randint(1, 2)):
        *way, last = random.choice(list(places(copy)))
        parent = copy
        for key in way:
            parent = parent[key]
        if isinstance(parent, dict) and random.random() < 0.2:
            del parent[last]
        else:
            parent[last] = random.choice(ODD)
    return copy


@pytest.mark.parametrize("form", WRITERS)
@given(number=st.integers(0, 2**32))
def test_whatever_is_taken_in_can_be_kept_and_written_again(form, number):
    random = Random(number)
    item = damaged(random, WRITERS[form](ORIGIN, mixed.any_trace(random) if number % 2 else random.choice(list(CORPUS.values()))))
    try:
        found = back(item)
    except Unreadable as error:
        assert "\n" not in str(error)
        return
    for write in WRITERS.values():
        assert write(found.origin, back(write(found.origin, found.trace)).trace) == write(found.origin, found.trace)
    encode_trace(found.trace, found.trace.path)
    assert Origin.read(found.origin.text) == found.origin
