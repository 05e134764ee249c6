"""Traits of a way: a case for every class, what must never be told, and how the state goes on."""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.traces import SECOND, START_AT, trace_of
from pathwarden.detect.saying import TraitChange
from pathwarden.detect.traits import Traits
from pathwarden.model.history import Route
from pathwarden.model.instants import ClockShift
from pathwarden.model.probe import MplsLabel, MplsStack, ReplyKind
from pathwarden.model.trace import Answer, Ending, Hop, Marks, Trace

HOPS = ("10.0.0.1", "10.1.0.1", "10.2.0.1", "10.3.0.1", "10.4.0.1", "10.5.0.1", "D")
EF = 0xB8
INTERVAL_S = 300

Told = tuple[str, int, int, str, str]


def route_of(hops: Iterable[str | tuple[str, ...]] = HOPS, route_id: str = "A") -> Route:
    full = tuple(hop if isinstance(hop, tuple) else (hop,) for hop in hops)
    return Route(route_id, "site", route_id, "D", "wan", full, len(full), 0, 0, 0, 0, None, 0.0)


@dataclass
class World:
    """What the way does at present. By ttl: labels, the ToS quoted, the checksum's difference, the MTU said; who is silent."""

    hops: tuple[str, ...] = HOPS
    sent_tos: int = 0
    size: int = 60
    labels: dict[int, int] = field(default_factory=dict)
    tos: dict[int, int] = field(default_factory=dict)
    nat: dict[int, int] = field(default_factory=dict)
    mtu: dict[int, int] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    quoted: bool = True

    def trace(self, at_s: float) -> Trace:
        trace = trace_of(*[None if ttl in self.silent else who for ttl, who in enumerate(self.hops, start=1)], mono_s=at_s)
        flow = trace.flow._replace(tos=self.sent_tos, size=self.size)
        return replace(trace, flow=flow, hops=tuple(Hop(hop.ttl, tuple(map(self.marked(hop.ttl), hop.answers))) for hop in trace.hops))

    def marked(self, ttl: int) -> Callable[[Answer], Answer]:
        tos = self.tos.get(ttl, self.sent_tos)
        extensions = (MplsStack((MplsLabel(self.labels[ttl], 0, True, 1),)),) if ttl in self.labels else ()
        marks = Marks(tos=-1 if tos == self.sent_tos else tos, nat=self.nat.get(ttl, 0), mtu=self.mtu.get(ttl, 0), extensions=extensions)
        return lambda a: a if a.responder is None else a._replace(marks=marks, quoted_ttl=int(self.quoted))


class Line:
    """A target's traits under watch: `rounds` makes traces of the world, five minutes apart; `told` gathers what came of it."""

    def __init__(self, world: World | None = None, route: Route | None = None) -> None:
        self.world = world or World()
        self.route = route or route_of(self.world.hops)
        self.traits = Traits()
        self.changes: list[TraitChange] = []
        self.now_s = 0.0

    def rounds(self, count: int) -> list[Told]:
        """What was told of so many traces."""
        before = len(self.changes)
        for _ in range(count):
            self.take(self.world.trace(self.now_s))
        return told(self.changes[before:])

    def take(self, trace: Trace) -> None:
        self.changes.extend(self.traits.on_trace(trace, self.route))
        self.now_s += INTERVAL_S

    def sentinels(self, reply_ttl: int, count: int, *, verified: bool = True) -> list[Told]:
        before = len(self.changes)
        for _ in range(count):
            self.changes.extend(self.traits.on_sentinel(reply_ttl, verified, self.at()))
            self.now_s += 30
        return told(self.changes[before:])

    def at(self) -> int:
        return START_AT + round(self.now_s * SECOND)


def told(changes: Iterable[TraitChange]) -> list[Told]:
    return [(each.cls, each.first_ttl, each.last_ttl, each.before, each.after) for each in changes]


def settled(**values: object) -> Line:
    """A line whose traits have been steady for ten traces."""
    line = Line(World(**values))  # type: ignore[arg-type] - fields by name
    assert line.rounds(10) == []
    return line


# -- a case for each class


