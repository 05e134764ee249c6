"""Whether the broker takes us: one CONNECT and one DISCONNECT, beside a daemon that may be connected.

Spoken here and not through paho: it must not take over the daemon's client id, leave no will behind, start no thread, and end in time.
"""

import socket
import time
from contextlib import suppress
from typing import NamedTuple

from pathwarden.errors import ConfigError
from pathwarden.model.settings import MqttSettings
from pathwarden.mqtt import packets
from pathwarden.mqtt.faults import Ending, explain
from pathwarden.mqtt.packets import LEVELS, NotMqtt, Packet
from pathwarden.mqtt.tls import context


class Failed(Exception):
    """The broker does not take us: one line on why, with the option and the remedy."""


class Talk(NamedTuple):
    """A connection whose CONNECT the broker has accepted."""

    sock: socket.socket
    protocol: str

    @property
    def level(self) -> int:
        """The protocol's level in packets."""
        return LEVELS[self.protocol]

    def next(self, deadline: float) -> Packet:
        """The next packet that comes. Raises OSError (TimeoutError at the deadline, of `time.monotonic`) and `NotMqtt`."""
        return _next(self.sock, deadline)

    def leave(self) -> None:
        """End it."""
        with suppress(OSError):  # the broker may have ended it
            self.sock.sendall(packets.DISCONNECT)
        self.sock.close()


def sign_in(settings: MqttSettings, password: str | None, client_id: str, timeout_s: float) -> tuple[str, str]:
    """Connect once: `5` or `3.1.1` and '' if the broker takes us, else '' and one line on why, with the option and the remedy.

    All of it takes no longer than `timeout_s`, but for the look-up of the broker's name, which has the resolver's own time-outs.
    """
    try:
        talk = signed_in(settings, password, client_id, time.monotonic() + timeout_s)
    except Failed as failed:
        return "", str(failed)
    talk.leave()
    return talk.protocol, ""


def signed_in(settings: MqttSettings, password: str | None, client_id: str, deadline: float) -> Talk:
    """A connection that the broker has accepted, with MQTT 5 if it knows that. Raises `Failed`."""
    refused = None
    for protocol, level in LEVELS.items():
        sock = opened(settings, client_id, deadline, tls=settings.tls)
        try:
            sock.sendall(packets.connect(level, client_id, settings.username, password))
            refused = packets.refusal(_next(sock, deadline))
        except (NotMqtt, ConnectionResetError, BrokenPipeError):
            sock.close()
            continue  # so old brokers do with MQTT 5; the second time it is no broker
        except OSError as error:
            sock.close()
            raise Failed(_explained(settings, client_id, error=error)) from error
        if refused == 0:
            return Talk(sock, protocol)
        sock.close()
        if refused != packets.UNSUPPORTED:
            break
    raise Failed(_explained(settings, client_id, refusal=refused))


def opened(settings: MqttSettings, client_id: str, deadline: float, *, tls: bool) -> socket.socket:
    """A connection to the broker's port, with TLS around it or not. Raises `Failed`."""
    sock = None
    try:
        sock = socket.create_connection((settings.host, settings.port), timeout=_left(deadline))
        return context(settings).wrap_socket(sock, server_hostname=settings.host) if tls else sock
    except (OSError, ConfigError) as error:
        if sock is not None:
            sock.close()
        raise Failed(_explained(settings, client_id, error=error) if isinstance(error, OSError) else str(error)) from error
    except UnicodeError as error:  # the resolver's: a label that is empty or too long
        raise Failed(_explained(settings, client_id, error=OSError("not a host name"))) from error


def _explained(settings: MqttSettings, client_id: str, *, refusal: int | None = None, error: OSError | None = None) -> str:
    ending = Ending(up=False, refusal=refusal, reason=None, error=error, fault="", clash=False, tls=settings.tls)
    return explain(ending, settings.host, settings.port, client_id)


def _next(sock: socket.socket, deadline: float) -> Packet:
    return packets.read(lambda count: _received(sock, count, deadline))


def _received(sock: socket.socket, count: int, deadline: float) -> bytes:
    data = b""
    while len(data) < count:
        sock.settimeout(_left(deadline))
        piece = sock.recv(count - len(data))
        if not piece:
            raise NotMqtt
        data += piece
    return data


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
