"""What the parts of the running agent tell of themselves: for `info`, the page and the metrics."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pathwarden.daemon.keeper import Keeper
from pathwarden.daemon.sources import OpenBus
from pathwarden.daemon.surroundings import Surroundings
from pathwarden.engine.correlator import Correlator
from pathwarden.model.network import Networks
from pathwarden.model.protocols import Transport
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer

if TYPE_CHECKING:  # a daemon without a broker or hooks does not load them
    from pathwarden.daemon.hooks import Hooks
    from pathwarden.mqtt.publisher import MqttPublisher

NO_BROKER: Mapping[str, object] = {
    "enabled": False,
    "connected": False,
    "protocol": None,
    "host": "",
    "port": 0,
    "published": 0,
    "failed": {},
    "faults": 0,
    "commands": {},
    "detail": "",
}
NO_HOOKS = {"hooks_run": 0, "hooks_failed": 0, "hooks_skipped": 0}


class Parts:
    """Every part as it stands, asked anew by each call. The board wants this before there are a publisher and hooks: they are set later."""

    publisher: "MqttPublisher | None" = None
    hooks: "Hooks | None" = None

    def __init__(
        self,
        transport: Transport,
        how: str,
        correlator: Correlator,
        keeper: Keeper,
        writer: Writer,
        reader: Reader,
        networks: Networks,
        bus: OpenBus,
        surroundings: Surroundings,
    ) -> None:
        self._facts = {"name": transport.name, "detail": how}
        self._correlator = correlator
        self._keeper, self._writer, self._reader = keeper, writer, reader
        self._networks = networks
        self._counted = (transport, bus, surroundings)
        self._bus = bus

    def __call__(self) -> Mapping[str, object]:
        """The fields of `info` that the board does not know itself: transport, mqtt, db, ubus, counters."""
        keeper, writer, stats = self._keeper, self._writer, self._reader.stats()
        db = {key: getattr(stats, key) for key in ("path", "size_bytes", "limit_bytes", "traces", "events", "live", "days")}
        more = {name: count for part in self._counted for name, count in part.counters().items()}
        more |= {"records_dropped": keeper.dropped + writer.dropped, "outbox_dropped": keeper.sendings_dropped}
        more |= self.hooks.counts if self.hooks else NO_HOOKS
        return {
            "transport": self._facts,
            "mqtt": {**self._mqtt(), "outbox": stats.outbox},
            "db": {**db, **writer.place(), "waiting": keeper.waiting(), "notice": self._trouble()},
            "ubus": self._bus.snapshot(),
            "counters": counters(self._correlator, more),
        }

    def notices(self) -> list[dict[str, str]]:
        """What the operator should know, worst first."""
        warnings = [*self._networks.notices(), *filter(None, [self._keeper.warning])]
        return notices(self._facts, self._mqtt(), self._trouble(), self._bus.snapshot(), warnings)

    def _mqtt(self) -> Mapping[str, object]:
        return self.publisher.snapshot() if self.publisher else NO_BROKER

    def _trouble(self) -> str:
        return self._keeper.notice or self._writer.notice


def counters(correlator: Correlator, more: Mapping[str, int]) -> dict[str, object]:
    """Everything counted since start, for `info` and the metrics."""
    return {
        "probes_sent": correlator.probes,
        "probes": {method.value: count for method, count in correlator.sent_by.items() if count},
        "replies": {kind.value: count for kind, count in correlator.replies.items()},
        "late": correlator.late,
        "duplicate": correlator.duplicates,
        "foreign": correlator.foreign,
        **more,
    }


def notices(
    transport: Mapping[str, object], mqtt: Mapping[str, object], trouble: str, bus: Mapping[str, object], more: Sequence[str] = ()
) -> list[dict[str, str]]:
    """What the operator should know, worst first."""
    found = []
    if trouble:
        found.append({"level": "error", "text": trouble})
    if mqtt["detail"]:
        found.append({"level": "warning", "text": str(mqtt["detail"])})
    if bus["detail"]:
        found.append({"level": "warning", "text": f"ubus: {bus['detail']}"})
    found += [{"level": "warning", "text": text} for text in more]
    if transport["name"] == "rootless":
        found.append({"level": "info", "text": f"Probing {transport['detail']}."})
    if not mqtt["enabled"]:
        found.append({"level": "info", "text": "MQTT is off; set mqtt.host to switch it on."})
    return found
