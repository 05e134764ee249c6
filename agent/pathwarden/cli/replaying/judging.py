"""Recorded traces judged by the detector: one for each stream, fed in the order of time.

Rules:
1. Nobody can ask the past for a re-trace. Where the detector wants one, the stream's next recorded trace is it: two later traces must
   agree, and be beyond chance, before a change is told. What lasted for fewer than three traces of a stream is not told.
2. Each flow is a stream, and so is never compared with another flow: a balancer that spreads flows changes nothing. With rotating
   Paris ids a flow comes round once in so many traces, and a change is told by each flow when it has seen it thrice.
3. What the flows of one observer and target tell alike within `TOGETHER_NS` is one group: they share `group_id`, and the first of
   them notifies.
4. Ids of events follow from what they tell, so that a second replay gives the same ones.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Protocol

from pathwarden.config.targets import default_target
from pathwarden.detect.detector import Detector, Verdict
from pathwarden.detect.judge import Judge
from pathwarden.export.reading.recorded import Recorded, Stream
from pathwarden.model.change import Change
from pathwarden.model.history import Event
from pathwarden.model.settings import Target
from pathwarden.model.trace import Trace
from pathwarden.present.events import event

LEARN_S = 86_400  # the default of agent.learn_h
TOGETHER_NS = 600_000_000_000  # as long as events of one target are one incident
_ENTROPY = 10  # bytes of an event's id


class TakesTraces(Protocol):
    """What takes a target's traces one after the other, and says what changed."""

    def on_trace(self, trace: Trace) -> Verdict:
        """Take one finished trace."""
        ...


NewJudge = Callable[[str, int], TakesTraces]  # a target's id, and for how many seconds it is being learned


def judge_of(target: str, learn_s: int) -> Judge:
    """A judge as the agent has them; it confirms by traces alone, since nobody watches the past between them."""
    return Judge(Detector(target, learn_s))


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a stream."""

    stream: Stream
    change: Change
    event: Event


@dataclass(slots=True)
class Group:
    """Events of one kind that flows of one observer and target told together."""

    told: list[Told]

    @property
    def first(self) -> Told:
        """The one that came first, and notifies."""
        return self.told[0]

    @property
    def flows(self) -> dict[str, Told]:
        """By flow, what it told; '' is the one flow of a file that names none."""
        return {each.stream.flow: each for each in self.told}


@dataclass(slots=True)
class _Watched:
    judge: TakesTraces
    target: Target
    events: int = 0
    routes: set[str] = field(default_factory=set)


class Judging:
    """All streams, and what they told so far."""

    def __init__(self, learn_s: int, new_judge: NewJudge = judge_of) -> None:
        self.kinds: Counter[str] = Counter()
        self._learn_s = learn_s
        self._new_judge = new_judge
        self._watched: dict[Stream, _Watched] = {}

    @property
    def routes(self) -> int:
        """How many routes were found; each stream has its own."""
        return sum(len(watched.routes) for watched in self._watched.values())

    def take(self, recorded: Recorded) -> Iterator[Told]:
        """What a trace leads to."""
        stream, trace = recorded.stream, recorded.trace
        watched = self._watched.get(stream) or self._watch(stream, trace)
        verdict = watched.judge.on_trace(trace)
        if verdict.route is not None:
            watched.routes.add(verdict.route.route_id)
        for change in verdict.changes:
            watched.events += 1
            self.kinds[change.kind] += 1
            entropy = sha256(f"{stream}|{watched.events}|{change.kind}|{change.at}".encode()).digest()[:_ENTROPY]
            yield Told(stream, change, event(stream.vantage, watched.target, change, trace, watched.events, entropy))

    def _watch(self, stream: Stream, trace: Trace) -> _Watched:
        target = replace(default_target(stream.target, stream.target, "", trace.flow.af), method=trace.flow.method)
        return self._watched.setdefault(stream, _Watched(self._new_judge(stream.target, self._learn_s), target))


class Groups:
    """Puts events together (rule 3)."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str, str, str], Group] = {}
        self._open: deque[Group] = deque()  # oldest first

    def add(self, told: Told) -> Group:
        """The group that an event belongs to, with the event in it."""
        stream = told.stream
        key = (stream.vantage, stream.series, stream.target, told.event.event_type)
        group = self._latest.get(key)
        if group is None or told.event.at - group.first.event.at > TOGETHER_NS or stream.flow in group.flows:
            group = self._latest[key] = Group([])
            self._open.append(group)
        group.told.append(told)
        return group

    def ended(self, now: int) -> Iterator[Group]:
        """Those to which nothing can be added after this instant, oldest first, each once."""
        while self._open and now - self._open[0].first.event.at > TOGETHER_NS:
            yield self._open.popleft()


def body(told: Told, group: Group) -> dict[str, object]:
    """An event's JSON: that of the `event` topic, in its group, and `replay`, which says whose traces told it."""
    stream, first = told.stream, group.first
    return {
        **told.event.body,
        "notify": told.event.notify and told is first,
        "group_id": first.event.event_id,
        "replay": {"vantage": stream.vantage, "series": stream.series, "flow": stream.flow or None},
    }
