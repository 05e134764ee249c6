"""Signing in to the page: who gets in, how long, and what guessing brings."""

import json
import re

import pytest

from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_settings
from equipment.web import Client
from pathwarden.api import access
from pathwarden.api.access import ADDRESS_TRIES, ALL_TRIES, Attempts, Gate, Known
from pathwarden.api.app import make_app
from pathwarden.api.problem import Problem
from pathwarden.errors import OperatorError
from pathwarden.model.access import Account, Right

LAN, OTHER = "192.168.1.7", "192.168.1.8"
TRACE = "/api/v1/targets/cloudflare/trace"
SESSION = "/api/v1/session"


class Book:
    """Accounts that a test writes down: name -> (password, right). `ended` holds the tickets that are over."""

    def __init__(self):
        self.known = {"root": ("secret", Right.WRITE), "kid": ("looks", Right.READ), "nobody": ("x", Right.NONE)}
        self.made, self.ended, self.trouble = 0, [], None

    def sign_in(self, name, password):
        if self.trouble:
            raise self.trouble
        kept, right = self.known.get(name, (None, None))
        self.made += kept == password
        return Account(f"{name} {self.made}", right, name == "kid") if kept == password else None

    def right(self, ticket):
        if self.trouble:
            raise self.trouble
        return self.known.get(ticket.partition(" ")[0], ("", Right.NONE))[1]

    def end(self, ticket):
        self.ended.append(ticket)


class World:
    """An agent with accounts, and browsers at addresses, each with its cookie."""

    def __init__(self, known=None, **options):
        self.clock, self.book, self.agent = FakeClock(), Book(), FakeAgent()
        self.gate = Gate(self.clock, self.book, **{"guests": False, "suggested": "root", **options}, known=known)
        self.app = make_app(self.agent, FakeReader(), make_settings(), self.clock, gate=self.gate)
        self.cookie = self.token = ""

    def call(self, path, method="GET", body=None, address=LAN, cookie=None, token=None, **headers):
        client = Client(self.app, address)
        shown = self.cookie if cookie is None else cookie
        headers |= {"COOKIE": shown} if shown else {}
        if method == "GET":
            return client.get(path, **headers)
        token = self.token if token is None else token
        headers |= {"X_PATHWARDEN_TOKEN": token} if token else {}
        return client.post(path, json.dumps({} if body is None else body).encode(), method=method, **headers)

    def sign_in(self, name="root", password="secret", address=LAN, **more):
        got = self.call(SESSION, "POST", {"name": name, "password": password}, address, **more)
        if got.status == 200:
            self.cookie = got.headers["set-cookie"].partition(";")[0]
            self.token = got.json["token"]
        return got

    def pass_time(self, seconds):
        self.clock.mono += round(seconds * 1e9)


@pytest.fixture
def world():
    return World()


def test_nobody_sees_anything_from_elsewhere_before_signing_in(world):
    for path in ("/api/v1/status", "/api/v1/summary", "/api/v1/targets/cloudflare", "/metrics", "/api/v1/nothing", "/api/v1/asyncapi.json"):
        got = world.call(path)
        assert (got.status, got.json["code"]) == (401, "sign_in_required"), path
        assert got.headers["www-authenticate"].startswith("Session")
    assert world.call(TRACE, "POST").status == 401
    assert world.call("/healthz").status == 200
    assert world.call("/static/none.js").status == 404  # the page's own files are everybody's
    assert world.agent.asked == []


