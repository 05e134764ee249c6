"""Folding: which events are one incident, when it may notify, when it is told, and when it closes."""

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.changes import HOUR, MINUTE, SECOND, START_AT, attribute, back, change, lost, moved, route
from pathwarden.detect.incident import GATHER_NS, LONGEST_NS, SAME_TARGET_NS, Incident, News, line_marks, marks_of, source_of, uplink_part
from pathwarden.detect.incidents import MOST, MOST_IDS, MOST_MARKS, SAME_MARK_NS, Incidents
from pathwarden.model.change import AgentKind, Cause, CauseKind, Change, ChangeKind, Location, Segment
from pathwarden.model.instants import ClockShift
from pathwarden.present.severity import severity_of


class World:
    """Incidents, and events numbered as they come; `told` are the incidents told, in their order."""

    def __init__(self) -> None:
        self.incidents = Incidents()
        self.told: list[Incident] = []
        self.notified: list[str] = []
        self._numbers = itertools.count(1)

    def news(self, made: Change, target: str = "site", severity: str = "") -> str:
        """Fold one change now; the group it belongs to."""
        event_id, severity = f"E{next(self._numbers)}", severity or severity_of(made)
        moves = made.kind in (ChangeKind.PATH_CHANGED, ChangeKind.PATH_REVERTED)
        left, entered = (made.old.route_id, made.new.route_id) if moves and made.old and made.new else ("", "")
        seen_at, marks = made.first_seen_at, marks_of(made)
        return self.fold(
            News(
                event_id,
                target,
                made.kind,
                severity,
                seen_at,
                made.at,
                marks,
                left,
                entered,
                made.returns_to_usual,
                made.cause,
                made.location,
            )
        )

    def fold(self, news: News) -> str:
        folded = self.incidents.fold(news)
        if folded.may_notify and news.severity != "info":
            self.incidents.notified(folded.incident.incident_id, news.kind, news.severity)
            self.notified.append(news.event_id)
        self.told += self.incidents.take(news.at)
        return folded.incident.incident_id

    def run(self, until: int) -> None:
        """Let time pass."""
        while (due_at := self.incidents.due_at()) is not None and due_at <= until:
            self.told += self.incidents.take(due_at)

    @property
    def closed(self) -> list[Incident]:
        return [incident for incident in self.told if incident.closed_at is not None]


def other(label: str = "B") -> dict[str, object]:
    return {"target": label}


def test_one_target_within_ten_minutes_is_one_incident() -> None:
    world = World()
    assert world.news(moved("A", "B")) == "E1"
    assert world.news(attribute("nat", START_AT + 9 * MINUTE)) == "E1"
    assert world.news(attribute("nat", START_AT + 19 * MINUTE)) == "E1"
    assert world.news(attribute("nat", START_AT + 19 * MINUTE + SAME_TARGET_NS + 4 * SECOND)) == "E4"
    assert world.notified == ["E1", "E4"]


def test_targets_that_lose_the_same_responder_within_a_minute_are_one_incident() -> None:
    world = World()
    other_side = (route("A", ("gw", "isp", "a", "x", "E")), route("B", ("gw", "isp", "b", "x", "E")))
    assert world.news(moved("A", "B")) == "E1"
    assert world.news(change(old=other_side[0], new=other_side[1], at=START_AT + SAME_MARK_NS), "other") == "E1"
    assert world.news(change(old=other_side[0], new=other_side[1], at=START_AT + 3 * MINUTE), "third") == "E3"
    assert world.notified == ["E1", "E3"]


def test_marks_name_who_came_who_went_and_who_stayed() -> None:
    assert set(marks_of(moved("A", "B"))) == {"after isp", "gone a", "new b"}
    assert marks_of(lost(after_ttl=2)) == ("after isp", "gone a")
    assert marks_of(lost(after_ttl=0)) == ("gone gw",)
    assert marks_of(lost(after_ttl=9)) == ()
    silent = route("A", ("gw", "", "", "D"))
    assert marks_of(lost(way=silent, after_ttl=1)) == ("after gw", "gone D")
    assert marks_of(attribute("mtu")) == ("at a",)
    assert marks_of(attribute("mtu", first_ttl=0)) == ()
    assert marks_of(moved("A", "B", first_ttl=0)) == ()
    assert marks_of(replace(lost(), old=None)) == ()


