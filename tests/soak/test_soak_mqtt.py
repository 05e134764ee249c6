"""A broker with TLS, passwords and an access list that restarts again and again, and an agent that is killed: no event is lost.

PATHWARDEN_SOAK_SHARE is the share of the full count to run: 0.05 unless given, 1 for the whole campaign.
"""

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from equipment.broker import Broker
from equipment.certificates import Authority
from equipment.sender import TARGETS, event_id
from equipment.waiting import until

SHARE = float(os.environ.get("PATHWARDEN_SOAK_SHARE") or 0.05)
EVENTS, RESTARTS, KILLS = (max(2, round(full * SHARE)) for full in (2000, 50, 10))
IN_FLIGHT = 40  # may come twice after each restart or kill: twenty between us and the broker, twenty between it and the subscriber
ACCESS = "user box\ntopic write pw/box/#\ntopic read pw/box/cmd/#\nuser watch\ntopic read pw/#\n"
SEARCHED = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))


class Sender:
    """The agent's half that sends; killed and started again."""

    def __init__(self, *arguments: object) -> None:
        self._command = [sys.executable, "-m", "equipment.sender", *map(str, arguments)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, env=os.environ | {"PYTHONPATH": SEARCHED})

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)


def test_restarts_and_kills_lose_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("PATHWARDEN_SEED") or random.randrange(2**32))
    print("seed", seed)
    rng = random.Random(seed)
    authority = Authority(tmp_path)
    certificate, key = authority.sign("broker", alt="IP:127.0.0.1")
    secret = tmp_path / "password"
    secret.write_text("agent's\n")
    secret.chmod(0o600)
    files = f"cafile {authority.ca_file}\ncertfile {certificate}\nkeyfile {key}\n"
    users = {"box": "agent's", "watch": "mine"}
    happenings = ["restart"] * RESTARTS + ["kill"] * KILLS
    rng.shuffle(happenings)
    with Broker(tmp_path, users=users, allow_anonymous=False, access=ACCESS, persistent=True, extra=files) as broker:
        options = ("--cafile", str(authority.ca_file), "-u", "watch", "-P", "mine")
        with broker.subscribe("pw/box/target/+/event", "watch", *options) as watch:
            safe = ("--ca-file", authority.ca_file, "--password-file", secret)
            sender = Sender(tmp_path / "history.db", "--port", broker.port, *safe, "--count", EVENTS)
            try:
                for place, happening in enumerate(happenings):
                    goal = rng.randrange(EVENTS * place // len(happenings), EVENTS * (place + 1) // len(happenings))
                    until(lambda goal=goal: len(watch.messages()) > goal, f"more than {goal} events have come", 60)
                    if happening == "restart":
                        broker.restart()
                    else:
                        sender.kill()
                        sender.start()
                assert sender.process.wait(300) == 0, "all that was stored was acknowledged"
            finally:
                sender.kill()
            want = {event_id(number) for number in range(EVENTS)}
            until(lambda: {message.json["event_id"] for message in watch.messages()} >= want, "every event has come", 60)
            got = [message.json for message in watch.messages()]
    assert {event["event_id"] for event in got} == want, "and no other"
    assert all(event["event_id"] == event_id(event["number"]) for event in got), "equal id, equal event"
    for place in range(len(TARGETS)):
        firsts = list(dict.fromkeys(event["number"] for event in got if event["number"] % len(TARGETS) == place))
        assert firsts == sorted(firsts), "first arrivals keep their order"
    twice = sum(times - 1 for times in Counter(event["event_id"] for event in got).values())
    print(f"{EVENTS} events, {RESTARTS} restarts, {KILLS} kills: {twice} came again")
    assert twice <= IN_FLIGHT * len(happenings)
