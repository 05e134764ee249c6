"""A program that stores numbered events and sends them to a broker, with the real history, outbox and client; it may be killed at any time.

python -m equipment.sender HISTORY PORT CA_FILE PASSWORD_FILE COUNT: goes on where the history ends, and ends when the outbox is empty.
"""

import sys
import threading
from pathlib import Path

from equipment.fakes import FakeClock
from equipment.mqtt_agent import FAST, MemoryAgent, MemoryLedger, mqtt_settings
from equipment.waiting import until
from pathwarden.daemon.keeper import Keeper
from pathwarden.daemon.publishing import read_secret
from pathwarden.model.history import Event, Record
from pathwarden.mqtt.announcing import Announcer
from pathwarden.mqtt.client import MqttClient
from pathwarden.mqtt.commands import Commands
from pathwarden.mqtt.publisher import MqttPublisher
from pathwarden.mqtt.topics import topics
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer

TARGETS = ("a", "b", "c")
AT = 1_790_000_000_000_000_000
PAUSE_S = 0.002  # so that events come while others wait for their answer


def event_id(number: int) -> str:
    """The id of an event, by its number."""
    return f"01J{number:023d}"


def main(path: Path, port: int, ca_file: str, password_file: str, count: int) -> None:
    """Send what is missing of `count` events."""
    writer, reader = Writer(path, max_mb=16, boot_id="boot"), Reader(path)
    keeper, agent, names = Keeper(writer), MemoryAgent(*TARGETS), topics("pw", "box")
    settings = mqtt_settings(port, username="box", password_file=password_file, tls=True, ca_file=ca_file)
    publisher = MqttPublisher(
        lambda wake: MqttClient(settings, names, read_secret, wake, FAST, hears=(f"{names.commands}#",)),
        names,
        agent,
        reader,
        keeper.acknowledge,
        keeper.fail,
        Commands(names, agent, FakeClock()),
        Announcer(names, "", agent, MemoryLedger()),
    )
    keeper.publisher = publisher
    keeper.start()
    publisher.start()
    _store(keeper, sum(reader.change_numbers().values()), count)
    until(lambda: not keeper.waiting() and not reader.stats().outbox, "all is sent", 300)
    publisher.stop()
    keeper.stop(10)


def _store(keeper: Keeper, first: int, count: int) -> None:
    pause = threading.Event()
    for number in range(first, count):
        target, change_no = TARGETS[number % len(TARGETS)], number // len(TARGETS) + 1
        body = {"v": 1, "event_id": event_id(number), "number": number, "delayed": False}
        event = Event(event_id(number), target, change_no, "path_changed", "notice", True, AT + number, True, body)
        keeper.put(Record(None, None, "", (event,)))
        pause.wait(PAUSE_S)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
