"""From changes to events: what notifies, what is told later, and what survives a restart."""

import hashlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.changes import HOUR, MINUTE, SECOND, START_AT, attribute, back, change, lost, moved, route
from equipment.fakes import make_target
from equipment.traces import trace_of
from pathwarden.daemon.telling import AGENT, Teller, Told
from pathwarden.detect.quota import MOST_AN_HOUR
from pathwarden.model.change import AgentKind, Cause, CauseKind, Change, ChangeKind, Direction, Location, Segment
from pathwarden.model.happening import Notice, NoticeKind
from pathwarden.model.history import Event
from pathwarden.model.instants import ClockShift
from pathwarden.mqtt.payload import encode
from pathwarden.present.incidents import Announcement

TIDS = ("site", "other", "six")
TRACE = trace_of("gw", "D")
AGENT_KEYS = [
    "v", "clock_synced", "event_type", "event_id", "severity", "notify", "delayed", "agent", "target", "name", "first_seen_at",
    "occurred_at", "group_id", "code", "device", "cause", "location", "incident", "title", "message", "text", "url", "truncated",
]  # fmt: skip
INCIDENT_KEYS = [
    "id", "opened_at", "updated_at", "closed_at", "severity", "kind", "targets", "target_count", "lost_count", "event_ids", "event_count",
    "cause", "location", "sentence", "text",
]  # fmt: skip


class Entropy:
    """Random bytes that follow from how many were taken before."""

    def __init__(self) -> None:
        self.taken = 0

    def __call__(self, count: int, /) -> bytes:
        self.taken += 1
        return hashlib.sha256(str(self.taken).encode()).digest()[:count]


class World:
    """A teller, and all it told. `kept` is what a history would hold of its state."""

    def __init__(self) -> None:
        self.entropy = Entropy()
        self.kept: dict[str, str] = {}
        self.events: list[Event] = []
        self.agent: list[Event] = []
        self.stored: dict[str, dict[str, Any]] = {}
        self.teller = self._teller()

    def _teller(self) -> Teller:
        return Teller("home-rt", [make_target(tid) for tid in TIDS], self.entropy, lambda tid: route("B", target=tid))

    def restart(self, **numbers: int) -> None:
        self.teller = self._teller()
        self.teller.restore(self.kept, numbers)

    def keep(self, told: Told) -> list[Event]:
        assert json.loads(json.dumps([dict(event.body) for event in told.events + told.agent_events], allow_nan=False)) is not None
        self.events += told.events
        self.agent += told.agent_events
        self.kept |= told.telling
        for incident in told.incidents:
            self.stored[incident.incident_id] = dict(incident.body)
        return list(told.events)

    def tell(self, *changes: Change, tid: str = "site", at: int | None = None) -> list[Event]:
        return self.keep(self.teller.tell(tid, changes, TRACE, changes[0].at if at is None else at))

    def run(self, until: int) -> list[Event]:
        """Let time pass; what it brought."""
        made = []
        while (due_at := self.teller.next_due_at) is not None and due_at <= until:
            made += self.keep(self.teller.tick(due_at, True))
        made += self.keep(self.teller.tick(until, True))
        return made

    def notified(self) -> list[str]:
        return [event.event_type for event in self.events if event.notify]


def test_a_change_is_an_event_and_an_incident() -> None:
    world = World()
    (event,) = world.tell(moved("A", "B"))
    assert (event.target, event.change_no, event.event_type, event.notify) == ("site", 1, "path_changed", True)
    assert event.body["group_id"] == event.event_id
    (told,) = world.agent
    assert (told.target, told.change_no, told.event_type, told.notify) == ("", 1, "incident", False)
    assert list(told.body) == AGENT_KEYS
    incident = told.body["incident"]
    assert isinstance(incident, dict)
    assert list(incident) == INCIDENT_KEYS
    assert (incident["id"], incident["targets"], incident["event_ids"]) == (event.event_id, ["site"], [event.event_id])
    assert incident["sentence"] == "The path to Site changed."
    assert world.stored == {event.event_id: incident}
    assert set(world.kept) == {"site", AGENT}