def test_one_line_is_one_cause_whatever_tells_of_it() -> None:
    uplink = Cause(CauseKind.UPLINK, "wan lost its carrier 1.8 s earlier")
    assert marks_of(lost(cause=uplink)) == marks_of(moved(cause=Cause(CauseKind.ROUTE, "x"))) == line_marks("wan")
    assert marks_of(lost(cause=Cause(CauseKind.LOAD))) == ("load wan",)
    assert marks_of(lost(cause=Cause(CauseKind.REMOTE, "x"))) == ("after isp", "gone a")
    world = World()
    down = News("U1", "@wan", AgentKind.UPLINK_DOWN, "critical", START_AT, START_AT, line_marks("wan"), cause=uplink)
    assert world.fold(down) == "U1"
    assert world.news(lost(START_AT + 20 * SECOND, cause=uplink)) == "U1"
    assert world.news(lost(START_AT + 30 * SECOND, way=route("C", ("gw", "q", "r")), cause=uplink), "other") == "U1"
    assert world.notified == ["U1"]
    world.news(back(START_AT + 5 * MINUTE))
    world.news(back(START_AT + 5 * MINUTE), "other")
    assert world.notified == ["U1"]  # the uplink itself is not back yet
    at = START_AT + 6 * MINUTE
    world.fold(News("U2", "@wan", AgentKind.UPLINK_UP, "notice", at, at, line_marks("wan")))
    assert world.notified == ["U1", "U2"]
    world.run(at + HOUR)
    assert [(incident.incident_id, incident.closed_at) for incident in world.closed] == [("U1", at)]


def test_a_higher_severity_notifies_once_more() -> None:
    world = World()
    for severity in ("notice", "notice", "warning", "notice", "warning", "critical", "critical"):
        world.news(attribute("nat", START_AT), severity=severity)
    assert world.notified == ["E1", "E3", "E6"]
    assert [incident.severity for incident in world.told] == ["notice", "warning", "critical"]
    assert world.told[-1].kind is ChangeKind.PATH_ATTRIBUTE_CHANGED


def test_the_last_target_that_is_back_is_told_and_a_new_loss_counts_anew() -> None:
    world = World()
    for name in ("one", "two", "three"):
        assert world.news(lost(), name) == "E1"
    assert world.notified == ["E1"]
    for n, name in enumerate(("one", "two", "three")):
        assert world.news(back(START_AT + (4 + n) * MINUTE), name) == "E1"
    assert world.notified == ["E1", "E6"]
    assert world.news(lost(START_AT + 8 * MINUTE), "two") == "E1"
    assert world.notified == ["E1", "E6", "E7"]
    assert world.closed == []


def test_a_recovery_folds_into_what_it_ends_however_late() -> None:
    world = World()
    world.news(moved("A", "B"))
    assert world.news(attribute("nat", START_AT + 2 * HOUR)) == "E2"
    assert world.news(moved("B", "A", START_AT + 6 * HOUR)) == "E1"
    world.run(START_AT + 7 * HOUR)
    assert [(incident.incident_id, incident.closed_at) for incident in world.closed] == [
        ("E2", START_AT + 2 * HOUR),
        ("E1", START_AT + 6 * HOUR),
    ]
    assert world.incidents.due_at() is None


def test_going_back_ends_every_incident_of_the_path() -> None:
    world = World()
    world.news(moved("A", "B"))
    assert world.news(moved("B", "C", START_AT + HOUR)) == "E2"
    assert world.news(moved("C", "A", START_AT + 2 * HOUR)) == "E2"
    world.run(START_AT + 3 * HOUR)
    assert {incident.incident_id for incident in world.closed} == {"E1", "E2"}


@pytest.mark.parametrize(
    ("made", "ends"),
    [
        (change(ChangeKind.PATH_STABLE, at=START_AT + HOUR, first_ttl=0), True),
        (change(ChangeKind.TARGET_ADDRESS_CHANGED, at=START_AT + HOUR, first_ttl=0), True),
        (change(ChangeKind.PATH_CHANGED, route("B"), route("C"), at=START_AT + HOUR), False),
        (back(START_AT + HOUR), False),
    ],
)
def test_what_ends_a_path_change(made: Change, ends: bool) -> None:
    world = World()
    world.news(moved("A", "B"))
    assert (world.news(made) == "E1") is ends
    world.run(START_AT + 2 * HOUR)
    assert ("E1" in {incident.incident_id for incident in world.closed}) is ends


