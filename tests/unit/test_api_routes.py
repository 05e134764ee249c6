import json
import logging

import pytest

from equipment.fakes import NOW, SECOND, FakeAgent, FakeClock, FakeReader, hop, make_route, make_settings, make_state, make_trace
from equipment.web import Client
from pathwarden.api.app import make_app

MINUTE = 60 * SECOND
HOSTILE = "</script><img src=x onerror=alert(1)>\u2028\x00\x1b[31m\"'\\ 台北 🏠 \u202e"


class World:
    def __init__(self, tids=("cloudflare", "quad9")):
        self.agent = FakeAgent(tids)
        self.reader = FakeReader()
        self.web = Client(make_app(self.agent, self.reader, make_settings(tids), FakeClock()))

    def get(self, path, query="", status=200):
        got = self.web.get(path, query)
        assert got.status == status, got.body
        return got.json

    def wrong(self, path, query="", status=400):
        got = self.web.get(path, query)
        assert got.headers["content-type"] == "application/problem+json"
        assert got.status == got.json["status"] == status
        assert got.json["type"] == "about:blank"
        assert got.json["title"]
        return got.json


@pytest.fixture
def world():
    world = World()
    for number in range(5):
        trace = make_trace(hop(1, "10.0.0.1", 1.0), hop(2, "192.0.2.9", 9.0, None), at=NOW - (5 - number) * 5 * MINUTE)
        world.reader.add(trace, "r1" if number else None)
    world.reader.known = [make_route("r1", "A", 900), make_route("r2", "B", 300), make_route("r3", "A", 60, target="quad9")]
    for target in ("cloudflare", "quad9", "cloudflare"):
        world.reader.tell(target)
    return world


def test_status_is_the_agents_own_object(world):
    assert world.get("/api/v1/status") == world.agent.info()


def test_summary_has_all_targets_with_their_last_three_hours(world):
    world.reader.add(make_trace(hop(1, "192.0.2.9", 5.0), target="quad9", at=NOW - 4 * 3600 * SECOND))
    shown = world.get("/api/v1/summary")
    assert list(shown) == ["v", "agent", "ts", "clock_synced", "verdict", "sentence", "notices", "targets"]
    first, second = shown["targets"]
    assert {key: value for key, value in first.items() if key not in ("spark", "outline")} == world.agent.target_states()[0]
    assert first["spark"]["rtt_ms"] == [9.0] * 5
    assert first["spark"]["lost"] == [1] * 5
    assert len(first["spark"]["at_s"]) == 5
    assert second["spark"] == {"at_s": [], "rtt_ms": [], "lost": [], "changed": []}
    assert first["outline"] == world.agent.target_outline("cloudflare")


def test_summary_asks_for_36_points(world, monkeypatch):
    asked = []
    real = world.reader.series
    monkeypatch.setattr(world.reader, "series", lambda *args: asked.append(args) or real(*args))
    world.get("/api/v1/summary")
    assert asked == [(tid, NOW - 3 * 3600 * SECOND, NOW, 36) for tid in ("cloudflare", "quad9")]
    world.get("/api/v1/summary")
    assert len(asked) == 2, "nothing has been measured since"
    world.agent.states[1]["measured_at"] = "2026-11-21T08:45:00.000Z"
    world.get("/api/v1/summary")
    assert [tid for tid, *_ in asked] == ["cloudflare", "quad9", "quad9"]


def test_targets_in_configuration_order(world):
    assert [each["target"] for each in world.get("/api/v1/targets")["targets"]] == ["cloudflare", "quad9"]


def test_target_has_configuration_state_path_and_trace(world):
    world.agent.paths["cloudflare"] = {"path_id": "r1"}
    shown = world.get("/api/v1/targets/cloudflare")
    keys = ["id", "method", "host", "label", "family", "port", "source", "interval_s", "queries", "first_ttl", "max_ttl", "dscp", "enabled"]
    assert sorted(shown["config"]) == sorted(keys)
    assert shown["config"]["method"] == "udp"
    assert shown["state"] == world.agent.target_states()[0]
    assert shown["path"] == {"path_id": "r1"}
    assert (shown["trace"]["id"], shown["trace"]["path_label"], len(shown["trace"]["hops"])) == (5, "A", 2)


def test_target_before_its_first_trace(world):
    shown = world.get("/api/v1/targets/quad9")
    assert (shown["path"], shown["trace"]) == (None, None)


