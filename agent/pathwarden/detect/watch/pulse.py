"""What the answers of a destination look like from afar: RTT, the TTL that was left, the reply's TTL.

Rules:
1. The TTL left on arrival and the reply's TTL follow from the two ways' lengths: a step that shows twice in a row is worth a look.
2. An RTT beyond what is usual (running mean, four times the mean deviation, at least 3 ms and 15 %) twice in a row is worth a look.
3. After a look the new values are the usual ones; `REST_NS` must pass before RTTs lead to another.
"""

from pathwarden.model.trace import Answer

GAIN = 0.125  # as TCP's smoothed RTT (RFC 6298)
DEVIATIONS = 4
LEAST_MS = 3.0
LEAST_SHARE = 0.15
REST_NS = 300_000_000_000
LEARNED = 5  # answers before anything can be unusual


class Pulse:
    """Takes sentinels' answers one by one."""

    __slots__ = ("_count", "_deviation_ms", "_look_ns", "_mean_ms", "_odd", "_odd_ttls", "_ttls")

    def __init__(self) -> None:
        self._count = 0
        self._mean_ms = 0.0
        self._deviation_ms = 0.0
        self._odd = 0
        self._ttls = (0, 0)
        self._odd_ttls = (0, 0)
        self._look_ns = -REST_NS

    @property
    def in_doubt(self) -> bool:
        """Whether the last answer was unusual and nothing confirmed it yet."""
        return bool(self._odd) or self._odd_ttls != (0, 0)

    def looks_different(self, answer: Answer, mono_ns: int) -> bool:
        """Whether this answer, with the one before, is worth verifying hops for."""
        if answer.rtt_ns is None:
            return False
        return self._other_ttls((answer.reply_ttl, answer.quoted_ttl)) | self._other_rtt(answer.rtt_ns / 1e6, mono_ns)

    def _other_ttls(self, ttls: tuple[int, int]) -> bool:
        if ttls == self._ttls:
            self._odd_ttls = (0, 0)
            return False
        if self._ttls != (0, 0) and ttls != self._odd_ttls:
            self._odd_ttls = ttls
            return False
        different = self._ttls != (0, 0)
        self._ttls, self._odd_ttls = ttls, (0, 0)
        return different

    def _other_rtt(self, rtt_ms: float, mono_ns: int) -> bool:
        off_ms = rtt_ms - self._mean_ms
        limit_ms = max(LEAST_MS, LEAST_SHARE * self._mean_ms, DEVIATIONS * self._deviation_ms)
        if self._count < LEARNED or abs(off_ms) <= limit_ms:
            self._odd = 0
            gain = max(GAIN, 1 / (self._count + 1))
            self._mean_ms += gain * off_ms
            self._deviation_ms += gain * (abs(off_ms) - self._deviation_ms) if self._count else 0.0
            self._count += 1
            return False
        self._odd += 1
        if self._odd < 2:
            return False
        self._count, self._odd = 1, 0
        self._mean_ms, self._deviation_ms = rtt_ms, 0.0
        rested = mono_ns - self._look_ns >= REST_NS
        if rested:
            self._look_ns = mono_ns
        return rested
