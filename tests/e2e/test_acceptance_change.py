"""The whole agent on real kernels: eight hops with a diamond, a silent and a rate-limited one. What changes is told once; nothing else is.

The story is told once, by fixtures that follow each other: quiet rounds, the route moved, the route moved back. Two daemons live
through it side by side: one of root, with raw sockets, and one of a user without any privilege.
"""

import json
from collections.abc import Iterator
from itertools import groupby

import pytest

from equipment.agent import awaited
from equipment.story import AGENTS, HOME, PATIENCE_S, TARGETS, Net, Stage, story
from netlab import StandardLab

# A target's traces have hardly a second between them here, and the watch asks only then: it takes longer than with any real interval.
TOLD_WITHIN_S = 60
# A trace of the daemon without privilege takes longer: it has one UDP probe of a flow in the air at a time.
QUIET_ROUNDS = {"raw": 30, "rootless": 12}
each_agent = pytest.mark.parametrize("name", AGENTS)
each_target = pytest.mark.parametrize("tid", TARGETS)

Hops = list[list[str]]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    with story(tmp_path_factory.mktemp("broker")) as net:
        yield net


@pytest.fixture(scope="module")
def quiet(net: Net) -> Stage:
    """After many rounds in which nothing changed."""
    for name, agent in net.agents.items():
        agent.await_rounds(QUIET_ROUNDS[name], PATIENCE_S)
    return net.states()


@pytest.fixture(scope="module")
def moved(net: Net, quiet: Stage) -> Stage:
    """Some rounds after the route moved: by then everything was told that ever will be."""
    assert quiet.told == {name: [] for name in AGENTS}
    net.lab.move()
    _await_told(net, "path_changed")
    net.more_rounds()
    return net.states()


@pytest.fixture(scope="module")
def back(net: Net, moved: Stage) -> Stage:
    """Some rounds after the route moved back."""
    assert all(moved.told.values())
    net.lab.move_back()
    _await_told(net, "path_reverted")
    net.more_rounds()
    return net.states()


def _await_told(net: Net, event_type: str) -> None:
    awaited(
        lambda: {name: net.told_types(name) for name in AGENTS},
        lambda told: all((tid, event_type) in told[name] for name in AGENTS for tid in TARGETS),
        f"the subscriber got {event_type} of every target from both daemons",
        TOLD_WITHIN_S,
    )


def _expected(lab: StandardLab, tid: str, *, moved: bool) -> tuple[frozenset[str] | None, ...]:
    v4, v6 = (lab.hops4_moved, lab.hops6_moved) if moved else (lab.hops4, lab.hops6)
    return v4 if tid.endswith("4") else v6


def as_in_the_lab(lab: StandardLab, hops: Hops, tid: str, *, moved: bool) -> None:
    """Assert that the hops are the laboratory's: all responders can be there, none is at the silent hop, perhaps none at the rate-limited.

    Of the diamond the flow meets one member; the watch comes to know the other one.
    """
    expected = _expected(lab, tid, moved=moved)
    assert len(hops) == len(expected) == 8, hops
    for ttl, (seen, may) in enumerate(zip(hops, expected, strict=True), 1):
        least = 0 if may is None or ttl == lab.limited_ttl else 1
        assert least <= len(seen), f"ttl {ttl}: {seen}"
        assert set(seen) <= (may or set()), f"ttl {ttl}: {seen}, not of {may}"


@each_agent
def test_rounds_without_a_change_tell_nothing(net: Net, quiet: Stage, name: str) -> None:
    assert quiet.told[name] == []
    assert quiet.stored[name] == []
    for tid in TARGETS:
        state = quiet.states[name, tid]
        assert (state["state"], state["verdict"], state["hop_count"], state["changes_total"]) == ("ok", "ok", 8, 0), state
        (path,) = quiet.paths[name, tid]
        assert path["label"] == "A"
        as_in_the_lab(net.lab, path["hops"], tid, moved=False)
    assert quiet.states[name, HOME]["hop_count"] == 1