def test_flapping_ends_with_its_end_and_both_may_notify() -> None:
    world = World()
    world.news(moved("A", "B"), severity="critical")
    world.news(change(ChangeKind.PATH_UNSTABLE, at=START_AT + MINUTE, first_ttl=0))
    world.news(moved("B", "A", START_AT + 2 * MINUTE))
    world.run(START_AT + 2 * HOUR)
    assert world.closed == []
    world.news(change(ChangeKind.PATH_STABLE, at=START_AT + 3 * HOUR, first_ttl=0))
    world.run(START_AT + 4 * HOUR)
    assert world.notified == ["E1", "E2", "E4"]
    assert [incident.closed_at for incident in world.closed] == [START_AT + 3 * HOUR]


def test_accepting_the_new_path_settles_it() -> None:
    world = World()
    world.news(moved("A", "B"))
    world.run(START_AT + HOUR)
    assert world.closed == []
    world.incidents.settle("site")
    world.run(START_AT + HOUR)
    assert [incident.closed_at for incident in world.closed] == [START_AT]


def test_nothing_stays_open_for_more_than_a_day() -> None:
    world = World()
    world.news(lost())
    world.run(START_AT + LONGEST_NS - 1)
    assert world.closed == []
    world.run(START_AT + LONGEST_NS)
    (closed,) = world.closed
    assert (closed.closed_at, closed.settled, closed.lost) == (START_AT + LONGEST_NS, False, 1)
    assert world.news(back(START_AT + 2 * LONGEST_NS)) == "E2"
    assert world.notified == ["E1", "E2"]


def test_openings_and_closings_are_told_at_once_and_the_rest_gathered() -> None:
    world = World()
    for n in range(40):
        world.news(lost(START_AT + n * SECOND), f"t{n}")
    assert [len(incident.parts) for incident in world.told] == [1, 31]
    world.run(START_AT + 2 * MINUTE)
    assert [len(incident.parts) for incident in world.told] == [1, 31, 40]
    assert world.told[1].told_at - world.told[0].told_at == GATHER_NS
    assert world.incidents.due_at() == START_AT + LONGEST_NS


def test_what_never_was_more_than_info_is_not_told() -> None:
    world = World()
    world.news(attribute("mpls"))
    world.run(START_AT + HOUR)
    assert (world.told, world.incidents.due_at(), world.notified) == ([], None, [])


def test_everything_has_a_bound() -> None:
    world = World()
    for n in range(MOST + 10):
        way = route("A", (f"gw{n}", f"isp{n}", f"D{n}"))
        world.news(lost(START_AT + n * SECOND, way=way), f"t{n}")
    assert [incident.incident_id for incident in world.closed] == [f"E{n}" for n in range(1, 11)]
    exported = world.incidents.export()["open"]
    assert isinstance(exported, list)
    assert len(exported) == MOST
    one = World()
    for n in range(100):
        one.news(moved("A", "B", START_AT + n * SECOND, first_ttl=3), "site")
        one.news(lost(START_AT + n * SECOND, way=route("A", (f"gw{n}", f"isp{n}", f"D{n}"))), "site")
    one.run(START_AT + HOUR)
    newest = one.told[-1]
    assert (len(newest.event_ids), newest.event_ids[0], newest.event_ids[-1], newest.events) == (MOST_IDS, "E1", "E200", 200)
    assert len(newest.marks) == MOST_MARKS


def test_the_first_known_cause_and_the_surest_place_stand() -> None:
    world = World()
    known, later = Cause(CauseKind.REMOTE, "x"), Cause(CauseKind.LOAD, "y")
    sure, unsure = Location(Segment.ISP, (("a",), ("b",)), 0.9), Location(Segment.TRANSIT, None, 0.5)
    for cause, place in ((Cause(), unsure), (known, sure), (later, unsure)):
        world.news(attribute("nat", START_AT, cause=cause, location=place), severity="critical")
    world.run(START_AT + HOUR)
    assert (world.told[-1].cause, world.told[-1].location) == (known, sure)


def test_targets_that_are_not_watched_any_more_hold_nothing_open() -> None:
    world = World()
    world.news(lost(), "gone")
    world.news(lost(START_AT + HOUR), "site")
    world.incidents.keep_only(["site"], [""])
    world.run(START_AT + 2 * HOUR)
    assert [incident.incident_id for incident in world.closed] == ["E1"]