def test_a_session_from_signing_in_to_leaving(world):
    told = world.call(SESSION).json
    assert told == {
        "signed_in": False, "name": None, "right": "none", "token": None, "can_sign_in": True, "suggested": "root", "no_password": False,
    }  # fmt: skip
    got = world.sign_in()
    assert re.fullmatch(r"pathwarden_8866=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict", got.headers["set-cookie"])
    assert (got.json["signed_in"], got.json["name"], got.json["right"]) == (True, "root", "write")
    assert world.cookie.partition("=")[2] not in (world.token, got.body.decode())
    assert world.call("/api/v1/status").status == 200
    assert world.call(TRACE, "POST").status == 202
    assert world.call(SESSION).json == got.json
    left = world.call(SESSION, "DELETE")
    assert left.json["signed_in"] is False
    assert left.headers["set-cookie"].startswith("pathwarden_8866=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
    assert world.book.ended == ["root 1"]
    assert world.call("/api/v1/status").status == 401
    assert world.call(SESSION, "DELETE").status == 200


def test_a_write_needs_the_sessions_token(world):
    world.sign_in()
    other = world.token
    world.sign_in()
    for token in ("", "x", other, world.token + "x"):
        got = world.call(TRACE, "POST", token=token)
        assert (got.status, got.json["code"]) == (403, "wrong_token")
    assert world.agent.asked == []
    assert world.call(TRACE, "POST").status == 202


def test_who_may_only_look_changes_nothing(world):
    got = world.sign_in("kid", "looks")
    assert (got.json["right"], got.json["no_password"]) == ("read", True)
    assert world.call("/api/v1/summary").status == 200
    refused = world.call(TRACE, "POST")
    assert (refused.status, refused.json["code"]) == (403, "read_only")
    assert world.sign_in("nobody", "x").json["code"] == "no_right"


def test_a_secret_that_a_stranger_planted_is_never_anybodys(world):
    planted = f"pathwarden_8866={'a' * 43}"
    got = world.sign_in(cookie=planted)
    assert got.status == 200
    assert "a" * 43 not in got.headers["set-cookie"]
    assert world.call("/api/v1/status", cookie=planted).status == 401


def test_signing_in_again_ends_the_session_before(world):
    world.sign_in()
    old = world.cookie
    world.sign_in()
    assert world.cookie != old
    assert world.call("/api/v1/status", cookie=old).status == 401
    assert world.book.ended == ["root 1"]


@pytest.mark.parametrize(
    "shape", ["{other}", "x{cookie}", "pathwarden_80={secret}", "{cookie}x", "pathwarden_8866={secret} ", "a=b;{cookie}", "{cookie}; c"]
)
def test_only_the_whole_cookie_counts(world, shape):
    world.sign_in()
    secret = world.cookie.partition("=")[2]
    shown = shape.format(cookie=world.cookie, secret=secret, other="pathwarden_8866=" + secret.swapcase())
    good = shape in ("a=b;{cookie}", "{cookie}; c", "pathwarden_8866={secret} ")
    assert world.call("/api/v1/status", cookie=shown).status == (200 if good else 401)


def test_a_session_ends_an_hour_after_the_last_request_and_after_a_week(world):
    world.sign_in()
    world.pass_time(3600)
    assert world.call("/api/v1/status").status == 200
    world.pass_time(3601)
    assert world.call("/api/v1/status").status == 401
    world.sign_in()
    for _ in range(7 * 24 * 2):
        world.pass_time(1800)
        assert world.call("/api/v1/status").status == 200
    world.pass_time(1)
    assert world.call("/api/v1/status").status == 401


def test_what_an_account_may_do_is_asked_again_and_again(world):
    world.sign_in()
    world.book.known["root"] = ("secret", Right.READ)
    assert world.call(TRACE, "POST").status == 202
    world.pass_time(31)
    assert world.call(TRACE, "POST").json["code"] == "read_only"
    del world.book.known["root"]
    world.pass_time(31)
    assert world.call("/api/v1/status").status == 401


def test_accounts_that_do_not_answer_are_said(world):
    world.sign_in()
    world.book.trouble = OperatorError("rpcd is away", "see whether it runs")
    world.pass_time(31)
    got = world.call("/api/v1/status")
    assert (got.status, got.json["code"], got.json["detail"]) == (503, "accounts_unavailable", "rpcd is away; see whether it runs")
    assert world.sign_in(cookie="").status == 503
    assert world.call(SESSION, "DELETE").status == 200  # leaving needs nobody
    world.book.trouble = None
    assert world.call("/api/v1/status").status == 401


def test_sessions_are_bounded_and_the_least_used_goes(world):
    world.sign_in(cookie="")
    first = world.cookie
    for _ in range(access.MOST_SESSIONS - 1):
        world.pass_time(1)
        world.sign_in(cookie="")
    assert world.call("/api/v1/status", cookie=first).status == 200
    world.pass_time(1)
    world.sign_in(cookie="")
    assert len(world.gate.known.sessions) == access.MOST_SESSIONS
    assert world.call("/api/v1/status", cookie=first).status == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_body"), ({"name": "root"}, "bad_body"), ({"name": "root", "password": "x", "code": "y"}, "bad_body"),
        ({"name": 1, "password": "x"}, "bad_parameter"), ({"name": "root", "password": None}, "bad_parameter"),
        ({"name": "root", "password": "x" * 1025}, "bad_parameter"), ({"code": ["x"]}, "bad_parameter"),
    ],
)  # fmt: skip
def test_what_is_no_sign_in(world, body, code):
    got = world.call(SESSION, "POST", body)
    assert (got.status, got.json["code"]) == (400, code)


def test_signing_in_is_guarded_as_every_write_is(world):
    got = world.sign_in(ORIGIN="http://evil.example")
    assert (got.status, got.json["code"]) == (403, "foreign_origin")
    assert world.sign_in(HOST="evil.example").json["code"] == "wrong_host"


def test_guessing_from_one_address_stops_there_and_nowhere_else(world):
    for _ in range(ADDRESS_TRIES):
        assert world.sign_in(password="guess", address=OTHER).json["code"] == "wrong_password"
    got = world.sign_in(address=OTHER)
    assert (got.status, got.json["code"], got.headers["retry-after"]) == (429, "too_many_attempts", "30")
    assert world.sign_in(address=LAN).status == 200
    world.pass_time(30)
    assert world.sign_in(password="guess", address=OTHER).status == 401
    assert world.sign_in(password="guess", address=OTHER).status == 429


