"""What the owner may wish over HTTP, and the list of incidents."""

import json

import pytest

from equipment.fakes import NOW, FakeAgent, FakeClock, FakeReader, make_route, make_settings
from equipment.web import Client
from pathwarden.api.app import make_app
from pathwarden.model.history import StoredIncident

LASTING = "'for_s' must be 0 beside 'pair', or absent: a pair is muted until told otherwise"


class World:
    def __init__(self):
        self.agent, self.reader = FakeAgent(("cloudflare", "quad9")), FakeReader()
        self.reader.known = [make_route("r1", "A", 900), make_route("r2", "B", 300), make_route("r3", "C", 60, target="quad9")]
        self.web = Client(make_app(self.agent, self.reader, make_settings(("cloudflare", "quad9")), FakeClock()))

    def note(self, event_id, body, status):
        return self.post(f"{event_id}/note", body, status, "events")

    def post(self, path, body, status=200, kind="targets"):
        got = self.web.post(f"/api/v1/{kind}/{path}", json.dumps(body).encode())
        assert got.status == status, got.body
        return got


@pytest.fixture
def world():
    return World()


def test_a_target_is_muted_and_unmuted(world):
    assert world.post("cloudflare/mute", {"for_s": 3600}).json == {"target": "cloudflare", "for_s": 3600, "pair": None}
    assert world.post("cloudflare/mute", {"for_s": 0}).json["for_s"] == 0
    assert world.agent.wishes == [("mute", "cloudflare", 3600), ("mute", "cloudflare", 0)]


def test_a_pair_of_paths_is_muted_until_told_otherwise(world):
    assert world.post("cloudflare/mute", {"pair": ["B", "A"]}).json == {"target": "cloudflare", "for_s": None, "pair": ["B", "A"]}
    world.post("cloudflare/mute", {"pair": ["A", "B"], "for_s": 0})
    assert world.agent.wishes == [("pair", "cloudflare", "B", "A", True), ("pair", "cloudflare", "A", "B", False)]


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        ({}, "bad_parameter", "'for_s' is missing, and so is 'pair'"),
        ({"for_s": -1}, "bad_parameter", "'for_s' must be a whole number from 0 to 2592000"),
        ({"for_s": 2_592_001}, "bad_parameter", "'for_s' must be a whole number from 0 to 2592000"),
        ({"for_s": True}, "bad_parameter", "'for_s' must be a whole number from 0 to 2592000"),
        ({"for_s": "60"}, "bad_parameter", "'for_s' must be a whole number from 0 to 2592000"),
        ({"for_s": 1.5}, "bad_parameter", "'for_s' must be a whole number from 0 to 2592000"),
        (
            {"pair": ["A", "B"], "for_s": 60},
            "bad_parameter",
            "'for_s' must be 0 beside 'pair', or absent: a pair is muted until told otherwise",
        ),
        ({"pair": "AB"}, "bad_parameter", "'pair' must be the letters of two paths"),
        ({"pair": ["A"]}, "bad_parameter", "'pair' must be the letters of two paths"),
        ({"pair": ["A", "A"]}, "bad_parameter", "'pair' must be the letters of two paths"),
        ({"pair": ["A", 1]}, "bad_parameter", "'pair' must be the letters of two paths"),
        ({"pair": ["A", "C"]}, "bad_parameter", "'pair' names 'C', which is no path of 'cloudflare'"),
        ({"for": 60}, "unknown_parameter", "there is no parameter 'for' here"),
    ],
)
def test_what_makes_no_sense_is_told(world, body, code, detail):
    problem = world.post("cloudflare/mute", body, 400).json
    assert (problem["code"], problem["detail"]) == (code, detail)
    assert world.agent.wishes == []


def test_only_what_is_watched_can_be_muted_or_accepted(world):
    for path in ("nobody/mute", "nobody/accept-path"):
        assert world.post(path, {"for_s": 1}, 404).json["code"] == "unknown_target"
    world.agent.mute = lambda _tid, _for_s: False
    assert world.post("quad9/mute", {"for_s": 1}, 404).json["code"] == "unknown_target"
    assert world.agent.wishes == []


