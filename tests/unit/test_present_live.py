"""What the agent knows right now: the `state` and `path` objects, words, and the sentence on top of the page."""

import json
from dataclasses import replace
from typing import Any

import pytest

from equipment.fakes import make_route, make_state, make_target
from equipment.schemas import check_object
from equipment.traces import START_AT, Row, trace_of
from pathwarden.model.change import Location, Segment
from pathwarden.model.history import Route, StoredEvent
from pathwarden.model.trace import Ending, Trace
from pathwarden.present.live import STALE_INTERVALS, TargetView, overall, path, state, state_word, verdict

STATE_KEYS = {
    "v",
    "clock_synced",
    "agent",
    "target",
    "name",
    "address",
    "af",
    "proto",
    "ts",
    "state",
    "verdict",
    "reached",
    "rtt_ms",
    "rtt_min_ms",
    "rtt_max_ms",
    "jitter_ms",
    "loss_pct",
    "hop_count",
    "silent_hops",
    "path_id",
    "path_label",
    "path_since",
    "usual_path",
    "changes_24h",
    "stability_pct_7d",
    "last_change_at",
    "last_event_id",
    "next_run_at",
    "stale_after_s",
}
GOOD: tuple[Row, ...] = ("gw", None, "D")
ROUTE = make_route("r1", "A", 3600)
NOW = START_AT + 60 * 10**9


def test_states_and_paths_keep_to_their_schemas() -> None:
    for trace in (None, trace_of(*GOOD), trace_of("gw", None), trace_of("D")):
        seen = view(trace)
        check_object("target/state", json.loads(json.dumps(state("home-rt", seen, NOW, True))))
        shown = path("home-rt", seen, NOW, True, {})
        if shown is not None:
            check_object("target/path", json.loads(json.dumps(shown)))


def view(trace: Trace | None = None, route: Route | None = ROUTE, **values: object) -> TargetView:
    known = TargetView(
        target=make_target("site", "Example site"),
        trace=trace,
        on_route=trace,
        route=route,
        usual=route,
        route_since=START_AT,
        answered=True,
        lost=False,
        learning=False,
        running=False,
        resolving=False,
        next_run_at=NOW + 10**9,
        changes_24h=1,
        changes_total=4,
        last_change=None,
        stability_pct_7d=99.5,
    )
    return replace(known, **values)


def before_the_first_trace() -> TargetView:
    return view(None, None, answered=False, next_run_at=None, stability_pct_7d=None)


def shown(known: TargetView) -> dict[str, Any]:
    return state("home-rt", known, NOW, True)


def failed(error: str = "no_route") -> Trace:
    return replace(trace_of(reached=False, ending=Ending.ERROR), error=error, kernel_route=None, address="")


@pytest.mark.parametrize("known", [before_the_first_trace(), view(trace_of(*GOOD)), view(trace_of("gw", reached=False)), view(failed())])
def test_every_key_is_always_there(known: TargetView) -> None:
    made = shown(known)
    assert set(made) >= STATE_KEYS
    json.dumps(made)


def test_a_good_trace() -> None:
    trace = trace_of("gw", None, "D", rtt_ms=10)
    last = StoredEvent(3, "E3", "site", "path_changed", START_AT, {})
    made = shown(view(trace, last_change=last))
    expected = {
        "v": 1,
        "agent": "home-rt",
        "target": "site",
        "name": "Example site",
        "address": "D",
        "af": 4,
        "proto": "udp",
        "ts": "2026-11-21T08:46:00.000Z",
        "measured_at": "2026-11-21T08:45:00.000Z",
        "state": "ok",
        "verdict": "ok",
        "error": None,
        "reached": True,
        "rtt_ms": 10.0,
        "rtt_min_ms": 10.0,
        "rtt_max_ms": 10.0,
        "jitter_ms": 0.0,
        "loss_pct": 0.0,
        "hop_count": 3,
        "silent_hops": 1,
        "path_id": "r1",
        "path_label": "A",
        "usual_path": "A",
        "changes_24h": 1,
        "changes_total": 4,
        "stability_pct_7d": 99.5,
        "last_change_at": "2026-11-21T08:45:00.000Z",
        "last_event_id": "E3",
        "next_run_at": "2026-11-21T08:46:01.000Z",
        "stale_after_s": STALE_INTERVALS * 300,
        "kernel_route": {"device": "wan", "source": "192.0.2.10", "gateway": "192.0.2.1", "table": 254},
    }
    assert {key: made[key] for key in expected} == expected