@pytest.mark.parametrize(
    ("start", "then", "expected", "severity"),
    [
        ({}, {"labels": {3: 16, 4: 17, 5: 18}}, ("mpls", 3, 5, "off", "on"), "info"),
        ({"labels": {3: 16, 4: 17}}, {"labels": {}}, ("mpls", 3, 4, "on", "off"), "info"),
        ({"sent_tos": EF}, {"tos": dict.fromkeys(range(4, 8), 0)}, ("dscp", 4, 7, "0xb8", "0x00"), "info"),
        ({}, {"tos": dict.fromkeys(range(3, 8), 0x28)}, ("dscp", 3, 7, "0x00", "0x28"), "info"),
        ({"sent_tos": 2}, {"tos": dict.fromkeys(range(4, 8), 0)}, ("dscp", 4, 7, "0x02", "0x00"), "info"),  # ECN bleached
        ({}, {"nat": dict.fromkeys(range(3, 8), 77)}, ("nat", 3, 7, "none", "translated"), "notice"),
        ({"nat": dict.fromkeys(range(2, 8), 5)}, {"nat": {}}, ("nat", 2, 7, "translated", "none"), "notice"),
        (
            {"nat": dict.fromkeys(range(2, 8), 5)},
            {"nat": {2: 5, 3: 5} | dict.fromkeys(range(4, 8), 99)},
            ("nat", 4, 4, "once", "again"),
            "notice",
        ),
        ({"size": 1500}, {"mtu": {4: 1492}}, ("mtu", 4, 4, "1500", "1492"), "warning"),
        ({"size": 1500, "mtu": {4: 1420}}, {"mtu": {}}, ("mtu", 0, 0, "1420", "1500"), "info"),
    ],
)
def test_a_trait_that_turns_is_told_once(start: dict[str, object], then: dict[str, object], expected: Told, severity: str) -> None:
    line = settled(**start)
    seen_at = line.at()
    line.world = replace(line.world, **then)  # type: ignore[arg-type] - fields by name
    assert line.rounds(1) == [], "one trace is no proof"
    assert line.rounds(1) == [expected]
    assert line.rounds(20) == []
    change = line.changes[0]
    assert (change.first_seen_at, change.confirmations, change.severity) == (seen_at, 2, severity)


def test_who_said_an_mtu_is_named() -> None:
    line = settled(size=1500)
    line.world.mtu = {4: 1492}
    line.rounds(2)
    assert line.changes[0].by == HOPS[3]


def test_a_hop_that_falls_quiet_is_told_and_so_is_its_return() -> None:
    line = settled()
    line.world.silent = {3, 4}
    assert line.rounds(70) == [], "two targets may take a slow router's answers from each other for hours"
    quiet = line.rounds(10)
    assert quiet == [("filtered", 3, 4, "answers", "quiet")]
    assert line.rounds(50) == []
    line.world.silent = set()
    assert line.rounds(1) == []
    assert line.rounds(1) == [("filtered", 3, 4, "quiet", "answers")]


def test_a_hop_is_quiet_only_before_one_that_answers() -> None:
    line = settled()
    line.world.silent = {5, 6, 7}
    assert line.rounds(100) == []


def test_a_router_that_answers_now_and_then_is_not_quiet() -> None:
    seed = 11
    print(f"seed {seed}")
    chosen = random.Random(seed)
    line = Line()
    for _ in range(2000):
        line.world.silent = {ttl for ttl, share in ((2, 0.3), (3, 0.6), (4, 0.95)) if chosen.random() > share}
        line.rounds(1)
    assert told(line.changes) == []


def test_the_way_back_is_told_after_five_sentinels_with_the_way_there_verified() -> None:
    line = settled()
    assert line.sentinels(54, 40) == []
    assert line.sentinels(52, 40, verified=False) == []
    assert line.sentinels(52, 4) == []
    assert line.sentinels(52, 1) == [("return_path", 0, 0, "11 hops", "13 hops")]
    assert line.sentinels(52, 40) == []


def test_another_initial_ttl_is_another_kind_of_reply() -> None:
    line = settled()
    line.sentinels(54, 40)
    assert line.sentinels(245, 40) == []
    assert line.sentinels(243, 5) == [("return_path", 0, 0, "11 hops", "13 hops")]


def test_replies_by_several_ways_back_are_no_change() -> None:
    line = settled()
    for _ in range(200):
        line.sentinels(54, 3)
        line.sentinels(53, 2)
    assert told(line.changes) == []


# -- balancers


def audits(line: Line, ttl: int, members: Callable[[int], str | None], first: int, count: int) -> list[Told]:
    before = len(line.changes)
    for flow_no in range(first, first + count):
        line.changes.extend(line.traits.on_audit(ttl, flow_no % 4096, members(flow_no), line.at()))
        line.now_s += 3600
    return told(line.changes[before:])


