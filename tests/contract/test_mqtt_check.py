"""Signing in at a broker once: what each kind of answer is called, and that it ends in time."""

import socket
import threading
import time
from collections.abc import Callable

import pytest

from equipment.broker import closed_port
from equipment.mqtt_agent import mqtt_settings
from equipment.scripted_broker import ACCEPT, ScriptedBroker
from pathwarden.mqtt.check import sign_in

HANGS_UP = "mqtt.port: {place} hangs up without an MQTT answer; check mqtt.host and mqtt.port, and mqtt.tls if it speaks TLS"
SIGN_IN = "mqtt.username: the broker refuses the sign-in; check mqtt.username and mqtt.password_file"
BUSY = "mqtt.host: the broker refuses the connection (server busy); look at the broker's log"


def only_311(level: int) -> bytes | None:
    return ACCEPT[4] if level == 4 else None


@pytest.mark.parametrize(
    ("connack", "protocol", "problem", "levels"),
    [
        (ACCEPT.__getitem__, "5", "", [5]),
        (lambda level: bytes([0, 0x84, 0]) if level == 5 else ACCEPT[4], "3.1.1", "", [5, 4]),
        (only_311, "3.1.1", "", [5, 4]),
        (lambda _: bytes([0, 0x87, 0]), "", SIGN_IN, [5]),
        (lambda level: bytes([0, 0x84, 0]) if level == 5 else bytes([0, 5]), "", SIGN_IN, [5, 4]),
        (lambda _: bytes([0, 0x89, 0]), "", BUSY, [5]),
        (lambda _: None, "", HANGS_UP, [5, 4]),
    ],
    ids=["mqtt5", "mqtt5-refused", "mqtt5-unknown", "sign-in", "sign-in-311", "busy", "hangs-up"],
)
def test_what_the_broker_answers(connack: Callable[[int], bytes | None], protocol: str, problem: str, levels: list[int]) -> None:
    with ScriptedBroker(connack) as broker:
        settings = mqtt_settings(broker.port, username="router")
        found = sign_in(settings, "secret", "pathwarden-home-doctor", 5)
        assert found == (protocol, problem.format(place=f"127.0.0.1:{broker.port}"))
        assert broker.levels == levels
        assert broker.published == []


def test_another_program_is_no_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer_like_a_web_server, args=(server,))
        thread.start()
        port = server.getsockname()[1]
        assert sign_in(mqtt_settings(port), None, "id", 5) == ("", HANGS_UP.format(place=f"127.0.0.1:{port}"))
        thread.join(10)


def _answer_like_a_web_server(server: socket.socket) -> None:
    for _ in range(2):
        connection, _ = server.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_silence_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # the kernel takes the connection, nobody answers
        port = server.getsockname()[1]
        begun = time.monotonic()
        protocol, problem = sign_in(mqtt_settings(port), None, "id", 0.2)
        assert time.monotonic() - begun < 20  # a client of its own would wait for a minute
    assert (protocol, problem) == ("", f"mqtt.host: 127.0.0.1:{port} is out of reach (timed out); check mqtt.host and the network")


def test_nobody_listens() -> None:
    with closed_port() as port:
        problem = f"mqtt.port: nothing listens on 127.0.0.1:{port}; check mqtt.host and mqtt.port, and that the broker runs"
        assert sign_in(mqtt_settings(port), None, "id", 5) == ("", problem)


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".lan"])
def test_what_can_be_no_name(host: str) -> None:
    problem = f"mqtt.host: {host}:1883 is out of reach (not a host name); check mqtt.host and the network"
    assert sign_in(mqtt_settings(1883, host=host), None, "id", 5) == ("", problem)


def test_a_long_client_id_has_a_length_of_two_bytes() -> None:
    with ScriptedBroker() as broker:
        assert sign_in(mqtt_settings(broker.port), None, "i" * 300, 5) == ("5", "")
