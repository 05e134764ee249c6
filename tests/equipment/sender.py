"""A program that stores numbered events and sends them to a broker, with the real history, outbox and client; it may be killed at any time.

python -m equipment.sender HISTORY --port PORT --count COUNT ...: goes on where the history ends, and ends when the outbox is empty.
SIGTERM: no more events than there are by then. It says at the end how many there are.
"""

import argparse
import signal
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


def main(words: argparse.Namespace) -> None:
    """Send what is missing of all the events."""
    writer, reader = Writer(words.history, max_mb=16, boot_id="boot"), Reader(words.history)
    keeper, agent, names = Keeper(writer), MemoryAgent(*TARGETS), topics("pw", "box")
    safe = {"username": "box", "password_file": words.password_file, "tls": True, "ca_file": words.ca_file} if words.ca_file else {}
    settings = mqtt_settings(words.port, host=words.host, **safe)
    publisher = MqttPublisher(
        lambda wake: MqttClient(settings, names, read_secret, wake, FAST, hears=(f"{names.commands}#",), keepalive_s=words.keepalive_s),
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
    _store(keeper, sum(reader.change_numbers().values()), words)
    until(lambda: not keeper.waiting() and not reader.stats().outbox, "all is sent", 300)
    print(sum(reader.change_numbers().values()))
    publisher.stop()
    keeper.stop(10)


def _store(keeper: Keeper, first: int, words: argparse.Namespace) -> None:
    enough = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: enough.set())
    for number in range(first, words.count):
        target, change_no = TARGETS[number % len(TARGETS)], number // len(TARGETS) + 1
        body = {"v": 1, "event_id": event_id(number), "number": number, "delayed": False, "message": "x" * words.letters}
        event = Event(event_id(number), target, change_no, "path_changed", "notice", True, AT + number, True, body)
        keeper.put(Record(None, None, "", (event,)))
        if enough.wait(words.pause_s):
            break


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("history", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ca-file", default="")
    parser.add_argument("--password-file", default="")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--letters", type=int, default=0, help="length of each event's message")
    parser.add_argument("--pause-s", type=float, default=PAUSE_S)
    parser.add_argument("--keepalive-s", type=int, default=30)
    return parser.parse_args()


if __name__ == "__main__":
    main(_words())
