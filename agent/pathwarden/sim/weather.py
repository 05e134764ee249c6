"""What comes and goes by itself in a simulated network: bursts of loss, and routers' tokens for ICMP answers.

Each router's bursts come from a generator of its own and depend on nothing but the seed and time: whoever probes meets the same ones.
"""

from random import Random

from pathwarden.sim.scenario import Router


class Weather:
    """The bursts and tokens of all routers; instants are nanoseconds and never go back."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._bursts: dict[str, tuple[Random, bool, int]] = {}
        self._tokens: dict[str, tuple[int, float]] = {}

    def bursting(self, router: Router, now_ns: int) -> bool:
        """Whether a burst of loss lasts at this router."""
        known = self._bursts.get(router.name)
        if known is None:
            random = Random(f"{self._seed}|{router.name}")  # noqa: S311 - a simulation, no secret
            known = (random, False, now_ns + _length_ns(random, router.burst_every_s))
        random, lasts, until_ns = known
        while until_ns <= now_ns:
            lasts = not lasts
            until_ns += _length_ns(random, router.burst_s if lasts else router.burst_every_s)
        self._bursts[router.name] = (random, lasts, until_ns)
        return lasts

    def has_token(self, router: Router, now_ns: int) -> bool:
        """Spend one of the router's ICMP tokens (bucket of `rate_burst`, refilled at `rate_pps`)."""
        last_ns, tokens = self._tokens.get(router.name, (now_ns, float(router.rate_burst)))
        tokens = min(tokens + (now_ns - last_ns) * router.rate_pps / 1e9, float(router.rate_burst))
        allowed = tokens >= 1
        self._tokens[router.name] = (now_ns, tokens - 1 if allowed else tokens)
        return allowed


def _length_ns(random: Random, mean_s: float) -> int:
    """An exponential length; at least a nanosecond, so that time goes on."""
    return 1 + round(random.expovariate(1.0) * mean_s * 1e9)
