from random import Random

import pytest

from equipment.fakes import answer, hop, make_trace
from pathwarden.detect.loss import Count
from pathwarden.model.network import UNKNOWN, Network
from pathwarden.model.probe import MplsLabel, MplsStack
from pathwarden.model.trace import Hop, Marks
from pathwarden.present import hops

NOBODY = dict.fromkeys(("asn", "as_name", "country", "city", "ixp"))


def column(trace, key):
    return [row[key] for row in hops.rows(trace)]


def test_a_row_has_the_figures_of_its_hop():
    [row] = hops.rows(make_trace(hop(1, "10.0.0.1", 1.0, 3.0, 1.2346)))
    assert row == {
        "ttl": 1,
        "responders": ["10.0.0.1"],
        "silent": False,
        "rtt_ms": 1.235,
        "rtt_min_ms": 1.0,
        "rtt_max_ms": 3.0,
        "sent": 3,
        "lost": 0,
        "loss_pct": 0.0,
        "adds_ms": 1.235,
        "note": "",
        "mpls": [],
        **NOBODY,
    }


def test_a_hop_is_of_a_network_where_its_responders_agree():
    known = {
        "10.0.0.1": Network(special="private"),
        "5.1.0.1": Network(asn=64500, as_name="ONE", country="NL", city="Delft"),
        "5.1.0.2": Network(asn=64500, as_name="ONE", country="NL"),
        "6.1.0.1": Network(asn=64501, as_name="TWO", country="NL"),
        "7.1.0.1": Network(ixp="EXAMPLE-IX"),
    }

    def told(*responders):
        return hops.network(responders, lambda address: known.get(address, UNKNOWN))

    assert told("5.1.0.1") == {"asn": 64500, "as_name": "ONE", "country": "NL", "city": "Delft", "ixp": None}
    assert told("5.1.0.2", "5.1.0.1", "9.9.9.9") == told("5.1.0.1")
    assert told("5.1.0.1", "6.1.0.1") == {**NOBODY, "country": "NL", "city": "Delft"}
    assert told("7.1.0.1") == {**NOBODY, "ixp": "EXAMPLE-IX"}
    assert told("10.0.0.1") == told("9.9.9.9") == told() == NOBODY


def test_loss_that_does_not_persist_is_not_loss():
    trace = make_trace(hop(1, "a", 1, None, None), hop(2, None, None, None, None), hop(3, "c", 3, 3, 3))
    assert column(trace, "loss_pct") == [0.0, 0.0, 0.0]
    assert column(trace, "lost") == [2, 3, 0]
    assert column(trace, "note") == ["", "quiet", ""]
    assert column(trace, "silent") == [False, True, False]


def test_habits_are_told_by_many_probes_of_the_same_route():
    trace = make_trace(hop(1, "a", 1, None), hop(2, "b", 2, None), hop(3, "c", 3, 3), hop(4, "d", None, 4))
    usual = {1: Count(40, 20), 2: Count(40, 0), 3: Count(40, 40), 4: Count(40, 1)}
    rows = hops.rows(trace, usual)
    assert [row["note"] for row in rows] == ["rate_limited", "", "", ""]  # nobody is quiet who answers now
    assert [row["loss_pct"] for row in rows] == [0.0, 0.0, 0.0, 50.0]


def test_a_hop_that_usually_answers_is_not_called_quiet_for_one_silence():
    trace = make_trace(hop(1, None, None, None), hop(2, None, None, None), hop(3, "c", 3, 3))
    assert [row["note"] for row in hops.rows(trace, {1: Count(40, 2), 2: Count(40, 38), 3: Count(40, 0)})] == ["", "rate_limited", ""]
    assert [row["note"] for row in hops.rows(trace, {1: Count(20, 2), 2: Count(20, 18), 3: Count(20, 0)})] == ["quiet", "quiet", ""]


def test_a_long_trace_tells_habits_by_itself():
    trace = make_trace(hop(1, "a", *[1.0] * 15, *[None] * 15), hop(2, "b", *[2.0] * 30))
    assert column(trace, "note") == ["rate_limited", ""]


def test_loss_that_persists_is_loss():
    trace = make_trace(hop(1, "a", 1, 1, 1), hop(2, "b", 2, None, 2), hop(3, "c", 3, None, 3))
    assert column(trace, "loss_pct") == [0.0, 33.3, 33.3]
    assert column(trace, "note") == ["", "", ""]


def test_silence_to_the_end_is_loss_and_no_habit():
    trace = make_trace(hop(1, "a", 1, 1), hop(2, None, None, None), hop(3, None, None, None), reached=False)
    assert column(trace, "loss_pct") == [0.0, 100.0, 100.0]
    assert column(trace, "note") == ["", "", ""]
    assert hops.destination(trace) == (1, None, None, None, 100.0)


