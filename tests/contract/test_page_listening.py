"""Where the page listens, and who may see it there: the daemon's own page on loopback addresses that come and go."""

import http.client
import json
import socket
import stat
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_settings
from netlab.lab import Lab
from pathwarden.api.app import make_app
from pathwarden.api.guard import HostRule
from pathwarden.api.passwords import PasswordFile
from pathwarden.api.server import Server
from pathwarden.cli.page import NotLetIn, daemon_info
from pathwarden.daemon.page import Page, make_gate
from pathwarden.errors import OperatorError, ProbeError
from pathwarden.model.access import KEY_FILE, Right

DEADLINE_S = 30


def settings_of(folder, *listen, **web):
    settings = make_settings(listen=listen)
    return replace(settings, agent=replace(settings.agent, live_dir=str(folder)), web=replace(settings.web, **web))


@contextmanager
def page_of(settings, addresses=lambda _name: (), gate=None):
    hosts = HostRule((), "home-rt")
    page = Page(settings, make_app(FakeAgent(), FakeReader(), settings, FakeClock(), gate=gate, hosts=hosts), hosts, addresses)
    page.start()
    try:
        yield page
    finally:
        page.stop()


def ask(url, path="/healthz", host="", **headers):
    address, _, port = url.removeprefix("http://").strip("/").rpartition(":")
    with closing(http.client.HTTPConnection(address, int(port), timeout=DEADLINE_S)) as connection:
        connection.request("GET", path, headers={"Host": host or address, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_a_fixed_address_is_answered_to_without_any_interface(tmp_path):
    with Lab() as lab:
        lab.host("agent")
        lab.ip("agent", "address add 198.51.100.1/32 dev lo")
        with lab.enter("agent"), page_of(settings_of(tmp_path, "198.51.100.1:0")) as page:
            (url,) = page.urls
            assert ask(url)[0] == 200
            assert ask(url, host="198.51.100.2")[0] == 421


def test_a_port_that_stays_taken_is_said_once(tmp_path, caplog):
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with page_of(settings_of(tmp_path, "127.0.0.1:0", f"@lan:{port}"), lambda _name: ("127.0.0.2",)) as page:
            page.follow()
            (said,) = [record.getMessage() for record in caplog.records]
            assert f"127.0.0.2:{port}" in said
            taken.close()
            page.follow()
            assert f"http://127.0.0.2:{port}/" in page.urls


def test_an_interfaces_addresses_are_followed(tmp_path):
    at = {}

    def addresses(name):
        if name not in at:
            raise ProbeError("device_absent", name)
        return at[name]

    with page_of(settings_of(tmp_path, "127.0.0.1:0", "@lan:0"), addresses) as page:
        assert [url.rpartition(":")[0] for url in page.urls] == ["http://127.0.0.1"]
        at["lan"] = ("127.0.0.2",)
        page.follow()
        fixed, moving = page.urls
        assert moving.startswith("http://127.0.0.2:")
        assert [ask(url)[0] for url in page.urls] == [200, 200]
        page.follow()
        assert page.urls == (fixed, moving), "nothing changed, so nothing moves"
        at["lan"] = ("127.0.0.3",)
        page.follow()
        assert page.urls[0] == fixed
        assert ask(page.urls[1])[0] == 200
        with pytest.raises(OSError, match="refused"):
            ask(moving)
        del at["lan"]
        page.follow()
        assert page.urls == (fixed,)
    assert page.urls == ()


def test_an_address_that_cannot_be_had_yet_is_tried_again(tmp_path, caplog):
    at = ["192.0.2.1"]  # of no machine here
    with page_of(settings_of(tmp_path, "@lan:0"), lambda _name: tuple(at)) as page:
        assert page.urls == ()
        assert "192.0.2.1:0 is not an address of this machine" in caplog.text
        at[0] = "127.0.0.2"
        page.follow()
        assert len(page.urls) == 1


def test_the_machines_own_names_are_its_page_and_no_others(tmp_path):
    with page_of(settings_of(tmp_path, "127.0.0.1:0")) as page:
        for name in ("home-rt", "home-rt.lan", "HOME-RT.local", "home-rt.home.arpa", "localhost", "127.0.0.1"):
            assert ask(page.urls[0], host=name)[0] == 200, name
        for name in ("home-rt.evil.example", "evil.lan", "home-rt.", "192.0.2.1", "home-rt.lan.evil.example"):
            assert ask(page.urls[0], host=name)[0] == 421, name


def test_local_programs_get_in_by_a_key_that_only_the_daemons_user_reads(tmp_path):
    PasswordFile(tmp_path / "passwords").set("admin", Right.WRITE, "correct horse")
    settings = settings_of(tmp_path, "127.0.0.1:0", auth="password", password_file=str(tmp_path / "passwords"))
    gate = make_gate(settings, FakeClock(), None)
    with page_of(settings, gate=gate) as page:
        listen = page.urls[0].removeprefix("http://").strip("/")
        assert ask(page.urls[0], "/api/v1/status")[0] == 401
        asked = replace(settings, web=replace(settings.web, listen=("@lan:8866", listen)))
        door, info = daemon_info(asked)
        assert (door.listen, info["agent"]) == (listen, FakeAgent().info()["agent"])
        key = tmp_path / KEY_FILE
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        old = key.read_text()
        key.unlink()
        with pytest.raises(NotLetIn, match=f"page at {listen} wants a sign-in; run this as root or the daemon's user"):
            daemon_info(asked)
        make_gate(settings, FakeClock(), None)
        assert key.read_text() != old, "each start has a key of its own"


def test_a_page_that_nobody_could_sign_in_to_does_not_start(tmp_path):
    settings = settings_of(tmp_path, "127.0.0.1:0", auth="password", password_file=str(tmp_path / "none"))
    with pytest.raises(OperatorError, match="none cannot be read"):
        make_gate(settings, FakeClock(), None)


def test_without_a_place_for_it_there_is_no_key(tmp_path, caplog):
    PasswordFile(tmp_path / "passwords").set("admin", Right.WRITE, "correct horse")
    settings = settings_of(tmp_path / "none", "127.0.0.1:0", auth="password", password_file=str(tmp_path / "passwords"))
    gate = make_gate(settings, FakeClock(), None)
    assert f"{tmp_path}/none/{KEY_FILE} cannot be written (No such file or directory)" in caplog.text
    with page_of(settings, gate=gate) as page:
        assert ask(page.urls[0], "/api/v1/status", Authorization="Bearer ")[0] == 401


@pytest.mark.parametrize(("auth", "signs_in"), [("auto", True), ("none", False)])
def test_a_router_has_its_own_accounts(tmp_path, auth, signs_in):
    gate = make_gate(settings_of(tmp_path, "127.0.0.1:0", auth=auth), FakeClock(), object())
    assert gate.signs_in is signs_in


def test_over_a_real_connection_a_stranger_signs_in_and_a_guest_may_look(tmp_path):
    PasswordFile(tmp_path / "passwords").set("admin", Right.WRITE, "correct horse")
    settings = settings_of(tmp_path, auth="password", password_file=str(tmp_path / "passwords"), guests=True)
    app = make_app(FakeAgent(), FakeReader(), settings, FakeClock(), gate=make_gate(settings, FakeClock(), None))
    server = Server(app, ("127.0.0.1:0",))
    server.start()
    try:
        host, _, port = server.addresses[0].rpartition(":")
        with closing(http.client.HTTPConnection(host, int(port), timeout=DEADLINE_S)) as connection:

            def send(method, path, body=None, **headers):
                sent = None if body is None else json.dumps(body)
                connection.request(method, path, sent, {"Content-Type": "application/json", **headers})
                answer = connection.getresponse()
                return answer, json.loads(answer.read())

            assert send("GET", "/api/v1/status")[0].status == 200
            trace = "/api/v1/targets/cloudflare/trace"
            assert send("POST", trace, {})[1]["code"] == "sign_in_required"
            assert send("POST", "/api/v1/session", {"name": "admin", "password": "wrong"})[1]["code"] == "wrong_password"
            answer, told = send("POST", "/api/v1/session", {"name": "admin", "password": "correct horse"})
            cookie = answer.getheader("Set-Cookie").partition(";")[0]
            assert cookie.startswith(f"pathwarden_{port}=")
            shown = {"Cookie": cookie, "X-Pathwarden-Token": told["token"]}
            assert send("POST", trace, {}, **shown)[0].status == 202
            assert send("DELETE", "/api/v1/session", {}, **shown)[1]["right"] == "read"
            assert send("POST", trace, {}, **shown)[0].status == 401
    finally:
        server.stop()
