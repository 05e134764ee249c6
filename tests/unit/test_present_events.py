"""Changes as events: every key, severity, words, and the ULID."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.changes import attribute, change, lost, moved
from equipment.fakes import make_target
from equipment.traces import SECOND, START_AT, Watch, trace_of
from pathwarden.detect.quota import Held
from pathwarden.model.change import Cause, CauseKind, Change, ChangeKind, Direction, Location, Segment
from pathwarden.model.history import Event
from pathwarden.present.events import CROCKFORD, SEVERITIES, Head, event, event_of, ulid
from pathwarden.present.location import describe
from pathwarden.present.sentences import ENGLISH, networks_of, of_change
from pathwarden.present.severity import severity_of

KEYS = [
    "v",
    "clock_synced",
    "event_type",
    "event_id",
    "severity",
    "notify",
    "delayed",
    "agent",
    "target",
    "name",
    "address",
    "af",
    "proto",
    "first_seen_at",
    "occurred_at",
    "confirmations",
    "group_id",
    "change",
    "changes",
    "scope",
    "first_diff_ttl",
    "last_diff_ttl",
    "hops_added",
    "hops_removed",
    "similarity",
    "new_path_known",
    "returns_to_usual",
    "rtt_delta_ms",
    "before",
    "after",
    "cause",
    "location",
    "old",
    "new",
    "digest",
    "title",
    "message",
    "text",
    "url",
    "truncated",
]
SIDE = ["path_id", "label", "since", "duration_s", "hop_count", "rtt_ms", "loss_pct", "as_path", "hops", "address"]
ENTROPY = bytes(range(10))
TARGET = make_target("site", "Example site")
OLD, NEW = ("gw", "b", "c", "D"), ("gw", "x", "y", "D")


def changes(learn_s: int = 0) -> dict[str, Change]:
    """One change of every kind, as the detector makes them."""
    watch = Watch(learn_s=learn_s)
    watch.times(6, *OLD, rtt_ms=10)
    watch.settle(*NEW, rtt_ms=12.5)
    watch.settle(*OLD)
    watch.times(4, "gw", "b", None, None, reached=False)
    watch.feed(*OLD)
    watch.feed("gw", "E", address="E")
    seen = {change.kind.value: change for change in watch.changes}
    still = replace(seen["target_reachable"], learning=seen["path_changed"].learning)
    return seen | {
        "path_attribute_changed": replace(still, kind=ChangeKind.PATH_ATTRIBUTE_CHANGED, classes=("nat",)),
        "path_unstable": replace(still, kind=ChangeKind.PATH_UNSTABLE, classes=("flapping",)),
        "path_stable": replace(still, kind=ChangeKind.PATH_STABLE, classes=("flapping",)),
        "latency_shift": replace(still, kind=ChangeKind.LATENCY_SHIFT, classes=("latency",), rtt_delta_ms=6.0),
        "digest": replace(still, kind=ChangeKind.DIGEST, classes=()),
    }


CHANGES = changes()


HELD = Held((("path_changed", 3), ("target_reachable", 1)), START_AT, START_AT + 60 * SECOND, "warning")


def told(change: Change, number: int = 7) -> Event:
    if change.kind is ChangeKind.DIGEST:
        head = Head("home-rt", TARGET, number, True, 4, True, ulid(change.at, ENTROPY))
        return event_of(change, head, HELD)
    return event("home-rt", TARGET, change, trace_of(*OLD), number, ENTROPY)


def again(text: dict[str, Any]) -> list[str]:
    """Title and message as whoever has only the keys and their arguments says them."""
    said = [ENGLISH[each["key"]].format(**each["args"]) for each in (text["title"], *text["message"]) if each["key"] in ENGLISH]
    message = "; ".join(said[1:])
    return [said[0], f"{message[:1].upper()}{message[1:]}." if message else ""]


def path_change(**values: object) -> Change:
    return replace(CHANGES["path_changed"], **values)


@pytest.mark.parametrize("kind", list(ChangeKind))
def test_every_key_is_there_for_every_kind(kind: ChangeKind) -> None:
    made = told(CHANGES[kind.value])
    body = made.body
    assert list(body) == KEYS  # the store adds `seq`
    assert body["event_type"] == kind.value == made.event_type
    assert list(body["old"]) == list(body["new"]) == SIDE
    assert list(body["cause"]) == ["kind", "detail"]
    assert list(body["location"]) == ["segment", "between", "confidence", "direction", "evidence"]
    assert (body["agent"], body["target"], body["name"], body["af"], body["proto"]) == ("home-rt", "site", "Example site", 4, "udp")
    assert body["severity"] in SEVERITIES
    assert body["changes"][:1] == ([body["change"]] if kind is not ChangeKind.DIGEST else [])
    assert (body["digest"] is None) is (kind is not ChangeKind.DIGEST)
    json.dumps(body, allow_nan=False)
    assert (made.target, made.change_no, made.event_id, made.notify) == ("site", 7, body["event_id"], body["notify"])
    assert "Example site" in body["title"]
    assert [body["title"], body["message"]] == again(body["text"])


def test_a_path_change_tells_before_and_after() -> None:
    body = told(CHANGES["path_changed"]).body
    assert (body["change"], body["changes"], body["confirmations"]) == ("reroute", ["reroute"], 3)
    assert (body["first_diff_ttl"], body["last_diff_ttl"]) == (2, 3)
    assert (body["hops_added"], body["hops_removed"], body["similarity"]) == (["x", "y"], ["b", "c"], 0.5)
    assert (body["new_path_known"], body["returns_to_usual"], body["rtt_delta_ms"]) == (False, False, 2.5)
    assert body["old"]["hops"] == [["gw"], ["b"], ["c"], ["D"]]
    assert body["new"]["hops"] == [["gw"], ["x"], ["y"], ["D"]]
    assert (body["old"]["as_path"], body["new"]["as_path"]) == ([], [])
    assert (body["old"]["label"], body["new"]["label"], body["old"]["hop_count"]) == ("A", "B", 4)
    assert (body["old"]["rtt_ms"], body["old"]["loss_pct"]) == (10.0, 0.0)
    assert body["old"]["duration_s"] == 1800
    assert body["first_seen_at"] < body["occurred_at"]
    assert body["title"] == "Path to Example site changed to B"
    assert body["message"] == "Hops 2 to 3 differ; before it was path A; 2.5 ms slower."


def test_a_return_says_so() -> None:
    body = told(CHANGES["path_reverted"]).body
    assert (body["new_path_known"], body["returns_to_usual"], body["new"]["label"]) == (True, True, "A")
    assert body["title"] == "Path to Example site went back to A"


def test_a_lost_target_names_the_last_hop_that_answered() -> None:
    body = told(CHANGES["target_unreachable"]).body
    assert (body["change"], body["severity"], body["notify"]) == ("lost", "critical", True)
    assert body["location"]["between"] == [["b"], ["c"]]
    assert body["location"]["confidence"] == 0.5
    assert (body["first_diff_ttl"], body["last_diff_ttl"]) == (None, None)
    assert body["message"] == "The last hop that answers is 2."
    nothing = told(replace(CHANGES["target_unreachable"], lost_after_ttl=0)).body
    assert nothing["message"] == "The last hop that answers is none."
    assert nothing["location"]["between"] == [[], ["gw"]]
    assert told(replace(CHANGES["target_unreachable"], lost_after_ttl=9)).body["location"]["between"] == [[], []]


def test_a_moved_address_is_in_both_sides() -> None:
    body = told(CHANGES["target_address_changed"]).body
    assert (body["old"]["address"], body["new"]["address"], body["address"]) == ("D", "E", "E")
    assert (body["new"]["path_id"], body["new"]["hops"], body["new"]["hop_count"]) == (None, [], None)
    assert body["message"] == "The name moved from D to E."


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [(2, 2, "Hop 2 differs"), (2, 4, "Hops 2 to 4 differ"), (3, 2, "Different from hop 3 on"), (0, 0, "Different length")],
)
def test_where_it_differs_is_said_in_words(first: int, last: int, words: str) -> None:
    body = told(path_change(first_ttl=first, last_ttl=last, rtt_delta_ms=None)).body
    assert body["message"] == f"{words}; before it was path A."
    assert body["first_diff_ttl"] == (first or None)
    assert body["last_diff_ttl"] == (max(first, last) or None)


def test_a_faster_path_is_called_faster() -> None:
    assert told(path_change(rtt_delta_ms=-3.04)).body["message"].endswith("; 3.0 ms faster.")


@pytest.mark.parametrize(
    ("kind", "longer", "slower_ms", "usual", "severity"),
    [
        (ChangeKind.PATH_CHANGED, 0, 0.0, False, "notice"),
        (ChangeKind.PATH_CHANGED, 2, 19.9, False, "notice"),
        (ChangeKind.PATH_CHANGED, 3, None, False, "warning"),
        (ChangeKind.PATH_CHANGED, 0, 20.0, False, "warning"),
        (ChangeKind.PATH_REVERTED, 0, 0.0, True, "info"),
        (ChangeKind.PATH_REVERTED, 0, 20.0, True, "notice"),
        (ChangeKind.PATH_REVERTED, 0, 0.0, False, "notice"),
        (ChangeKind.PATH_REVERTED, 0, 20.0, False, "warning"),
        (ChangeKind.TARGET_UNREACHABLE, 0, None, False, "critical"),
        (ChangeKind.TARGET_REACHABLE, 0, None, False, "notice"),
        (ChangeKind.TARGET_ADDRESS_CHANGED, 0, None, False, "info"),
    ],
)
def test_severity_and_what_notifies(kind: ChangeKind, longer: int, slower_ms: float | None, usual: bool, severity: str) -> None:
    base = path_change()
    assert base.new is not None
    change = replace(base, kind=kind, new=base.new._replace(length=4 + longer), rtt_delta_ms=slower_ms, returns_to_usual=usual)
    body = told(change).body
    assert body["severity"] == severity
    assert body["notify"] is (severity != "info")


def test_learning_holds_back_paths_and_never_reachability() -> None:
    learning = {kind: told(change).notify for kind, change in changes(learn_s=86_400).items()}
    assert learning == {
        "path_changed": False,
        "path_reverted": False,
        "target_unreachable": True,
        "target_reachable": True,
        "target_address_changed": False,
        "path_attribute_changed": False,
        "path_unstable": False,
        "path_stable": False,
        "latency_shift": False,
        "digest": True,
    }


def test_a_ulid_is_made_of_the_instant_and_the_entropy() -> None:
    # The example of the ULID specification: 01ARZ3NDEKTSV4RRFFQ69G5FAV.
    number = 0
    for letter in "01ARZ3NDEKTSV4RRFFQ69G5FAV":
        number = number * 32 + CROCKFORD.index(letter)
    at, entropy = (number >> 80) * 1_000_000, (number & (1 << 80) - 1).to_bytes(10, "big")
    assert ulid(at, entropy) == "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    assert told(CHANGES["path_changed"]).event_id == ulid(CHANGES["path_changed"].at, ENTROPY)


@given(st.integers(0, 2**48 - 2), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_ulids_sort_as_time_does(at_ms: int, one: bytes, two: bytes) -> None:
    earlier, later = ulid(at_ms * 1_000_000 + 999_999, one), ulid((at_ms + 1) * 1_000_000, two)
    assert len(earlier) == len(later) == 26
    assert set(earlier) <= set(CROCKFORD)
    assert earlier < later
    assert earlier[0] <= "7"
    assert (ulid(at_ms * 1_000_000, one) == ulid(at_ms * 1_000_000, two)) == (one == two)


def test_instants_are_utc_with_milliseconds() -> None:
    body = told(path_change(at=START_AT + 1_234_567, first_seen_at=START_AT)).body
    assert body["first_seen_at"] == "2026-11-21T08:45:00.000Z"
    assert body["occurred_at"] == "2026-11-21T08:45:00.001Z"


@pytest.mark.parametrize(
    ("made", "severity"),
    [
        *((attribute(name), "info") for name in ("lb_set", "mpls", "filtered", "dscp", "return_path", "renumbered", "something_new")),
        (attribute("nat"), "notice"),
        (attribute("mtu", before="1500", after="1420"), "warning"),
        (attribute("mtu", before="1420 bytes", after="1500 bytes"), "notice"),
        (attribute("mtu", before="?", after="?"), "warning"),
        (moved("A", "B", classes=("as_path", "reroute")), "warning"),
        (moved("B", "A", classes=("as_path", "reroute")), "notice"),
        (moved("A", "B", classes=("loop",)), "warning"),
        (replace(moved("A", "B", classes=("loop",)), new=moved().new._replace(length=None)), "critical"),  # type: ignore[union-attr]
        (change(ChangeKind.LATENCY_SHIFT, classes=("latency",), delta_ms=8.0), "notice"),
        (change(ChangeKind.LATENCY_SHIFT, classes=("latency",), delta_ms=25.0), "warning"),
        (change(ChangeKind.LATENCY_SHIFT, classes=("congestion",), delta_ms=25.0), "warning"),
        (change(ChangeKind.LATENCY_SHIFT, classes=("latency",), delta_ms=-25.0), "notice"),
        (change(ChangeKind.LATENCY_SHIFT, classes=("latency",), delta_ms=-8.0), "info"),
        (change(ChangeKind.PATH_UNSTABLE, classes=("flapping",)), "warning"),
        (change(ChangeKind.PATH_STABLE, classes=("flapping",)), "notice"),
    ],
)
def test_what_every_class_weighs(made: Change, severity: str) -> None:
    assert severity_of(made) == severity


def test_cause_and_place_are_in_the_body_and_in_the_words() -> None:
    uplink, place = (
        Cause(CauseKind.UPLINK, "wan lost its carrier"),
        Location(Segment.WAN, (("gw",), ()), 0.95, Direction.FORWARD, ("x", "y")),
    )
    body = told(lost(cause=uplink, location=place)).body
    assert body["cause"] == {"kind": "uplink", "detail": "wan lost its carrier"}
    assert body["location"] == {
        "segment": "wan",
        "between": [["gw"], []],
        "confidence": 0.95,
        "direction": "forward",
        "evidence": ["x", "y"],
    }
    assert body["scope"] == "wan"
    assert (
        body["message"]
        == "The last hop that answers is 2; cause: wan lost its carrier; the fault is on the line to your ISP, at gw or behind it."
    )
    silent = told(lost(cause=Cause(CauseKind.REMOTE, "nothing changed here"))).body
    assert silent["message"] == "The last hop that answers is 2."
    assert silent["cause"] == {"kind": "remote", "detail": "nothing changed here"}


@pytest.mark.parametrize("kind", list(CauseKind))
def test_every_cause_has_words(kind: CauseKind) -> None:
    body = told(moved(cause=Cause(kind))).body
    assert [body["title"], body["message"]] == again(body["text"])  # type: ignore[arg-type]


def test_the_place_is_said_as_everywhere() -> None:
    place = Location(Segment.ISP, (("a",), ("b",)), 0.9, evidence=("several_fail",))
    body = told(lost(location=place)).body
    text = body["text"]
    assert isinstance(text, dict)
    said = describe(place)
    assert text["message"][-1] == {"key": f"location.{said.key}", "args": said.args}
    assert body["message"] == f"The last hop that answers is 2; t{said.text[1:]}"
    assert told(lost()).body["location"]["evidence"] == ["last_answer"]  # type: ignore[index]


def test_a_value_before_and_after_is_told() -> None:
    body = told(attribute("dscp", before="0x28", after="0x00")).body
    assert (body["before"], body["after"], body["change"], body["first_diff_ttl"]) == ("0x28", "0x00", "dscp", 3)
    assert body["title"] == "DSCP or ECN on the path to Example site changed"
    assert body["message"] == "Hop 3 differs; 0x28 before, 0x00 now."
    slower = told(
        change(ChangeKind.LATENCY_SHIFT, first_ttl=0, classes=("latency",), delta_ms=14.3, before="12.1 ms", after="26.4 ms")
    ).body
    assert (slower["title"], slower["message"]) == ("Example site became slower", "12.1 ms before, 26.4 ms now; 14.3 ms slower.")
    assert told(attribute("something_new")).body["title"] == "Something about the path to Example site changed"


def test_a_digest_tells_what_was_held_back() -> None:
    body = told(CHANGES["digest"]).body
    assert (body["severity"], body["change"], body["changes"]) == ("warning", None, [])
    assert body["digest"] == {
        "total": 4,
        "counts": {"path_changed": 3, "target_reachable": 1},
        "first_at": "2026-11-21T08:45:00.000Z",
        "last_at": "2026-11-21T08:46:00.000Z",
    }
    assert body["title"] == "4 more events of Example site"
    assert body["message"] == "The hourly limit held them back; path changed: 3; target reachable: 1."


@given(st.text(), st.text(), st.text())
def test_what_strangers_write_is_said_as_it_is(name: str, before: str, after: str) -> None:
    said = of_change(name, attribute("nat", before=before, after=after))
    assert said.title.english == f"Address translation on the path to {name} changed"
    if before or after:
        assert said.message[-1].english == f"{before} before, {after} now"


@pytest.mark.parametrize(
    ("before", "after", "names", "said"),
    [
        ((1, 2), (1, 3), {2: "Old Net"}, "now through AS3 instead of Old Net (AS2)"),
        ((1, 2), (1, 3, 2), {3: "{name} Net"}, "now through {name} Net (AS3), too"),
        ((1, 2, 3), (1,), {2: "Two"}, "no longer through Two (AS2), AS3"),
        ((1,), (1, 2, 3, 4, 5, 6), {}, "now through AS2, AS3, AS4, +2, too"),
        ((1, 2), (2, 1), {}, ""),
    ],
)
def test_networks_are_told_by_their_names(before: tuple[int, ...], after: tuple[int, ...], names: dict[int, str], said: str) -> None:
    change = path_change(classes=("as_path",), as_before=before, as_after=after, as_names=tuple(names.items()))
    body = told(change).body
    assert body["message"] == again(body["text"])[1]
    assert networks_of(body["text"]) == said
    assert said in body["message"]
    assert "through" not in told(replace(change, classes=("reroute",))).body["message"]
