"""The OpenAPI document: every route is in it, every answer is what it says, every code of a problem is told."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import pathwarden.api
from equipment.changes import moved
from equipment.fakes import NOW, SECOND, FakeAgent, FakeClock, FakeReader, hop, make_route, make_settings, make_target, make_trace
from equipment.traces import trace_of
from equipment.web import Client
from pathwarden.api import app as app_module
from pathwarden.api import openapi
from pathwarden.api.access import Gate
from pathwarden.api.app import make_app
from pathwarden.errors import OperatorError
from pathwarden.model.access import Account, Outdated, Right, Wrong
from pathwarden.model.asked import Asked, Stage
from pathwarden.model.change import AgentKind
from pathwarden.model.history import StoredEvent
from pathwarden.model.probe import Binding
from pathwarden.model.settings import Source
from pathwarden.present.events import event, ulid
from pathwarden.present.incidents import AgentHead, Announcement, agent_event

DOCUMENT = openapi.document()
TARGET = "/api/v1/targets/cloudflare"
# One request for each route; a path alone stands for a GET.
SAMPLES = {
    ("get", "/api/v1/status"): ("/api/v1/status", ""),
    ("get", "/api/v1/summary"): ("/api/v1/summary", ""),
    ("get", "/api/v1/targets"): ("/api/v1/targets", ""),
    ("get", "/api/v1/targets/{tid}"): (TARGET, ""),
    ("get", "/api/v1/sources"): ("/api/v1/sources", ""),
    ("post", "/api/v1/targets/{tid}/trace"): (f"{TARGET}/trace", "{}"),
    ("post", "/api/v1/traces"): ("/api/v1/traces", '{"target": {"host": "192.0.2.9"}}'),
    ("get", "/api/v1/traces/asked/{name}"): ("/api/v1/traces/asked/running", ""),
    ("post", "/api/v1/targets/{tid}/mute"): (f"{TARGET}/mute", '{"for_s": 5}'),
    ("post", "/api/v1/targets/{tid}/accept-path"): ("/api/v1/targets/quad9/accept-path", "{}"),
    ("post", "/api/v1/targets/{tid}/pause"): (f"{TARGET}/pause", "{}"),
    ("post", "/api/v1/targets/{tid}/resume"): (f"{TARGET}/resume", "{}"),
    ("post", "/api/v1/events/{event_id}/note"): ("/api/v1/events/E1/note", '{"note": "the ISP moved us"}'),
    ("get", "/api/v1/targets/{tid}/traces"): (f"{TARGET}/traces", "limit=2"),
    ("get", "/api/v1/targets/{tid}/trace-at"): (f"{TARGET}/trace-at", "at=2026-11-21T08:45:00Z"),
    ("get", "/api/v1/targets/{tid}/paths"): (f"{TARGET}/paths", ""),
    ("get", "/api/v1/targets/{tid}/series"): (f"{TARGET}/series", "points=5"),
    ("get", "/api/v1/targets/{tid}/heatmap"): (f"{TARGET}/heatmap", "columns=5"),
    ("get", "/api/v1/traces/{number}"): ("/api/v1/traces/2", ""),
    ("get", "/api/v1/paths/{route_id}"): ("/api/v1/paths/r1", ""),
    ("get", "/api/v1/diff"): ("/api/v1/diff", "target=cloudflare&a=A&b=B"),
    ("get", "/api/v1/changes"): ("/api/v1/changes", "limit=2"),
    ("get", "/api/v1/incidents"): ("/api/v1/incidents", "limit=5"),
    ("get", "/api/v1/settings"): ("/api/v1/settings", ""),
    ("put", "/api/v1/settings/defaults"): ("/api/v1/settings/defaults", '{"options": {"interval_s": "60"}}'),
    ("put", "/api/v1/targets/{tid}"): ("/api/v1/targets/new", '{"options": {"host": "example.net"}}'),
    ("delete", "/api/v1/targets/{tid}"): ("/api/v1/targets/new", "{}"),
    ("put", "/api/v1/sources/{name}"): ("/api/v1/sources/up", '{"options": {"device": "wwan0"}}'),
    ("delete", "/api/v1/sources/{name}"): ("/api/v1/sources/up", "{}"),
    ("get", "/api/v1/session"): ("/api/v1/session", ""),
    ("post", "/api/v1/session"): ("/api/v1/session", '{"name": "root", "password": "secret"}'),
    ("delete", "/api/v1/session"): ("/api/v1/session", "{}"),
    ("get", "/api/v1/openapi.json"): ("/api/v1/openapi.json", ""),
    ("get", "/api/v1/asyncapi.json"): ("/api/v1/asyncapi.json", ""),
    ("get", "/metrics"): ("/metrics", ""),
    ("get", "/healthz"): ("/healthz", ""),
}
# What other tests hold against it: a file is streamed, a picture drawn.
ELSEWHERE = {("get", "/api/v1/targets/{tid}/export"), ("get", "/api/v1/graph.svg"), ("get", "/api/v1/map.svg")}


MQTT = {
    "enabled": True, "connected": True, "protocol": "5", "host": "broker.lan", "port": 1883, "outbox": 0, "published": 7, "failed": {},
    "faults": 0, "commands": {"ok": 2}, "detail": "",
}  # fmt: skip


class Accounts:
    """One account that may write."""

    def sign_in(self, name, password):
        return Account(name, Right.WRITE) if (name, password) == ("root", "secret") else None

    def right(self, _ticket):
        return Right.WRITE

    def end(self, ticket):
        assert ticket == "root"


def events():
    """One that happened to a target, with a note, and one of the agent itself, as they are told."""
    entropy = bytes(10)
    happened = event("home-rt", make_target("cloudflare", "DNS"), moved(), trace_of("gw", "b", "c", "D"), 7, entropy)
    head = AgentHead("home-rt", 1, True, False, ulid(NOW, entropy), ulid(NOW, entropy), NOW)
    started = agent_event(head, Announcement(AgentKind.AGENT_STARTED, NOW, "0.1.0"))
    told = ((happened, "the ISP moved us"), (started, None))
    return [
        StoredEvent(seq, each.event_id, each.target, each.event_type, each.at, {**each.body, "seq": seq, "note": note})
        for seq, (each, note) in enumerate(told, start=2)
    ]


class Pages:
    """A configuration of one target, as the page sees it."""

    def __init__(self):
        self.tags = []

    def shown(self):
        one = {"id": "cloudflare", "options": {"host": "1.1.1.1"}, "tag": "00ff"}
        return {"targets": [one], "sources": [], "defaults": {}, "defaults_tag": "", "schema": [], "taken": True, "wrong": None}

    def put(self, kind, name, options, tag=None):
        self.tags.append(tag)
        if tag not in (None, "00ff"):
            raise Outdated
        wrong = [Wrong(name, "host", "missing", "", "is missing"), Wrong("other", "port", "bad_value", "", "x is not a whole number")]
        return wrong if kind == "targets" and "host" not in options else []

    def remove(self, _kind, name, tag=None):
        self.tags.append(tag)
        if name == "used":
            return [Wrong("cloudflare", "source", "unknown_source", "used", "there is no source used; add config source 'used'")]
        if name == "none":
            raise KeyError(name)
        if name == "locked":
            raise OperatorError("the file cannot be written", "let the daemon's user write it")
        return []


@pytest.fixture(scope="module")
def web():
    agent, reader = FakeAgent(("cloudflare", "quad9")), FakeReader()
    agent.paths["quad9"] = {}
    trace = make_trace(hop(1, "10.0.0.1", 1.0), hop(2, "192.0.2.9", 9.0, None))
    agent.progress["running"] = Asked(make_target("cloudflare"), Stage.RUNNING, trace)
    for state in agent.states:
        state |= {"error_detail": None, "muted_until": None, "muted_pairs": [], "resolving": False}
    for number in range(3):
        trace = make_trace(hop(1, "10.0.0.1", 1.0), hop(2, "192.0.2.9", 9.0, None), at=NOW - (5 - number) * 300 * SECOND)
        reader.add(trace, "r1" if number else None)
    reader.known = [make_route("r1", "A", 900), make_route("r2", "B", 300)]
    reader.tell("cloudflare")
    reader.told += events()
    agent.about |= {"rounds": {"ok": 3, "partial": 0, "failed": 1}, "ubus": {"connected": False, "detail": ""}}
    agent.about["mqtt"] = MQTT
    settings = make_settings(("cloudflare", "quad9"))
    left = replace(
        settings, sources=(Source("up", Binding("wwan0"), ""),), targets=(replace(settings.targets[0], source="up"), settings.targets[1])
    )
    clock = FakeClock()
    return Client(make_app(agent, reader, left, clock, gate=Gate(clock, Accounts()), book=Pages()))


def check(schema, value):
    whole = {**schema, "components": DOCUMENT["components"]}
    assert [
        f"{'.'.join(map(str, each.absolute_path))}: {each.message[:200]}" for each in Draft202012Validator(whole).iter_errors(value)
    ] == []


def test_the_document_has_the_form_of_openapi():
    assert DOCUMENT["openapi"] == "3.1.0"
    for name, schema in DOCUMENT["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert name
    refs = set(re.findall(r"#/components/schemas/(\w+)", str(DOCUMENT)))
    assert refs <= set(DOCUMENT["components"]["schemas"])
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            declared = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert declared == set(re.findall(r"\{(\w+)\}", path)), path


def test_every_route_of_the_application_is_in_it_and_no_other(monkeypatch):
    made = []
    bottle_class = app_module.bottle.Bottle
    monkeypatch.setattr(app_module.bottle, "Bottle", lambda: made.append(bottle_class()) or made[-1])
    make_app(FakeAgent(), FakeReader(), make_settings(), FakeClock(), book=Pages())
    real = {(route.method.lower(), re.sub(r"<(\w+)(?::[^>]*(?:\[[^>]*)?)?>", r"{\1}", route.rule)) for route in made[0].routes}
    pages = {("get", "/"), ("get", "/static/{name}")}
    assert real - pages == set(openapi.ROUTES)
    assert set(SAMPLES) | ELSEWHERE == set(openapi.ROUTES)


@pytest.mark.parametrize(("method", "path"), SAMPLES)
def test_each_answer_is_what_the_document_says(web, method, path):
    asked, more = SAMPLES[method, path]
    got = web.get(asked, more) if method == "get" else web.post(asked, more.encode(), method=method.upper())
    ((status, told),) = ((key, value) for key, value in DOCUMENT["paths"][path][method]["responses"].items() if key != "default")
    assert got.status == int(status)
    ((kind, content),) = told["content"].items()
    assert got.headers["content-type"].startswith(kind)
    if content:
        check(content["schema"], got.json)
        shape = content["schema"]["$ref"].rpartition("/")[2]
        if shape in openapi._SHAPES:
            assert set(got.json) == {word.partition(":")[0] for word in openapi._SHAPES[shape].split()}, "nothing is left untold"


def test_every_problem_has_a_code_that_is_told(web):
    folder = Path(pathwarden.api.__file__).parent
    source = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py") if file.name != "openapi.py")
    raised = {(code, int(status)) for status, code in re.findall(r'Problem\((\d{3}), "(\w+)"', source)}
    tables = {(code, int(status)) for status, code in re.findall(r'(\d{3}): "(\w+)"', source)}
    assert {code for code, _ in raised | tables} == set(openapi.CODES)
    assert set(openapi.CODES.items()) <= raised | tables
    got = web.get("/api/v1/targets/none")
    check(
        DOCUMENT["paths"]["/api/v1/targets/{tid}"]["get"]["responses"]["default"]["content"]["application/problem+json"]["schema"], got.json
    )


def test_a_source_names_the_targets_that_leave_by_it(web):
    (source,) = web.get("/api/v1/sources").json["sources"]
    assert (source["id"], source["device"], source["interface"], source["targets"]) == ("up", "wwan0", "", ["cloudflare"])


def test_parameters_are_those_that_the_routes_know(web):
    for (method, path), (asked, _) in SAMPLES.items():
        if method == "get" and asked.startswith("/api/"):
            names = [each["name"] for each in DOCUMENT["paths"][path]["get"]["parameters"] if each["in"] == "query"]
            for name in names:
                assert web.get(asked, f"{name}=x").json.get("code") != "unknown_parameter", (path, name)
            assert web.get(asked, "nobody_knows=1").json["code"] == "unknown_parameter"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "detail"),
    [
        ("PUT", "targets/new", '{"options": {"label": "x"}}', 400, "bad_setting", "host: is missing"),
        ("PUT", "targets/a-b", '{"options": {"host": "x"}}', 400, "bad_parameter", "'a-b' is no id; use 1 to 32 of A-Z, a-z, 0-9 and _"),
        ("PUT", "targets/new", '{"options": {"host": 5}}', 400, "bad_body", 'the body must be {"options": {NAME: TEXT}}'),
        ("PUT", "sources/new", "{}", 400, "bad_body", 'the body must be {"options": {NAME: TEXT}}'),
        ("DELETE", "sources/none", "{}", 404, "not_configured", "the configuration has no source 'none'"),
        ("DELETE", "targets/none", '{"x": 1}', 400, "bad_body", "the body must be {}"),
        ("DELETE", "targets/locked", "{}", 409, "cannot_change", "the file cannot be written; let the daemon's user write it"),
    ],
)
def test_what_cannot_be_set_is_told(web, method, path, body, status, code, detail):
    got = web.post(f"/api/v1/{path}", body.encode(), method=method)
    assert (got.status, got.json["code"], got.json["detail"]) == (status, code, detail)


def test_all_that_is_wrong_is_told_with_codes(web):
    first = {"section": "new", "option": "host", "code": "missing", "about": "", "detail": "is missing"}
    other = {"section": "other", "option": "port", "code": "bad_value", "about": "", "detail": "x is not a whole number"}
    got = web.post("/api/v1/targets/new", b'{"options": {}}', method="PUT").json
    assert (got["code"], got["detail"], got["parameter"], got["problems"]) == ("bad_setting", "host: is missing", "host", [first, other])
    got = web.post("/api/v1/sources/used", b"{}", method="DELETE").json
    line = "pathwarden.cloudflare.source: there is no source used; add config source 'used'"
    assert (got["code"], got["detail"], "parameter" in got) == ("bad_setting", line, False)


@pytest.mark.parametrize(
    ("headers", "tag", "status"),
    [
        ({}, None, 202),
        ({"IF_MATCH": "*"}, None, 202),
        ({"IF_MATCH": '"00ff"'}, "00ff", 202),
        ({"IF_MATCH": '"0000"'}, "0000", 412),
        ({"IF_MATCH": 'W/"00ff"'}, 'W/"00ff"', 412),
        ({"IF_NONE_MATCH": "*"}, "", 412),
    ],
)
def test_who_writes_may_say_what_was_seen(headers, tag, status):
    pages = Pages()
    web = Client(make_app(FakeAgent(), FakeReader(), make_settings(), FakeClock(), book=pages))
    got = web.post("/api/v1/sources/new", b'{"options": {}}', method="PUT", **headers)
    assert (pages.tags, got.status) == ([tag], status)
    if status == 412:
        assert got.json["code"] == "changed_meanwhile"


@pytest.mark.parametrize("code", ["no_file", "set_in_luci"])
def test_where_nothing_can_be_set_it_says_why(code):
    web = Client(make_app(FakeAgent(), FakeReader(), make_settings(), FakeClock(), book=code))
    asked = (
        web.get("/api/v1/settings"),
        web.post("/api/v1/targets/new", b'{"options": {}}', method="PUT"),
        web.post("/api/v1/sources/a", b"{}", method="DELETE"),
    )
    assert [(got.status, got.json["code"]) for got in asked] == [(409, code)] * 3


def test_settings_are_guarded_as_every_write_is(web):
    body = b'{"options": {"host": "example.net"}}'
    for headers in ({"ORIGIN": "http://evil.example"}, {"SEC_FETCH_SITE": "cross-site"}):
        for method in ("PUT", "DELETE"):
            assert web.post("/api/v1/targets/new", body, method=method, **headers).json["code"] == "foreign_origin"
    assert web.post("/api/v1/targets/new", body, "text/plain", method="PUT").json["code"] == "not_json"


def test_without_the_tools_it_is_absent(web, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("pathwarden.api.documents.import_module", missing)
    got = web.get("/api/v1/openapi.json")
    assert (got.status, got.json["code"]) == (404, "not_installed")
