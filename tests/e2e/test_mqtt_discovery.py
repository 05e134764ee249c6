"""Home Assistant's devices at a real mosquitto: told, told again at its birth, and taken back."""

import json
import shutil
import subprocess
from pathlib import Path

from equipment.broker import Broker
from equipment.homeassistant import check
from equipment.mqtt_agent import Rig, mqtt_settings
from equipment.waiting import until

DEVICES = ["homeassistant/device/pathwarden_box/config", "homeassistant/device/pathwarden_box_dns/config"]


def test_devices_come_again_and_go(tmp_path: Path) -> None:
    with Broker(tmp_path) as broker, broker.subscribe("#", "watch") as watch:
        with Rig(mqtt_settings(broker.port, discovery="homeassistant"), "dns") as rig:
            until(lambda: len(watch.messages("/config")) == 2, "both devices")
            told = watch.messages("/config")
            assert [message.topic for message in told] == DEVICES
            for message in told:
                check(message.topic, message.json)
            until(lambda: "box 1 homeassistant/status" in broker.log(), "it listens")
            program = shutil.which("mosquitto_pub")
            assert program
            say = [program, "-h", broker.bind, "-p", str(broker.port), "-q", "1", "-t"]
            subprocess.run([*say, "homeassistant/status", "-m", "online"], check=True, timeout=30)
            until(lambda: len(watch.messages("/config")) == 4, "both again, within some seconds", 20)
            rig.agent.targets.clear()
        with Rig(mqtt_settings(broker.port, discovery="homeassistant")) as rig:
            rig.ledger.stale = [DEVICES[1], "pw/box/target/dns/state", "pw/box/target/dns/path"]
            until(lambda: not rig.ledger.stale, "the broker has emptied them")
        with broker.subscribe("#", "late") as late:
            subprocess.run([*say, "end", "-m", ""], check=True, timeout=30)
            until(lambda: late.messages("end"), "what came after all that was retained")
            topics = {message.topic for message in late.messages() if message.retain}
            assert topics == {"pw/box/status", "pw/box/info", DEVICES[0]}
            assert json.loads(next(m.payload for m in late.messages("/config")))["device"]["identifiers"] == ["pathwarden_box"]
