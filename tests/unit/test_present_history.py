from dataclasses import replace

from equipment.fakes import answer, hop, make_route, make_trace
from pathwarden.model.history import Series, StoredTrace
from pathwarden.model.probe import MplsLabel, MplsStack, ReplyKind
from pathwarden.model.trace import Ending, Hop, Marks
from pathwarden.present import history, hops

TRACE_KEYS = ["id", "target", "at", "clock_synced", "duration_ms", "address", "af", "proto", "method", "source", "kernel_route"]
TRACE_KEYS += ["transport", "reason", "ending", "error", "error_detail", "reached", "reached_ttl", "hop_count", "rtt_ms", "loss_pct"]
TRACE_KEYS += ["path_id", "path_label", "probes", "late", "duplicates"]


def stored(trace, route_id="r1"):
    return StoredTrace(7, trace.path.path_id, route_id, trace)


def test_a_trace_without_hops_has_all_other_keys():
    shown = history.trace(stored(make_trace(hop(1, "a", 1.0), hop(2, "b", 2.0, None))), "A", full=False)
    assert list(shown) == TRACE_KEYS
    assert shown["id"] == 7
    assert shown["at"] == "2026-11-21T08:45:00.123Z"
    assert shown["kernel_route"] == {"device": "wan", "source": "192.0.2.1", "gateway": "192.0.2.254", "table": 254}
    assert (shown["path_id"], shown["path_label"]) == ("r1", "A")
    assert (shown["rtt_ms"], shown["loss_pct"], shown["hop_count"], shown["reached_ttl"]) == (2.0, 50.0, 2, 2)
    assert (shown["duration_ms"], shown["error"], shown["reached"]) == (2500.0, None, True)


def test_a_full_trace_has_every_answer():
    final = answer(1, "192.0.2.9", 9.87654, ReplyKind.PORT_UNREACHABLE, (3, 3))
    refused = answer(2, "10.0.0.7", 4.0, ReplyKind.UNREACHABLE, (3, 13))
    shown = history.trace(stored(make_trace(Hop(1, (final, refused, answer(3, None))))), None, full=True)
    [row] = shown["hops"]
    assert list(row) == ["ttl", "answers", "responders", "loss_pct", "rtt_ms", "adds_ms", "note", *hops.NETWORK, "way_back"]
    assert row["way_back"] == 1
    assert [a["annotation"] for a in row["answers"]] == ["", "!X", ""]
    assert row["answers"][0] == {
        "responder": "192.0.2.9",
        "rtt_ms": 9.877,
        "kind": "port_unreachable",
        "annotation": "",
        "reply_ttl": 64,
        "quoted_ttl": 1,
        "mpls": [],
        "marks": None,
    }
    nothing = dict.fromkeys(row["answers"][0]) | {"annotation": "", "mpls": []}
    assert row["answers"][2] == nothing
    assert [found["kind"] for found in shown["findings"]] == ["destination"]


def test_earlier_traces_of_the_same_route_tell_a_hops_habits():
    limited = stored(make_trace(hop(1, "10.0.0.1", 1.0, None), hop(2, "192.0.2.9", 2.0, 2.0)))
    other = stored(make_trace(hop(1, "10.0.0.1", 1.0, 1.0), hop(2, "192.0.2.9", 2.0, 2.0)), "r2")

    def notes(stored_trace, earlier):
        return [row["note"] for row in history.trace(stored_trace, None, full=True, earlier=earlier)["hops"]]

    assert notes(limited, [limited] * 14 + [other] * 30) == ["rate_limited", ""]
    assert notes(limited, [limited] * 13 + [other] * 30) == ["", ""]
    lost = limited._replace(route_id=None)
    assert notes(lost, [lost] * 40) == ["", ""]


def test_marks_are_shown_where_there_are_any():
    marked = answer(1, "10.0.0.1")._replace(marks=Marks(tos=0, nat=7, extensions=(MplsStack((MplsLabel(16, 0, True, 1),)),)))
    shown = history.trace(stored(make_trace(Hop(1, (marked,)))), None, full=True)
    assert shown["hops"][0]["answers"][0]["marks"] == {
        "tos": 0,
        "length": None,
        "nat": 7,
        "mtu": None,
        "mss": None,
        "segment": None,
        "extensions": ["MPLS:L=16,E=0,S=1,T=1"],
    }


def test_a_trace_that_could_not_leave_says_why():
    failed = replace(make_trace(reached=False), ending=Ending.ERROR, error="no_route: 192.0.2.1", kernel_route=None)
    shown = history.trace(stored(failed, None), None, full=True)
    assert (shown["ending"], shown["error"], shown["kernel_route"], shown["path_id"]) == ("error", "no_route", None, None)
    assert shown["error_detail"] == "no route to the target: 192.0.2.1"
    assert (shown["rtt_ms"], shown["loss_pct"], shown["hops"]) == (None, None, [])


def test_a_route_shows_its_share():
    shown = history.route(make_route("r1", "A", 600), share_pct=66.6667, usual=True, current=False)
    keys = "path_id target label address epoch hops length as_path first_at last_at held_s share_pct traces rtt_ms loss_pct usual current"
    assert list(shown) == keys.split()
    assert shown["hops"] == [["10.0.0.1"], [], ["192.0.2.9"]]
    assert (shown["share_pct"], shown["rtt_ms"], shown["usual"], shown["current"]) == (66.7, 9.877, True, False)
    assert history.route(make_route("r1", "A", 0), share_pct=None, usual=False, current=False)["share_pct"] is None


def test_a_series_keeps_gaps():
    samples = Series([1, 2], [1.23456, None], [2.0, None], [3.0, None], [3, 3], [0, 3], ["r1", None])
    assert history.series("t", samples) == {
        "target": "t",
        "columns": {
            "at_s": [1, 2],
            "rtt_min_ms": [1.235, None],
            "rtt_median_ms": [2.0, None],
            "rtt_max_ms": [3.0, None],
            "sent": [3, 3],
            "lost": [0, 3],
            "path_id": ["r1", None],
        },
    }
    assert history.spark(samples) == {"at_s": [1, 2], "rtt_ms": [2.0, None], "lost": [0, 3], "changed": []}


def test_a_sparkline_tells_when_the_path_changed_whatever_lay_between():
    ats = list(range(6))
    nothing = [None] * 6
    samples = Series(ats, nothing, nothing, nothing, [0] * 6, [0] * 6, [None, "r1", None, "r1", "r2", "r1"])
    assert history.spark(samples)["changed"] == [4, 5]
