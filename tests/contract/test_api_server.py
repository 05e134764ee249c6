"""The real server on loopback: what a slow, greedy or broken client can do, and what it cannot."""

import gc
import http.client
import json
import logging
import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from waitress.trigger import trigger

from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_settings
from pathwarden.api import server as server_module
from pathwarden.api.app import make_app
from pathwarden.api.server import CONNECTIONS, Server
from pathwarden.errors import OperatorError

DEADLINE_S = 30  # how long a condition may take on a busy machine
SOON_S = 10  # what waits for a client, or for a request that never ends, takes 30


def until(condition):
    end = time.monotonic() + DEADLINE_S
    wait = threading.Event()
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        wait.wait(0.01)


@contextmanager
def serving(app=None, listen=("127.0.0.1:0",)):
    server = Server(app or make_app(FakeAgent(), FakeReader(), make_settings(), FakeClock()), listen)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def port_of(server):
    return int(server.addresses[0].rpartition(":")[2])


def connect(server):
    return socket.create_connection(("127.0.0.1", port_of(server)), timeout=DEADLINE_S)


def ask(server, path="/healthz", method="GET", body=None, headers=None):
    with closing(http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=DEADLINE_S)) as connection:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer, answer.read()


def read_all(connection):
    """Everything until the server closes; a reset ends it too."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def threads():
    return {thread.name for thread in threading.enumerate() if thread.name.startswith(("http", "waitress"))}


def nothing(_environ, start_response):
    start_response("204 No Content", [])
    return []


def channels():
    return [each for each in gc.get_objects() if isinstance(each, server_module._Channel) and each.connected]


def test_answers_and_does_not_name_its_software():
    with serving() as server:
        answer, body = ask(server)
        assert (answer.status, body) == (200, b"ok\n")
        assert answer.getheader("Server") is None
        assert answer.getheader("Via") is None
        assert answer.getheader("Date") is not None


def test_head_and_not_modified_end_where_they_should():
    with serving() as server, closing(http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=DEADLINE_S)) as connection:
        connection.request("GET", "/api/v1/status")
        full = connection.getresponse()
        length, tag = len(full.read()), full.getheader("ETag")
        connection.request("HEAD", "/api/v1/status")
        head = connection.getresponse()
        assert (head.read(), head.getheader("Content-Length")) == (b"", str(length))
        connection.request("GET", "/api/v1/status", headers={"If-None-Match": tag})
        same = connection.getresponse()
        assert (same.status, same.read()) == (304, b"")
        connection.request("POST", "/api/v1/targets/cloudflare/trace", b"{}", {"Content-Type": "application/json"})
        assert connection.getresponse().status == 202


def test_a_chunked_write_is_read_as_a_whole():
    with serving() as server:
        answer, _ = ask(server, "/api/v1/targets/cloudflare/trace", "POST", iter([b"{", b"}"]), {"Content-Type": "application/json"})
        assert answer.status == 202


def test_listens_on_several_addresses():
    with serving(listen=("127.0.0.1:0", "127.0.0.2:0", "[::1]:0")) as server:
        assert [address.rpartition(":")[0] for address in server.addresses] == ["127.0.0.1", "127.0.0.2", "[::1]"]
        assert "0" not in [address.rpartition(":")[2] for address in server.addresses]
        for address in server.addresses:
            host, _, port = address.rpartition(":")
            with closing(http.client.HTTPConnection(host.strip("[]"), int(port), timeout=DEADLINE_S)) as connection:
                connection.request("GET", "/healthz", headers={"Host": "localhost"})
                assert connection.getresponse().status == 200


def test_a_port_in_use_is_said_and_nothing_stays_bound():
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.2", 0))
            free = probe.getsockname()[1]
        server = Server(nothing, (f"127.0.0.2:{free}", f"127.0.0.1:{port}"))
        with pytest.raises(OperatorError) as caught:
            server.start()
        assert str(caught.value) == (f"web.listen: 127.0.0.1:{port} is in use by another program; choose another port or 0 for any")
        assert server.addresses == ()
        assert threads() == set()
        socket.create_server(("127.0.0.2", free), reuse_port=False).close()


def test_an_address_of_another_machine_is_said():
    with pytest.raises(OperatorError) as caught:
        Server(nothing, ("192.0.2.1:8866",)).start()
    assert str(caught.value) == "web.listen: 192.0.2.1:8866 is not an address of this machine; choose one of its own"


def test_without_addresses_nothing_is_served():
    with serving(listen=()) as server:
        assert (server.addresses, threads()) == ((), set())


def test_a_stop_frees_port_threads_and_files_and_it_can_start_again():
    with serving() as warm:
        ask(warm)  # what Python opens once and keeps
    before = open_files()
    server = Server(make_app(FakeAgent(), FakeReader(), make_settings(), FakeClock()), ("127.0.0.1:0",))
    for _ in range(2):
        server.start()
        idle = connect(server)
        assert ask(server)[0].status == 200
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < SOON_S
        assert server.addresses == ()
        assert read_all(idle) == b""
        idle.close()
        until(lambda: threads() == set())
    assert open_files() == before
    server.stop()


def test_the_port_can_be_had_again_at_once():
    with serving() as first:
        ask(first)
        listen = first.addresses
    with serving(listen=listen) as second:
        assert ask(second)[0].status == 200


def test_a_request_that_never_ends_does_not_hold_up_the_stop():
    begun, release = threading.Event(), threading.Event()

    def stuck(_environ, start_response):
        begun.set()
        release.wait(DEADLINE_S)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with serving(stuck) as server, closing(connect(server)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert begun.wait(DEADLINE_S)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < SOON_S
        release.set()
        until(lambda: threads() == set())


def test_a_stop_that_is_overtaken_writes_into_no_closed_pipe(monkeypatch):
    """Another thread wakes the server between the two steps of `stop`: asking to close, and writing to the pipe."""
    real = trigger._physical_pull
    written = []

    def overtaken(self):
        real(self)
        if threading.current_thread() is threading.main_thread():
            until(lambda: threads() == {"http"})  # it has begun to close
            threading.Event().wait(0.1)  # the time in which it would close the pipe, if it did not wait
            written.append(self._closed)
            real(self)

    with serving() as server:
        ask(server)
        monkeypatch.setattr(trigger, "_physical_pull", overtaken)
        server.stop()
        until(lambda: threads() == set())
    assert written == [False]


def test_a_running_request_may_finish():
    begun, release = threading.Event(), threading.Event()

    def slow(_environ, start_response):
        begun.set()
        release.wait(DEADLINE_S)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"done"]

    with serving(slow) as server, closing(connect(server)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert begun.wait(DEADLINE_S)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        release.set()
        assert read_all(client).endswith(b"done")
        stopping.join(DEADLINE_S)
        assert not stopping.is_alive()


def refused(server, request):
    """Status and problem of an answer to raw bytes; the connection must be closed after it."""
    with closing(connect(server)) as client:
        with suppress(ConnectionResetError, BrokenPipeError):  # it had read enough
            client.sendall(request)
        head, _, body = read_all(client).partition(b"\r\n\r\n")
        assert b"Content-Security-Policy:" in head
        assert b"waitress" not in head + body
        return int(head.split()[1]), json.loads(body)["code"]


def test_oversized_and_broken_requests_are_refused_in_our_words():
    with serving() as server:
        start = b"POST /api/v1/targets/cloudflare/trace HTTP/1.1\r\nHost: localhost\r\n"
        assert refused(server, b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n") == (431, "header_too_large")
        assert refused(server, start + b"Content-Length: 999999999\r\n\r\n") == (413, "body_too_large")
        chunks = b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"a" * 65_536 + b"\r\n2\r\nbb\r\n0\r\n\r\n"
        assert refused(server, start + chunks) == (413, "body_too_large")
        assert refused(server, b"GET / HTTP/1.1\r\nHost: a\r\n b\r\nbroken\r\n\r\n") == (400, "bad_request")
        assert refused(server, start + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")[0] == 400
        assert refused(server, start + b"Transfer-Encoding: gzip\r\n\r\n") == (501, "not_implemented")
        assert ask(server)[0].status == 200


def test_our_own_failure_outside_the_application_tells_nothing(caplog):
    def broken(_environ, _start_response):
        raise RuntimeError("secret detail")

    with serving(broken) as server:
        answer, body = ask(server)
    assert (answer.status, json.loads(body)["code"]) == (500, "internal_error")
    assert b"secret" not in body
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_slow_client_keeps_nobody_waiting():
    with serving() as server:
        slow = [connect(server) for _ in range(10)]
        for each in slow:
            each.sendall(b"GET /healthz HTTP/1.1\r\nHost: local")
        began = time.monotonic()
        assert ask(server)[0].status == 200
        assert time.monotonic() - began < SOON_S
        for each in slow:
            each.sendall(b"host\r\nConnection: close\r\n\r\n")
            assert read_all(each).startswith(b"HTTP/1.1 200")
            each.close()


def test_a_client_that_drips_is_cut_off(monkeypatch):
    monkeypatch.setattr(server_module, "REQUEST_S", 1)
    with serving() as server, closing(connect(server)) as client:
        client.settimeout(0.05)
        began, cut = time.monotonic(), False
        while not cut:
            assert time.monotonic() - began < DEADLINE_S
            try:
                client.sendall(b"G")
                cut = client.recv(1) == b""
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                cut = True
        assert time.monotonic() - began >= 1


def test_a_client_that_takes_no_answer_is_cut_off(monkeypatch):
    monkeypatch.setattr(server_module, "REQUEST_S", 1)
    block = b"x" * 2**25  # more than the kernel buffers for a connection

    def big(_environ, start_response):
        start_response("200 OK", [("Content-Length", str(len(block)))])
        return [block]

    with serving(big) as server, closing(connect(server)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: any(channel.total_outbufs_len for channel in channels()))
        until(lambda: not channels())


def test_more_connections_than_allowed_wait_and_all_is_well_afterwards():
    with serving() as server:
        many = [connect(server) for _ in range(CONNECTIONS + 10)]
        until(lambda: len(channels()) == CONNECTIONS)
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        for each in many:
            each.sendall(request)
        for each in many:
            assert read_all(each).endswith(b"ok\n")
            each.close()
        assert ask(server)[0].status == 200
        until(lambda: not channels())


def test_nothing_is_printed(capfd):
    with serving() as server:
        many = [connect(server) for _ in range(CONNECTIONS + 10)]
        for each in many:
            each.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for each in many:
            each.close()
        ask(server, "/nothing")
    assert capfd.readouterr() == ("", "")