def test_before_the_first_trace_all_is_unknown() -> None:
    made = shown(before_the_first_trace())
    assert (made["state"], made["verdict"], made["reached"], made["rtt_ms"], made["address"]) == ("unknown", "unknown", None, None, None)
    assert path("home-rt", before_the_first_trace(), NOW, True, {}) is None


def test_jitter_is_the_mean_step_from_one_time_to_the_next() -> None:
    trace = trace_of("D")
    answers = tuple(
        answer._replace(rtt_ns=rtt) for answer, rtt in zip(trace.hops[0].answers, (1_000_000, 3_000_000, 2_000_000), strict=True)
    )
    assert shown(view(replace(trace, hops=(trace.hops[0]._replace(answers=answers),))))["jitter_ms"] == 1.5
    assert shown(view(trace_of(["D", None, None])))["jitter_ms"] is None


@pytest.mark.parametrize(
    ("known", "word"),
    [
        (view(trace_of(*GOOD), target=replace(make_target("site"), enabled=False)), "paused"),
        (before_the_first_trace(), "unknown"),
        (view(failed()), "error"),
        (view(failed(), lost=True), "error"),
        (view(trace_of("gw", reached=False), lost=True), "unreachable"),
        (view(trace_of("gw", reached=False), answered=False), "unknown"),
        (view(trace_of("gw", reached=False)), "ok"),  # not yet called lost
        (view(trace_of(*GOOD), ROUTE._replace(loss_pct=10.0)), "degraded"),
        (view(trace_of(*GOOD), ROUTE._replace(loss_pct=10.0), unstable=True), "unstable"),
        (view(trace_of(*GOOD), unstable=True, lost=True), "unreachable"),
        (view(trace_of(*GOOD), ROUTE._replace(loss_pct=9.9)), "ok"),
        (view(trace_of(*GOOD), None), "ok"),
    ],
)
def test_the_state_in_a_word(known: TargetView, word: str) -> None:
    assert state_word(known) == word
    assert shown(known)["state"] == word


@pytest.mark.parametrize(
    ("rows", "expected"),
    [((None,), "local"), (("gw",), "isp"), (("gw", "b"), "destination"), ((), "local")],
)
def test_where_the_fault_is_as_far_as_one_trace_tells(rows: tuple[Row, ...], expected: str) -> None:
    known = view(trace_of(*rows, reached=False), lost=True)
    assert verdict(known, "unreachable") == expected


def test_between_the_first_hop_and_the_last_but_one_nobody_knows() -> None:
    known = view(trace_of("gw", "b", reached=False), ROUTE._replace(length=9), lost=True)
    assert verdict(known, "unreachable") == "unknown"


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (Segment.LAN, "local"),
        (Segment.WAN, "isp"),
        (Segment.ISP, "isp"),
        (Segment.BORDER, "isp"),
        (Segment.TRANSIT, "transit"),
        (Segment.DESTINATION, "destination"),
        (Segment.UNKNOWN, "local"),
    ],
)
def test_a_known_location_is_the_verdict_of_what_does_not_answer(segment, expected):
    known = view(trace_of(None, reached=False), location=Location(segment))
    assert verdict(known, "unreachable") == expected
    assert verdict(known, "ok") == "ok"


def test_an_error_tells_why_and_is_local() -> None:
    made = shown(view(failed("no_route: D")))
    assert (made["state"], made["verdict"], made["error"]) == ("error", "local", "no_route")
    assert made["error_detail"] == "no route to the target: D"
    assert made["kernel_route"] is None


@pytest.mark.parametrize("resolving", [True, False])
def test_a_name_that_is_being_resolved_says_so(resolving: bool) -> None:
    assert shown(replace(before_the_first_trace(), resolving=resolving))["resolving"] is resolving


