"""The settings on the agent's own page, with its real interface and a real file behind them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from equipment import page_data
from equipment.browser import Page
from equipment.fakes import FakeAgent, FakeReader, make_settings
from equipment.settings_page import FILE, Desk, FiledAgent, World
from pathwarden.api.app import make_app
from pathwarden.api.server import Server
from pathwarden.net.clock import SystemClock

WEB = Path(__file__).resolve().parents[2] / "web"
LANGUAGES = ("en", "zh_Hant", "zh_Hans", "ja")
AXE = ("en", "ja")  # in the light and in the dark; words are all that the others have of their own
# What the browser writes to its console where the agent says no.
REFUSED = "the server responded with a status of 4"


@pytest.fixture
def world(driver: webdriver.Chrome, tmp_path: Path) -> Iterator[World]:
    file = tmp_path / "pathwarden"
    file.write_text(FILE, encoding="utf-8")
    agent = FiledAgent(file)
    server = Server(make_app(agent, FakeReader(), make_settings(root=str(WEB)), SystemClock(), book=Desk(agent)), ("127.0.0.1:0",))
    server.start()
    page = Page(driver, f"http://{server.addresses[0]}/")
    page.expected_errors = (REFUSED,)
    with page.watched():
        yield World(page, agent)
    server.stop()


def open_form(world: World, kind: str, name: str = "") -> None:
    """Load the page anew at a form."""
    world.page.open(f"#/settings/{kind}/{name}" if name else f"#/settings/{kind}")
    world.page.find("#setting")


HOST = "a host name or the address of one host, such as example.net, 192.0.2.1 or 2001:db8::1"
ADDRESS = "the address of one host, such as 192.0.2.1 or 2001:db8::1"
# One bad value of every kind, and what it shall be; numbers below, above and not numbers.
BAD = {
    "target": {
        "host": ("a b", f"Host: “a b” does not fit. Write {HOST}."),
        "label": ("x" * 65, f"Label: “{'x' * 65}” does not fit. Write at most 64 characters without line breaks."),
        "port": ("65536", "Port: “65536” does not fit. Write a whole number, 0–65535."),
        "interval_s": ("0", "Interval: “0” does not fit. Write a whole number, 1–86400 s."),
        "queries": ("many", "Probes per hop: “many” does not fit. Write a whole number, 1–10."),
        "first_ttl": ("0", "First hop: “0” does not fit. Write a whole number, 1–64 hops."),
        "max_ttl": ("1.5", "Last hop: “1.5” does not fit. Write a whole number, 1–64 hops."),
        "wait_s": ("0.01", "Wait: “0.01” does not fit. Write a number, 0.1–10 s."),
        "size": ("12", "Probe size: “12” does not fit. Write a whole number, 0, 68–1280 bytes."),
        "jitter_pct": ("-1", "Jitter: “-1” does not fit. Write a whole number, 0–50 %."),
        "gap_limit": ("１", "Silent hops: “１” does not fit. Write a whole number, 1–30 hops."),
        "dscp": ("64", "DSCP: “64” does not fit. Write a whole number, 0–63."),
        "ecn": ("4", "ECN: “4” does not fit. Write a whole number, 0–3."),
        "flow_label": ("1048576", "Flow label: “1048576” does not fit. Write a whole number, 0–1048575."),
        "protocol": ("255", "IP protocol: “255” does not fit. Write a whole number, 1–254."),
    },
    "source": {
        "interface": ("w/an", "Interface: “w/an” does not fit. Write the name of an interface in /etc/config/network, such as wan."),
        "device": (
            "a device of many",
            "Device: “a device of many” does not fit. Write a device that “ip link” shows, at most 15 characters.",
        ),
        "address": ("224.0.0.1", f"Own address: “224.0.0.1” does not fit. Write {ADDRESS}."),
        "table": ("4294967296", "Routing table: “4294967296” does not fit. Write the number or the name of a routing table, 1–4294967295."),
        "fwmark": ("0x", "Firewall mark: “0x” does not fit. Write a mark such as 256 or 0x100, 1–4294967295."),
        "next_hop": ("fe80::1%eth0", f"Next hop: “fe80::1%eth0” does not fit. Write {ADDRESS}."),
    },
}


@pytest.mark.parametrize("kind", BAD)
def test_each_field_says_what_is_wrong_in_the_readers_language(world: World, kind: str) -> None:
    page, before = world.page, world.file.read_text(encoding="utf-8")
    open_form(world, kind)
    page.js("document.querySelector('details.more')?.setAttribute('open', '')")
    world.fill(**{option: value for option, (value, _) in BAD[kind].items()})
    world.save()
    page.until(world.wrong)
    assert world.wrong() == {option: said for option, (_, said) in BAD[kind].items()}
    assert page.js("return document.activeElement.id") == f"set-{next(iter(BAD[kind]))}", "the first wrong field has the focus"
    assert page.text("#setting-wrong") == f"Fields that need another value: {len(BAD[kind])}. Nothing was saved."
    for language in LANGUAGES[1:]:
        page.language(language)
        said = world.wrong()
        assert said.keys() == BAD[kind].keys()
        for option, (value, english) in BAD[kind].items():
            assert value in said[option] and "。" in said[option] and said[option] != english
        assert page.all("#setting .agent-text, #setting-wrong .agent-text") == [], "nothing is left in English"
        for width in (360, 768, 1280):
            page.size(width, dark=width == 768)
            assert page.overflow() == 0, (language, width)
        page.shoot(f"settings-wrong-{kind}-{language}-1280")
    assert page.axe() == []
    assert (world.file.read_text(encoding="utf-8"), world.agent.taken) == (before, world.agent.load(world.file))


CLASHES = [
    ("target", {"host": ""}, {"host": f"Host is empty. Write {HOST}."}),
    (
        "target",
        {"host": "192.0.2.9", "first_ttl": "9", "max_ttl": "3", "family": "6"},
        {
            "first_ttl": "First hop: 9 is above the last hop, 3. Lower it, or raise the last hop.",
            "family": "IP version: 6, but the host is an IPv4 address. Choose auto or 4.",
        },
    ),
    (
        "target",
        {"host": "192.0.2.9", "method": "tcp", "interval_s": "5"},
        {
            "port": "Port: “0” is none that this method can take. Write the port of a service, such as 443.",
            "interval_s": "Interval: “5” is too often for a method that connects to a service. Write 60 or more.",
        },
    ),
    ("target", {"host": "192.0.2.9", "name": "no name"}, {"name": "Name: “no name” does not fit. Use 1 to 32 of A-Z, a-z, 0-9 and _."}),
    ("target", {"host": "192.0.2.9", "name": "cloudflare"}, {"name": "Name: “cloudflare” is there already. Choose another one."}),
    (
        "source",
        {"device": "wwan0", "interface": "wan", "table": "nowhere"},
        {
            "device": "Device: “wwan0” stands beside the interface “wan”. Leave one of the two empty.",
            "table": "Routing table: “nowhere” is not in /etc/iproute2/rt_tables. Add it there, or write its number.",
        },
    ),
]


@pytest.mark.parametrize(("kind", "fields", "said"), CLASHES)
def test_what_does_not_go_together_is_told_at_its_field(world: World, kind: str, fields: dict[str, str], said: dict[str, str]) -> None:
    page = world.page
    open_form(world, kind)
    page.js("document.querySelector('details.more')?.setAttribute('open', '')")
    world.fill(**fields)
    world.save()
    page.until(world.wrong)
    assert world.wrong() == said
    if kind == "target" and "name" not in fields:
        world.press("trace")
        page.until(lambda: page.find("[data-settings=trace]").get_attribute("aria-disabled") is None)
        assert world.wrong() == said, "trying it says the same"
    assert page.all(".agent-text") == []


def test_what_is_wrong_with_the_whole_is_told_above(world: World) -> None:
    page = world.page
    open_form(world, "target")
    world.fill(host="192.0.2.1", source="wanb", name="again")
    world.save()
    page.shows("#setting-wrong", "This is the same target as cloudflare. Give it another host, source, method or port.")
    open_form(world, "source")
    world.save()
    page.shows("#setting-wrong", "A source needs a way out.")
    open_form(world, "source", "wanb")
    world.press("remove")
    world.press("really")
    page.shows("#setting-wrong", "The target cloudflare leaves by this source: give it another one first.")
    open_form(world, "target", "cloudflare")
    world.press("remove")
    assert page.js("return document.activeElement.dataset.settings") == "keep", "what asks has the focus, and the harmless answer"
    assert "It is the last one" in page.text(".removal")
    world.press("really")
    page.shows("#setting-wrong", "Without a target the file’s defaults have no effect.")
    assert world.file.read_text(encoding="utf-8") == FILE


def test_what_is_typed_stays_until_it_is_saved_or_given_up(world: World) -> None:
    page = world.page
    open_form(world, "target", "cloudflare")
    world.fill(interval_s="120")
    page.js("location.hash = '#/'")
    page.find("table.targets")
    page.js("location.hash = '#/settings'")
    page.shows("tr[data-section=cloudflare]", "not saved")
    page.find("tr[data-section=cloudflare] a").click()
    assert page.find("#set-interval_s").get_property("value") == "120"
    leaves = "const event = new Event('beforeunload', { cancelable: true }); window.dispatchEvent(event); return event.defaultPrevented"
    assert page.js(leaves) is True, "leaving the page asks first"
    world.press("discard")
    page.until(lambda: page.find("#set-interval_s").get_property("value") == "")
    assert page.find("#set-interval_s").get_attribute("placeholder") == "600", "what the file's defaults say"
    assert page.js(leaves) is False
    world.fill(label="新しい")
    page.find("#set-label").send_keys("\n")
    page.shows("[role=status] .success", "cloudflare is saved, and the agent runs with it.")
    assert world.file.read_text(encoding="utf-8") == FILE.replace("Cloudflare DNS", "新しい"), "nothing but this changed, comments and all"


def test_a_file_that_is_edited_by_hand_meanwhile_loses_nothing(world: World) -> None:
    page = world.page
    open_form(world, "target", "cloudflare")
    world.fill(interval_s="120", label="Mine")
    world.file.write_text(FILE.replace("192.0.2.1", "192.0.2.2").replace("wwan0", "wwan1"), encoding="utf-8")
    world.save()
    page.shows(".warning", "Somebody changed this in the file meanwhile.")
    page.shows(".warning", "Host: “192.0.2.2” in the file, “192.0.2.1” here")
    assert "Interval: empty in the file, “120” here" in page.text(".warning")
    assert "192.0.2.2" in world.file.read_text(encoding="utf-8")
    page.shoot("settings-clash")
    assert page.axe() == []
    world.press("mine")
    page.shows("[role=status] .success", "cloudflare is saved")
    text = world.file.read_text(encoding="utf-8")
    assert [part in text for part in ("192.0.2.1' # near", "interval_s '120'", "'Mine'", "wwan1", "# The house.")] == [True] * 5
    world.fill(label="Never")
    world.file.write_text(text.replace("Mine", "Theirs"), encoding="utf-8")
    world.look_again()
    page.shows(".warning", "Label: “Theirs” in the file, “Never” here")
    world.press("discard")
    page.until(lambda: page.find("#set-label").get_property("value") == "Theirs")
    world.fill(label="Kept")
    world.file.write_text(FILE.partition("# Everybody")[0], encoding="utf-8")
    world.look_again()
    page.shows(".warning", "Somebody took this out of the file meanwhile.")
    world.fill(source="wanb")
    world.press("mine")
    page.shows("[role=status] .success", "cloudflare is saved")
    assert "'Kept'" in world.file.read_text(encoding="utf-8")


def test_the_defaults_of_all_targets_are_set(world: World) -> None:
    page = world.page
    page.open("#/settings")
    page.find("a[href='#/settings/defaults/defaults']").click()
    page.shows("#view h3", "Defaults")
    assert page.all("[data-settings=remove], [data-settings=trace], #set-host") == []
    world.fill(interval_s="x")
    world.save()
    page.until(world.wrong)
    assert world.wrong() == {"interval_s": "Interval: “x” does not fit. Write a whole number, 1–86400 s."}
    world.fill(interval_s="900", method="tcp")
    world.save()
    page.shows("#setting-wrong", "cloudflare: Port: “0” is none that this method can take.")
    world.fill(method="")
    world.save()
    page.shows("[role=status] .success", "is saved, and the agent runs with it.")
    assert world.file.read_text(encoding="utf-8") == FILE.replace("600", "900")
    page.js("location.hash = '#/settings'")
    page.shows("tr[data-section=cloudflare]", "15 min")


def test_it_says_whether_the_agent_runs_with_the_file(world: World) -> None:
    page = world.page
    open_form(world, "target", "cloudflare")
    world.agent.loads = False
    page.find("details.more summary").click()
    world.fill(queries="5")
    world.save()
    page.shows("[role=status] .notice", "The file is written. The agent is taking it")
    world.agent.taken = world.agent.load(world.file)
    page.shows("[role=status] .success", "cloudflare is saved, and the agent runs with it.")
    world.file.write_text(FILE.replace("192.0.2.1", "a b"), encoding="utf-8")
    world.look_again()
    page.shows("[role=status] .error", "The agent does not run with the file as it is: pathwarden.cloudflare.host: a b is neither")


def test_only_who_may_write_sees_it(world: World) -> None:
    page = world.page
    page.open("#/")
    assert page.texts("nav a")[-1] == "Settings"
    page.js("import(document.querySelector('link[href$=\"/api.js\"]').href).then((api) => api.useSession({ token: null, right: 'read' }))")
    world.look_again()
    page.until(lambda: "Settings" not in page.texts("nav a"))
    page.js("location.hash = '#/settings/target/cloudflare'")
    page.shows(".alert-message", "Who may only look changes no settings.")
    assert page.all("#setting") == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("set_in_luci", "The settings of this router are changed in LuCI. Open them there"),
        ("no_file", "This agent runs without a configuration file"),
    ],
)
def test_where_nothing_is_set_it_says_where(driver: webdriver.Chrome, code: str, said: str) -> None:
    agent = FakeAgent()
    agent.about |= page_data.status()
    server = Server(make_app(agent, FakeReader(), make_settings(root=str(WEB)), SystemClock(), book=code), ("127.0.0.1:0",))
    server.start()
    page = Page(driver, f"http://{server.addresses[0]}/")
    page.expected_errors = (REFUSED,)
    with page.watched():
        page.open("#/settings")
        page.shows(".alert-message", said)
        links = [link.get_attribute("href") for link in page.all(".alert-message a")]
        assert links == (["http://127.0.0.1/cgi-bin/luci/admin/services/pathwarden/settings"] if code == "set_in_luci" else [])
    server.stop()


@pytest.mark.parametrize(("language", "dark"), [("en", False), ("zh_Hant", True), ("zh_Hans", False), ("ja", True)])
def test_lists_and_forms_fit_every_screen(world: World, language: str, dark: bool) -> None:
    page = world.page
    for view, shown in (("list", "#/settings"), ("form", "#/settings/target/cloudflare"), ("new", "#/settings/target")):
        page.open(shown)
        page.language(language)
        if view == "form":
            page.js("document.querySelector('details.more').setAttribute('open', '')")
            world.press("trace")
            page.find("section.live table")
            world.press("remove")
            page.find(".removal")
        for width in (1280, 768, 360):
            page.size(width, dark)
            assert page.overflow() == 0, (view, width)
            if width != 768:
                page.shoot(f"settings-{view}-{language}-{width}-{'dark' if dark else 'light'}")
        assert language not in AXE or page.axe() == []
    nodes = "return [...document.querySelectorAll('#view .btn, #view label')]"
    cut = f"{nodes}.filter((node) => node.clientWidth && node.scrollWidth > node.clientWidth + 1).map((node) => node.textContent)"
    assert page.js(cut) == []