def spread(chosen: random.Random, *members: str) -> Callable[[int], str | None]:
    return lambda _flow_no: chosen.choice(members)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (("a", "b"), ("a", "b", "c"), ("2 members", "3 members")),
        (("a", "b", "c"), ("a", "b"), ("3 members", "2 members")),
        (("a",), ("a", "b"), ("1 member", "2 members")),
        (("a", "b"), ("a", "c"), ("2 members", "2 members, 1 new")),
    ],
)
def test_a_member_that_comes_or_goes_is_told_once(before: tuple[str, ...], after: tuple[str, ...], words: tuple[str, str]) -> None:
    chosen = random.Random(3)
    line = settled()
    assert audits(line, 3, spread(chosen, *before), 1, 150) == []
    changes = audits(line, 3, spread(chosen, *after), 151, 150)
    assert changes == [("lb_set", 3, 3, *words)]
    assert line.changes[-1].severity == "info"


def test_nothing_is_told_of_a_set_that_is_not_closed() -> None:
    line = settled()
    assert audits(line, 3, lambda _: "a", 1, 7) == []  # eight flows close a set of one
    assert audits(line, 3, lambda _: "b", 8, 5) == []


def test_the_same_flow_again_counts_once() -> None:
    line = settled()
    for _ in range(200):
        audits(line, 3, lambda _: "a", 5, 1)
    assert audits(line, 3, lambda _: "b", 6, 30) == []


def test_silent_audits_say_nothing() -> None:
    line = settled()
    audits(line, 3, lambda flow_no: "ab"[flow_no % 2], 1, 100)
    assert audits(line, 3, lambda _: None, 101, 400) == []


def test_balancing_alone_never_changes_a_set() -> None:
    """Whatever the number of members and their shares, per flow or per packet; of the same seeds always, since chance brings any row."""
    for seed in range(60):
        chosen = random.Random(seed)
        weights = [chosen.randint(1, 30) for _ in range(chosen.randint(1, 18))]
        members = [f"m{number}" for number in range(len(weights))]
        line = Line()
        line.rounds(1)
        assert audits(line, 3, lambda _: chosen.choices(members, weights)[0], 1, 400) == [], f"seed {seed}"  # noqa: B023 - called at once


def test_a_long_time_of_uneven_balancing_is_quiet() -> None:
    seed = 5
    print(f"seed {seed}")
    chosen = random.Random(seed)
    line = Line()
    line.rounds(1)
    for ttl, weights in enumerate([(95, 5), (60, 30, 10), (50, 50), (90, 4, 3, 3), (1,) * 16, (99, 1)], start=1):
        members = [f"m{number}" for number in range(len(weights))]
        assert audits(line, ttl, lambda _, m=members, w=weights: chosen.choices(m, w)[0], 1, 4000) == []  # type: ignore[misc]


# -- what is never told


@pytest.mark.parametrize(
    ("start", "then"),
    [
        ({"labels": {3: 16}}, {"labels": {3: 999}}),  # labels change whenever a path is signalled anew
        ({"sent_tos": 1}, {"tos": dict.fromkeys(range(3, 8), 3)}),  # congestion marks
        ({"nat": {4: 5, 5: 5}}, {"nat": {4: 9, 5: 9}}),  # the translator gave another port
        ({}, {"quoted": False}),
        ({}, {"mtu": {3: 1400}}),  # not shorter than what was sent
        ({}, {"silent": {1, 2, 3, 4, 5, 6, 7}}),
    ],
)
def test_what_is_no_change_is_not_told(start: dict[str, object], then: dict[str, object]) -> None:
    line = settled(**start)
    line.world = replace(line.world, **then)  # type: ignore[arg-type] - fields by name
    assert line.rounds(60) == []


def test_what_was_known_for_two_traces_only_is_not_told() -> None:
    line = Line()
    line.rounds(2)
    line.world.labels = {3: 16}
    assert line.rounds(20) == []


def test_one_odd_trace_is_not_told() -> None:
    line = settled()
    for _ in range(5):
        line.world.labels = {3: 16}
        line.rounds(1)
        line.world.labels = {}
        line.rounds(40)
    assert told(line.changes) == []


@pytest.mark.parametrize("values", [{"route_id": "B"}, {"epoch": "wanb"}])
def test_a_new_route_or_epoch_begins_anew(values: dict[str, str]) -> None:
    line = settled()
    line.route = line.route._replace(**values)
    line.world.labels = {3: 16}
    assert line.rounds(20) == []
    line.world.labels = {}
    assert line.rounds(5) == [("mpls", 3, 3, "on", "off")]