@pytest.mark.parametrize("path", ["", "/traces", "/trace-at", "/paths", "/series"], ids=["target", "traces", "trace-at", "paths", "series"])
def test_unknown_target(world, path):
    query = "at=2026-11-21T08:45:00Z" if path == "/trace-at" else ""
    assert world.wrong(f"/api/v1/targets/nobody{path}", query, 404)["code"] == "unknown_target"


def test_traces_page_by_page(world):
    seen, query = [], "limit=2"
    while True:
        page = world.get("/api/v1/targets/cloudflare/traces", query)
        seen += [trace["id"] for trace in page["traces"]]
        if page["next_before"] is None:
            break
        query = f"limit=2&before={page['next_before']}"
    assert seen == [5, 4, 3, 2, 1]


def test_a_full_last_page_is_the_last(world):
    assert world.get("/api/v1/targets/cloudflare/traces", "limit=5")["next_before"] is None


def test_listed_traces_have_labels_and_no_hops(world):
    traces = world.get("/api/v1/targets/cloudflare/traces")["traces"]
    assert [trace["path_label"] for trace in traces] == ["A"] * 4 + [None]
    assert all("hops" not in trace and trace["hop_count"] == 2 for trace in traces)


def test_traces_between_instants(world):
    shown = world.get("/api/v1/targets/cloudflare/traces", "from=2026-11-21T08:30:00.123Z&to=2026-11-21T16:35:00.123%2B08:00")
    assert [trace["at"] for trace in shown["traces"]] == ["2026-11-21T08:35:00.123Z", "2026-11-21T08:30:00.123Z"]


def test_one_trace(world):
    assert world.get("/api/v1/traces/3")["hops"][1]["loss_pct"] == 50.0
    assert world.wrong("/api/v1/traces/99", status=404)["code"] == "no_trace"
    assert world.wrong("/api/v1/traces/x", status=404)["code"] == "not_found"
    assert world.wrong(f"/api/v1/traces/{10**30}", status=404)["code"] == "not_found"


def test_a_traces_hops_have_the_habits_that_earlier_traces_of_its_route_show():
    world = World()
    for number in range(16):
        trace = make_trace(hop(1, "10.0.0.1", 1.0, None), hop(2, None, None, None), hop(3, "192.0.2.9", 9.0, 9.0), at=NOW + number * MINUTE)
        world.reader.add(trace, "r1")
    world.reader.known = [make_route("r1", "A", 900)]
    shown = [[row["note"] for row in world.get(f"/api/v1/traces/{number}")["hops"]] for number in (16, 5)]
    assert shown == [["rate_limited", "quiet", ""], ["", "quiet", ""]]
    assert [row["loss_pct"] for row in world.get("/api/v1/targets/cloudflare")["trace"]["hops"]] == [0.0, 0.0, 0.0]


def test_the_trace_in_force_at_an_instant(world):
    assert world.get("/api/v1/targets/cloudflare/trace-at", "at=2026-11-21T08:37:00Z")["id"] == 4
    assert world.wrong("/api/v1/targets/cloudflare/trace-at", "at=2020-01-01T00:00:00Z", 404)["code"] == "no_trace"
    assert world.wrong("/api/v1/targets/cloudflare/trace-at")["parameter"] == "at"


def test_paths_have_their_shares(world):
    paths = world.get("/api/v1/targets/cloudflare/paths")["paths"]
    assert [(p["path_id"], p["share_pct"], p["usual"], p["current"]) for p in paths] == [
        ("r1", 75.0, True, True),
        ("r2", 25.0, False, False),
    ]


def test_one_path_is_the_same_as_in_the_list(world):
    assert world.get("/api/v1/paths/r2") == world.get("/api/v1/targets/cloudflare/paths")["paths"][1]
    assert world.wrong("/api/v1/paths/zz", status=404)["code"] == "no_path"


def test_a_path_of_a_target_that_is_gone(world):
    world.reader.known.append(make_route("old", "A", 0, target="gone"))
    shown = world.get("/api/v1/paths/old")
    assert (shown["share_pct"], shown["usual"], shown["current"]) == (None, False, False)


def test_series_covers_the_last_day_unless_told(world):
    shown = world.get("/api/v1/targets/cloudflare/series", "points=288")
    assert shown["target"] == "cloudflare"
    assert {len(column) for column in shown["columns"].values()} == {5}
    assert shown["columns"]["path_id"] == [None, "r1", "r1", "r1", "r1"]
    none = world.get("/api/v1/targets/cloudflare/series", "to=2026-11-20T00:00:00Z")
    assert none["columns"]["at_s"] == []


