"""What strangers try on the real server: many connections at once, floods of headers, guesses at passwords."""

import http.client
import json
import socket
from contextlib import ExitStack, closing, contextmanager

import pytest

from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_settings
from pathwarden.api import server as server_module
from pathwarden.api.access import ADDRESS_TRIES, Gate
from pathwarden.api.app import make_app
from pathwarden.api.server import CONNECTIONS, PEER_CONNECTIONS, Server
from pathwarden.model.access import Right

DEADLINE_S = 30
AT_ONCE = 200
SCRIPT = "<script>alert(1)</script>"


class Locked:
    """Accounts that a guess never fits."""

    def sign_in(self, _name, _password):
        return None

    def right(self, _ticket):
        return Right.NONE

    def end(self, _ticket):
        raise AssertionError("nobody got in")


@contextmanager
def serving(agent=None, **gate):
    clock = FakeClock()
    app = make_app(agent or FakeAgent(), FakeReader(), make_settings(), clock, gate=Gate(clock, Locked(), **gate) if gate else None)
    server = Server(app, ("127.0.0.1:0",))
    server.start()
    try:
        yield int(server.addresses[0].rpartition(":")[2])
    finally:
        server.stop()


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)


def ask(port, method, path, body=None, **headers):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer


def read_all(connection):
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def test_two_hundred_connections_at_once_are_all_answered():
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with serving() as port:
        many = []
        for _ in range(AT_ONCE):
            many.append(connect(port))
            many[-1].sendall(request)
        for each in many:
            with each:
                assert read_all(each).endswith(b"ok\n")
        assert AT_ONCE > 2 * CONNECTIONS
        assert ask(port, "GET", "/healthz")[0] == 200


def test_one_machine_cannot_take_all_connections(monkeypatch):
    """Another machine, for which a second loopback address stands in, holds as many as it can and says nothing."""
    monkeypatch.setattr(server_module, "is_home", lambda address: address == "127.0.0.1")
    with serving() as port, ExitStack() as stack:
        held = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), DEADLINE_S, ("127.0.0.2", 0))) for _ in range(2 * CONNECTIONS)
        ]
        for _ in range(CONNECTIONS - PEER_CONNECTIONS - 1):
            stack.enter_context(connect(port)).sendall(b"GET /healthz HTTP/1.1\r\n")
        assert ask(port, "GET", "/healthz")[0] == 200
        for each in held[PEER_CONNECTIONS:]:
            assert each.recv(1) == b"", "what is too many is closed at once"


@pytest.mark.parametrize("header", [b"X: y\r\n", b"Cookie: pathwarden=" + b"a" * 43 + b"\r\n", b"X-" + b"a" * 500 + b": b\r\n"])
def test_a_flood_of_headers_is_cut_off(header):
    with serving() as port, closing(connect(port)) as client:
        try:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            for _ in range(2_000_000 // len(header)):
                client.sendall(header)
            answer = read_all(client)
        except (ConnectionResetError, BrokenPipeError):
            answer = b""  # it was cut off before it had said all
        assert answer == b"" or answer.startswith(b"HTTP/1.1 431 "), answer[:100]
        assert ask(port, "GET", "/healthz")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../etc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%2f..%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/%00",
    ],
)
def test_no_path_leads_out_of_the_pages_folder(path):
    with serving() as port:
        status, body, _ = ask(port, "GET", path)
        assert status == 404
        assert b"root:" not in body


def test_guessing_ends_in_a_wait_over_a_real_connection_too():
    with serving(home=False, guests=False) as port:
        body = json.dumps({"name": "root", "password": "guess"})
        told = [json.loads(ask(port, "POST", "/api/v1/session", body, **{"Content-Type": "application/json"})[1])["code"] for _ in range(8)]
        assert told == ["wrong_password"] * ADDRESS_TRIES + ["too_many_attempts"] * (8 - ADDRESS_TRIES)
        assert ask(port, "GET", "/api/v1/status")[0] == 401


def test_script_in_a_name_is_data_and_no_page_runs_foreign_script():
    agent = FakeAgent()
    agent.states[0] |= {"name": SCRIPT, "address": SCRIPT}
    with serving(agent) as port:
        for path in ("/api/v1/summary", "/api/v1/targets", f"/api/v1/targets/{SCRIPT.replace('/', '%2f')}"):
            _, body, answer = ask(port, "GET", path)
            assert answer.getheader("Content-Type") in ("application/json", "application/problem+json")
            assert answer.getheader("X-Content-Type-Options") == "nosniff"
            policy = answer.getheader("Content-Security-Policy")
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            json.loads(body)