def test_the_path_in_force_is_accepted(world):
    problem = world.post("cloudflare/accept-path", {}, 409).json
    assert (problem["code"], problem["detail"]) == ("no_path", "no path to 'cloudflare' is known yet")
    world.agent.paths["cloudflare"] = {"path_id": "r1"}
    got = world.post("cloudflare/accept-path", {}, 202)
    assert (got.json, got.headers["location"]) == ({"target": "cloudflare"}, "/api/v1/targets/cloudflare")
    assert world.post("cloudflare/accept-path", {"for_s": 1}, 400).json["parameter"] == "for_s"


@pytest.mark.parametrize("path", ["mute", "accept-path"])
def test_wishes_are_guarded_as_every_write_is(world, path):
    url = f"/api/v1/targets/cloudflare/{path}"
    assert world.web.post(url, b"{}", ORIGIN="http://evil.example").status == 403
    assert world.web.post(url, b"{}", content_type="text/plain").status == 415
    assert world.web.post(url, b"[]").status == 400
    assert world.web.get(url).status == 405
    assert world.agent.wishes == []


def test_incidents_newest_first_and_not_among_the_changes(world):
    world.reader.folded = [StoredIncident(f"I{n}", NOW + n, None, {"id": f"I{n}"}) for n in range(3)]
    for kind in ("path_changed", "incident", "agent_started"):
        world.reader.tell("", kind)
    assert [each["id"] for each in world.web.get("/api/v1/incidents").json["incidents"]] == ["I2", "I1", "I0"]
    assert world.web.get("/api/v1/incidents", "limit=1").json == {"incidents": [{"id": "I2"}], "next_before": "I2"}
    assert world.web.get("/api/v1/incidents", "limit=1&before=I2").json == {"incidents": [{"id": "I1"}], "next_before": "I1"}
    assert world.web.get("/api/v1/incidents", "limit=2&before=I2").json == {"incidents": [{"id": "I1"}, {"id": "I0"}], "next_before": None}
    assert world.web.get("/api/v1/incidents", "before=gone").json == {"incidents": [], "next_before": None}
    assert world.web.get("/api/v1/incidents", "limit=101").status == 400
    changes = world.web.get("/api/v1/changes").json
    assert ([each["event_type"] for each in changes["changes"]], changes["last_seq"]) == (["agent_started", "path_changed"], 3)


def test_a_note_is_kept_with_an_event(world):
    world.reader.tell("cloudflare")
    said = "  ISP confirmed: 光纖 was cut <b>here</b> 🙂 "
    assert world.note("E1", {"note": said}, 202).json == {"event_id": "E1", "note": said.strip()}
    assert world.note("E1", {"note": ""}, 202).json == {"event_id": "E1", "note": None}
    assert world.agent.wishes == [("note", "E1", said.strip()), ("note", "E1", "")]


@pytest.mark.parametrize("text", [None, 5, ["x"], "x" * 301, "two\nlines", "\x1b[31m", "\x7f", "a\u2028b", "\u202eevil", "\ud800"])
def test_a_note_that_is_no_line_of_text_is_refused(world, text):
    world.reader.tell("cloudflare")
    problem = world.note("E1", {"note": text}, 400).json
    assert (problem["code"], problem["parameter"]) == ("bad_parameter", "note")
    assert problem["detail"] == "'note' must be one line of at most 300 characters, without control characters"
    assert world.agent.wishes == []


def test_only_events_that_changes_tell_take_a_note(world):
    world.reader.tell("", "incident")
    for event_id in ("E1", "E2", "%00"):
        assert world.note(event_id, {"note": "x"}, 404).json["code"] == "no_event"
    assert world.note("E1", {"text": "x"}, 400).json["code"] == "unknown_parameter"
    assert world.web.post("/api/v1/events/E1/note", b"{}", ORIGIN="http://evil.example").status == 403
    assert world.agent.wishes == []


def test_pause_and_resume(world):
    for verb, paused in (("pause", True), ("resume", False)):
        got = world.post(f"quad9/{verb}", {}, 202)
        assert got.json == {"target": "quad9"}
        assert got.headers["location"] == "/api/v1/targets/quad9"
        assert world.agent.wishes[-1] == ("pause", "quad9", paused)
        assert world.post(f"other/{verb}", {}, 404).json["code"] == "unknown_target"
        assert world.post(f"quad9/{verb}", {"for_s": 1}, 400).json["code"] == "unknown_parameter"
    world.agent.unwatched.add("quad9")
    assert world.post("quad9/pause", {}, 409).json["code"] == "not_watched"