def test_two_targets_that_lose_the_same_router_notify_once() -> None:
    world = World()
    for tid in TIDS:
        world.tell(lost(cause=Cause(CauseKind.REMOTE, "x")), tid=tid)
    assert world.notified() == ["target_unreachable"]
    assert len({event.body["group_id"] for event in world.events}) == 1
    world.run(START_AT + MINUTE)
    (incident,) = world.stored.values()
    assert (incident["targets"], incident["lost_count"], incident["sentence"]) == (list(TIDS), 3, "3 targets do not answer.")
    world.tell(back(START_AT + 5 * MINUTE), tid="other")
    world.run(START_AT + 7 * MINUTE)
    (incident,) = world.stored.values()
    assert incident["sentence"] == "3 targets do not answer; 2 still do not answer."
    world.tell(back(START_AT + 8 * MINUTE), tid="six")
    world.tell(back(START_AT + 9 * MINUTE), tid="site")
    assert world.notified() == ["target_unreachable", "target_reachable"]
    world.run(START_AT + HOUR)
    (incident,) = world.stored.values()
    assert (incident["closed_at"], incident["sentence"]) == ("2026-11-21T08:54:00.000Z", "3 targets do not answer; it is over.")


def test_flapping_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    world = World()
    for n in range(10):
        world.tell(moved(*("AB" if n % 2 == 0 else "BA"), START_AT + n * MINUTE))
    kinds = [event.event_type for event in world.events]
    assert kinds.count("path_unstable") == 1
    assert kinds.index("path_unstable") == 4
    assert len(kinds) == 11
    assert world.teller.heard("site", START_AT).unstable
    assert world.notified() == ["path_changed", "path_unstable"]
    made = world.run(START_AT + 5 * HOUR)
    assert [(event.event_type, event.notify) for event in made] == [("path_stable", True)]
    assert made[0].body["message"] == "It stays on path B."
    assert not world.teller.heard("site", START_AT).unstable
    assert len(world.stored) == 1


def test_a_lost_target_notifies_while_its_path_flaps() -> None:
    world = World()
    for n in range(6):
        world.tell(moved(*("AB" if n % 2 == 0 else "BA"), START_AT + n * MINUTE))
    world.tell(lost(START_AT + 7 * MINUTE))
    assert world.notified()[-1] == "target_unreachable"


def test_six_an_hour_then_a_digest() -> None:
    world = World()
    for n in range(10):
        world.tell(lost(START_AT + 2 * n * MINUTE))
        world.tell(back(START_AT + (2 * n + 1) * MINUTE))
    assert world.notified() == ["target_unreachable", "target_reachable"] * 3
    assert len(world.events) == 20
    assert world.teller.next_due_at is not None
    digests = [event for event in world.run(START_AT + HOUR) if event.event_type == "digest"]
    (digest,) = digests
    assert (digest.notify, digest.severity, digest.at) == (True, "critical", START_AT + HOUR)
    assert digest.body["digest"] == {
        "total": 14,
        "counts": {"target_unreachable": 7, "target_reachable": 7},
        "first_at": "2026-11-21T08:51:00.000Z",
        "last_at": "2026-11-21T09:04:00.000Z",
    }


def test_learning_holds_back_paths_and_never_reachability() -> None:
    world = World()
    world.tell(moved("A", "B", learning=True))
    world.tell(lost(START_AT + MINUTE, learning=True))
    assert world.notified() == ["target_unreachable"]


def test_a_muted_target_is_recorded_and_silent() -> None:
    world = World()
    world.teller.mute("site", START_AT, START_AT + HOUR)
    assert world.teller.heard("site", START_AT).muted_until == START_AT + HOUR
    assert world.keep(world.teller.tick(START_AT, True)) == []
    world.restart()
    world.tell(lost())
    world.tell(back(START_AT + HOUR + MINUTE))
    assert [event.notify for event in world.events] == [False, True]
    assert world.teller.heard("site", START_AT + HOUR).muted_until is None


def test_a_pause_survives_a_restart() -> None:
    world = World()
    assert not world.teller.heard("site", START_AT).paused
    world.teller.pause("site", paused=True)
    world.keep(world.teller.tick(START_AT, True))
    world.restart()
    assert world.teller.heard("site", START_AT).paused


def test_a_muted_pair_is_no_news_and_no_flapping() -> None:
    world = World()
    world.teller.mute_pair("site", "B", "A", muted=True)
    for n in range(10):
        world.tell(moved(*("AB" if n % 2 == 0 else "BA"), START_AT + n * MINUTE))
    assert world.notified() == []
    assert "path_unstable" not in [event.event_type for event in world.events]
    world.tell(moved("A", "C", START_AT + 11 * MINUTE))
    assert world.notified() == ["path_changed"]
    world.teller.mute_pair("site", "A", "B", muted=False)
    world.tell(moved("A", "B", START_AT + 2 * HOUR))
    assert world.notified() == ["path_changed"] * 2