WITH_NAT = (*HOPS[:2], "100.64.0.1", *HOPS[2:])
BEHIND_NAT = dict.fromkeys(range(4, 9), 7)


def test_a_route_that_leads_through_a_translator_is_told_and_so_is_its_end() -> None:
    line = settled()
    line.route, line.world = route_of(WITH_NAT, "B"), replace(line.world, hops=WITH_NAT, nat=BEHIND_NAT)
    since = line.at()
    assert line.rounds(4) == [("nat", 4, 4, "none", "translated")]
    assert (line.changes[-1].severity, line.changes[-1].first_seen_at) == ("notice", since)
    assert line.rounds(20) == []
    line.route, line.world = route_of(), replace(line.world, hops=HOPS, nat={})
    assert line.rounds(4) == [("nat", 7, 7, "translated", "none")]


def test_a_route_that_was_left_at_once_is_not_held_against_the_next() -> None:
    line = settled()
    line.route, line.world = route_of(WITH_NAT, "B"), replace(line.world, hops=WITH_NAT, nat=BEHIND_NAT)
    assert line.rounds(1) == []
    line.traits = Traits.restore(json.loads(json.dumps(line.traits.export())))
    line.route, line.world = route_of(), replace(line.world, hops=HOPS, nat={})
    assert line.rounds(20) == []


@pytest.mark.parametrize(
    ("values", "silent"),
    [
        ({"epoch": "wanb"}, set[int]()),  # another line is another line
        ({}, {6, 7, 8}),  # nobody answers who is behind it for sure
        ({}, {8}),
    ],
)
def test_another_route_says_nothing_of_translation_until_its_last_hop_does(values: dict[str, str], silent: set[int]) -> None:
    line = settled()
    line.route = route_of(WITH_NAT, "B")._replace(**values)  # type: ignore[arg-type]  # texts all
    line.world = replace(line.world, hops=WITH_NAT, nat=BEHIND_NAT, silent=silent)
    assert [each for each in line.rounds(20) if each[0] == "nat"] == []


def test_traits_are_of_the_route_whose_traces_made_them() -> None:
    line = settled()
    assert line.traits.are_of(line.route)
    other = route_of(WITH_NAT, "B")
    assert not any(line.traits.are_of(each) for each in (None, other, line.route._replace(epoch="wanb")))
    line.route, line.world = other, replace(line.world, hops=WITH_NAT)
    line.rounds(1)
    assert line.traits.are_of(other)
    assert not Traits().are_of(other)


def test_an_undecided_route_and_a_trace_that_could_not_leave_say_nothing() -> None:
    line = settled()
    before = line.traits.export()
    line.world.labels = {3: 16}
    trace = line.world.trace(line.now_s)
    assert line.traits.on_trace(trace, None) == ()
    assert line.traits.on_trace(replace(trace, ending=Ending.ERROR), line.route) == ()
    assert line.traits.export() == before


def test_before_the_first_trace_nothing_is_taken() -> None:
    traits = Traits()
    assert (traits.on_audit(3, 1, "a", 1), traits.on_sentinel(54, True, 1)) == ((), ())
    assert traits.export() == Traits().export()


def test_a_flapping_trait_falls_silent() -> None:
    line = settled()
    for number in range(20):
        line.world.labels = {} if number % 2 else {3: 16}
        line.rounds(8)
    assert told(line.changes) == [("mpls", 3, 3, "off", "on"), ("mpls", 3, 3, "on", "off"), ("mpls", 3, 3, "off", "on")]


def test_a_trait_that_flapped_is_told_again_after_a_day_of_rest() -> None:
    line = settled()
    for number in range(9):
        line.world.labels = {} if number % 2 else {3: 16}
        line.rounds(8)
    before = len(line.changes)
    line.rounds(300)
    line.world.labels = {}
    assert line.rounds(5) == [("mpls", 3, 3, "on", "off")]
    assert before == 3


def test_a_neighbour_that_shows_it_later_is_part_of_the_same_change() -> None:
    line = settled()
    line.world.labels = {3: 16, 4: 17, 5: 18}
    line.world.silent = {4}
    assert line.rounds(2) == [("mpls", 3, 5, "off", "on")]
    line.world.silent = set()
    assert line.rounds(10) == []


def test_strangers_of_a_route_are_not_its_hops() -> None:
    line = settled()
    line.world = replace(line.world, hops=(*HOPS[:2], "10.9.9.9", *HOPS[3:]), labels={3: 16})
    assert line.rounds(20) == []


