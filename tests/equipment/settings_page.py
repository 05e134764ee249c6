"""A page with settings: an agent's stand-in with a real configuration file, and what a reader does in its forms."""

from collections.abc import Mapping
from pathlib import Path

from equipment import page_data
from equipment.browser import Page
from equipment.fakes import FakeAgent
from equipment.traces import trace_of
from pathwarden.config.book import Book
from pathwarden.config.draft import draft
from pathwarden.config.load import load
from pathwarden.model.access import Wrong
from pathwarden.model.asked import Asked, Stage
from pathwarden.model.settings import Settings

FILE = """\
# The house.
config defaults 'defaults'
	option interval_s '600'

config source 'wanb'
	option device 'wwan0'

# Everybody's resolver.
config target 'cloudflare'
	option host '192.0.2.1'   # near
	option label 'Cloudflare DNS'
	option source 'wanb'
"""


class FiledAgent(FakeAgent):
    """Traces what it is asked to at once, and takes the configuration when it is told to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.states = page_data.states()[:1]
        self.about |= page_data.status()
        self.file = file
        self.taken = self.load(file)
        self.loads = True

    def load(self, file: Path) -> Settings:
        return load(file, hostname="home", environ={"HOME": "/root"}, is_root=False, root=file.parent)

    def book(self) -> Book:
        return Book(self.file, self.load, self.reload, self.taken, str)

    def reload(self) -> None:
        if self.loads:
            self.taken = self.load(self.file)

    def trace_once(self, target: Mapping[str, str], source: Mapping[str, str] | None) -> str:
        wanted, _ = draft(self.taken, target, source)
        self.progress["once"] = Asked(wanted, Stage.DONE, trace_of("192.0.2.254", None, wanted.host))
        return "once"


class Desk:
    """The book of a daemon that reloads: each request finds the newest."""

    def __init__(self, agent: FiledAgent) -> None:
        self.agent = agent

    def shown(self) -> dict[str, object]:
        return self.agent.book().shown()

    def put(self, kind: str, name: str, options: Mapping[str, str], tag: str | None = None) -> list[Wrong]:
        return self.agent.book().put(kind, name, options, tag)

    def remove(self, kind: str, name: str, tag: str | None = None) -> list[Wrong]:
        return self.agent.book().remove(kind, name, tag)


class World:
    """A page of an agent with a file."""

    def __init__(self, page: Page, agent: FiledAgent) -> None:
        self.page = page
        self.agent = agent
        self.file = agent.file

    def fill(self, **fields: str) -> None:
        """Type or choose as a reader would; `name` is the section's own."""
        for option, text in fields.items():
            field = self.page.find(f"#set-{option}")
            if field.tag_name == "select":
                self.page.choose(f"set-{option}", text)
                continue
            field.clear()
            field.send_keys(text)

    def press(self, wish: str) -> None:
        self.page.find(f"[data-settings={wish}]").click()

    def save(self) -> None:
        self.page.find("#setting [type=submit]").click()

    def wrong(self) -> dict[str, str]:
        """What is said at each field."""
        fields = "return [...document.querySelectorAll('#setting [aria-invalid=true]')]"
        read = f"{fields}.map((field) => [field.id.slice(4), document.getElementById(`${{field.id}}-wrong`).textContent])"
        return dict(self.page.js(read))

    def look_again(self) -> None:
        """Ask the agent at once, as pausing and going on does."""
        for _ in range(2):
            self.page.find("#pill").click()
