"""The metrics, read by Prometheus' own parser of OpenMetrics."""

from dataclasses import replace

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from equipment import mixed
from equipment.fakes import NOW, SECOND, FakeClock, FakeReader, make_info, make_settings
from pathwarden.daemon.board import Board, Fact
from pathwarden.model.history import Event
from pathwarden.model.trace import Reason, Trace
from pathwarden.present.metrics import CHANGES

# What the documentation promises, as the parser names it: counters and information without their endings.
PROMISED = [
    "agent",
    "rounds",
    "round_duration_seconds",
    "last_round_timestamp_seconds",
    "scheduler_lag_seconds",
    "db_size_bytes",
    "probes_sent",
    "replies",
    "mqtt_connected",
    "mqtt_outbox_messages",
    "mqtt_publish_failures",
    "target",
    "target_up",
    "target_rtt_seconds",
    "probe_rtt_seconds",
    "target_loss_ratio",
    "target_hops",
    "target_state",
    "path",
    "path_changes",
    "path_last_change_timestamp_seconds",
    "path_age_seconds",
]
PER_HOP = ["hop_rtt_seconds", "hop_loss_ratio"]


def traced(tid: str, *, mono_s: float = 0, reason: Reason = Reason.SCHEDULE) -> Trace:
    return replace(mixed.trace(), target=tid, reason=reason, at=NOW, mono_ns=round(mono_s * SECOND), duration_ns=2 * SECOND)


def board(*tids: str, hops: bool = False) -> Board:
    settings = make_settings(tids)
    settings = replace(settings, agent=replace(settings.agent, hop_metrics=hops))
    info = make_info()
    mqtt = {"enabled": True, "connected": True, "outbox": 3, "failed": {"not_authorized": 1}, "commands": {"ok": 2}}
    parts = {"mqtt": mqtt, "db": info["db"], "counters": info["counters"]}
    return Board(settings, FakeClock(), FakeReader(), lambda _tid: "asked", lambda: parts)


def families(board: Board) -> dict[str, Metric]:
    text = board.metrics()
    found = list(text_string_to_metric_families(text))
    assert len({family.name for family in found}) == len(found)
    assert all(family.documentation for family in found)
    return {family.name.removeprefix("pathwarden_"): family for family in found}


def told(tid: str, event_type: str) -> Event:
    return Event("01J00000000000000000000000", tid, 1, event_type, "notice", False, NOW, True, {})


def value(family: Metric, name: str = "", /, **labels: str) -> float:
    full = f"{family.name}{name}"
    return next(float(sample.value) for sample in family.samples if sample.name == full and sample.labels == labels)


@pytest.fixture
def busy() -> Board:
    """Two targets and two rounds; the second one of `b` began late."""
    made = board("a", "b")
    for tid in "ab":
        made.finished(tid, Fact(trace=traced(tid, mono_s=10), route_since=NOW - SECOND), 20 * SECOND, (told(tid, "path_changed"),))
    made.finished("a", Fact(trace=traced("a", mono_s=20)), 30 * SECOND, ())
    made.finished("b", Fact(trace=traced("b", mono_s=21.5)), 30 * SECOND, (told("b", "latency_shift"), told("b", "path_reverted")))
    return made


def test_everything_that_is_promised_is_there(busy: Board) -> None:
    assert {*PROMISED} - families(busy).keys() == {"path", "path_age_seconds"}, "neither has a route"


def test_rounds_and_lag(busy: Board) -> None:
    found = families(busy)
    assert value(found["round_duration_seconds"]) == 3.5
    clock = FakeClock()
    assert value(found["last_round_timestamp_seconds"]) == pytest.approx((clock.wall_ns() - clock.mono_ns()) / 1e9 + 23.5, abs=0.001)
    assert value(found["scheduler_lag_seconds"]) == 1.5
    assert value(found["rounds"], "_total", result="ok") == 2


def test_a_pause_and_a_wish_are_no_lag() -> None:
    made = board("a")
    made.finished("a", Fact(trace=traced("a", mono_s=10)), 20 * SECOND, ())
    made.changed("a", Fact(paused=True), ())
    made.changed("a", Fact(), ())
    made.finished("a", Fact(trace=traced("a", mono_s=500)), 510 * SECOND, ())
    made.finished("a", Fact(trace=traced("a", mono_s=600, reason=Reason.COMMAND)), 510 * SECOND, ())
    assert value(families(made)["scheduler_lag_seconds"]) == 0


def test_the_histogram_holds_each_reply_of_the_destination(busy: Board) -> None:
    family = families(busy)["probe_rtt_seconds"]
    assert (family.type, family.unit) == ("histogram", "seconds")
    # The trace has 9.9 and 10.12 ms, and was made twice.
    below = {
        sample.labels["le"]: sample.value for sample in family.samples if sample.name.endswith("_bucket") and sample.labels["target"] == "a"
    }
    assert (below["0.005"], below["0.01"], below["0.02"], below["+Inf"]) == (0, 2, 4, 4)
    assert value(family, "_count", target="a") == 4
    assert value(family, "_sum", target="a") == pytest.approx(0.04004)
    assert {key for sample in family.samples for key in sample.labels} == {"target", "le"}


def test_changes_are_counted_by_type_and_all_types_are_there(busy: Board) -> None:
    family = families(busy)["path_changes"]
    seen = {(sample.labels["target"], sample.labels["event_type"]): sample.value for sample in family.samples}
    assert {key for key, count in seen.items() if count} == {("a", "path_changed"), ("b", "path_changed"), ("b", "path_reverted")}
    assert len(seen) == 2 * len(CHANGES)


def test_hops_are_told_only_to_who_wants_them(busy: Board) -> None:
    assert not {*PER_HOP} & families(busy).keys()
    made = board("a", hops=True)
    made.finished("a", Fact(trace=traced("a")), None, ())
    found = families(made)
    rtts = {sample.labels["ttl"]: sample.value for sample in found["hop_rtt_seconds"].samples}
    loss = {sample.labels["ttl"]: sample.value for sample in found["hop_loss_ratio"].samples}
    assert rtts == {"1": 0.000575, "3": 0.0042, "4": 0.01001}
    assert loss == {"1": pytest.approx(1 / 3), "2": 1, "3": 0, "4": pytest.approx(1 / 3)}


def test_no_series_of_times_has_an_address(busy: Board) -> None:
    for family in families(busy).values():
        if family.type != "info":
            assert not {"address", "af", "path_id"} & {key for sample in family.samples for key in sample.labels}, family.name