def test_guessing_from_everywhere_locks_out_no_owner(world):
    """Whoever signed in before, and this machine, get in whatever strangers try."""
    world.sign_in()
    answers = [world.sign_in(password="guess", address=f"10.0.{n // 250}.{n % 250 + 1}", cookie="").status for n in range(300)]
    assert (answers.count(401), answers.count(429)) == (ALL_TRIES - 1, 300 - ALL_TRIES + 1)
    assert world.sign_in(cookie="").status == 200
    assert world.sign_in(address="127.0.0.1", cookie="").status == 200
    world.pass_time(3)
    assert world.sign_in(address="10.9.9.9", cookie="").status == 200


def test_a_v6_network_counts_as_one_address():
    attempts = Attempts(FakeClock())
    for n in range(ADDRESS_TRIES):
        attempts.take(f"2001:db8::{n + 1}")
    with pytest.raises(Problem):
        attempts.take("2001:db8::ffff")
    attempts.take("2001:db8:0:1::1")


def test_what_is_known_of_addresses_is_bounded():
    clock = FakeClock()
    attempts = Attempts(clock)
    for n in range(2000):
        clock.mono += 3_000_000_000
        attempts.take(f"10.0.{n // 250}.{n % 250 + 1}")
        attempts.succeeded(f"10.1.{n // 250}.{n % 250 + 1}")
    assert len(attempts._used) <= access.MOST_ADDRESSES
    assert len(attempts._known) == access.MOST_KNOWN


def test_single_sign_on_works_once_and_for_a_minute(world):
    code = world.gate.code("root 9")
    got = world.call(SESSION, "POST", {"code": code})
    assert (got.status, got.json["right"], got.json["name"]) == (200, "write", "")
    cookie = got.headers["set-cookie"].partition(";")[0]
    assert world.call("/api/v1/status", cookie=cookie).status == 200
    assert world.call(SESSION, "POST", {"code": code}).json["code"] == "wrong_code"
    late = world.gate.code("root 9")
    world.pass_time(61)
    assert world.call(SESSION, "POST", {"code": late}).json["code"] == "wrong_code"
    assert world.call(SESSION, "DELETE", cookie=cookie).status == 200
    assert world.book.ended == []  # LuCI's session goes on
    many = [world.gate.code("root 9") for _ in range(access.MOST_CODES + 1)]
    assert world.call(SESSION, "POST", {"code": many[0]}).status == 401
    assert world.call(SESSION, "POST", {"code": many[-1]}).status == 200
    gone = world.gate.code("gone 1")
    assert world.call(SESSION, "POST", {"code": gone}).json["code"] == "no_right"


def test_this_machine_needs_no_sign_in_unless_it_is_said(world):
    assert world.call(TRACE, "POST", address="127.0.0.1").status == 202
    assert world.call(SESSION, address="::1").json["right"] == "write"
    strict = World(home=False)
    assert strict.call(TRACE, "POST", address="127.0.0.1").status == 401


def test_guests_may_look_where_the_owner_says_so():
    world = World(guests=True)
    assert world.call("/api/v1/summary").status == 200
    assert world.call(SESSION).json["right"] == "read"
    assert world.call(TRACE, "POST").status == 401
    world.sign_in()
    assert world.call(TRACE, "POST").status == 202


def test_a_guest_who_signed_in_stays_so_by_looking():
    world = World(guests=True)
    world.sign_in()
    for _ in range(4):
        world.pass_time(1800)
        assert world.call("/api/v1/summary").status == 200
    assert world.call(TRACE, "POST").status == 202
    world.book.trouble = OperatorError("rpcd is away", "see whether it runs")
    world.pass_time(31)
    assert world.call("/api/v1/summary").status == 200, "looking needs no accounts here"


def test_without_accounts_others_look_and_this_machine_changes():
    agent, clock = FakeAgent(), FakeClock()
    app = make_app(agent, FakeReader(), make_settings(), clock)
    stranger = Client(app, LAN)
    assert stranger.get("/api/v1/summary").status == 200
    assert stranger.post(TRACE).status == 401
    got = stranger.post(SESSION, b'{"name":"a","password":"b"}')
    assert (got.status, got.json["code"]) == (404, "no_sign_in")
    assert Client(app).post(TRACE).status == 202


def test_the_key_of_local_programs(world):
    world = World(home=False, key="k" * 43)
    assert world.call(TRACE, "POST", AUTHORIZATION=f"Bearer {'k' * 43}").status == 202
    for shown in ("Bearer ", "Bearer kk", f"Basic {'k' * 43}", "k" * 43, f"Bearer {'k' * 43}é"):
        assert world.call(TRACE, "POST", AUTHORIZATION=shown).status == 401
    assert World(home=False).call(TRACE, "POST", AUTHORIZATION="Bearer ").status == 401


def test_a_reload_asks_nobody_to_sign_in_again():
    old = World()
    old.sign_in()
    new = World(known=old.gate.known)
    new.cookie, new.token = old.cookie, old.token
    assert new.call(TRACE, "POST").status == 202
    other = World(known=old.gate.known)
    other.book.known.clear()  # another kind of accounts, or no such one any more
    assert other.call("/api/v1/status", cookie=old.cookie).status == 401
    assert len(Known(FakeClock()).sessions) == 0
