"""An agent and an outbox in memory, and a publisher between them and a broker."""

import threading
from collections.abc import Callable, Iterable
from typing import Any, Self

from equipment.fakes import FakeClock
from equipment.waiting import until
from pathwarden.daemon.publishing import read_secret
from pathwarden.model.history import OutboxRow
from pathwarden.model.protocols import AsResult
from pathwarden.model.settings import MqttSettings
from pathwarden.mqtt.announcing import Announcer, birth_topic
from pathwarden.mqtt.client import MqttClient
from pathwarden.mqtt.commands import Commands
from pathwarden.mqtt.publisher import MqttPublisher
from pathwarden.mqtt.topics import topics

FAST = (0.02, 0.2)  # waits between attempts, so that a test of many restarts ends soon


class MemoryAgent:
    """What a daemon would show; tests change `rounds`, `targets`, `hops` and `network`."""

    def __init__(self, *targets: str) -> None:
        self.targets = list(targets)
        self.rounds = 0
        self.network = ""
        self.infos = 0
        self.unwatched: set[str] = set()
        self.wishes: list[tuple[str, str]] = []
        self.hops: list[list[str]] = [["192.0.2.1"], [], ["198.51.100.7"]]

    def info(self) -> dict[str, object]:
        self.infos += 1
        return {"v": 1, "agent": "box", "infos": self.infos}

    def target_states(self) -> list[dict[str, object]]:
        return [{"v": 1, "target": tid, "name": "Wohnung 東京", "rounds": self.rounds, "stale_after_s": 900} for tid in self.targets]

    def target_state(self, tid: str) -> dict[str, object] | None:
        return next((state for state in self.target_states() if state["target"] == tid), None)

    def path_name(self, tid: str) -> tuple[object, ...]:
        return (f"p{len(self.hops)}", 0, self.network) if tid in self.targets else (None,)

    def target_path(self, tid: str) -> dict[str, object] | None:
        if tid not in self.targets:
            return None
        known = {"hops": self.hops, "network": self.network}
        return {"v": 1, "target": tid, "path_id": f"p{len(self.hops)}", "since": None, "ts": self.rounds, **known}

    def trace_now(self, tid: str) -> str:
        return "asked" if self._wished("trace", tid) else ""

    def mute(self, tid: str, for_s: int) -> bool:
        return self._wished(f"mute {for_s}", tid)

    def pause(self, tid: str, *, paused: bool) -> bool:
        return self._wished("pause" if paused else "resume", tid)

    def accept_path(self, tid: str) -> bool:
        return self._wished("accept_path", tid)

    def _wished(self, what: str, tid: str) -> bool:
        self.wishes.append((what, tid))
        return tid not in self.unwatched

    def metrics(self) -> str:
        return "# EOF\n"


class MemoryOutbox:
    """The outbox as the store keeps it, with the answers that came; called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[int, OutboxRow] = {}
        self._last = 0
        self.acknowledged: list[int] = []
        self.failed: list[tuple[int, str]] = []
        self.reads = 0

    def store(self, target: str, **body: Any) -> OutboxRow:
        with self._lock:
            self._last += 1
            event_id = f"01J{self._last:023d}"
            row = OutboxRow(self._last, event_id, target, {"v": 1, "event_id": event_id, "seq": self._last, "delayed": False, **body})
            self._rows[row.seq] = row
        return row

    def outbox(self, after_seq: int, limit: int) -> list[OutboxRow]:
        with self._lock:
            self.reads += 1
            return [row for seq, row in sorted(self._rows.items()) if seq > after_seq][:limit]

    def acknowledge(self, seqs: Iterable[int]) -> None:
        with self._lock:
            for seq in seqs:
                self.acknowledged.append(seq)
                self._rows.pop(seq, None)

    def fail(self, seq: int, reason: str) -> None:
        with self._lock:
            self.failed.append((seq, reason))
            self._rows.pop(seq, None)

    def __len__(self) -> int:
        with self._lock:
            return len(self._rows)


class MemoryLedger:
    """The retained topics of earlier configurations."""

    def __init__(self, *stale: str) -> None:
        self.stale = list(stale)

    def emptied(self, topic: str) -> None:
        self.stale.remove(topic)


def mqtt_settings(
    port: int, *, host: str = "127.0.0.1", username: str = "", password_file: str = "", prefix: str = "pw", **more: Any
) -> MqttSettings:
    """Settings for a broker of a test."""
    return MqttSettings(host=host, port=port, username=username, password_file=password_file, prefix=prefix, **more)


class Rig:
    """A publisher with its agent and outbox; `start` and `stop` are the context manager's."""

    def __init__(
        self,
        settings: MqttSettings,
        *targets: str,
        name: str = "box",
        retry_s: tuple[float, float] = FAST,
        clock_synced: Callable[[], bool] = lambda: True,
        as_result: AsResult | None = None,
        agent: MemoryAgent | None = None,
    ) -> None:
        self.agent = agent or MemoryAgent(*targets)
        self.outbox = MemoryOutbox()
        names, prefix = topics(settings.prefix, name), "" if settings.discovery == "off" else settings.discovery

        def connect(wake: Callable[[], None]) -> MqttClient:
            hears = (f"{names.commands}#", *([birth_topic(prefix)] if prefix else []))
            self.client = MqttClient(settings, names, read_secret, wake, retry_s, clock_synced, hears)
            return self.client

        commands = Commands(names, self.agent, FakeClock())
        self.ledger = MemoryLedger()
        announcer = Announcer(names, prefix, self.agent, self.ledger)
        ways = (self.outbox, self.outbox.acknowledge, self.outbox.fail)
        self.publisher = MqttPublisher(connect, names, self.agent, *ways, commands, announcer, as_result)

    def store(self, target: str, **body: Any) -> OutboxRow:
        """Store an event and say so, as the daemon does after the commit."""
        row = self.outbox.store(target, **body)
        self.publisher.event_stored()
        return row

    def await_connected(self) -> None:
        until(lambda: self.publisher.snapshot()["connected"], "connected")

    def await_detail(self, text: str) -> None:
        until(lambda: text in str(self.publisher.snapshot()["detail"]), f"detail has {text!r}, is {self.publisher.snapshot()['detail']!r}")

    def await_empty(self, timeout_s: float = 20.0) -> None:
        until(lambda: not len(self.outbox), "outbox empty", timeout_s)

    def __enter__(self) -> Self:
        self.publisher.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.publisher.stop()
