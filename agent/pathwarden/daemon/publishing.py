"""The publisher, wired to the broker's client and the history."""

import stat
from pathlib import Path

from pathwarden.daemon.board import Board
from pathwarden.daemon.keeper import Keeper
from pathwarden.errors import ConfigError
from pathwarden.model.protocols import Clock
from pathwarden.model.settings import MqttSettings, Settings
from pathwarden.mqtt.client import MqttClient
from pathwarden.mqtt.commands import Commands
from pathwarden.mqtt.outbox import OutboxReader
from pathwarden.mqtt.publisher import MqttPublisher
from pathwarden.mqtt.topics import topics


def make_publisher(settings: Settings, board: Board, reader: OutboxReader, keeper: Keeper, clock: Clock) -> MqttPublisher:
    """The publisher for these settings; it does nothing before `start`, and nothing at all without a broker."""
    mqtt, named = settings.mqtt, topics(settings.mqtt.prefix, settings.agent.name)
    return MqttPublisher(
        lambda wake: MqttClient(mqtt, named, read_secret, wake, clock_synced=clock.synced, hears=(f"{named.commands}#",)),
        named,
        board,
        reader,
        keeper.acknowledge,
        keeper.fail,
        Commands(named, board, clock),
    )


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
