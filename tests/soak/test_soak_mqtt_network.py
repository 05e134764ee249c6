"""A network that cuts, forgets and crawls between an agent and its broker: no thread dies, memory stays bounded, no event is lost.

PATHWARDEN_SOAK_SHARE is the share of each hindrance's minute to run: 0.05 unless given, 1 for the whole campaign. Neither the kernel's
timers nor paho's can be hurried, so that the keepalive is 5 s in the whole campaign and 1 s in a share.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from equipment.broker import Broker, Subscriber
from equipment.sender import TARGETS, event_id
from equipment.waiting import until
from netlab import Lab
from netlab.lab import Link

SHARE = float(os.environ.get("PATHWARDEN_SOAK_SHARE") or 0.05)
LASTS_S = max(2.0, 60 * SHARE)
KEEPALIVE_S = 5 if SHARE >= 1 else 1
EVERY_S = 0.05
LETTERS = 300
GROWTH_KB = 4096  # what the MQTT part may take at most with a thousand waiting events
PATIENCE_S = 60
ID = "pathwarden-box"
SEARCHED = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))


class Line:
    """An agent and its broker, each in a node of its own, and what lies between."""

    def __init__(self, lab: Lab, link: Link, broker: Broker) -> None:
        self.lab, self.link, self.broker = lab, link, broker

    def cut(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        self.lab.nft("box", "add rule inet lab out tcp dport 1883 drop")
        self.lab.nft("hub", "add rule inet lab out tcp sport 1883 drop")

    def mend(self) -> None:
        for node in ("box", "hub"):
            self.lab.nft(node, "flush chain inet lab out")

    def crawl(self) -> None:
        """A thousand bytes a second, both ways."""
        for node, dev in (("box", "hub"), ("hub", "box")):
            self._tc(node, "add", dev, "tbf", "rate", "8kbit", "burst", "1600", "limit", "8000")

    def run(self) -> None:
        for node, dev in (("box", "hub"), ("hub", "box")):
            self._tc(node, "del", dev)

    def connects(self) -> int:
        """How often the agent has come."""
        return self.broker.log().count(f" as {ID} ")

    def _tc(self, node: str, verb: str, dev: str, *words: str) -> None:
        self.lab.exec(node, ["tc", "qdisc", verb, "dev", dev, "root", *words], check=True)


def lasts(seconds: float, noticed: Callable[[], object] = lambda: True) -> None:
    """For so long, and until it was noticed."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() >= end and noticed(), "the hindrance is noticed", seconds + PATIENCE_S)


def no_way(line: Line) -> None:
    """Every packet is dropped; both ends give the connection up."""
    gone = line.broker.log().count(f"Client {ID} has exceeded timeout")
    line.cut()
    lasts(LASTS_S, lambda: line.broker.log().count(f"Client {ID} has exceeded timeout") > gone)
    line.mend()


def half_open(line: Line) -> None:
    """The broker forgets the connection, of which the agent hears only when it speaks again."""
    line.cut()
    line.broker.restart()  # its farewell is dropped, too
    line.mend()


def stands_still(line: Line) -> None:
    """The broker takes connections and says nothing at all."""
    line.broker.pause()
    lasts(LASTS_S)
    line.broker.resume()


def slow(line: Line) -> None:
    """The broker works a tenth of the time."""
    pause = threading.Event()
    end = time.monotonic() + LASTS_S / 2
    while time.monotonic() < end:
        line.broker.pause()
        pause.wait(0.45)
        line.broker.resume()
        pause.wait(0.05)


def crawls(line: Line) -> None:
    """A kilobyte a second, both ways."""
    line.crawl()
    lasts(LASTS_S)
    line.run()


HINDRANCES = (no_way, half_open, stands_still, slow, crawls)


@contextmanager
def line(folder: Path) -> Iterator[Line]:
    with Lab() as lab:
        lab.nodes(hosts=["box", "hub"])
        link = lab.link("box", "hub")
        lab.settle()
        with Broker(folder, ns=lab.netns("hub"), bind=link.b4, persistent=True) as broker:
            yield Line(lab, link, broker)


def memory_kb(pid: int, name: str) -> int:
    """A line of /proc/PID/status that counts kilobytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def test_hindrances_lose_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("PATHWARDEN_SEED") or random.randrange(2**32))
    print("seed", seed)
    order = random.Random(seed).sample(HINDRANCES, len(HINDRANCES))
    with line(tmp_path) as between, between.broker.subscribe("pw/box/target/+/event", "watch") as watch:
        lab, where = between.lab, ["--host", between.link.b4, "--port", "1883"]
        size = ["--count", "1000000", "--letters", str(LETTERS), "--pause-s", str(EVERY_S), "--keepalive-s", str(KEEPALIVE_S)]
        command = [sys.executable, "-m", "equipment.sender", str(tmp_path / "history.db"), *where, *size]
        with (tmp_path / "stderr").open("wb") as stderr:
            env = os.environ | {"PYTHONPATH": SEARCHED}
            sender = lab.popen("box", command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=env)
        until(lambda: len(watch.messages()) >= 20, "events flow", PATIENCE_S)
        before_kb = memory_kb(sender.pid, "VmRSS")
        for hindrance in order:
            print(hindrance.__name__, len(watch.messages()), "events have come")
            hindrance(between)
            await_flow(watch)
        most_kb = memory_kb(sender.pid, "VmHWM")
        sender.terminate()
        stored = int(sender.communicate(timeout=300)[0])
        assert sender.returncode == 0, "all that was stored was acknowledged"
        want = [event_id(number) for number in range(stored)]
        until(lambda: {message.json["event_id"] for message in watch.messages()} >= set(want), "every event has come", PATIENCE_S)
        got = [message.json for message in watch.messages()]
        print(f"{stored} events, {between.connects()} connections, {len(got) - stored} came again, {most_kb - before_kb} kB more at most")
    assert {event["event_id"] for event in got} == set(want), "and no other"
    for place in range(len(TARGETS)):
        firsts = list(dict.fromkeys(event["number"] for event in got if event["number"] % len(TARGETS) == place))
        assert firsts == sorted(firsts), "first arrivals keep their order"
    assert most_kb - before_kb <= GROWTH_KB
    assert b"Traceback" not in (tmp_path / "stderr").read_bytes(), "no thread died"


def await_flow(watch: Subscriber) -> None:
    """Events come again."""
    seen = len(watch.messages())
    until(lambda: len(watch.messages()) > seen, "events flow again", PATIENCE_S)
