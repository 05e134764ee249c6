"""Whether the broker takes us: one CONNECT and one DISCONNECT, beside a daemon that may be connected.

Spoken here and not through paho: it must not take over the daemon's client id, leave no will behind, start no thread, and end in time.

CONNECT (MQTT 5, section 3.1; 3.1.1 has no properties):

    0x10 length | 0 4 M Q T T | level | flags | keepalive (2) | properties: 0 | client id | user name | password

CONNACK (section 3.2): 0x20 length | session present | reason code | properties
"""

import socket
import time

from pathwarden.errors import ConfigError
from pathwarden.model.settings import MqttSettings
from pathwarden.mqtt.faults import Ending, explain
from pathwarden.mqtt.tls import context

_CONNECT, _CONNACK, _DISCONNECT = 0x10, 0x20, b"\xe0\x00"
_LEVELS = {"5": 5, "3.1.1": 4}
_CLEAN, _USER, _PASSWORD = 0x02, 0x80, 0x40
_KEEPALIVE_S = 30
_UNSUPPORTED = 0x84
_FROM_311 = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}  # return codes of 3.1.1 (table 3.1) as reason codes of MQTT 5


class _NotMqtt(Exception):
    """It hung up, or answered something else."""


def sign_in(settings: MqttSettings, password: str | None, client_id: str, timeout_s: float) -> tuple[str, str]:
    """Connect once: `5` or `3.1.1` and '' if the broker takes us, else '' and one line on why, with the option and the remedy.

    All of it takes no longer than `timeout_s`, but for the look-up of the broker's name, which has the resolver's own time-outs.
    """
    deadline = time.monotonic() + timeout_s
    refusal, error = None, None
    for protocol, level in _LEVELS.items():
        try:
            refusal = _try(settings, _connect(level, client_id, settings.username, password), level, deadline)
        except (_NotMqtt, ConnectionResetError, BrokenPipeError):
            continue  # so old brokers do with MQTT 5; the second time it is no broker
        except OSError as failure:
            error = failure
            break
        except ConfigError as problem:
            return "", str(problem)
        except UnicodeError:  # the resolver's: a label that is empty or too long
            error = OSError("not a host name")
            break
        if refusal == 0:
            return protocol, ""
        if refusal != _UNSUPPORTED:
            break
    ending = Ending(up=False, refusal=refusal, reason=None, error=error, fault="", clash=False, tls=settings.tls)
    return "", explain(ending, settings.host, settings.port, client_id)


def _try(settings: MqttSettings, packet: bytes, level: int, deadline: float) -> int:
    """The broker's reason code. Raises OSError, `_NotMqtt`."""
    with _open(settings, deadline) as sock:
        sock.sendall(packet)
        head = _read(sock, 2, deadline)
        # Reason code and flags are there in the shortest answer; a length of two bytes begins with a set top bit.
        more = 1 if head[1] & 0x80 else 0
        answer = _read(sock, more + 2, deadline)
        if head[0] != _CONNACK:
            raise _NotMqtt
        code = answer[more + 1]
        if code == 0:
            sock.sendall(_DISCONNECT)
    return _FROM_311.get(code, code) if level == _LEVELS["3.1.1"] else code


def _open(settings: MqttSettings, deadline: float) -> socket.socket:
    """A connection, with TLS if the settings want it. Raises OSError, `ConfigError`."""
    sock = socket.create_connection((settings.host, settings.port), timeout=_left(deadline))
    if not settings.tls:
        return sock
    try:
        return context(settings).wrap_socket(sock, server_hostname=settings.host)
    except BaseException:
        sock.close()
        raise


def _connect(level: int, client_id: str, username: str, password: str | None) -> bytes:
    flags = _CLEAN | (_USER if username else 0) | (_PASSWORD if password is not None else 0)
    fields = [client_id, *([username] if username else []), *([password] if password is not None else [])]
    body = _text("MQTT") + bytes((level, flags)) + _KEEPALIVE_S.to_bytes(2, "big") + (b"\0" if level == _LEVELS["5"] else b"")
    body += b"".join(map(_text, fields))
    return bytes((_CONNECT,)) + _length(len(body)) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _length(number: int) -> bytes:
    """A variable byte integer (MQTT 5, section 1.5.5)."""
    data = bytearray()
    while True:
        number, digit = divmod(number, 128)
        data.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(data)


def _read(sock: socket.socket, count: int, deadline: float) -> bytes:
    data = b""
    while len(data) < count:
        sock.settimeout(_left(deadline))
        piece = sock.recv(count - len(data))
        if not piece:
            raise _NotMqtt
        data += piece
    return data


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left
