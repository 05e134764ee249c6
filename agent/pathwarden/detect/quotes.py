"""What one hop's answers tell of the way up to it, as a value with four parts for `steady`.

Rules:
1. A label stack in a Time Exceeded: the probe came by MPLS. Which labels does not matter: they change whenever a path is signalled anew.
2. The quoted ToS. Congestion that marks a capable probe (ECT becomes CE, RFC 3168) is weather and counts as what was sent.
3. A checksum that is not the one sent: addresses or ports were translated before the hop. By how much does not matter: a translator that
   forgets an idle flow gives it another port next time.
4. Another difference than at the hop before, both in the same trace: translated again in between.
5. What is not quoted is untold. So is a part in which answers of one responder disagree; that is a contradiction.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from pathwarden.detect.steady import UNTOLD, Value
from pathwarden.model.probe import Flow, ReplyKind
from pathwarden.model.trace import UNMARKED, Answer

PARTS = 4
MPLS, TOS, NAT, AGAIN = range(PARTS)
CLASSES = {MPLS: "mpls", TOS: "dscp", NAT: "nat", AGAIN: "nat"}
_ECN = 3
_CAPABLE = frozenset({1, 2})  # ECT(1) and ECT(0)
_CE = 3
_WORDS = {MPLS: ("off", "on"), NAT: ("none", "translated"), AGAIN: ("once", "again")}


class Reading(NamedTuple):
    """What a responder's answers told: the value, how many answers, whether they disagreed, the checksum's difference (None: untold)."""

    value: Value
    answers: int
    mixed: bool
    delta: int | None


def read(answers: Iterable[Answer], flow: Flow, delta_before: int | None) -> Reading:
    """Put the answers of one responder together; `delta_before` is the checksum's difference at the hop before, None if untold."""
    told = list(answers)
    kind = told[0].kind if told else None
    others = [a for a in told if a.marks is not UNMARKED or not a.quoted_ttl or a.kind is not kind]
    if told and not others:  # as nearly everywhere
        return _plain(kind, flow.tos, len(told))
    mpls, tos, nats = {_mpls(a) for a in told}, {_tos(a, flow) for a in told}, {_delta(a) for a in told}
    delta = _only(nats)
    known = None if delta == UNTOLD else delta
    again = int(known != delta_before) if known and delta_before else UNTOLD
    value = (_only(mpls), _only(tos), min(delta, 1), again)
    return Reading(value, len(told), any(len(part - {UNTOLD}) > 1 for part in (mpls, tos, nats)), known)


@lru_cache(1024)
def _plain(kind: ReplyKind | None, tos: int, answers: int) -> Reading:
    """One reading for all hops that nothing happens at: they keep its value."""
    return Reading((0 if kind is ReplyKind.TIME_EXCEEDED else UNTOLD, tos, 0, UNTOLD), answers, mixed=False, delta=0)


def word(part: int, value: int) -> str:
    """A part's value as a short word."""
    return f"0x{value:02x}" if part == TOS else _WORDS[part][value]


def _only(values: set[int]) -> int:
    """The one value that is told; untold if there is none, or more than one."""
    told = values - {UNTOLD}
    return told.pop() if len(told) == 1 else UNTOLD


def _mpls(answer: Answer) -> int:
    return int(bool(answer.mpls)) if answer.kind is ReplyKind.TIME_EXCEEDED else UNTOLD


def _tos(answer: Answer, flow: Flow) -> int:
    if not answer.quoted_ttl:
        return UNTOLD
    tos = flow.tos if answer.marks.tos < 0 else answer.marks.tos
    if tos & _ECN == _CE and flow.tos & _ECN in _CAPABLE:
        tos = tos & ~_ECN | flow.tos & _ECN
    return tos


def _delta(answer: Answer) -> int:
    return answer.marks.nat if answer.quoted_ttl else UNTOLD
