"""GET /api/v1/targets/{id}/export: a target's traces as a file."""

import json

import pytest

from equipment.fakes import NOW, SECOND, FakeAgent, FakeClock, FakeReader, hop, make_route, make_settings, make_trace
from equipment.web import Client
from pathwarden.api import exporting
from pathwarden.api.app import make_app
from pathwarden.errors import OperatorError
from pathwarden.export.exporter import FORMS, Exporter
from pathwarden.present.instants import rfc3339

PATH = "/api/v1/targets/cloudflare/export"
MINUTE = 60 * SECOND


class World:
    def __init__(self) -> None:
        self.reader = FakeReader()
        for number in range(5):
            self.reader.add(make_trace(hop(1, "10.0.0.1", 1.0), hop(2, "192.0.2.9", 9.0, None), at=NOW - (5 - number) * MINUTE), "r1")
        self.reader.known = [make_route("r1", "A", 900)]
        settings = make_settings(("cloudflare", "quad9"))
        self.web = Client(make_app(FakeAgent(), self.reader, settings, FakeClock(), lambda: Exporter(self.reader, settings.agent.name)))


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_its_type_and_name(world, form):
    got = world.web.get(PATH, f"format={form}")
    kinds = {"text": "text/plain; charset=utf-8", "csv": "text/csv; charset=utf-8"}
    assert (got.status, got.headers["content-type"]) == (200, kinds.get(form, "application/x-ndjson"))
    endings = {"text": "txt", "csv": "csv", "jsonl": "ndjson"}
    assert got.headers["content-disposition"] == f'attachment; filename="cloudflare.{endings.get(form, f"{form}.ndjson")}"'
    assert "content-length" not in got.headers and "etag" not in got.headers
    assert got.headers["x-content-type-options"] == "nosniff"
    assert b"192.0.2.9" in got.body


def test_oldest_first_and_between_instants(world):
    def times(query: str) -> list[int]:
        return [json.loads(line)["timestamp"] for line in world.web.get(PATH, f"format=atlas{query}").body.splitlines()]

    assert times("") == [(NOW - age * MINUTE) // SECOND for age in (5, 4, 3, 2, 1)]
    assert times(f"&from={rfc3339(NOW - 3 * MINUTE)}&to={rfc3339(NOW - 2 * MINUTE)}") == [(NOW - age * MINUTE) // SECOND for age in (3, 2)]


def test_pieces_are_put_together_but_never_all_of_them(monkeypatch):
    monkeypatch.setattr(exporting, "_PIECE", 1000)
    sizes = [len(piece) for piece in exporting._large(["x" * 300] * 100)]
    assert sum(sizes) == 30_000 and max(sizes) == 1200


def test_a_target_without_traces_gives_an_empty_file(world):
    got = world.web.get("/api/v1/targets/quad9/export", "format=atlas")
    assert (got.status, got.body) == (200, b"")
    assert world.web.get("/api/v1/targets/quad9/export", "format=csv").body.startswith(b"at,target,")


def test_head_sends_no_body(world):
    got = world.web.get(PATH, "format=csv", method="HEAD")
    assert (got.status, got.body, got.headers["content-type"]) == (200, b"", "text/csv; charset=utf-8")


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        (PATH, "", 400, "bad_parameter"),
        (PATH, "format=xml", 400, "bad_parameter"),
        (PATH, "format=pcapng", 404, "no_packets"),
        (PATH, "format=csv&from=yesterday", 400, "bad_parameter"),
        (PATH, "format=csv&from=2026-11-21T08:45:00Z&to=2026-11-20T08:45:00Z", 400, "bad_parameter"),
        (PATH, "format=csv&limit=3", 400, "unknown_parameter"),
        ("/api/v1/targets/atlas-5006-6012/export", "format=csv", 404, "unknown_target"),
    ],
)
def test_mistakes_are_problems(world, path, query, status, code):
    got = world.web.get(path, query)
    assert (got.status, got.headers["content-type"], got.json["code"]) == (status, "application/problem+json", code)


def test_a_history_that_cannot_be_read_is_told_before_anything_is_sent(world, monkeypatch):
    def damaged(*_: object, **__: object) -> None:
        raise OperatorError("the history is damaged")

    monkeypatch.setattr(world.reader, "walk", damaged)
    got = world.web.get(PATH, "format=atlas")
    assert (got.status, got.json["code"]) == (503, "history_unavailable")


def test_without_the_tools_it_says_what_to_install(world):
    without = Client(make_app(FakeAgent(), world.reader, make_settings(("cloudflare",)), FakeClock()))
    got = without.get(PATH, "format=csv")
    assert (got.status, got.json["code"], "pathwarden-tools" in got.json["detail"]) == (404, "not_installed", True)
