"""An agent's measuring half that is killed and begun anew, over one real history and one simulated network."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from equipment.campaign import CEILING_PPS, SECOND
from equipment.fakes import make_settings
from equipment.measuring import LITERAL
from pathwarden.daemon.drive import Driver
from pathwarden.daemon.prober import Prober
from pathwarden.daemon.reporting import Reporter
from pathwarden.daemon.restoring import restore_judges, restore_teller
from pathwarden.daemon.sources import DeviceNames
from pathwarden.engine.correlator import LAST_IDENT, Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.model.history import Record, StoredEvent
from pathwarden.model.settings import Target
from pathwarden.sim.network import SimNetwork
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer

GATHER_NS = 2 * SECOND  # as long as the keeper lets records without events gather


class Lives:
    """One life after another, in virtual time; what a life had not kept dies with it. `kept` are the events that the history has."""

    def __init__(self, network: SimNetwork, targets: Sequence[Target], path: Path, seed: int, watch_pps: float = 1.0) -> None:
        self.network = network
        base = make_settings()
        self._settings = replace(base, agent=replace(base.agent, watch_pps=watch_pps), targets=tuple(targets))
        self._start_ns = network.now_ns
        self._dice = random.Random(f"lives {seed}")
        self._path = path
        self._writer = Writer(path, max_mb=64, boot_id="boot")
        self._waiting: list[tuple[int, Record]] = []
        self.lost = 0
        self._prober = self._begin()

    def run_until(self, elapsed_s: float) -> None:
        """Let time pass until so many seconds after the world began."""
        until_ns = self._start_ns + round(elapsed_s * SECOND)
        while self.network.now_ns < until_ns:
            self._prober.turn(min(until_ns - self.network.now_ns, GATHER_NS))
            if self._waiting and self._waiting[0][0] + GATHER_NS <= self.network.now_ns:
                self._write()

    def kill(self, down_s: float) -> None:
        """Throw away what is not in the history, and begin anew after so many seconds."""
        self.lost += len(self._waiting)
        self._waiting.clear()
        self.network.pause(round(down_s * SECOND))
        self._prober = self._begin()

    def kept(self) -> list[StoredEvent]:
        """All events of targets in the history, in their order."""
        with Reader(self._path) as reader:
            return [event for event in reader.events(since_seq=0, limit=10**6) if event.target]

    def close(self) -> None:
        """Close the history."""
        self._writer.close()

    def _begin(self) -> Prober:
        settings, network, dice = self._settings, self.network, self._dice
        with Reader(self._path) as reader:
            kept = reader.tellings()
            judges = restore_judges(settings, reader, kept)
            teller = restore_teller(settings, judges, reader, kept, dice.randbytes)
        driver = Driver(network, network, Correlator(dice.randint(1, LAST_IDENT)), TokenBucket(CEILING_PPS))
        reporter = Reporter(judges, teller, network, self._keep)
        return Prober(settings, network, network, network, DeviceNames(), LITERAL, driver, judges, reporter, dice)

    def _keep(self, record: Record) -> None:
        self._waiting.append((self.network.now_ns, record))
        if record.events:
            self._write()

    def _write(self) -> None:
        self._writer.save([record for _, record in self._waiting])
        self._waiting.clear()
