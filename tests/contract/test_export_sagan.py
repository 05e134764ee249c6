"""What RIPE Atlas' own parser, ripe.atlas.sagan, makes of the traces that we write in its form."""

import json

import pytest
from hypothesis import given
from ripe.atlas.sagan import Result, TracerouteResult

from equipment import mixed
from pathwarden.export import atlas
from pathwarden.export.origin import FIRST_ID, Origin
from pathwarden.model.probe import Method
from pathwarden.model.trace import Ending, Trace

ORIGIN = Origin.of_ours("home-rt", "site", "www.example")
CORPUS = dict(mixed.by_hand())
ATLAS_KNOWS = {Method.UDP: "UDP", Method.ICMP: "ICMP", Method.TCP: "TCP", Method.TCP_CONNECT: "TCP"}


def parsed(trace: Trace) -> TracerouteResult:
    result = Result.get(json.dumps(atlas.result(ORIGIN, trace)), on_malformation=Result.ACTION_FAIL, on_error=Result.ACTION_IGNORE)
    assert isinstance(result, TracerouteResult)
    return result


@pytest.mark.parametrize("name", CORPUS)
def test_every_kind_of_trace_is_well_formed(name):
    check(parsed(CORPUS[name]), CORPUS[name])


@given(trace=mixed.traces())
def test_any_trace_is_well_formed(trace):
    check(parsed(trace), trace)


def check(result: TracerouteResult, trace: Trace) -> None:
    assert not result.is_malformed
    assert not result.is_error
    hops = [hop for hop in trace.hops if hop.answers]
    failed = trace.ending is Ending.ERROR
    assert (result.measurement_id, result.probe_id) == (ORIGIN.measurement, ORIGIN.observer) >= (FIRST_ID, FIRST_ID)
    assert (result.af, result.protocol, result.firmware) == (trace.flow.af, ATLAS_KNOWS.get(trace.flow.method), 5080)
    assert result.destination_address == (trace.address or None)
    assert result.created_timestamp == trace.at // 10**9
    assert result.total_hops == len(hops) + failed
    assert not any(packet.is_malformed for hop in result.hops for packet in hop.packets)
    for seen, hop in zip(result.hops, hops, strict=False):
        assert seen.index == hop.ttl
        assert [packet.origin for packet in seen.packets] == [answer.responder for answer in hop.answers]
        assert [packet.rtt for packet in seen.packets] == [
            None if answer.rtt_ns is None else max(round(answer.rtt_ns / 1e6, 3), 0.001) for answer in hop.answers
        ]
        headers = [packet.icmp_header for packet in seen.packets if packet.icmp_header]
        labels = [[entry["label"] for each in header.objects for entry in each.get("mpls", [])] for header in headers]
        assert labels == [
            [entry.label for each in answer.marks.extensions if isinstance(each, mixed.MplsStack) for entry in each.labels]
            for answer in hop.answers
            if answer.responder and answer.marks.extensions
        ]


@pytest.mark.parametrize("name", CORPUS)
def test_the_verdict_is_ours(name):
    trace = CORPUS[name]
    result = parsed(trace)
    if trace.ending is Ending.REACHED:
        assert result.destination_ip_responded and result.last_hop_responded
        assert result.is_success is (name != "the target prohibits")
    elif trace.ending is Ending.ERROR or trace.ending is Ending.UNREACHABLE:
        assert not result.destination_ip_responded and not result.is_success
        assert len(result.last_hop_errors) == 1
    elif trace.ending is Ending.GAP:
        assert not result.destination_ip_responded and not result.is_success and not result.last_hop_responded


def test_errors_in_the_parsers_words():
    said = {name: parsed(trace).last_hop_errors for name, trace in CORPUS.items() if name.endswith("of a router over IPv4")}
    assert said["3/0 of a router over IPv4"] == ["Network unreachable"]
    assert said["3/1 of a router over IPv4"] == ["Destination unreachable"]
    assert said["3/2 of a router over IPv4"] == ["Protocol unreachable"]
    assert said["3/3 of a router over IPv4"] == ["Port unreachable"]
    assert said["3/13 of a router over IPv4"] == ["Administratively prohibited"]
    assert parsed(CORPUS["refused by the kernel"]).last_hop_errors == ["Operation not permitted"]
    assert parsed(CORPUS["no way"]).last_hop_errors == ["no route to the target"]