def test_uplinks_of_sources_that_are_not_in_use_any_more_hold_nothing_open() -> None:
    world = World()
    for n, (source, device) in enumerate((("lte", ""), ("dsl", "dsl0"), ("", "wan"))):
        at = START_AT + n * HOUR
        marks = line_marks(f"line{n}")
        world.fold(News(f"U{n}", uplink_part(source, device), AgentKind.UPLINK_DOWN, "critical", at, at, marks))
    assert sorted(map(source_of, world.incidents.lost_uplinks)) == ["", "dsl", "lte"]
    world.incidents.keep_only([], ["", "dsl"])
    assert sorted(map(source_of, world.incidents.lost_uplinks)) == ["", "dsl"]
    world.run(START_AT + 4 * HOUR)
    assert [incident.incident_id for incident in world.closed] == ["U0"]


def test_a_clock_that_was_ahead_does_not_keep_incidents_open() -> None:
    world = World()
    world.news(lost(START_AT + 100 * HOUR))
    world.news(back(START_AT))
    world.run(START_AT + HOUR)
    assert [incident.closed_at for incident in world.closed] == [START_AT]


def test_a_clock_that_becomes_right_moves_everything() -> None:
    world = World()
    world.news(attribute("nat"))
    world.incidents.shift(ClockShift(START_AT, START_AT + SECOND, 5 * HOUR, 0))
    assert world.incidents.due_at() == START_AT + 5 * HOUR + SAME_TARGET_NS
    world.run(START_AT + 6 * HOUR)
    assert [(incident.opened_at, incident.closed_at) for incident in world.closed] == [(START_AT + 5 * HOUR,) * 2]


@pytest.mark.parametrize("wrong", [{"kind": "x"}, ["x"], 7])
@pytest.mark.parametrize("member", ["at", "severity", "kind", "parts", "cause", "location", "marks"])
def test_anything_else_is_refused(member: str, wrong: object) -> None:
    world = World()
    world.news(lost())
    values = json.loads(json.dumps(world.incidents.export()))
    values["open"][0][member] = wrong
    with pytest.raises((ValueError, TypeError, KeyError)):
        Incidents.restore(values)
    del values["open"][0][member]
    with pytest.raises(KeyError):
        Incidents.restore(values)


steps = st.lists(
    st.tuples(
        st.integers(0, 15 * MINUTE),
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from(["AB", "BA", "AC", "CA", "lost", "back", "nat", "mpls", "unstable", "stable"]),
    ),
    max_size=40,
)


def made(what: str, at: int) -> Change:
    special = {
        "lost": lost(at),
        "back": back(at),
        "nat": attribute("nat", at),
        "mpls": attribute("mpls", at),
        "unstable": change(ChangeKind.PATH_UNSTABLE, at=at, first_ttl=0),
        "stable": change(ChangeKind.PATH_STABLE, at=at, first_ttl=0),
    }
    return special[what] if what in special else moved(what[0], what[1], at)


@given(steps, st.integers(0, 40))
def test_restored_incidents_go_on_identically(steps: list[tuple[int, str, str]], cut: int) -> None:
    one, other, at = World(), World(), START_AT
    for number, (gap, target, what) in enumerate(steps):
        if number == cut:
            other.incidents = Incidents.restore(json.loads(json.dumps(other.incidents.export())))
        at += gap
        one.run(at)
        other.run(at)
        assert one.news(made(what, at), target) == other.news(made(what, at), target)
        assert (one.told, one.notified, one.incidents.due_at()) == (other.told, other.notified, other.incidents.due_at())


@given(steps)
def test_every_incident_closes_once_and_holds_what_was_folded(steps: list[tuple[int, str, str]]) -> None:
    world, at, groups = World(), START_AT, []
    for gap, target, what in steps:
        at += gap
        world.run(at)
        groups.append(world.news(made(what, at), target))
    world.run(at + 2 * LONGEST_NS)
    assert world.incidents.due_at() is None
    closed = [incident.incident_id for incident in world.closed]
    assert len(closed) == len(set(closed))
    for incident in world.closed:
        assert incident.events == groups.count(incident.incident_id)
        assert incident.opened_at <= incident.updated_at
        assert incident.opened_at <= (incident.closed_at or 0) <= incident.opened_at + LONGEST_NS
    told_groups = {group for group in groups if group in closed}
    assert told_groups == set(closed)
