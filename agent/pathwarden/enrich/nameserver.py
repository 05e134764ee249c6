"""One question to this machine's name server, and its answer; waits, so it belongs to a thread of its own."""

import os
import socket
import time
from pathlib import Path

from pathwarden.enrich.cymru import NoAnswer, Texts, answer, question

RESOLV = Path("/etc/resolv.conf")
_PORT = 53
_WAIT_S = 2.0  # for each server; the router's own answers from far within a second
_SERVERS = 2
_LARGEST = 65535


class NameServer:
    """Asks the servers of resolv.conf, the second one if the first does not answer."""

    def __init__(self, resolv: Path = RESOLV, port: int = _PORT, wait_s: float = _WAIT_S) -> None:
        self._resolv = resolv
        self._port = port
        self._wait_s = wait_s

    def texts(self, name: str) -> Texts:
        """The TXT records of a name. Raises `NoAnswer` if no server has an answer in time."""
        problem = NoAnswer("no name server is known")
        for server in self._servers():
            asked = question(name, int.from_bytes(os.urandom(2), "big"))
            try:
                found = self._udp(server, asked)
                return answer(asked, self._tcp(server, asked)) if found.cut else found
            except NoAnswer as error:
                problem = error
            except OSError as error:
                problem = NoAnswer(error.strerror or str(error))
        raise problem

    def _servers(self) -> list[str]:
        """Read each time: a new uplink brings new servers."""
        try:
            words = [line.split() for line in self._resolv.read_text(encoding="utf-8", errors="replace").splitlines()]
        except OSError:
            return []
        return [word[1] for word in words if len(word) > 1 and word[0] == "nameserver"][:_SERVERS]

    def _udp(self, server: str, asked: bytes) -> Texts:
        """The first answer that is one to this question: what others send is passed over."""
        until = time.monotonic() + self._wait_s
        problem = NoAnswer("no answer in time")
        with socket.socket(_family(server), socket.SOCK_DGRAM) as sock:
            sock.connect((server, self._port))
            sock.send(asked)
            while (left := until - time.monotonic()) > 0:
                sock.settimeout(left)
                try:
                    data = sock.recv(_LARGEST)
                except TimeoutError:
                    break
                try:
                    return answer(asked, data)
                except NoAnswer as error:
                    problem = error
        raise problem

    def _tcp(self, server: str, asked: bytes) -> bytes:
        """RFC 1035 section 4.2.2: each message behind its length."""
        until = time.monotonic() + self._wait_s
        data = b""
        with socket.create_connection((server, self._port), self._wait_s) as sock:
            sock.sendall(len(asked).to_bytes(2, "big") + asked)
            while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
                sock.settimeout(max(until - time.monotonic(), 0.001))
                more = sock.recv(_LARGEST)
                if not more:
                    raise NoAnswer("cut off")
                data += more
        return data[2 : 2 + int.from_bytes(data[:2], "big")]


def _family(server: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in server else socket.AF_INET
