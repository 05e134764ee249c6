"""The publisher, wired to the broker's client and the history."""

import json
import logging
import stat
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from pathwarden.config.schema import DISCOVERY_OFF
from pathwarden.daemon.board import Board
from pathwarden.daemon.keeper import Keeper, noting
from pathwarden.errors import ConfigError
from pathwarden.model.protocols import Additions, AsResult, Clock, HistoryReader
from pathwarden.model.settings import MqttSettings, Settings
from pathwarden.mqtt.announcing import Announcer, birth_topic, retained
from pathwarden.mqtt.client import MqttClient
from pathwarden.mqtt.commands import Commands
from pathwarden.mqtt.publisher import MqttPublisher
from pathwarden.mqtt.topics import topics

log = logging.getLogger(__name__)

TOPICS = "/topics"  # where the history keeps which retained topics were used
MOST_STALE = 1000  # a hundred targets leave three each; more is a configuration that a program writes


class TopicLedger:
    """The retained topics that were ever used, as the history keeps them. `keep` takes their list, to be written."""

    def __init__(self, text: str | None, ours: Sequence[str], keep: Callable[[str], None]) -> None:
        known = _topics_in(text)
        self._ours = list(ours)
        self._keep = keep
        self.stale = [topic for topic in known if topic not in set(ours)][-MOST_STALE:]
        if known != self._ours + self.stale:
            self._write()

    def emptied(self, topic: str) -> None:
        """The broker has emptied one."""
        self.stale.remove(topic)
        if not self.stale:
            self._write()

    def _write(self) -> None:
        self._keep(json.dumps(self._ours + self.stale, separators=(",", ":")))


def _topics_in(text: str | None) -> list[str]:
    try:
        return [str(topic) for topic in json.loads(text or "[]")]
    except (ValueError, TypeError):
        log.error("the list of retained topics is unreadable in the history: those of removed targets may stay at the broker")
        return []


def make_publisher(
    settings: Settings,
    board: Board,
    reader: HistoryReader,
    kept: Mapping[str, str],
    keeper: Keeper,
    clock: Clock,
    additions: Additions,
) -> MqttPublisher:
    """The publisher for these settings, which name a broker; it does nothing before `start`. `kept` are the reader's `tellings`."""
    mqtt, named = settings.mqtt, topics(settings.mqtt.prefix, settings.agent.name)
    prefix = "" if mqtt.discovery == DISCOVERY_OFF else mqtt.discovery
    ours = retained(named, prefix, [target.tid for target in settings.targets])
    ledger = TopicLedger(kept.get(TOPICS), ours, noting(keeper, clock, TOPICS))
    hears = [f"{named.commands}#", *([birth_topic(prefix)] if prefix else [])]
    return MqttPublisher(
        lambda wake: MqttClient(mqtt, named, read_secret, wake, clock_synced=clock.synced, hears=hears),
        named,
        board,
        reader,
        keeper.acknowledge,
        keeper.fail,
        Commands(named, board, clock, additions),
        Announcer(named, prefix, board, ledger),
        results(settings),
    )


def results(settings: Settings) -> AsResult | None:
    """What makes results of traces; None if nobody wants them, or where the package with the tools is not installed."""
    name = "pathwarden.export.atlas"
    if not settings.mqtt.publish_results:
        return None
    try:
        made: AsResult = import_module(name).of_ours(settings.agent.name, settings.targets)
    except ModuleNotFoundError as error:
        if error.name not in (name, "pathwarden.export"):
            raise
        return None
    return made


def password_of(mqtt: MqttSettings) -> str | None:
    """The password to sign in with; None without one. Raises `ConfigError` with the file and the remedy."""
    if not mqtt.password_file:
        return None
    try:
        return read_secret(mqtt.password_file).rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"mqtt.password_file: {mqtt.password_file} cannot be read ({said})", "run this as the daemon's user") from error


def read_secret(path: str) -> str:
    """The text of a password file. Raises `ConfigError` if everyone may read it, OSError if we may not, UnicodeError."""
    file = Path(path)
    if file.stat().st_mode & stat.S_IROTH:
        raise ConfigError(f"mqtt.password_file: {path} is readable by everyone", f"chmod 600 {path}")
    return file.read_text(encoding="utf-8")
