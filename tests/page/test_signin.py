"""Signing in to the page, with the agent's own server behind it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from equipment import page_data
from equipment.browser import Page
from equipment.fakes import FakeAgent, FakeReader, make_settings
from pathwarden.api.access import Gate
from pathwarden.api.app import make_app
from pathwarden.api.server import Server
from pathwarden.model.access import Account, Right
from pathwarden.net.clock import SystemClock

WEB = Path(__file__).resolve().parents[2] / "web"
FORM, LEAVE = "#signin", "#sign-out"
REFUSED = "the server responded with a status of 4"  # what the browser writes to its console on each refusal


class Book:
    """One account that may write, one that may look and has no password."""

    def __init__(self) -> None:
        self.known = {"root": ("correct horse", Right.WRITE), "kid": ("", Right.READ)}

    def sign_in(self, name: str, password: str) -> Account | None:
        kept, right = self.known.get(name, (None, Right.NONE))
        return Account(name, right, not kept) if kept == password else None

    def right(self, ticket: str) -> Right:
        return self.known[ticket][1]

    def end(self, ticket: str) -> None:
        assert ticket in self.known


class World(NamedTuple):
    agent: FakeAgent
    gate: Gate
    page: Page

    def sign_in(self, name: str, password: str) -> None:
        for field, text in (("#signin-name", name), ("#signin-password", password)):
            self.page.find(field).clear()
            self.page.find(field).send_keys(text)
        self.page.find("#signin-password").send_keys(Keys.ENTER)


@pytest.fixture
def world(driver: webdriver.Chrome) -> Iterator[World]:
    clock, agent = SystemClock(), FakeAgent()
    agent.states = page_data.states()[:1]
    agent.about |= page_data.status()
    gate = Gate(clock, Book(), home=False, guests=False, suggested="root")
    server = Server(make_app(agent, FakeReader(), make_settings(root=str(WEB)), clock, gate=gate), ("127.0.0.1:0",))
    server.start()
    page = Page(driver, f"http://{server.addresses[0]}/")
    page.expected_errors = (REFUSED,)
    with page.watched():
        yield World(agent, gate, page)
    server.stop()


def test_from_the_form_to_a_write_and_out_again(world: World) -> None:
    page = world.page
    driver = page.driver
    driver.get(f"{page.url}#/changes")
    page.find(FORM)
    assert page.js("return document.activeElement.id") == "signin-password"
    world.sign_in("root", "wrong")
    page.shows("[role=alert]", "User name or password is wrong.")
    world.sign_in("root", "correct horse")
    page.find(".cbi-map, .alert-message, #view")
    page.shows("#account", "Signed in as root.")
    assert page.all(FORM) == []
    assert page.js("return location.hash") == "#/changes", "where the reader wanted to be"
    assert page.js("return document.cookie") == "", "no script reads the secret"
    driver.get(f"{page.url}#/")
    page.find("[data-action=trace]").click()
    page.until(lambda: world.agent.asked == ["cloudflare"])
    page.find(LEAVE).click()
    page.find(FORM)
    assert driver.get_cookies() == []


def test_a_session_that_ended_leads_back_to_the_form_and_on(world: World) -> None:
    page = world.page
    page.driver.get(page.url)
    page.find(FORM)
    world.sign_in("kid", "")
    page.shows("#account", "Signed in as kid, who may look and change nothing.")
    page.shows("#account .warning", "This account has no password")
    page.find(".table")
    assert page.all("[data-action=trace], [data-action=mute]") == [], "who may only look is offered nothing else"
    world.gate.known.sessions.clear()
    page.find(FORM)
    world.sign_in("root", "correct horse")
    page.shows("#account", "Signed in as root.")


def test_a_code_lets_in_once(world: World) -> None:
    page = world.page
    code = world.gate.code("root")
    page.driver.get("about:blank")
    page.driver.get(f"{page.url}#/sign-in?code={code}")
    page.shows("#account", "Signed in as LuCI.")
    assert code not in page.js("return location.href")
    page.driver.delete_all_cookies()
    page.driver.get("about:blank")
    page.driver.get(f"{page.url}#/sign-in?code={code}")
    page.shows("[role=alert]", "This link was used before or is too old.")
    page.find(FORM)


def test_the_form_in_every_language_fits_every_screen(world: World) -> None:
    page = world.page
    page.driver.get(page.url)
    page.find(FORM)
    for language in ("en", "zh_Hant", "zh_Hans", "ja"):
        page.js("localStorage.setItem('pathwarden.language', arguments[0])", language)
        page.driver.get("about:blank")
        page.driver.get(page.url)
        page.find(FORM)
        for width, dark in ((360, False), (1280, True)):
            page.size(width, dark)
            assert page.overflow() == 0, (language, width)
            page.shoot(f"signin-{language}-{width}-{'dark' if dark else 'light'}")
    assert page.axe() == []
    page.size(360)
    assert page.axe() == []
    page.js("localStorage.clear()")