def test_members_that_differ_are_no_change() -> None:
    members = ((*HOPS[:2], "x", *HOPS[3:]), (*HOPS[:2], "y", *HOPS[3:]))
    line = Line(route=route_of((*HOPS[:2], ("x", "y"), *HOPS[3:])))
    chosen = random.Random(2)
    for _ in range(500):
        number = chosen.randrange(2)
        line.world = World(hops=members[number], labels={3: 16} if number else {})
        line.rounds(1)
    assert told(line.changes) == []


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("queries", [1, 3])
def test_marks_that_differ_packet_by_packet_are_no_change(share: float, queries: int) -> None:
    seed = 17
    print(f"seed {seed}")
    chosen = random.Random(seed)
    line = Line()
    for _ in range(800):
        one, other = World(labels={3: 16}, tos={4: 8}).trace(line.now_s), World().trace(line.now_s)
        hops = tuple(
            Hop(a.ttl, tuple(chosen.choices(pair, (share, 1 - share))[0] for pair in zip(a.answers, b.answers, strict=True))[:queries])
            for a, b in zip(one.hops, other.hops, strict=True)
        )
        line.take(replace(one, hops=hops))
    assert told(line.changes) == []


# -- rules that hold for everything

_TTLS = st.integers(1, 7)
_WORLDS = st.builds(
    World,
    labels=st.dictionaries(_TTLS, st.integers(16, 20), max_size=3),
    tos=st.dictionaries(_TTLS, st.sampled_from([0, 8]), max_size=3),
    nat=st.dictionaries(_TTLS, st.sampled_from([0, 5, 9]), max_size=3),
    mtu=st.dictionaries(_TTLS, st.sampled_from([1400, 1492]), max_size=1),
    silent=st.sets(_TTLS, max_size=3),
    size=st.just(1500),
)
_STORIES = st.lists(st.tuples(_WORLDS, st.integers(1, 12)), min_size=1, max_size=5)


def traces(story: list[tuple[World, int]]) -> list[Trace]:
    worlds = [world for world, count in story for _ in range(count)]
    return [world.trace(number * INTERVAL_S) for number, world in enumerate(worlds)]


def changes_of(made: Iterable[Trace]) -> list[TraitChange]:
    line = Line()
    for trace in made:
        line.take(trace)
    return line.changes


@settings(max_examples=50, deadline=None)
@given(_WORLDS, st.integers(0, 1 << 30), st.floats(0, 0.95))
def test_silence_creates_no_change_but_a_quiet_hop(world: World, seed: int, share: float) -> None:
    chosen = random.Random(seed)
    made = []
    for trace in traces([(world, 80)]):
        hops = tuple(Hop(hop.ttl, tuple(Answer(a.query) if chosen.random() < share else a for a in hop.answers)) for hop in trace.hops)
        reached = trace.reached_ttl if hops[-1].responders else None
        made.append(replace(trace, hops=hops, reached_ttl=reached))
    assert [each for each in changes_of(made) if each.cls not in ("filtered", "mtu")] == []
    # Whoever says an MTU may be silent himself; a trace that gets through says another one then.
    if not world.mtu:
        assert [each for each in changes_of(made) if each.cls == "mtu"] == []


@settings(max_examples=50, deadline=None)
@given(_STORIES, st.integers(0, 1 << 30))
def test_more_silent_queries_and_silent_traces_change_nothing(story: list[tuple[World, int]], seed: int) -> None:
    chosen = random.Random(seed)
    plain = traces(story)
    more = []
    for trace in plain:
        hops = tuple(Hop(hop.ttl, (*hop.answers, *[Answer(9)] * chosen.randrange(3))) for hop in trace.hops)
        more.append(replace(trace, hops=hops))
        while chosen.random() < 0.3:
            silent = tuple(Hop(hop.ttl, tuple(Answer(a.query) for a in hop.answers)) for hop in trace.hops)
            more.append(replace(trace, hops=silent, reached_ttl=None, ending=Ending.GAP))
    assert changes_of(more) == changes_of(plain)


