"""A real browser, and the server it looks at.

One browser serves all tests. Every test has a server of its own, at the same address: so the browser loads the page's files once.
"""

from collections.abc import Callable, Iterator

import pytest
from selenium import webdriver

from equipment.broker import closed_port
from equipment.browser import Page, chromium
from equipment.page_server import PageServer


@pytest.fixture(scope="session")
def driver(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """The browser."""
    with chromium(need, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    """The port of every stand-in."""
    with closed_port() as port:
        yield port


@pytest.fixture
def server(port: int) -> Iterator[PageServer]:
    """The agent's stand-in."""
    with PageServer(port=port) as running:
        yield running


@pytest.fixture
def page(driver: webdriver.Chrome, server: PageServer) -> Iterator[Page]:
    """The page of the stand-in."""
    with Page(driver, server.url).watched() as shown:
        yield shown
