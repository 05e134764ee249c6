"""Asking for a trace over HTTP, and how far it is."""

import json
from dataclasses import replace

import pytest

from equipment.fakes import FakeAgent, FakeClock, FakeReader, hop, make_settings, make_target, make_trace
from equipment.web import Client
from pathwarden.api.app import make_app
from pathwarden.model.asked import Asked, Stage
from pathwarden.model.trace import Ending

TRACE = make_trace(hop(1, "10.0.0.1", 1.0), hop(2, "192.0.2.9", 9.0, None))


class World:
    def __init__(self):
        self.agent, self.reader = FakeAgent(("cloudflare",)), FakeReader()
        self.web = Client(make_app(self.agent, self.reader, make_settings(("cloudflare",)), FakeClock()))

    def post(self, path, body, status):
        got = self.web.post(f"/api/v1/{path}", json.dumps(body).encode())
        assert got.status == status, got.body
        return got

    def look(self, asked):
        self.agent.progress["x"] = asked
        return self.web.get("/api/v1/traces/asked/x").json


@pytest.fixture
def world():
    return World()


def test_a_trace_of_a_target_has_a_name_by_which_it_is_followed(world):
    got = world.post("targets/cloudflare/trace", {}, 202)
    assert (got.json, got.headers["location"]) == ({"target": "cloudflare", "asked": "of-cloudflare"}, "/api/v1/targets/cloudflare")


def test_what_is_not_configured_is_traced_once(world):
    options = {"host": "192.0.2.9", "method": "tcp", "port": "443"}
    got = world.post("traces", {"target": options}, 202)
    assert (got.json, got.headers["location"]) == ({"target": None, "asked": "once"}, "/api/v1/traces/asked/once")
    world.post("traces", {"target": options, "source": {"device": "wwan0"}}, 202)
    assert world.agent.wishes == [("once", options, None), ("once", options, {"device": "wwan0"})]


@pytest.mark.parametrize(
    ("body", "status", "code", "detail"),
    [
        ({"target": {}}, 400, "bad_setting", "host: is missing; say what to trace"),
        ({"target": {"host": "full.example"}}, 429, "too_many_traces", "other traces wait for their turn; try again soon"),
        *(
            (
                body,
                400,
                "bad_body",
                'the body must be {"target": {OPTION: TEXT}}, with "source" likewise where it is not configured either',
            )
            for body in (
                {},
                {"target": "cloudflare"},
                {"target": {"host": 7}},
                {"target": None},
                {"target": {"host": "x"}, "source": []},
                {"target": {"host": "x"}, "source": None},
                {"target": {"host": "x"}, "for_s": 1},
            )
        ),
    ],
)
def test_what_makes_no_sense_is_told(world, body, status, code, detail):
    problem = world.post("traces", body, status).json
    assert (problem["code"], problem["detail"]) == (code, detail)


def test_how_far_a_trace_is(world):
    target = make_target("cloudflare")
    assert world.look(Asked(target, Stage.QUEUED)) == {
        "asked": "x", "target": "cloudflare", "host": target.host, "state": "queued", "max_ttl": target.max_ttl, "trace": None,
    }  # fmt: skip
    running = world.look(Asked(target, Stage.RUNNING, TRACE))
    assert (running["state"], running["trace"]["ending"], running["trace"]["id"]) == ("running", None, None)
    assert [row["responders"] for row in running["trace"]["hops"]] == [["10.0.0.1"], ["192.0.2.9"]]
    done = world.look(Asked(replace(target, tid=""), Stage.DONE, TRACE))
    assert (done["target"], done["trace"]["ending"]) == (None, TRACE.ending.value)
    failed = world.look(Asked(target, Stage.FAILED, replace(TRACE, ending=Ending.ERROR, error="no_route: 192.0.2.9")))
    assert (failed["state"], failed["trace"]["error"]) == ("failed", "no_route")


def test_nobody_knows_the_traces_of_a_process_before(world):
    problem = world.web.get("/api/v1/traces/asked/0123456789abcdef")
    assert (problem.status, problem.json["code"]) == (404, "not_asked")
