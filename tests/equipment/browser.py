"""A real browser and the page in it, asked by CSS selectors."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import axe_core_python
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from equipment.broker import closed_port

ARTEFACTS = Path(__file__).resolve().parents[1] / "artefacts"
AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
WAIT_S = 30  # a slow machine under load; nothing waits this long when all is well
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)  # fmt: skip
HEIGHTS = {360: 640, 768: 1024, 1280: 900}


@contextmanager
def chromium(need: Callable[[str], str], profile: Path) -> Iterator[webdriver.Chrome]:
    """Debian's Chromium with a profile of its own, in the network namespace of the calling thread."""
    options = webdriver.ChromeOptions()
    options.binary_location = need("chromium")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Naming the driver keeps Selenium from looking for one to download; and the port that it would look for somebody else may be given.
    with closed_port() as port:
        browser = webdriver.Chrome(options, webdriver.ChromeService(need("chromedriver"), port=port))
        try:
            browser.set_script_timeout(WAIT_S)
            yield browser
        finally:
            browser.quit()


def poll_faster(driver: webdriver.Chrome, poll_ms: int) -> None:
    """Let the pages of a real daemon ask this often instead of every five seconds."""
    # The document is complete, and its modules have not begun, when it first says so.
    script = "document.addEventListener('readystatechange', () => { const meta = document.querySelector('meta[name=poll-ms]');"
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": f"{script} if (meta) meta.content = '{poll_ms}'; }})"})


class Page:
    """The page at `url` in the browser. Waits last `wait_s` at most."""

    def __init__(self, driver: webdriver.Chrome, url: str, wait_s: float = WAIT_S) -> None:
        self.driver = driver
        self.url = url
        self.wait = WebDriverWait(driver, wait_s, poll_frequency=0.02)
        self.expected_errors: tuple[str, ...] = ()

    def open(self, view: str = "#/") -> None:
        """Load the page anew at a view and wait for its data."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.url}{view}")
        self.find(".cbi-map")

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until a condition holds and give its value; what the page shows instead is told."""
        try:
            return self.wait.until(lambda _: condition())
        except TimeoutException as error:
            raise TimeoutException(f"never held; {self.js('return location.href')} shows {self.text('body')[:2000]!r}") from error

    def find(self, selector: str) -> WebElement:
        """The first element, once it is there."""
        return self.until(lambda: next(iter(self.all(selector)), None))

    def all(self, selector: str) -> list[WebElement]:
        """All elements that are there now."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What an element says to everybody, hidden text included."""
        return str(self.js("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def texts(self, selector: str) -> list[str]:
        """The same for all of them."""
        return list(self.js("return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent)", selector))

    def shows(self, selector: str, text: str) -> None:
        """Wait until an element contains a text."""
        self.until(lambda: text in self.text(selector))

    def js(self, script: str, *values: Any) -> Any:
        """Run a script in the page."""
        return self.driver.execute_script(script, *values)

    def size(self, width: int, dark: bool = False) -> None:
        """Set the width of the screen in CSS pixels, and what the desktop prefers."""
        metrics = {"width": width, "height": HEIGHTS[width], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        now = "return [innerWidth, document.documentElement.dataset.darkmode]"
        self.until(lambda: self.js(now) == [width, str(dark).lower()])

    def choose(self, control: str, value: str) -> None:
        """Pick an option as a reader would."""
        self.find(f"#{control} option[value='{value}']").click()

    def language(self, language: str) -> None:
        """Switch the language and wait for it."""
        self.choose("language", language)
        self.until(lambda: self.js("return document.documentElement.lang") == language.replace("_", "-"))

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page among the artefacts."""
        ARTEFACTS.mkdir(exist_ok=True)
        height = self.js("return document.documentElement.scrollHeight")
        width = self.js("return innerWidth")
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.save_screenshot(str(ARTEFACTS / f"page-{name}.png"))

    def overflow(self) -> int:
        """How many CSS pixels the page is wider than the screen."""
        return int(self.js("const root = document.documentElement; return root.scrollWidth - root.clientWidth"))

    def axe(self) -> list[str]:
        """Serious and critical findings of axe-core, each with its place."""
        self.js(f"if (!window.axe) {{ {AXE.read_text(encoding='utf-8')} }}")
        found = self.driver.execute_async_script("const done = arguments[0]; axe.run().then((result) => done(result.violations))")
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        return [f"{one['id']}: {node['html']}" for one in grave for node in one["nodes"]]

    def console_errors(self) -> list[str]:
        """What the browser complained about since the last call, but for what the test provokes."""
        rows = [row["message"] for row in self.driver.get_log("browser") if row["level"] == "SEVERE"]
        return [row for row in rows if not any(text in row for text in self.expected_errors)]

    def foreign_requests(self) -> list[str]:
        """Addresses asked for since the last call that are not our server's."""
        rows = (json.loads(row["message"])["message"] for row in self.driver.get_log("performance"))
        urls = [row["params"]["request"]["url"] for row in rows if row["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith((self.url, "data:", "about:"))]

    @contextmanager
    def watched(self) -> Iterator[Self]:
        """Whatever is done in the block, the console stays clean and nothing is asked of another origin."""
        self.driver.get("about:blank")
        # The kernel gives a port again, so what another test left at this origin, its language for one, would still be there.
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": self.url, "storageTypes": "all"})
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        yield self
        errors, foreign = self.console_errors(), self.foreign_requests()
        self.driver.get("about:blank")
        assert errors == []
        assert foreign == []