def test_changes_newest_first_and_onwards(world):
    shown = world.get("/api/v1/changes")
    assert ([event["seq"] for event in shown["changes"]], shown["last_seq"]) == ([3, 2, 1], 3)
    older = world.get("/api/v1/changes", "before_seq=3&limit=1")
    assert ([event["seq"] for event in older["changes"]], older["last_seq"]) == ([2], 3)
    mine = world.get("/api/v1/changes", "target=quad9")
    assert ([event["seq"] for event in mine["changes"]], mine["last_seq"]) == ([2], 3)
    assert World().get("/api/v1/changes") == {"changes": [], "last_seq": 0}


def test_following_changes_loses_none(world):
    seen, since = [], 0
    for step in range(6):
        shown = world.get("/api/v1/changes", f"since_seq={since}&limit=2")
        seen += [event["seq"] for event in shown["changes"]]
        since = shown["last_seq"]
        if step == 2:
            world.reader.tell("quad9")
    assert seen == [1, 2, 3, 4]


def test_changes_of_an_unknown_target(world):
    assert world.wrong("/api/v1/changes", "target=nobody", 404)["code"] == "unknown_target"


@pytest.mark.parametrize(
    ("path", "query", "code", "parameter"),
    [
        ("targets/cloudflare/traces", "limit=0", "bad_parameter", "limit"),
        ("targets/cloudflare/traces", "limit=201", "bad_parameter", "limit"),
        ("targets/cloudflare/traces", "limit=-1", "bad_parameter", "limit"),
        ("targets/cloudflare/traces", "limit=", "bad_parameter", "limit"),
        ("targets/cloudflare/traces", "limit=1e2", "bad_parameter", "limit"),
        ("targets/cloudflare/traces", "limit=%D9%A3", "bad_parameter", "limit"),
        ("targets/cloudflare/traces", "limit=1&limit=2", "bad_parameter", "limit"),
        ("targets/cloudflare/traces", "before=99999999999999999999", "bad_parameter", "before"),
        ("targets/cloudflare/traces", f"before={'9' * 5000}", "bad_parameter", "before"),
        ("targets/cloudflare/traces", "from=yesterday", "bad_parameter", "from"),
        ("targets/cloudflare/traces", "to=9999-12-31T23:59:59Z", "bad_parameter", "to"),
        ("targets/cloudflare/traces", "from=2026-11-21T00:00:01Z&to=2026-11-21T00:00:00Z", "bad_parameter", "from"),
        ("targets/cloudflare/series", "points=601", "bad_parameter", "points"),
        ("targets/cloudflare/series", "from=2027-01-01T00:00:00Z", "bad_parameter", "from"),
        ("targets/cloudflare/trace-at", "at=%00", "bad_parameter", "at"),
        ("changes", "since_seq=1&before_seq=2", "bad_parameter", "before_seq"),
        ("changes", "since=1", "unknown_parameter", "since"),
        ("summary", "x", "unknown_parameter", "x"),
        ("status", "&".join(f"a{n}=" for n in range(50)), "bad_query", None),
    ],
)
def test_wrong_parameters_are_named(world, path, query, code, parameter):
    problem = world.wrong(f"/api/v1/{path}", query)
    assert (problem["code"], problem.get("parameter")) == (code, parameter)


def test_every_trace_route_survives_what_only_sqlite_would_refuse(world):
    assert world.get("/api/v1/targets/cloudflare/traces", f"before={2**63 - 1}")["traces"]
    assert world.wrong("/api/v1/targets/cloudflare/traces", f"before={2**63}")["parameter"] == "before"


def test_a_trace_is_asked_for(world):
    got = world.web.post("/api/v1/targets/quad9/trace")
    assert (got.status, got.headers["location"]) == (202, "/api/v1/targets/quad9")
    assert world.agent.asked == ["quad9"]
    assert world.web.post("/api/v1/targets/nobody/trace").json["code"] == "unknown_target"


def test_metrics_and_health(world):
    got = world.web.get("/metrics")
    assert got.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert got.body.decode() == world.agent.metrics()
    assert world.web.get("/healthz").body == b"ok\n"


def test_strange_names_pass_unharmed(world):
    world.agent.states = [make_state("cloudflare") | {"name": HOSTILE}]
    world.reader.add(make_trace(hop(1, HOSTILE, 1.0)), "r1")
    assert world.get("/api/v1/targets")["targets"][0]["name"] == HOSTILE
    shown = world.get("/api/v1/targets/cloudflare")
    assert shown["state"]["name"] == HOSTILE
    assert shown["trace"]["hops"][0]["responders"] == [HOSTILE]
    assert world.wrong(f"/api/v1/targets/{HOSTILE.replace('/', '')}", status=404)["code"] == "unknown_target"


