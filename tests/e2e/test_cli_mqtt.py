"""`pathwarden mqtt test` against a real mosquitto: every step, and what each failure is called."""

import json
from pathlib import Path
from typing import Any

import pytest

from equipment.broker import Broker, closed_port
from equipment.certificates import Authority
from equipment.scripted_broker import ACCEPT, ScriptedBroker
from equipment.waiting import until
from pathwarden.cli.main import main

FULL = "user box\ntopic readwrite pathwarden/home/#\ntopic write homeassistant/device/#\ntopic read homeassistant/#\n"
STEPS = ["name", "tcp", "sign-in", "publish", "subscribe"]


@pytest.fixture
def walked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command for some options of section mqtt; its exit code and its steps."""

    def run(**options: object) -> tuple[int, list[dict[str, Any]]]:
        secret = tmp_path / "password"
        if "username" in options:
            secret.write_text("right\n")
            secret.chmod(0o600)
            options.setdefault("password_file", secret)
        options.setdefault("host", "127.0.0.1")
        lines = "".join(f"\toption {name} '{value}'\n" for name, value in options.items())
        file = tmp_path / "pathwarden"
        file.write_text(f"config agent 'agent'\n\toption name 'home'\nconfig mqtt 'mqtt'\n{lines}")
        code = main(["--config", str(file), "mqtt", "test", "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def broker(folder: Path, access: str = FULL, **more: Any) -> Broker:
    return Broker(folder, users={"box": "right"}, allow_anonymous=False, access=access, **more)


def test_all_is_well(tmp_path: Path, walked: Any) -> None:
    with broker(tmp_path) as running, running.subscribe("#", "watch", "-u", "box", "-P", "right") as watch:
        code, steps = walked(port=running.port, username="box")
        assert code == 0
        assert [step["what"] for step in steps] == STEPS
        assert {step["status"] for step in steps} == {"ok"}
        assert {step["fix"] for step in steps} == {None}
        assert steps[2]["detail"] == "the broker takes us as box (MQTT 5)"
        until(lambda: watch.messages("/cmd/ping"), "the ping")
        assert [message.topic for message in watch.messages()] == [
            "pathwarden/home/test",
            "homeassistant/device/pathwarden_home_test/config",
            "pathwarden/home/cmd/ping",
        ]
        assert not any(message.retain for message in watch.messages())


def test_it_may_not_write(tmp_path: Path, walked: Any) -> None:
    with broker(tmp_path, "user box\ntopic read pathwarden/home/#\n") as running:
        code, steps = walked(port=running.port, username="box")
    assert code == 1
    assert steps[3] == {
        "status": "FAIL",
        "what": "publish",
        "detail": "the broker does not let us write to pathwarden/home/test",
        "fix": "correct the broker's access list for mqtt.username: write pathwarden/home/#",
    }
    assert steps[4]["status"] == "ok"
    assert "may not command ourselves" in steps[4]["detail"]


def test_it_may_not_tell_home_assistant(tmp_path: Path, walked: Any) -> None:
    with broker(tmp_path, "user box\ntopic readwrite pathwarden/home/#\n") as running:
        code, steps = walked(port=running.port, username="box")
        assert (code, steps[3]["status"]) == (1, "FAIL")
        assert steps[3]["detail"] == "the broker does not let us write to homeassistant/device/pathwarden_home_test/config"
        assert steps[3]["fix"].endswith("write homeassistant/device/#, or set mqtt.discovery to off")
        code, steps = walked(port=running.port, username="box", discovery="off")
        assert (code, steps[3]["status"]) == (0, "ok")


def test_it_may_not_read_though_the_broker_grants_it(tmp_path: Path, walked: Any) -> None:
    """mosquitto grants every subscription, and then delivers nothing."""
    with broker(tmp_path, "user box\ntopic write pathwarden/home/#\ntopic write homeassistant/#\n") as running:
        code, steps = walked(port=running.port, username="box")
    assert code == 1
    assert [step["status"] for step in steps] == ["ok"] * 4 + ["FAIL"]
    assert steps[4]["fix"] == "correct the broker's access list for mqtt.username: read pathwarden/home/cmd/#"


def test_a_wrong_password(tmp_path: Path, walked: Any) -> None:
    with broker(tmp_path) as running:
        running.stop()
        running.set_passwords({"box": "other"})
        running.start()
        code, steps = walked(port=running.port, username="box")
    assert code == 1
    assert [step["what"] for step in steps] == ["name", "tcp", "sign-in"]
    assert steps[2]["detail"] == "mqtt.username: the broker refuses the sign-in"
    assert steps[2]["fix"] == "check mqtt.username and mqtt.password_file"


def test_nothing_listens(walked: Any) -> None:
    with closed_port() as port:
        code, steps = walked(port=port)
    assert code == 1
    assert [(step["what"], step["status"]) for step in steps] == [("name", "ok"), ("tcp", "FAIL")]
    assert steps[1]["detail"].startswith("mqtt.port: nothing listens on 127.0.0.1:")


def test_tls(tmp_path: Path, walked: Any) -> None:
    folder = tmp_path / "authority"
    folder.mkdir()
    authority = Authority(folder)
    certificate, key = authority.sign("broker", alt="IP:127.0.0.1")
    files = f"cafile {authority.ca_file}\ncertfile {certificate}\nkeyfile {key}\n"
    with broker(tmp_path, extra=files) as running:
        code, steps = walked(port=running.port, username="box", tls=1, ca_file=authority.ca_file)
        assert (code, [step["what"] for step in steps]) == (0, ["name", "tcp", "tls", *STEPS[2:]])
        code, steps = walked(port=running.port, username="box", tls=1)
        assert (code, steps[-1]["what"]) == (1, "tls")
        assert steps[-1]["detail"].startswith("mqtt.ca_file: nobody whom this machine trusts")


@pytest.mark.parametrize("level", [4, 5])
def test_a_broker_that_answers_nothing_more(level: int, walked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathwarden.cli.mqtt.STEP_S", 0.3)
    with ScriptedBroker(lambda asked: ACCEPT[asked] if asked == level else bytes([0, 1]), puback=lambda _: None) as running:
        code, steps = walked(port=running.port)
    assert code == 1
    assert steps[-1] == {
        "status": "FAIL",
        "what": "publish",
        "detail": "the broker does not answer (timed out)",
        "fix": "look at the broker's log",
    }


def test_the_old_protocol_does_not_tell(walked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathwarden.mqtt.walk._DELIVERY_S", 0.1)
    with ScriptedBroker(lambda level: bytes([0, 1]) if level == 5 else ACCEPT[4]) as running:
        code, steps = walked(port=running.port)
    assert code == 0
    assert [step["status"] for step in steps] == ["ok"] * 3 + ["warn"] * 2


def test_lines_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pathwarden"
    file.write_text("config mqtt 'mqtt'\n\toption host ''\n")
    assert main(["--config", str(file), "mqtt", "test"]) == 2
    assert capsys.readouterr().err == "pathwarden: mqtt.host: is empty, so MQTT is off; set it to the broker's name or address\n"
    with closed_port() as port:
        file.write_text(f"config mqtt 'mqtt'\n\toption host '127.0.0.1'\n\toption port '{port}'\n")
        assert main(["--config", str(file), "mqtt", "test"]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "ok    name: 127.0.0.1 is an address"
