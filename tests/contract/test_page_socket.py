"""The page behind a proxy on this machine, which asks it through a socket that is a file."""

import http.client
import json
import socket
import stat
import tempfile
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_settings
from pathwarden.api.app import make_app
from pathwarden.api.guard import HostRule
from pathwarden.api.passwords import PasswordFile
from pathwarden.cli.checks.reaching import _page
from pathwarden.cli.page import daemon_info
from pathwarden.daemon.page import Page, make_gate
from pathwarden.errors import OperatorError
from pathwarden.model.access import Right

DEADLINE_S = 30
TRACE = "/api/v1/targets/cloudflare/trace"


@pytest.fixture
def path():
    """Where the socket is to be; pytest's own folders may have too long a name for one."""
    with tempfile.TemporaryDirectory(prefix="pw-", dir="/tmp") as folder:
        yield f"{folder}/http.sock"


def settings_of(folder, path, **web):
    PasswordFile(folder / "passwords").set("admin", Right.WRITE, "correct horse")
    settings = make_settings(listen=(f"unix:{path}",))
    told = {"auth": "password", "password_file": str(folder / "passwords")} | web
    return replace(settings, agent=replace(settings.agent, live_dir=str(folder)), web=replace(settings.web, **told))


@contextmanager
def page_of(settings):
    hosts = HostRule((), "home-rt")
    gate = make_gate(settings, FakeClock(), None)
    page = Page(settings, make_app(FakeAgent(), FakeReader(), settings, FakeClock(), gate=gate, hosts=hosts), hosts, lambda _name: ())
    page.start()
    try:
        yield page
    finally:
        page.stop()


def ask(path, method, place, body=None, host="paths.example.org", **headers):
    with closing(http.client.HTTPConnection("localhost", timeout=DEADLINE_S)) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(DEADLINE_S)
        connection.sock.connect(path)
        sent = None if body is None else json.dumps(body)
        connection.request(method, place, sent, {"Host": host, "Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        text = answer.read()
        return answer, json.loads(text) if text.startswith(b"{") else text


def test_it_is_served_under_the_proxys_name_and_gone_afterwards(tmp_path, path):
    with page_of(settings_of(tmp_path, path)) as page:
        assert page.urls == (f"unix:{path}",)
        assert ask(path, "GET", "/healthz")[1] == b"ok\n"
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o660
    assert not Path(path).exists()


def test_who_comes_through_it_is_nobody_before_signing_in(tmp_path, path):
    with page_of(settings_of(tmp_path, path, auth="none")):
        assert ask(path, "GET", "/api/v1/status")[0].status == 200
        assert ask(path, "POST", TRACE, {})[1]["code"] == "sign_in_required"
    with page_of(settings_of(tmp_path, path)):
        assert ask(path, "GET", "/api/v1/status")[1]["code"] == "sign_in_required"
        origin = {"Origin": "https://paths.example.org"}
        answer, told = ask(path, "POST", "/api/v1/session", {"name": "admin", "password": "correct horse"}, **origin)
        cookie = answer.getheader("Set-Cookie").partition(";")[0]
        assert cookie.startswith("pathwarden_proxy=")
        shown = {"Cookie": cookie, "X-Pathwarden-Token": told["token"]}
        assert ask(path, "POST", TRACE, {}, **origin, **shown)[0].status == 202
        for strange in ("https://evil.example", "https://paths.example.org.evil.example", "null"):
            assert ask(path, "POST", TRACE, {}, Origin=strange, **shown)[1]["code"] == "foreign_origin"
        assert ask(path, "GET", "/healthz", host="paths_example/org")[1]["code"] == "wrong_host"


def test_a_command_of_this_machine_finds_the_daemon_there(tmp_path, path):
    settings = settings_of(tmp_path, path)
    with page_of(settings):
        door, info = daemon_info(settings)
        assert (door.listen, info["agent"]) == (f"unix:{path}", "home-rt")
        assert _page(door.listen, True, True).detail == f"unix:{path} is served"
    assert daemon_info(settings) is None
    assert [_page(f"unix:{path}", False, running).status for running in (False, True)] == ["ok", "warn"]
    assert _page("unix:/nowhere/http.sock", False, False).status == "FAIL"


def test_a_socket_that_was_left_behind_gives_way(tmp_path, path):
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(path)
        dead.listen()
    assert stat.S_ISSOCK(Path(path).stat().st_mode)
    with page_of(settings_of(tmp_path, path)):
        assert ask(path, "GET", "/healthz")[1] == b"ok\n"


def test_what_cannot_be_is_said_and_left_alone(tmp_path, path):
    settings = settings_of(tmp_path, path)

    def said(listen):
        with pytest.raises(OperatorError) as error, page_of(replace(settings, web=replace(settings.web, listen=(listen,)))):
            pass
        return str(error.value)

    with page_of(settings):
        assert said(f"unix:{path}") == f"web.listen: unix:{path} is in use by another program; choose another path"
        assert ask(path, "GET", "/healthz")[1] == b"ok\n"
    file = Path(path).with_name("notes")
    file.write_text("mine", encoding="utf-8")
    other = str(file)
    assert said(f"unix:{other}") == f"web.listen: unix:{other} is no socket; choose another path, or remove what is there"
    assert file.read_text(encoding="utf-8") == "mine"
    lost = path.replace("http.sock", "none/http.sock")
    assert said(f"unix:{lost}") == f"web.listen: unix:{lost} lies in a folder that is not there; make the folder"
