"""What a trace that goes on adds up to: a row per ttl, and what changed on the way.

Rules:
1. A round asks each ttl once. While the destination answers, rounds end at its ttl: a loss there must not make a longer path of it. After
   `HELD` rounds without it, or when a router answers in its place, a round looks as far as it may.
2. A probe without answer is lost; what a round that did not arrive left unasked, up to the destination, is lost as well. What was still
   under way at the end is neither.
3. Another responder at a ttl is a change once it held for `HELD` rounds. If the one before is back sooner, they share the load: all are
   listed, and only a responder never seen there is told.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import sqrt

from pathwarden.detect import loss
from pathwarden.engine.spec import Outcome
from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Answer
from pathwarden.present.hops import annotation

HELD = 3
RECENT = 200  # as wide as terminals get
TOLD = 20  # changes that are kept


@dataclass(slots=True)
class Row:
    """One ttl. `recent` holds the latest RTTs in ns, None for lost ones; times are None until there is an answer."""

    sent: int = 0
    answered: int = 0
    last_ns: int | None = None
    best_ns: int | None = None
    worst_ns: int | None = None
    mean_ns: float = 0.0
    mark: str = ""
    recent: deque[int | None] = field(default_factory=lambda: deque(maxlen=RECENT))
    responders: dict[str, int] = field(default_factory=dict)
    current: str = ""
    shared: bool = False
    replaced: set[str] = field(default_factory=set)  # who was `current` before
    _squares: float = 0.0
    _other: str = ""
    _streak: int = 0

    @property
    def count(self) -> loss.Count:
        """What was sent and lost."""
        return loss.Count(self.sent, self.sent - self.answered)

    @property
    def deviation_ns(self) -> float | None:
        """The sample's standard deviation; None with fewer than two answers."""
        return sqrt(self._squares / (self.answered - 1)) if self.answered > 1 else None

    def lose(self) -> None:
        """Book a probe without answer."""
        self.sent += 1
        self.recent.append(None)

    def book(self, answer: Answer, af: int) -> str:
        """Book an answer; returns the responder whose place another took for good, '' if none did."""
        rtt_ns = answer.rtt_ns or 0
        self.sent += 1
        self.answered += 1
        self.recent.append(rtt_ns)
        self.last_ns = rtt_ns
        self.best_ns = rtt_ns if self.best_ns is None else min(self.best_ns, rtt_ns)
        self.worst_ns = rtt_ns if self.worst_ns is None else max(self.worst_ns, rtt_ns)
        off_ns = rtt_ns - self.mean_ns
        self.mean_ns += off_ns / self.answered
        self._squares += off_ns * (rtt_ns - self.mean_ns)
        self.mark = "" if answer.kind is ReplyKind.TIME_EXCEEDED else annotation(af, answer.icmp_type, answer.icmp_code)
        return self._see(answer.responder or "")

    def _see(self, responder: str) -> str:
        self.responders[responder] = self.responders.get(responder, 0) + 1
        before = self.current
        if not before or responder == before:
            self.current = responder
            self.shared = self.shared or self._streak > 0
            self._streak = 0
            return ""
        self._streak = self._streak + 1 if responder == self._other else 1
        self._other = responder
        if self._streak < HELD or (self.shared and self.responders[responder] > HELD):
            return ""
        self.replaced = (self.replaced | {before}) - {responder}
        self.current, self._streak = responder, 0
        return before


class Table:
    """All rounds of one target since the start, or since `reset`."""

    def __init__(self, address: str, af: int, first_ttl: int) -> None:
        self.address = address
        self.first_ttl = first_ttl
        self.rounds = 0
        self.length: int | None = None
        self.reached = False
        self.problem = ""
        self.told: deque[tuple[int, str]] = deque(maxlen=TOLD)  # instants (wall-clock ns), and what changed then
        self._af = af
        self._rows: dict[int, Row] = {}
        self._deepest = first_ttl - 1
        self._silent = 0  # rounds in a row in which the destination did not answer

    def reset(self) -> None:
        """Begin anew with the figures; what is known of the length stays."""
        self.rounds = 0
        self._rows.clear()
        self.told.clear()

    @property
    def searching(self) -> bool:
        """Whether the next round has to look beyond the known length, or knows none."""
        return self.length is None or self._silent >= HELD

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The rows from the first ttl to the destination's; to the first that never answered if it is not known."""
        last = self._deepest + 1 if self.length is None else self.length
        for ttl in range(self.first_ttl, last + 1):
            row = self._rows.get(ttl)
            if row is not None:
                yield ttl, row

    def book(self, outcome: Outcome, at: int) -> None:
        """Take in a round that ended at an instant; one that could not send tells its problem and counts nothing."""
        self.problem = outcome.error
        if outcome.error:
            return
        self.rounds += 1
        self._measure(outcome, at)
        hops = {hop.ttl: hop.answers[0] for hop in outcome.hops if hop.answers}
        self._deepest = max([self._deepest, *(ttl for ttl, answer in hops.items() if answer.responder is not None)])
        last = self._deepest + 1 if self.length is None else self.length
        changed = []
        for ttl in range(self.first_ttl, last + 1):
            answer = hops.get(ttl)
            row = self._rows.setdefault(ttl, Row())
            if answer is None or answer.responder is None:
                row.lose()
                continue
            before = row.book(answer, self._af)
            if before:
                changed.append(f"hop {ttl}: {answer.responder} instead of {before}")
        if changed:
            self.told.append((at, "; ".join(changed)))

    def _measure(self, outcome: Outcome, at: int) -> None:
        """Take in how far away the destination is."""
        if outcome.reached_ttl is None:
            instead = any(hop.ttl == self.length and hop.responders for hop in outcome.hops)
            self._silent = HELD if instead else self._silent + 1
            return
        self._silent = 0
        self.reached = True
        if self.length is not None and outcome.reached_ttl != self.length:
            self.told.append((at, f"{self.address} is now {outcome.reached_ttl} hops away, before: {self.length}"))
        self.length = outcome.reached_ttl


def as_json(table: Table, shown: Sequence[float | None]) -> dict[str, object]:
    """The table; times in ms. `loss` persists to the end (see `detect.loss`), `own_loss` is the hop's own; both 0..1."""
    rows = [
        {
            "ttl": ttl,
            "responders": row.responders,
            "loss": persisting,
            "own_loss": row.count.ratio,
            "sent": row.sent,
            "last_ms": ms(row.last_ns),
            "avg_ms": ms(row.mean_ns if row.answered else None),
            "best_ms": ms(row.best_ns),
            "worst_ms": ms(row.worst_ns),
            "stdev_ms": ms(row.deviation_ns),
        }
        for (ttl, row), persisting in zip(table.rows(), shown, strict=True)
    ]
    changes = [{"at": at // 1_000_000, "text": text} for at, text in table.told]
    return {"address": table.address, "rounds": table.rounds, "reached_ttl": table.length, "hops": rows, "changes": changes}


def ms(value_ns: float | None) -> float | None:
    """Nanoseconds as milliseconds, to the microsecond."""
    return None if value_ns is None else round(value_ns / 1e6, 3)