@pytest.mark.parametrize("tid", ["udp4", "udp6"])
def test_the_graph_is_the_laboratorys(net: Net, quiet: Stage, tid: str) -> None:
    """Its nodes are those of the description, hop by hop, and its edges lead from one hop to the next; nothing else is there."""
    assert quiet.states
    agent = net.agents["raw"]
    drawn = json.loads(net.runner.run(net.lab, agent.node, "--config", str(agent.config), "--json", "graph", tid).stdout)
    expected = _expected(net.lab, tid, moved=False)
    ttl_of = {
        node["name"]: ttl for node in drawn["nodes"] for ttl, may in enumerate(expected, 1) if set(node["lines"][:1]) & (may or set())
    }
    ttl_of["source"] = 0
    unknown = [node["name"] for node in drawn["nodes"] if node["kind"] == "unknown"]
    assert len(ttl_of) + len(unknown) == len(drawn["nodes"])
    assert {ttl for ttl, may in enumerate(expected, 1) if may} - set(ttl_of.values()) <= {net.lab.limited_ttl}
    for edge in drawn["edges"]:
        start, end = (ttl_of.get(edge[side]) for side in ("start", "end"))
        assert edge["start"] in unknown if start is None else edge["end"] in unknown or end == start + 1, edge
    starts, ends = ({edge[side] for edge in drawn["edges"]} for side in ("start", "end"))
    assert ends | {"source"} == {node["name"] for node in drawn["nodes"]} == starts | {n["name"] for n in drawn["nodes"] if n["outcome"]}
    [end] = [node for node in drawn["nodes"] if node["kind"] == "destination"]
    assert (end["outcome"], ttl_of[end["name"]]) == ("answers", len(expected))


def test_each_daemon_probes_as_its_user_may(net: Net, quiet: Stage) -> None:
    assert quiet.states
    assert {name: agent.get("/api/v1/status")["transport"]["name"] for name, agent in net.agents.items()} == {
        "raw": "raw",
        "rootless": "rootless",
    }


@each_agent
def test_a_moved_route_is_told_once_for_every_target_behind_it(moved: Stage, name: str) -> None:
    assert moved.told[name] == sorted((tid, "path_changed") for tid in TARGETS)
    assert moved.stored[name] == ["path_changed"] * len(TARGETS)


@each_agent
@each_target
def test_the_event_says_what_changed(net: Net, quiet: Stage, moved: Stage, name: str, tid: str) -> None:
    event = net.events(name, "path_changed")[tid]
    before, after = quiet.path(name, tid), moved.path(name, tid)
    assert (event["old"]["path_id"], event["new"]["path_id"]) == (before["path_id"], after["path_id"])
    assert (event["old"]["label"], event["new"]["label"]) == ("A", "B")
    as_in_the_lab(net.lab, event["old"]["hops"], tid, moved=False)
    as_in_the_lab(net.lab, event["new"]["hops"], tid, moved=True)
    at = net.lab.diamond_ttl
    # A router answers IPv6 from the address that the probe came in by: there the hop behind the diamond differs too.
    last = at if tid.endswith("4") else at + 1
    assert (event["first_diff_ttl"], event["last_diff_ttl"]) == (at, last)
    # Between the snapshot and the change the watch may have come to know another member of the diamond.
    assert all(set(known) <= set(old) for known, old in zip(before["hops"], event["old"]["hops"], strict=True))
    assert sorted(event["hops_removed"]) == sorted(r for hop in event["old"]["hops"][at - 1 : last] for r in hop)
    assert sorted(event["hops_added"]) == sorted(r for hop in _expected(net.lab, tid, moved=True)[at - 1 : last] for r in hop or ())
    assert event["change"] == ("hop" if tid.endswith("4") else "reroute")
    assert (event["agent"], event["delayed"], event["new_path_known"]) == (name, False, False)
    assert event["confirmations"] >= 2
    assert event["name"] == ("Zürich" if tid == "udp4" else event["address"])


@each_agent
def test_events_are_acknowledged_messages_that_are_not_kept(net: Net, moved: Stage, name: str) -> None:
    assert moved.told[name]
    messages = net.told(name)
    of_agent = net.told_of_agent(name)
    assert {m.json["event_type"] for m in of_agent} == {"agent_started", "incident"}
    assert all(m.qos == 1 and not m.retain for m in of_agent)
    assert all(m.qos == 1 and not m.retain for m in messages)
    assert all(m.topic == f"pathwarden/{name}/target/{m.json['target']}/event" for m in messages)
    with net.agents[name].reader() as reader:
        assert reader.outbox(0, 10) == []


