"""A real browser, and LuCI's stand-in with what our packages put on a router. One browser serves all tests."""

from collections.abc import Callable, Iterator

import pytest
from selenium import webdriver

from equipment.browser import Page, chromium
from equipment.luci import LuciServer
from equipment.page_server import PageServer


@pytest.fixture(scope="session")
def driver(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """The browser."""
    with chromium(need, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def luci() -> Iterator[LuciServer]:
    """The router."""
    with PageServer() as agent, LuciServer(agent) as running:
        yield running


@pytest.fixture
def page(driver: webdriver.Chrome, luci: LuciServer) -> Iterator[Page]:
    """A browser that looks at the router."""
    with Page(driver, luci.url).watched() as shown:
        yield shown