@settings(max_examples=50, deadline=None)
@given(_STORIES, st.integers(0, 1 << 30))
def test_the_order_of_answers_changes_nothing(story: list[tuple[World, int]], seed: int) -> None:
    chosen = random.Random(seed)
    mixed, shuffled = [], []
    for one, other in zip(traces(story), traces(story[::-1]), strict=True):
        answers = [
            [a if chosen.random() < 0.9 else b for a, b in zip(x.answers, y.answers, strict=True)]
            for x, y in zip(one.hops, other.hops, strict=True)
        ]
        mixed.append(replace(one, hops=tuple(Hop(ttl, tuple(row)) for ttl, row in enumerate(answers, start=1))))
        for row in answers:
            chosen.shuffle(row)
        shuffled.append(replace(one, hops=tuple(Hop(ttl, tuple(row)) for ttl, row in enumerate(answers, start=1))))
    assert changes_of(mixed) == changes_of(shuffled)


@settings(max_examples=50, deadline=None)
@given(_STORIES, st.integers(0, 60), st.integers(0, 1 << 30))
def test_restored_traits_go_on_identically(story: list[tuple[World, int]], cut: int, seed: int) -> None:
    line, other = Line(), Line()
    chosen, same = random.Random(seed), random.Random(seed)
    for number, trace in enumerate(traces(story)):
        if number == cut:
            other.traits = Traits.restore(json.loads(json.dumps(other.traits.export())))
        for each, picks in ((line, chosen), (other, same)):
            each.take(trace)
            audits(each, picks.randrange(1, 5), lambda _, p=picks: p.choice("abc"), number * 4 + 1, 4)  # type: ignore[misc]
            each.sentinels(picks.choice([54, 54, 53]), 3)
    assert other.changes == line.changes
    assert other.traits.export() == line.traits.export()


def test_every_instant_is_corrected_when_the_clock_becomes_right() -> None:
    wrong = ClockShift(since=START_AT - SECOND, until=START_AT + 10**6 * SECOND, by_ns=10**18, mono_offset_ns=0)
    line = settled()
    line.sentinels(54, 30)
    line.world = replace(line.world, labels={5: 16}, silent={2})
    seen_at = line.at()
    line.rounds(1)
    line.sentinels(52, 1)
    line.traits.shift(wrong)
    line.now_s += 10**9
    line.rounds(80)
    assert told(line.changes) == [("mpls", 5, 5, "off", "on"), ("filtered", 2, 2, "answers", "quiet")]
    assert [each.first_seen_at for each in line.changes] == [seen_at + 10**18] * 2


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.pop("said"),
        lambda values: values.update(key=1),
        lambda values: values.update(hops={}),
        lambda values: values["hops"][0].pop(),
        lambda values: values["hops"][0].__setitem__(0, "3"),
        lambda values: values["hops"][0][3].__setitem__(0, [1]),
        lambda values: values["members"][0].__setitem__(4, [[1]]),
        lambda values: values.update(mtu=[]),
        lambda values: values.update(moved=[1]),
        lambda values: values["said"].update(told={"mpls": [1, 2, 3, 4, 5]}),
        lambda values: values["said"].update(reversals=[]),
    ],
)
def test_anything_else_is_not_restored(change: Callable[[dict[str, object]], object]) -> None:
    line = settled()
    audits(line, 3, lambda _: "a", 1, 3)
    values = json.loads(json.dumps(line.traits.export()))
    Traits.restore(values)
    change(values)
    with pytest.raises((ValueError, TypeError, KeyError)):
        Traits.restore(values)


def test_the_state_is_small() -> None:
    chosen = random.Random(8)
    hops = tuple(f"2001:db8:{ttl:x}::{ttl:x}" for ttl in range(1, 19))
    line = Line(World(hops=(*hops, "D")), route_of((*hops, "D")))
    line.rounds(300)
    for ttl in range(1, 19):
        width = {5: 8, 6: 8, 10: 4}.get(ttl, 1)
        audits(line, ttl, spread(chosen, *[f"m{number}" for number in range(width)]), 1, 300)
    line.sentinels(54, 50)
    line.world.silent = {3, 4}
    line.rounds(2)
    size = len(json.dumps(line.traits.export(), separators=(",", ":")))
    print(f"{size} bytes")
    assert size < 3000


def test_a_destination_that_answers_otherwise_is_read_like_a_hop() -> None:
    line = settled(sent_tos=EF)
    line.world.tos = {7: 0}
    assert line.rounds(2) == [("dscp", 7, 7, "0xb8", "0x00")]
    line = settled()
    trace = line.world.trace(line.now_s)
    final = tuple(a._replace(kind=ReplyKind.ECHO_REPLY, quoted_ttl=0) for a in trace.hops[-1].answers)
    for _ in range(20):
        line.take(replace(trace, hops=(*trace.hops[:-1], Hop(7, final))))
    assert told(line.changes) == []