def test_accepting_ends_the_wait_for_the_old_path() -> None:
    world = World()
    world.tell(moved("A", "B"))
    world.run(START_AT + HOUR)
    assert [incident["closed_at"] for incident in world.stored.values()] == [None]
    world.teller.accept("site")
    world.run(START_AT + HOUR)
    assert [incident["closed_at"] for incident in world.stored.values()] == ["2026-11-21T08:45:00.000Z"]


def test_numbers_never_come_again() -> None:
    world = World()
    world.restart(site=41, other=0)
    assert world.tell(moved("A", "B"))[0].change_no == 42
    assert world.tell(moved("A", "B"), tid="other")[0].change_no == 1
    world.restart(site=7)
    assert world.tell(moved("B", "A", START_AT + MINUTE))[0].change_no == 43


def test_an_unreadable_state_begins_anew_and_keeps_its_numbers(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.tell(moved("A", "B"))
    for text in ("no JSON", "[]", "{}", '{"change_no": 1}', world.kept["site"].replace("told", "tale")):
        world.kept["site"] = text
        world.restart(site=1)
        assert world.tell(moved("A", "B", START_AT + MINUTE))[0].change_no == 2
    world.kept[AGENT] = world.kept[AGENT].replace("parts", "portions")
    world.restart()
    assert len(caplog.records) == 6
    assert caplog.records[-1].message == "what was told of the agent is unreadable in the history: it begins anew"


def test_the_agent_tells_of_itself() -> None:
    world = World()
    world.keep(world.teller.announce(Announcement(AgentKind.AGENT_STARTED, START_AT, "0.2.0"), START_AT, True))
    notice = Notice(NoticeKind.RESOLVER_DOWN, START_AT, START_AT + SECOND, "", "", "the resolver 192.0.2.1 does not answer", 60)
    world.keep(world.teller.notice(notice, True))
    started, trouble = world.agent
    assert list(started.body) == list(trouble.body) == AGENT_KEYS
    assert (started.event_type, started.severity, started.notify, started.target) == ("agent_started", "info", False, "")
    assert (started.body["title"], started.body["incident"]) == ("Pathwarden 0.2.0 started", None)
    assert (trouble.event_type, trouble.severity, trouble.notify, trouble.body["code"]) == ("probe_error", "warning", True, "resolver_down")
    assert trouble.body["message"] == "The resolver 192.0.2.1 does not answer."


def test_a_dead_uplink_notifies_for_all_that_it_takes_along() -> None:
    world = World()
    down = Notice(NoticeKind.UPLINK_DOWN, START_AT, START_AT + SECOND, "", "wan", "wan lost its carrier", 60)
    world.keep(world.teller.notice(down, True))
    for n, tid in enumerate(TIDS):
        world.tell(lost(START_AT + (20 + n) * SECOND, cause=Cause(CauseKind.UPLINK, f"wan lost its carrier {n} s earlier")), tid=tid)
    assert (world.notified(), [event.notify for event in world.agent][:1]) == ([], [True])
    for n, tid in enumerate(TIDS):
        world.tell(back(START_AT + (60 + n) * SECOND), tid=tid)
    world.keep(world.teller.notice(down._replace(kind=NoticeKind.UPLINK_UP, at=START_AT + 80 * SECOND), True))
    assert world.notified() == []
    assert [(event.event_type, event.notify) for event in world.agent if event.event_type.startswith("uplink")] == [
        ("uplink_down", True),
        ("uplink_up", True),
    ]
    world.run(START_AT + HOUR)
    (incident,) = world.stored.values()
    assert incident["targets"] == list(TIDS)
    assert incident["sentence"] == "The uplink wan is down; it is over; cause: wan lost its carrier."


def test_an_uplink_that_has_no_device_is_called_by_no_name() -> None:
    world = World()
    down = Notice(NoticeKind.UPLINK_DOWN, START_AT, START_AT + SECOND, "", "", "there is no route", 60)
    for notice in (down, down._replace(kind=NoticeKind.UPLINK_UP, at=START_AT + MINUTE)):
        world.keep(world.teller.notice(notice, True))
    titles = [event.body["title"] for event in world.agent if event.event_type.startswith("uplink")]
    assert titles == ["The uplink is down", "The uplink is up again"]
    assert [str(incident["sentence"]).partition(";")[0].rstrip(".") for incident in world.stored.values()] == ["The uplink is down"]


def test_the_uplink_of_a_source_is_called_by_its_name() -> None:
    world = World()
    down = Notice(NoticeKind.UPLINK_DOWN, START_AT, START_AT + SECOND, "lte", "", "its device does not exist", 60)
    world.keep(world.teller.notice(down, True))
    assert [event.body["title"] for event in world.agent if event.event_type == "uplink_down"] == ["The uplink lte is down"]


@pytest.mark.parametrize(("devices", "incidents"), [(("", ""), 2), (("lte0", "dsl0"), 2), (("", "dsl0"), 2), (("wan", "wan"), 1)])
def test_two_sources_are_two_incidents_unless_they_have_one_line(devices: tuple[str, str], incidents: int) -> None:
    world = World()
    for n, (source, device) in enumerate(zip(("lte", "dsl"), devices, strict=True)):
        at = START_AT + n * 20 * SECOND
        world.keep(world.teller.notice(Notice(NoticeKind.UPLINK_DOWN, at, at, source, device, "there is no route", 60), True))
    downs = [event for event in world.agent if event.event_type == "uplink_down"]
    assert len({event.body["group_id"] for event in downs}) == incidents
    assert [event.notify for event in downs] == [True, incidents == 2]
    assert downs[0].body["title"] != downs[1].body["title"] or incidents == 1


def test_what_was_told_of_uplinks_survives_a_restart_and_the_kernels_choice_may_come_back_by_another_device() -> None:
    world = World()
    down = Notice(NoticeKind.UPLINK_DOWN, START_AT, START_AT + SECOND, "", "wan", "wan lost its carrier", 60)
    world.keep(world.teller.notice(down, True))
    world.restart()
    assert world.teller.down == {""}
    world.keep(world.teller.notice(down._replace(kind=NoticeKind.UPLINK_UP, device="wwan", at=START_AT + HOUR), True))
    assert world.teller.down == set()
    world.run(START_AT + 2 * HOUR)
    assert [incident["closed_at"] is None for incident in world.stored.values()] == [False]


def test_the_uplink_of_a_source_that_no_target_uses_any_more_is_over_after_a_restart() -> None:
    world = World()
    down = Notice(NoticeKind.UPLINK_DOWN, START_AT, START_AT + SECOND, "lte", "", "the source's device does not exist", 60)
    world.keep(world.teller.notice(down, True))
    assert world.teller.down == {"lte"}
    world.restart()
    assert world.teller.down == set()
    world.run(START_AT + HOUR)
    (incident,) = world.stored.values()
    assert incident["closed_at"] is not None
    assert str(incident["sentence"]).startswith("The uplink lte is down")


def test_event_and_incident_name_one_place_alike_and_do_so_after_a_restart() -> None:
    world = World()
    place = Location(Segment.DESTINATION, (("b",), ("203.0.113.9",)), 0.9, Direction.UNKNOWN, ("last_answer",))
    world.tell(lost(START_AT, location=place))
    world.restart()
    world.tell(attribute("nat", START_AT + MINUTE, location=place._replace(confidence=0.5)))
    world.run(START_AT + 2 * MINUTE)
    (incident,) = world.stored.values()
    where = "the fault is at the destination itself, between b and 203.0.113.9"
    assert where in str(world.events[0].body["message"])
    assert where in str(incident["sentence"])


def test_the_largest_incident_fits_in_a_message() -> None:
    world = World()
    tids = [f"{n:032}" for n in range(200)]
    world.teller = Teller("home-rt", [make_target(tid, "x" * 64) for tid in tids], world.entropy, lambda tid: route("B", target=tid))
    cause = Cause(CauseKind.UPLINK, "wan lost its carrier 1.8 s earlier; your traffic moved from wan to wanb")
    for n, tid in enumerate(tids):
        world.tell(lost(START_AT + n * SECOND, cause=cause), tid=tid)
    world.run(START_AT + 10 * MINUTE)
    incident = world.agent[-1].body["incident"]
    assert isinstance(incident, dict)
    assert (incident["target_count"], len(incident["targets"]), incident["event_count"]) == (200, 64, 200)
    assert len(encode({**world.agent[-1].body, "seq": 10**9})) < 8192


def test_a_flapping_uplink_is_bounded_too() -> None:
    world = World()
    for n in range(20):
        kind = NoticeKind.UPLINK_UP if n % 2 else NoticeKind.UPLINK_DOWN
        world.keep(world.teller.notice(Notice(kind, START_AT, START_AT + n * MINUTE, "", "wan", "x", 0), True))
    assert sum(event.notify for event in world.agent) == MOST_AN_HOUR


def test_a_clock_that_becomes_right_moves_everything_and_is_kept() -> None:
    world = World()
    for n in range(6):
        world.tell(moved(*("AB" if n % 2 == 0 else "BA"), START_AT + n))
    before = world.teller.next_due_at
    world.teller.shift(ClockShift(START_AT, START_AT + MINUTE, 24 * HOUR, 0))
    told = world.teller.tick(START_AT + 24 * HOUR + SECOND, True)
    assert (told.events, set(told.telling)) == ((), {*TIDS, AGENT})
    assert before is not None
    assert world.teller.next_due_at == before + 24 * HOUR


def test_nothing_to_do_costs_nothing_and_keeps_nothing() -> None:
    world = World()
    assert world.teller.next_due_at is None
    assert not world.teller.tick(START_AT, True)
    told = world.teller.tell("site", (), TRACE, START_AT)
    assert not told
    record = told.record(TRACE, None, "{}")
    assert (record.events, record.telling, record.incidents, record.synced) == ((), {}, (), True)
    assert not told.record(None, None, "", synced=False).synced


KINDS = ["AB", "BA", "AC", "CA", "BC", "lost", "back", "nat", "mpls", "slow", "mute", "unmute", "pair", "accept", "tick"]
steps = st.lists(st.tuples(st.integers(0, 20 * MINUTE), st.sampled_from(TIDS), st.sampled_from(KINDS)), max_size=40)


def step(world: World, what: str, tid: str, at: int) -> None:
    teller = world.teller
    wishes = {
        "mute": lambda: teller.mute(tid, at, at + HOUR),
        "unmute": lambda: teller.mute(tid, at, at),
        "pair": lambda: teller.mute_pair(tid, "A", "B", muted=True),
        "accept": lambda: teller.accept(tid),
        "tick": lambda: None,
    }
    if what in wishes:
        wishes[what]()
        world.keep(teller.tick(at, True))
        return
    special = {
        "lost": lost(at),
        "back": back(at),
        "nat": attribute("nat", at),
        "mpls": attribute("mpls", at),
        "slow": change(ChangeKind.LATENCY_SHIFT, at=at, first_ttl=0, classes=("latency",), delta_ms=30.0),
    }
    world.tell(special[what] if what in special else moved(what[0], what[1], at, target=tid), tid=tid)


@given(steps, st.sets(st.integers(0, 40)))
def test_a_restarted_teller_goes_on_identically(steps: list[tuple[int, str, str]], cuts: set[int]) -> None:
    one, other, at = World(), World(), START_AT
    for number, (gap, tid, what) in enumerate(steps):
        if number in cuts:
            other.restart()
        at += gap
        for world in (one, other):
            world.run(at)
            step(world, what, tid, at)
        assert one.teller.next_due_at == other.teller.next_due_at
    assert (one.events, one.agent, one.kept, one.stored) == (other.events, other.agent, other.kept, other.stored)


@given(steps)
def test_whatever_happens_the_rules_hold(steps: list[tuple[int, str, str]]) -> None:
    world, at, changes = World(), START_AT, 0
    for gap, tid, what in steps:
        at += gap
        world.run(at)
        step(world, what, tid, at)
        changes += what not in ("mute", "unmute", "pair", "accept", "tick")
    world.run(at + 50 * HOUR)
    of_time = ("path_unstable", "path_stable", "digest")
    assert sum(event.event_type not in of_time for event in world.events) == changes
    assert world.teller.next_due_at is None
    for tid in TIDS:
        mine = [event for event in world.events if event.target == tid]
        assert [event.change_no for event in mine] == list(range(1, len(mine) + 1))
        told = [event.at for event in mine if event.notify]
        assert all(later - early >= HOUR for early, later in zip(told, told[MOST_AN_HOUR:], strict=False))
        flapping = [event.event_type for event in mine if event.event_type in ("path_unstable", "path_stable")]
        assert flapping == [kind for kind, _ in zip(itertools.cycle(("path_unstable", "path_stable")), flapping, strict=False)]
    assert len({event.event_id for event in (*world.events, *world.agent)}) == len(world.events) + len(world.agent)
    groups = {event.body["group_id"] for event in world.events if event.event_type != "digest"}
    assert set(world.stored) <= groups
    assert all(incident["closed_at"] for incident in world.stored.values())
    assert [event.change_no for event in world.agent] == list(range(1, len(world.agent) + 1))
