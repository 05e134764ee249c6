"""What is wrong with the connection, in one line that names the option and the remedy."""

import socket
from typing import NamedTuple

from pathwarden.mqtt.tls import fault

TAKEN_OVER = 0x8E
_SIGN_IN = frozenset({0x86, 0x87})
_CODES = {
    0x81: "malformed packet",
    0x82: "protocol error",
    0x85: "client id not valid",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8D: "keepalive time-out",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
}


class Ending(NamedTuple):
    """How a connection ended: `refusal` is the CONNACK's reason, `reason` the DISCONNECT's; `clash` tells of several short connections."""

    up: bool
    refusal: int | None
    reason: int | None
    error: OSError | None
    fault: str
    clash: bool
    tls: bool = False
    clock_synced: bool = True


def explain(ending: Ending, host: str, port: int, client_id: str) -> str:
    """The line for the operator."""
    place = f"{host}:{port}"
    if ending.fault:
        return f"mqtt: internal fault ({ending.fault}); please report it"
    if ending.error:
        of_tls = fault(ending.error, host, place, clock_synced=ending.clock_synced) if ending.tls else ""
        return of_tls or _unreachable(ending.error, host, place)
    if ending.refusal in _SIGN_IN:
        return "mqtt.username: the broker refuses the sign-in; check mqtt.username and mqtt.password_file"
    if ending.refusal:
        return f"mqtt.host: the broker refuses the connection ({_name(ending.refusal)}); look at the broker's log"
    if not ending.up and ending.tls:
        return f"mqtt.tls: {place} hangs up without an MQTT answer; perhaps it wants a certificate of ours: check mqtt.cert_file"
    if not ending.up:
        return f"mqtt.port: {place} hangs up without an MQTT answer; check mqtt.host and mqtt.port, and mqtt.tls if it speaks TLS"
    if ending.reason == TAKEN_OVER:
        return f"agent.name: another client uses the id {client_id}; give each agent its own agent.name"
    if ending.clash:
        return f"agent.name: perhaps another client uses the id {client_id}: the broker ends each connection soon; check agent.name"
    if ending.reason:
        return f"mqtt.host: the broker ended the connection ({_name(ending.reason)}); look at the broker's log"
    return f"mqtt.host: the connection to {place} was lost; trying again"


def _unreachable(error: OSError, host: str, place: str) -> str:
    said = error.strerror or str(error) or type(error).__name__
    if isinstance(error, socket.gaierror):
        return f"mqtt.host: {host} does not resolve ({said}); check mqtt.host and this machine's name server"
    if isinstance(error, ConnectionRefusedError):
        return f"mqtt.port: nothing listens on {place}; check mqtt.host and mqtt.port, and that the broker runs"
    return f"mqtt.host: {place} is out of reach ({said}); check mqtt.host and the network"


def _name(code: int) -> str:
    return _CODES.get(code, f"reason 0x{code:02x}")
