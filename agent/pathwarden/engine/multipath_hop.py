"""What a search for all paths knows of one hop: who answered which flow, what stayed silent, and how much it may be asked at once."""

from collections import defaultdict

from pathwarden.model.probe import ReplyKind

TRIES = 3  # one flow at one hop; with one packet in ten lost, one flow in a thousand stays silent
BY_CHANCE = 2  # silent flows beside answers that say nothing yet
ANY_NUMBER = 1 << 16
LEAST_AT_ONCE = 2  # to a hop that limits its answers: one would double the time where it is loss after all


class HopState:
    """What is known of one ttl. `asked`: how often each flow was; `answer`: who answered it first."""

    __slots__ = (
        "again",
        "answer",
        "asked",
        "asymmetric",
        "by_vertex",
        "given_up",
        "kinds",
        "matches",
        "meshed",
        "misses",
        "out_of_flows",
        "pending",
        "per_packet",
        "round_asked",
        "round_missed",
        "rtts",
        "ttl",
    )

    def __init__(self, ttl: int) -> None:
        self.ttl = ttl
        self.asked: dict[int, int] = {}
        self.answer: dict[int, str] = {}
        self.rtts: dict[str, list[int]] = defaultdict(list)
        self.kinds: dict[str, tuple[ReplyKind, int, int]] = {}
        self.pending = 0
        self.misses = 0
        self.round_asked = 0
        self.round_missed = 0
        self.again = 0
        self.matches = 0
        self.per_packet = False
        self.meshed = False
        self.asymmetric = False
        self.by_vertex = False
        self.given_up = False
        self.out_of_flows = False

    def tries(self) -> int:
        """How often a flow may be asked: where nobody answers at all, once."""
        return TRIES if self.answer else 1

    def known(self, flow: int) -> bool:
        """Whether asking this flow can tell nothing more."""
        return flow in self.answer or self.asked.get(flow, 0) >= self.tries()

    def allowance(self) -> int:
        """How many probes may be asked for at once (rule 8 of `multipath_search`)."""
        if not self.answer or 2 * self.round_missed <= self.round_asked:
            return ANY_NUMBER
        return max(self.round_asked - self.round_missed, LEAST_AT_ONCE)

    def unanswered(self) -> list[int]:
        """The flows that stayed silent, if silence can say something about the hop (rule 7 of `multipath_search`)."""
        if self.answer and (self.given_up or any(kind[0] is not ReplyKind.TIME_EXCEEDED for kind in self.kinds.values())):
            return []
        return [flow for flow, asked in self.asked.items() if flow not in self.answer and asked >= self.tries()]

    def silent_flows(self) -> list[int]:
        """Those flows, if they are more than loss explains."""
        silent = self.unanswered()
        if not self.answer or not silent:
            return silent
        sent = sum(self.asked[flow] for flow in self.answer)
        by_loss = len(self.asked) * (1 - len(self.answer) / sent) ** TRIES
        return silent if len(silent) > BY_CHANCE + 3 * by_loss else []