def test_the_path_has_its_hops_and_keys() -> None:
    made = path("home-rt", view(trace_of(*GOOD), usual=make_route("r0", "B", 99)), NOW, True, {})
    assert made is not None
    assert (made["path_id"], made["path_label"], made["usual"], made["hop_count"], made["reached"]) == ("r1", "A", False, 3, True)
    assert [row["responders"] for row in made["hops"]] == [["gw"], [], ["D"]]
    assert made["since"] == "2026-11-21T08:45:00.000Z"
    json.dumps(made)


def sentence(*states: dict[str, object]) -> tuple[str, str]:
    return overall([make_state(f"t{n}") | each for n, each in enumerate(states)])


OK: dict[str, object] = {}
DOWN: dict[str, object] = {"state": "unreachable", "verdict": "destination", "reached": False}
GATEWAY: dict[str, object] = {"hop_count": 1, "reached": True}
NEW: dict[str, object] = {"state": "unknown", "verdict": "unknown", "measured_at": None, "reached": None}
ISP: dict[str, object] = DOWN | {"verdict": "isp"}
LOCAL: dict[str, object] = DOWN | {"verdict": "local"}
WHY = "no route to the target"
ERROR: dict[str, object] = {"state": "error", "verdict": "local", "error": "no_route", "error_detail": WHY, "reached": False}
UNPLUGGED: dict[str, object] = ERROR | {"error_detail": f"{WHY}: Network is unreachable"}
NAMELESS: dict[str, object] = ERROR | {"error": "unknown_host", "error_detail": "the name does not resolve: nowhere.invalid"}
TWIN: dict[str, object] = {"name": "Site"}
PAUSED: dict[str, object] = {"state": "paused", "verdict": "unknown"}


@pytest.mark.parametrize(
    ("states", "kind", "words"),
    [
        ([], "unknown", "No target is being watched."),
        ([PAUSED], "unknown", "No target is being watched."),
        ([NEW, NEW], "unknown", "Measuring: the first results come within seconds."),
        ([OK], "ok", "The target answers."),
        ([OK, OK, PAUSED], "ok", "All 2 targets answer."),
        ([OK, {"state": "unstable"}], "ok", "All 2 targets answer."),
        ([OK, NEW, NEW], "unknown", "1 of 3 targets answers; the others are not measured yet."),
        ([OK, OK, NEW], "unknown", "2 of 3 targets answer; the others are not measured yet."),
        ([DOWN, NEW], "destination", "T0 does not answer; the others are not measured yet."),
        ([ERROR, ERROR], "local", "No probe can leave: no route to the target."),
        ([NAMELESS, UNPLUGGED], "local", "No probe can leave: no route to the target: Network is unreachable."),
        ([NAMELESS, NAMELESS], "unknown", "No target's name resolves: the name server does not answer, or does not know them."),
        ([OK, ERROR], "local", "T1 cannot be probed; another one answers."),
        ([OK, OK, ERROR, ERROR], "local", "T2, T3 cannot be probed; 2 others answer."),
        ([OK, ERROR, DOWN], "unknown", "T2 does not answer, T1 cannot be probed; another one answers."),
        ([OK, TWIN, DOWN | TWIN], "destination", "Site (t2) does not answer; 2 others do."),
        ([LOCAL, LOCAL], "local", "Nothing answers, not even the first hop."),
        ([GATEWAY, ISP, ISP], "isp", "Home: ok, ISP: no answer."),
        ([ISP, ISP], "isp", "Home: ok, ISP: no answer."),
        ([DOWN, DOWN], "unknown", "No target answers."),
        ([OK, DOWN], "destination", "T1 does not answer; another one does."),
        ([OK, OK, DOWN, ISP], "unknown", "T2, T3 do not answer; 2 others do."),
        ([OK, *[DOWN] * 5], "destination", "T1, T2, T3 and 2 more do not answer; another one does."),
    ],
)
def test_the_sentence_on_top(states: list[dict[str, object]], kind: str, words: str) -> None:
    assert sentence(*states) == (kind, words)
