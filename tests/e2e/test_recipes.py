"""What the README says to copy: run as it stands there, in a network of its own where its addresses are."""

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from equipment.broker import Broker
from equipment.fakes import make_state
from equipment.mqtt_recording import BASE, of_target
from equipment.waiting import until
from netlab import Lab
from pathwarden.present import schemas

TOP = Path(__file__).parents[2]
README = (TOP / "README.md").read_text(encoding="utf-8")
HOME, NTFY = "192.168.1.5", "https://ntfy.example.net/paths"
EVENT = f"{BASE}/target/office/event"
SEARCHED = os.pathsep.join(filter(None, [str(TOP / "tests"), os.environ.get("PYTHONPATH")]))
AGENT = """
from equipment.mqtt_agent import Rig, mqtt_settings
with Rig(mqtt_settings(1883, prefix="pathwarden"), "office", name="home-rt") as rig:
    rig.await_connected()
    print(flush=True)
    input()
    print(rig.agent.wishes)
"""


def block(start: str) -> str:
    """The README's block of code that begins so."""
    (found,) = re.findall(rf"^ *```\w*\n( *{re.escape(start)}.*?)\n *```$", README, re.MULTILINE | re.DOTALL)
    return found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        lab.host("home")
        lab.ip("home", f"address add {HOME}/24 dev lo")
        yield lab


class Ntfy(BaseHTTPRequestHandler):
    """Keeps what is posted to it."""

    def do_POST(self) -> None:
        self.server.posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


class Server(HTTPServer):
    """On loopback in the test's network."""

    posted: list[tuple[str, str]]


def test_ntfy(lab: Lab, tmp_path: Path) -> None:
    recipe = block("mosquitto_sub -h")
    assert recipe.count(NTFY) == 1
    with lab.enter("home"):
        server = Server(("127.0.0.1", 0), Ntfy)
    server.posted = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told = of_target()
    others = told["path_unstable"] | {"event_id": "other", "notify": False}
    rogue = told["target_unreachable"] | {"event_id": "rogue", "title": "@/etc/passwd $(id)", "message": 'a "word" \\n'}
    with Broker(tmp_path, ns=lab.netns("home"), bind=HOME) as broker:
        shell = lab.popen("home", ["sh", "-c", recipe.replace(NTFY, f"http://127.0.0.1:{server.server_port}/paths")])
        until(lambda: "path-news 1 pathwarden/+/target/+/event" in broker.log(), "the recipe listens", 30)
        for body in (told["path_changed"], others, rogue):
            said = ["mosquitto_pub", "-h", HOME, "-q", "1", "-t", EVENT, "-m", json.dumps(body)]
            lab.exec("home", said, check=True)
        until(lambda: len(server.posted) == 2, "both came", 30)
        shell.kill()
    server.shutdown()
    server.server_close()
    assert server.posted == [("/paths", f"{body['title']}: {body['message']}") for body in (told["path_changed"], rogue)]


def test_commands(lab: Lab, tmp_path: Path) -> None:
    mute, ping = block("mosquitto_pub -t pathwarden/home-rt/cmd/mute").splitlines()
    with Broker(tmp_path, ns=lab.netns("home")) as broker, broker.subscribe("pathwarden/home-rt/reply", "watch") as watch:
        agent = lab.popen(
            "home",
            [sys.executable, "-c", AGENT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": SEARCHED},
        )
        assert agent.stdout
        agent.stdout.readline()
        until(lambda: "pathwarden-home-rt 1 pathwarden/home-rt/cmd/#" in broker.log(), "the agent listens", 30)
        lab.exec("home", ["sh", "-c", mute], check=True)
        until(watch.messages, "an answer", 30)
        answer = json.loads(lab.exec("home", ["sh", "-c", ping], check=True).stdout)
        wishes = agent.communicate("\n", timeout=30)[0]
    assert (watch.messages()[0].json["id"], watch.messages()[0].json["code"]) == ("7", "ok")
    assert (answer["verb"], answer["code"]) == ("ping", "ok")
    assert wishes.strip() == "[('mute 3600', 'office')]"


def test_telegraf() -> None:
    """Its options are those that its documentation names for the plug-in and for the data format."""
    (made,) = tomllib.loads(block("[[inputs.mqtt_consumer]]"))["inputs"]["mqtt_consumer"]
    options = {"servers", "topics", "name_override", "data_format", "tag_keys", "json_string_fields"}
    assert made.keys() <= options
    assert made["data_format"] == "json"
    state: dict[str, Any] = make_state("office")
    taken = [*made["tag_keys"], *made["json_string_fields"]]
    assert {type(state[name]) for name in taken} == {str, bool}, "numbers it takes by itself"
    assert set(taken) <= schemas.STATE["properties"].keys()
    (topic,) = made["topics"]
    assert fnmatchcase(f"{BASE}/target/office/state", topic.replace("+", "*"))


def test_node_red() -> None:
    """The flow was imported into Node-RED 3.1 and told the same as here; this keeps it whole."""
    flow = {node["id"]: node for node in json.loads((TOP / "packaging/monitoring/node-red.json").read_text())}
    assert "packaging/monitoring/node-red.json" in README
    (source,) = (node for node in flow.values() if node["type"] == "mqtt in")
    assert flow[source["broker"]]["type"] == "mqtt-broker"
    assert fnmatchcase(EVENT, source["topic"].replace("+", "*"))
    way = [source]
    while (wires := way[-1]["wires"]) and wires[0]:
        way.append(flow[wires[0][0]])
    assert [node["type"] for node in way] == ["mqtt in", "switch", "rbe", "change", "debug"]
    assert len(flow) == len(way) + 2, "the tab and the broker"
    event = of_target()["path_changed"]
    named = re.findall(r"payload\.(\w+)", json.dumps(way))
    assert set(named) == {"notify", "event_id", "title", "message"} <= event.keys()
