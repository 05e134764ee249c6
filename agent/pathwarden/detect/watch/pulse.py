"""What a target's answers look like from afar: RTT hop by hop, the TTL that was left at the destination, its reply's TTL.

Rules:
1. The TTL left on arrival and the reply's TTL follow from the two ways' lengths: a step that shows twice in a row is worth a look.
2. An RTT beyond what is usual at its hop (running mean; four times the mean deviation, at least 1 ms and 2 %) puts in doubt, and the hop
   is asked again. Another such answer is worth a look; a usual one from there or from farther away ends the doubt, and what was
   unusual counts as the hop's habit.
3. After a look, and where the route is another one, the next values are the usual ones; how far they vary is known already.
   `REST_NS` must pass before RTTs lead to another look, unless the last one found a change.
4. Hop 0 is the destination, which is behind all others.
"""

from array import array
from collections.abc import Iterable
from enum import Enum

from pathwarden.model.trace import Answer, Trace

GAIN = 0.125  # as TCP's smoothed RTT (RFC 6298)
DEVIATIONS = 4
LEAST_MS = 1.0  # another router in a city differs by so much; a look costs a few probes
LEAST_SHARE = 0.02
REST_NS = 300_000_000_000
LEARNED = 5  # answers before anything can be unusual
_MOST_COUNTED = 255
_SETTLED = round(1 / GAIN) - 1  # answers; from then on GAIN is more than one answer's share of all
_BEHIND_ALL = 256


class Sign(Enum):
    """What an answer is worth: nothing, asking the same again, or a look at the hops before it."""

    USUAL = "usual"
    DOUBT = "doubt"
    DIFFERENT = "different"


class Pulse:
    """Takes answers one by one."""

    __slots__ = ("_counts", "_deviations_ms", "_doubted", "_look_ns", "_means_ms", "_odd_ttls", "_off_ms", "_ttls")

    def __init__(self) -> None:
        self._means_ms, self._deviations_ms = array("f"), array("f")  # by ttl; a mean of 0 is to be learned
        self._counts = bytearray()
        self._doubted = 0  # how far away the hop is whose last answer was unusual; 0 is none,
        self._off_ms = 0.0  # and how unusual
        self._ttls = (0, 0)
        self._odd_ttls = (0, 0)
        self._look_ns = -REST_NS

    def sentinel(self, answer: Answer, mono_ns: int) -> Sign:
        """Take an answer of the destination."""
        if answer.rtt_ns is None:
            return Sign.USUAL
        ttls, rtt = self._other_ttls((answer.reply_ttl, answer.quoted_ttl)), self.hop(0, answer.rtt_ns, mono_ns)
        return max(ttls, rtt, key=_SIGNS.index)

    def hop(self, ttl: int, rtt_ns: int, mono_ns: int) -> Sign:
        """Take the RTT of a known responder at a ttl (0: of the destination)."""
        distance = ttl or _BEHIND_ALL
        if not self._learn(ttl, (rtt_ns,)):
            if distance >= self._doubted:
                self._calm()
            return Sign.USUAL
        if not self._doubted:
            self._doubted, self._off_ms = distance, abs(rtt_ns / 1e6 - self._means_ms[ttl])
            return Sign.DOUBT
        rested = mono_ns - self._look_ns >= REST_NS
        self._expect_others()
        self._learn(ttl, (rtt_ns,))
        if rested:
            self._look_ns = mono_ns
        return Sign.DIFFERENT if rested else Sign.USUAL

    def traced(self, trace: Trace) -> None:
        """Learn from a trace of the route in force."""
        for hop in trace.hops:
            self._learn(0 if hop.ttl == trace.reached_ttl else hop.ttl, hop.rtts_ns)

    def moved(self) -> None:
        """The route is another one: what was unusual is explained."""
        self._expect_others()
        self._look_ns = -REST_NS

    def _calm(self) -> None:
        """The answer in doubt was but one that strayed."""
        if self._doubted:
            ttl = self._doubted % _BEHIND_ALL
            self._deviations_ms[ttl] += GAIN * (self._off_ms - self._deviations_ms[ttl])
            self._doubted = 0

    def _expect_others(self) -> None:
        self._doubted = 0
        for ttl in range(len(self._means_ms)):
            self._means_ms[ttl] = 0.0

    def _other_ttls(self, ttls: tuple[int, int]) -> Sign:
        known = self._ttls
        if ttls == known:
            self._odd_ttls = (0, 0)
            return Sign.USUAL
        if known != (0, 0) and ttls != self._odd_ttls:
            self._odd_ttls = ttls
            return Sign.DOUBT
        self._ttls, self._odd_ttls = ttls, (0, 0)
        return Sign.USUAL if known == (0, 0) else Sign.DIFFERENT

    def _learn(self, ttl: int, rtts_ns: Iterable[int]) -> int:
        """Learn from RTTs of a hop; how many were unusual, from which nothing is learned."""
        more = ttl + 1 - len(self._counts)
        if more > 0:
            self._means_ms.extend([0.0] * more)
            self._deviations_ms.extend([0.0] * more)
            self._counts.extend(bytes(more))
        mean_ms, deviation_ms, count, odd = self._means_ms[ttl], self._deviations_ms[ttl], self._counts[ttl], 0
        for rtt_ns in rtts_ns:
            rtt_ms = rtt_ns / 1e6
            if not mean_ms:
                mean_ms, count = rtt_ms, count or 1
                continue
            off_ms = abs(rtt_ms - mean_ms)
            if off_ms > LEAST_MS and off_ms > LEAST_SHARE * mean_ms and off_ms > DEVIATIONS * deviation_ms and count >= LEARNED:
                odd += 1
                continue
            gain = GAIN if count >= _SETTLED else 1 / (count + 1)
            mean_ms += gain * (rtt_ms - mean_ms)
            deviation_ms += gain * (off_ms - deviation_ms)
            if count < _MOST_COUNTED:
                count += 1
        self._means_ms[ttl], self._deviations_ms[ttl], self._counts[ttl] = mean_ms, deviation_ms, count
        return odd


_SIGNS = tuple(Sign)