def test_half_a_surrogate_pair_is_no_reason_to_fail(world):
    world.agent.states = [make_state("cloudflare") | {"name": "caf\udce9"}]
    assert world.get("/api/v1/targets")["targets"][0]["name"] == "caf\udce9"
    assert world.web.get("/metrics").status == 200


def test_json_is_compact_and_not_escaped(world):
    world.agent.states = [make_state("台北")]
    body = world.web.get("/api/v1/targets").body
    assert "台北".encode() in body
    assert body == json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode()


def test_our_own_mistake_is_logged_and_not_told(world, monkeypatch, caplog):
    def broken():
        raise RuntimeError("secret detail")

    monkeypatch.setattr(world.agent, "info", broken)
    with caplog.at_level(logging.ERROR):
        got = world.web.get("/api/v1/status")
    assert (got.status, got.json["code"]) == (500, "internal_error")
    assert b"secret" not in got.body
    assert b"Traceback" not in got.body
    assert caplog.records[0].exc_info[1].args == ("secret detail",)


def test_a_number_that_json_does_not_know_is_our_mistake(world, caplog):
    world.agent.about["uptime_s"] = float("nan")
    assert world.web.get("/api/v1/status").status == 500
    assert len(caplog.records) == 1


def test_heatmap_has_a_column_of_every_hop_for_the_last_day(world):
    shown = world.get("/api/v1/targets/cloudflare/heatmap", "columns=24")
    assert list(shown) == ["target", "start_s", "width_s", "at_s", "hops"]
    assert shown["width_s"] == 3600
    assert shown["at_s"] == [None] * 23 + [(NOW - 25 * MINUTE) // SECOND + 1]
    assert [(hop["ttl"], hop["rtt_ms"][-1], hop["loss_pct"][-1], hop["rtt_ms"][0]) for hop in shown["hops"]] == [
        (1, 1.0, 0, None),
        (2, 9.0, 50, None),
    ]
    assert world.wrong("/api/v1/targets/cloudflare/heatmap", "columns=241")["parameter"] == "columns"
    assert world.wrong("/api/v1/targets/cloudflare/heatmap", "from=2026-11-21T08:46:00Z")["parameter"] == "from"
    assert world.wrong("/api/v1/targets/gone/heatmap", status=404)["code"] == "unknown_target"


def test_diff_is_the_command_lines(world):
    shown = world.get("/api/v1/diff", "target=cloudflare&a=A&b=r2")
    assert (shown["target"], shown["same"], shown["old"]["label"], shown["new"]["label"]) == ("cloudflare", True, "A", "B")
    assert [(row["op"], row["old_ttl"], row["new_ttl"], row["old"]) for row in shown["rows"]] == [
        ("same", 1, 1, ["10.0.0.1"]), ("unknown", 2, 2, []), ("same", 3, 3, ["192.0.2.9"]),
    ]  # fmt: skip
    assert shown["old"]["at"] == "2026-11-21T08:40:00.123Z"
    assert shown["new"]["at"] is None  # its last trace is not kept


def test_diff_takes_instants_and_without_any_side_the_last_two_paths(world):
    at = world.get("/api/v1/diff", "target=cloudflare&a=2026-11-21T08:22:00Z")
    assert (at["old"]["path_id"], at["old"]["at"], at["new"]["path_id"], at["new"]["at"]) == (
        None, "2026-11-21T08:20:00.123Z", "r1", "2026-11-21T08:40:00.123Z",
    )  # fmt: skip
    assert {world.get("/api/v1/diff", "target=cloudflare")[side]["path_id"] for side in ("old", "new")} == {"r1", "r2"}


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "bad_parameter"),
        ("target=gone", 404, "unknown_target"),
        ("target=quad9", 404, "no_path"),
        ("target=cloudflare&a=Z", 400, "bad_parameter"),
        ("target=cloudflare&a=2025-11-21T08:22:00Z", 404, "no_trace"),
    ],
)
def test_diff_says_what_it_cannot_compare(world, query, status, code):
    assert world.wrong("/api/v1/diff", query, status)["code"] == code


def test_changes_of_a_span(world):
    world.reader.tell("cloudflare", at=NOW - 7200 * SECOND)
    shown = world.get("/api/v1/changes", "from=2026-11-21T06:40:00Z&to=2026-11-21T06:50:00Z")
    assert [change["seq"] for change in shown["changes"]] == [4]
    assert world.wrong("/api/v1/changes", "from=2026-11-21T06:40:00Z&to=2026-11-21T06:30:00Z")["parameter"] == "from"
