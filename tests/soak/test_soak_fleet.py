"""A fleet of agents on one broker: all come, all come again after its restart, and no event is lost. `make bench-fleet` has the figures.

PATHWARDEN_SOAK_SHARE is the share of the 1,000 agents: 0.05 unless given. Shares come back sooner, since there are fewer to wait for.
"""

import os
from pathlib import Path

from bench.fleet import restart, storm
from equipment.broker import Broker
from equipment.fleet import RETRY_S, fleet

SHARE = float(os.environ.get("PATHWARDEN_SOAK_SHARE") or 0.05)
AGENTS = max(20, round(1000 * SHARE))
TARGETS = 5
WAITS_S = RETRY_S if SHARE >= 1 else (0.1, 3.0)


def test_all_come_and_come_again(tmp_path: Path) -> None:
    with Broker(tmp_path, persistent=True, quiet=True) as broker, fleet(broker.port, AGENTS, TARGETS, WAITS_S) as them:
        seen = them.look()
        assert (seen.connected, seen.published) == (0, 0)
        storm(broker, them)
        assert them.look().published >= them.retained
        retained = them.look().published
        restart(broker, them, 0)
        seen = them.look()
        assert (seen.connected, seen.waiting, seen.refused) == (AGENTS, 0, 0)
        assert seen.published >= retained + AGENTS, "an event of each"