def test_latency_counts_only_as_far_as_it_persists():
    trace = make_trace(hop(1, "a", 1), hop(2, "b", 80), hop(3, None, None), hop(4, "d", 5), hop(5, "e", 9))
    assert column(trace, "rtt_ms") == [1.0, 80.0, None, 5.0, 9.0]
    assert column(trace, "adds_ms") == [1.0, 4.0, None, 0.0, 4.0]


@pytest.mark.parametrize("seed", range(20))
def test_added_latency_is_never_negative_and_sums_to_the_last_hop(seed):
    random = Random(seed)
    made = [hop(ttl, "r", *[random.choice([None, random.uniform(0.1, 90)]) for _ in range(3)]) for ttl in range(1, 12)]
    trace = make_trace(*made, hop(12, "end", 20.0, 21.0))
    rows = hops.rows(trace)
    added = [row["adds_ms"] for row in rows if row["adds_ms"] is not None]
    assert min(added) >= 0, f"seed {seed}"
    assert sum(added) == pytest.approx(20.5, abs=0.01), f"seed {seed}"
    raw = [row["lost"] / row["sent"] * 100 for row in rows]
    assert all(row["loss_pct"] == pytest.approx(min(raw[k:]), abs=0.06) for k, row in enumerate(rows)), f"seed {seed}"


def test_the_destination_has_its_own_figures():
    trace = make_trace(hop(1, "a", 1), hop(4, "z", 8.0, None, 9.0, 8.5))
    assert hops.destination(trace) == (4, 8.5, 8.0, 9.0, 25.0)


def test_a_trace_that_sent_nothing_knows_nothing():
    trace = make_trace(reached=False)
    assert hops.rows(trace) == []
    assert hops.destination(trace) == (0, None, None, None, None)


def test_a_hop_without_probes_has_no_loss():
    assert hops.rows(make_trace(Hop(1, ()), reached=False))[0]["loss_pct"] is None


def test_balanced_hops_name_every_responder():
    trace = make_trace(Hop(1, (answer(1, "b"), answer(2, "a"), answer(3, "b"))))
    assert column(trace, "responders") == [["b", "a"]]


def test_labels_come_from_the_first_stack_seen():
    stack = (MplsLabel(24001, 5, False, 1), MplsLabel(3, 0, True, 255))
    trace = make_trace(Hop(1, (answer(1, "a"), answer(2, "a")._replace(marks=Marks(extensions=(MplsStack(stack),))))))
    assert column(trace, "mpls") == [[[24001, 5, False, 1], [3, 0, True, 255]]]


def test_every_reply_kind_of_a_good_trace_has_no_mark():
    assert [hops.annotation(4, *pair) for pair in ((11, 0), (0, 0), (3, 3))] == ["", "", ""]
    assert [hops.annotation(6, *pair) for pair in ((3, 0), (129, 0), (1, 4))] == ["", "", ""]


@pytest.mark.parametrize(
    ("af", "icmp_type", "icmp_code", "mark"),
    [
        (4, 3, 0, "!N"), (4, 3, 1, "!H"), (4, 3, 2, "!P"), (4, 3, 4, "!F-0"), (4, 3, 5, "!S"), (4, 3, 6, "!N"), (4, 3, 7, "!H"),
        (4, 3, 8, "!N"), (4, 3, 9, "!X"), (4, 3, 10, "!X"), (4, 3, 11, "!N"), (4, 3, 12, "!H"), (4, 3, 13, "!X"),
        (4, 3, 14, "!V"), (4, 3, 15, "!C"), (4, 3, 16, "!<16>"), (4, 11, 1, "!<11-1>"), (4, 12, 0, "!<12-0>"),
        (6, 1, 0, "!N"), (6, 1, 1, "!X"), (6, 1, 2, "!H"), (6, 1, 3, "!H"), (6, 1, 5, "!<5>"), (6, 2, 0, "!F-0"),
        (6, 4, 1, "!P"), (6, 4, 0, "!<4-0>"), (6, 3, 1, "!<3-1>"), (6, 255, 255, "!<255-255>"),
    ],
)  # fmt: skip
def test_marks_are_those_of_traceroute(af, icmp_type, icmp_code, mark):
    assert hops.annotation(af, icmp_type, icmp_code) == mark


@pytest.mark.parametrize("af", [4, 6])
def test_an_answer_of_tcp_itself_has_no_mark(af):
    assert hops.annotation(af, 0, 0) == ""


@pytest.mark.parametrize(("af", "icmp_type", "icmp_code"), [(4, 3, 4), (6, 2, 0)])
def test_too_big_says_the_mtu(af, icmp_type, icmp_code):
    assert hops.annotation(af, icmp_type, icmp_code, 1400) == "!F-1400"


@pytest.mark.parametrize(("reply_ttl", "hops_back"), [(64, 1), (63, 2), (1, 64), (65, 64), (128, 1), (120, 9), (255, 1), (247, 9)])
def test_the_way_back_is_guessed_from_the_nearest_usual_ttl(reply_ttl, hops_back):
    assert hops.way_back(reply_ttl) == hops_back
