"""A large export through the real server, on loopback."""

import http.client
import json
from contextlib import closing

from equipment.fakes import NOW, SECOND, FakeAgent, FakeClock, FakeReader, hop, make_settings, make_trace
from pathwarden.api.app import make_app
from pathwarden.api.server import Server
from pathwarden.export.exporter import Exporter

TRACES = 3000


def test_a_large_file_comes_in_pieces_and_whole():
    reader = FakeReader()
    for number in range(TRACES):
        reader.add(make_trace(hop(1, "10.0.0.1", 1.0, 1.1, 1.2), hop(2, "192.0.2.9", 9.0, None, 9.1), at=NOW + number * SECOND))
    server = Server(make_app(FakeAgent(), reader, make_settings(), FakeClock(), lambda: Exporter(reader, "home-rt")), ("127.0.0.1:0",))
    server.start()
    try:
        with closing(http.client.HTTPConnection(server.addresses[0], timeout=30)) as connection:
            connection.request("GET", "/api/v1/targets/cloudflare/export?format=atlas")
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Transfer-Encoding"], answer.headers["Content-Length"]) == (200, "chunked", None)
            results = [json.loads(line) for line in answer.read().splitlines()]
            # The connection goes on: the end of the body was told.
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b"ok\n"
    finally:
        server.stop()
    assert [result["timestamp"] for result in results] == [(NOW + number * SECOND) // SECOND for number in range(TRACES)]