def test_after_learning_a_change_notifies_once_for_all_that_it_touched(net: Net, moved: Stage) -> None:
    assert moved.told["raw"]
    events = net.events("raw", "path_changed").values()
    # A router answers IPv4 and IPv6 from different addresses: nothing tells that it is the same one.
    for family in (4, 6):
        told = sorted((event for event in events if event["af"] == family), key=lambda event: event["seq"])
        assert [event["notify"] for event in told] == [True, False]
        assert {event["group_id"] for event in told} == {told[0]["event_id"]}


@each_agent
@each_target
def test_page_and_retained_topics_show_the_change(net: Net, moved: Stage, back: Stage, name: str, tid: str) -> None:
    event = net.events(name, "path_changed")[tid]
    state = moved.states[name, tid]
    assert (state["path_id"], state["path_label"], state["changes_total"]) == (event["new"]["path_id"], "B", 1)
    assert (state["last_event_id"], state["state"]) == (event["event_id"], "ok")
    changes = net.agents[name].get(f"/api/v1/changes?target={tid}")["changes"]
    assert [change["event_type"] for change in changes] == ["path_reverted", "path_changed"]
    assert changes[1]["event_id"] == event["event_id"]
    labels = [m.json["path_label"] for m in net.subscriber.messages(f"/{name}/target/{tid}/path")]
    assert [label for label, _ in groupby(labels)] == ["A", "B", "A"]
    assert back.path(name, tid)["label"] == "A"


@each_agent
@each_target
def test_the_history_holds_both_paths(net: Net, moved: Stage, name: str, tid: str) -> None:
    routes = {path["label"]: path for path in moved.paths[name, tid]}
    assert routes.keys() == {"A", "B"}
    as_in_the_lab(net.lab, routes["A"]["hops"], tid, moved=False)
    as_in_the_lab(net.lab, routes["B"]["hops"], tid, moved=True)
    with net.agents[name].reader() as reader:
        stored = {route.label: route for route in reader.routes(tid)}
        assert {label: route.route_id for label, route in stored.items()} == {label: r["path_id"] for label, r in routes.items()}
        followed = {trace.route_id for trace in reader.traces(tid, limit=1000)}
    assert {route.route_id for route in stored.values()} <= followed
    assert stored["A"].length == stored["B"].length == 8


def test_the_command_line_shows_both_paths(net: Net, moved: Stage) -> None:
    agent = net.agents["raw"]
    done = net.runner.run(net.lab, agent.node, "--config", str(agent.config), "--json", "history", "udp4", "--paths")
    assert done.returncode == 0, done.stderr
    ids = {path["label"]: path["path_id"] for path in json.loads(done.stdout)}
    assert ids == {path["label"]: path["path_id"] for path in moved.paths["raw", "udp4"]}


@each_agent
def test_the_way_back_is_told_as_a_return(net: Net, quiet: Stage, back: Stage, name: str) -> None:
    assert back.told[name] == sorted((tid, kind) for tid in TARGETS for kind in ("path_changed", "path_reverted"))
    reverted, changed = net.events(name, "path_reverted"), net.events(name, "path_changed")
    for tid in TARGETS:
        event = reverted[tid]
        assert event["new"]["path_id"] == quiet.path(name, tid)["path_id"] == back.path(name, tid)["path_id"]
        assert event["old"]["path_id"] == changed[tid]["new"]["path_id"]
        assert (event["new_path_known"], event["returns_to_usual"]) == (True, True)
        assert event["seq"] > changed[tid]["seq"]
        assert len(back.paths[name, tid]) == 2


@each_agent
def test_a_target_before_the_change_is_left_alone(moved: Stage, back: Stage, name: str) -> None:
    for stage in (moved, back):
        state = stage.states[name, HOME]
        assert (state["state"], state["path_label"], state["changes_total"]) == ("ok", "A", 0)
