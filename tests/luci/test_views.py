"""LuCI's views in a browser: those of the page, fed through rpcd's access lists, and LuCI's own settings, log and overview block."""

import pytest

from equipment import page_data
from equipment.browser import Page
from equipment.luci import CODE, LuciServer
from equipment.packages import TOP
from equipment.page_server import PageServer
from packager import lmo, luci_form
from packager.luci import APP
from pathwarden.config.schema import SECTIONS

STATUS = "show/pathwarden/status"
HISTORY = "show/pathwarden/history"
GRAPH = "show/pathwarden/graph"
MAP = "show/pathwarden/map"
SETTINGS = "show/pathwarden/settings"
LOG = "show/pathwarden/log"
BLOCK = "show/status/include/65_pathwarden"
# How everything within the page looks; where LuCI insists (`!important`: fields on a phone) it shall.
SHOWS_THROUGH = """
const kinds = ['display', 'float', 'fontSize', 'fontWeight', 'fontFamily', 'lineHeight', 'color', 'backgroundColor', 'backgroundImage',
  'paddingTop', 'paddingLeft', 'marginTop', 'marginBottom', 'borderTopWidth', 'borderTopColor', 'textAlign', 'verticalAlign',
  'whiteSpace', 'boxShadow', 'listStyleType', 'textDecorationLine', 'wordBreak'];
const nodes = [...document.querySelectorAll('#page, #page *:not(svg, svg *, input, textarea, select, option, button)')];
const looks = () => nodes.flatMap((node) => [null, '::before', '::after'].flatMap((part) => {
  const style = getComputedStyle(node, part);
  return kinds.map((kind) => `${node.tagName}.${node.className}${part ?? ''} ${kind}: ${style[kind]}`);
}));
const theme = document.querySelector('link[rel=stylesheet]');
const still = Object.assign(document.createElement('style'), { textContent: '* { transition: none !important; }' });
document.head.append(still);
const dressed = looks();
theme.disabled = true;
const bare = looks();
theme.disabled = false;
still.remove();
return dressed.map((look, index) => [look, bare[index]]).filter(([one, other]) => one !== other).map((both) => both.join(', not '));
"""
TAGS = {"ja": "ja", "zh_Hans": "zh-cn", "zh_Hant": "zh-tw"}
DRAWN = "<svg xmlns='http://www.w3.org/2000/svg' width='90' height='20' viewBox='0 0 90 20'><text>192.0.2.9</text></svg>"
CONFIG = {
    **{name: {".name": name, ".type": name} for name in ("agent", "defaults", "mqtt", "web")},
    "office": {".name": "office", ".type": "target", "host": "192.0.2.1", "source": "wanb"},
    "wanb": {".name": "wanb", ".type": "source", "interface": "wanb"},
    "cfg01": {".name": "cfg01", ".type": "hook", "program": "/bin/true", "event": ["path_changed"]},
}


def speak(luci, language):
    """Let LuCI speak a language, with the texts of its archive."""
    luci.language = TAGS[language]
    po = (TOP / APP / f"po/{language}/pathwarden.po").read_text(encoding="utf-8")
    luci.texts = {each.msgid: each.texts[0] for each in lmo.read(po) if each.msgid}


def sized(page, width):
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )


def opened(page, view):
    page.driver.get(f"{page.url}{view}")


def value(page, name, text):
    """Type a value into a field of the settings."""
    page.js("document.getElementById(arguments[0]).value = arguments[1]", name, text)


def test_the_status_is_the_overview_of_the_page_inside_luci(page, luci):
    opened(page, STATUS)
    page.find(".cbi-map, .targets")
    page.shows("#page", "Cloudflare")
    assert page.text("#page h2") == "Overview"
    assert not page.all("#page header, #language, #scheme, .brand"), "LuCI has its own"
    assert page.js("return document.title") == "LuCI"
    assert {method for name, method, _ in luci.calls if name == "pathwarden"} == {"summary", "status"}


def test_the_page_on_its_own_takes_luci_s_session_over(page, luci):
    luci.config = {"web": {".name": "web", ".type": "web", "listen": ["127.0.0.1:8866", f"@lan:{page.url.rpartition(':')[2].strip('/')}"]}}
    opened(page, STATUS)
    page.shows("#page", "Cloudflare")  # what is drawn above moves the button no more
    page.find("#own-page").click()
    page.until(lambda: page.js("return document.title") == "own")
    assert page.js("return location.href") == f"{page.url}#/sign-in?code={CODE}"


def test_a_page_for_the_router_alone_is_not_offered(page, luci):
    luci.config = {"web": {".name": "web", ".type": "web", "listen": ["127.0.0.1:8866"]}}
    opened(page, STATUS)
    page.find("#page .table")
    assert not page.all("#own-page")


def test_every_view_over_time_goes_over_the_bus_and_through_the_access_list(page, luci):
    opened(page, f"{STATUS}#/target/cloudflare")
    page.find(".time-chart")
    for tab, found in (("heat", "[data-chart=heat]"), ("paths", ".paths, .letter"), ("diff", ".table.diff")):
        page.js("location.hash = arguments[0]", f"#/target/cloudflare/{tab}")
        page.find(found)
    page.js("location.hash = '#/target/cloudflare?at=' + arguments[0]", page_data.now_s() - 10_000)
    page.until(lambda: any(method == "trace_at" for _, method, _ in luci.calls))
    asked = {method for _, method, _ in luci.calls}
    assert asked >= {"target", "series", "paths", "changes", "heatmap", "diff", "trace_at"}
    assert all(given.get("limit", 0) <= 100 for _, _, given in luci.calls)


def test_the_history_is_the_change_log(page, luci):
    opened(page, HISTORY)
    page.find(".change")
    assert page.js("return location.hash") == "#/changes"
    assert {method for _, method, _ in luci.calls} >= {"changes", "incidents", "targets"}


def test_an_event_takes_a_note(page, luci):
    opened(page, HISTORY)
    page.find(".note-edit summary").click()
    event = page.js("return document.querySelector('.note-edit [data-event]').dataset.event")
    page.find(f"#note-{event}").send_keys(" told <b>them</b>")
    page.find(f"[data-event='{event}']").click()
    page.shows(".note-edit", "Saved.")
    assert page.text(".note") == "Note told <b>them</b>"
    assert ("pathwarden", "note", {"id": event, "note": "told <b>them</b>"}) in luci.calls


def test_who_may_only_look_writes_no_note(page, luci):
    luci.writes = False
    opened(page, HISTORY)
    page.find(".change")
    assert not page.all(".note-edit")
    opened(page, STATUS)
    page.find("#page .table")
    assert not page.all("[data-action=trace], [data-action=mute]")


def test_graph_and_map_are_drawn_by_the_agent(page, luci):
    asked = []
    luci.agent.picture = luci.agent.map = lambda query: asked.append(query) or DRAWN
    opened(page, GRAPH)
    page.shows("[data-picture] text", "192.0.2.9")
    assert page.js("return location.hash") == "#/graph"
    assert asked.pop() == {"theme": ["light"], "lang": ["en"]}
    page.js("document.documentElement.dataset.darkmode = 'true'; location.hash = '#/graph?target=cloudflare&before=1700000000'")
    page.until(lambda: asked)
    assert asked.pop() == {"target": ["cloudflare"], "before": ["2023-11-14T22:13:20.000Z"], "theme": ["dark"], "lang": ["en"]}
    luci.language = "zh-tw"
    opened(page, MAP)
    page.shows("[data-picture=map] text", "192.0.2.9")
    assert asked.pop().items() >= {"theme": ["light"], "lang": ["zh_Hant"]}.items()


def test_a_trace_that_was_asked_for_is_followed(page, luci):
    running = page_data.trace() | {"id": None, "ending": None, "findings": [], "hops": page_data.trace()["hops"][:2]}
    luci.agent.followed["of-cloudflare"] = {"asked": "of-cloudflare", "state": "running", "trace": running, "max_ttl": 30}
    opened(page, f"{STATUS}#/target/cloudflare")
    page.find("[data-action=trace][data-target=cloudflare]").click()
    page.until(lambda: len(page.all(".live tbody tr")) == 2)
    assert ("pathwarden", "trace_asked", {"asked": "of-cloudflare"}) in luci.calls


@pytest.mark.parametrize(
    ("code", "words"),
    [("not_installed", "It is in the package pathwarden-tools."), ("no_trace", "There is no trace as old as that.")],
)
def test_why_there_is_no_graph_is_said(page, luci, code, words):
    luci.agent.problems["graph.svg"] = {"status": 404, "code": code}
    opened(page, GRAPH)
    page.shows(".empty", words)


def test_the_style_holds_for_the_page_alone(page):
    opened(page, STATUS)
    page.find("#page .table")
    page.js("document.body.append(E('h2', { 'id': 'other' }, ['x']))")
    size = "const { fontSize, lineHeight } = getComputedStyle(document.querySelector(arguments[0])); return [fontSize, lineHeight]"
    assert (page.js(size, "#page h2"), page.js(size, "#other")) == (["23.8px", "29.75px"], ["24px", "36px"])
    colour = "return getComputedStyle(document.querySelector('#page .alert-message')).backgroundColor"
    light = page.js(colour)
    page.js("document.documentElement.dataset.darkmode = 'true'")
    assert page.js(colour) != light
    assert page.js("return getComputedStyle(document.body).fontSize") == "13px", "LuCI's document is as it was"


@pytest.mark.parametrize("view", [f"{STATUS}#/", f"{STATUS}#/target/cloudflare", HISTORY, GRAPH])
@pytest.mark.parametrize("width", [360, 1280])
def test_luci_s_theme_does_not_show_through(page, luci, view, width):
    luci.agent.picture = lambda _: DRAWN
    sized(page, width)
    opened(page, view)
    page.find("#page .cbi-section")
    assert page.js(SHOWS_THROUGH) == []


@pytest.mark.parametrize("view", [f"{STATUS}#/", f"{STATUS}#/target/cloudflare", HISTORY, GRAPH, MAP])
def test_no_view_is_wider_than_the_screen_or_hard_to_use(page, luci, view):
    luci.agent.picture = luci.agent.map = lambda _: DRAWN
    for width, language, luci.dark in ((360, "ja", True), (768, "zh_Hans", False), (1280, "zh_Hant", True)):
        sized(page, width)
        speak(luci, language)
        opened(page, view)
        page.find("#page .table, #page .change, #page [data-picture]")
        page.until(lambda: page.overflow() == 0)
        assert page.axe() == []
        page.shoot(f"luci-{view.rpartition('/')[2] or 'status'}-{width}-{language}")


@pytest.mark.parametrize("view", [SETTINGS, LOG, BLOCK])
def test_what_luci_draws_is_not_hard_to_use(page, luci, view):
    luci.config = CONFIG
    for width, luci.dark in ((360, True), (1280, False)):
        sized(page, width)
        opened(page, view)
        page.find("#view textarea, #view .cbi-section, #view .table")
        assert page.axe() == []
        page.shoot(f"luci-{view.rpartition('/')[2]}-{width}")


@pytest.mark.parametrize("language", TAGS)
def test_the_views_speak_luci_s_language(page, luci, language):
    speak(luci, language)
    opened(page, STATUS)
    page.find("#page .table")
    assert page.text("#page h2") == {"ja": "概要", "zh_Hans": "总览", "zh_Hant": "總覽"}[language]
    assert page.js("return document.documentElement.lang") == TAGS[language]


def test_wishes_are_for_who_may_write(page, luci):
    opened(page, STATUS)
    page.find("[data-action=trace][data-target=cloudflare]").click()
    page.until(lambda: ("pathwarden", "trace_now", {"target": "cloudflare"}) in luci.calls)
    luci.writes = False
    page.find("[data-action=mute][data-target=cloudflare]").click()
    page.shows("#page", "Access denied")


def test_an_agent_that_is_away_is_said_and_comes_back(page, luci):
    luci.gone = True
    opened(page, STATUS)
    page.shows("#page", "Offline")
    luci.gone = False
    page.find("#pill").click()
    page.shows("#page", "Cloudflare")


def test_the_settings_offer_every_option_and_the_reason_for_it(page, luci):
    luci.config = CONFIG
    opened(page, SETTINGS)
    page.find(".cbi-map")
    ids = {"hook": "cfg01", "target": "office", "source": "wanb"}
    for section, options in SECTIONS.items():
        for option in options:
            name = f"{section}.{ids.get(section, section)}.{option.name}"
            said = page.js("const field = document.getElementById(arguments[0]); return field && field.parentNode.textContent", name)
            assert said and option.help in said, name
            assert luci_form.title(section, option.name) in said, name
            assert option.low is None or f"{option.low:g}..{int(option.high)}" in said, name
    assert page.js("return document.getElementById('target.office.source').value") == "wanb"
    assert page.js("return L.map.save()") == {}, "what is configured is valid"
    assert page.js("return L.uci.values.pathwarden.cfg01.event") == ["path_changed"]


def test_a_list_of_targets_shows_what_is_in_force(page, luci):
    luci.config = {
        **CONFIG,
        "defaults": {".name": "defaults", ".type": "defaults", "method": "icmp"},
        "office": {".name": "office", ".type": "target", "host": "192.0.2.1", "enabled": "0", "interval_s": "60"},
        "home": {".name": "home", ".type": "target", "host": "192.0.2.2", "label": "<img src=x onerror=hacked=1>"},
    }
    opened(page, SETTINGS)
    page.find(".cbi-map")
    row = "tr[data-sid={}] [data-name={}]"
    said = {name: [page.text(row.format(sid, name)) for sid in ("office", "home")] for name in ("enabled", "method", "interval_s", "label")}
    assert said.pop("label") == ["none", "<img src=x onerror=hacked=1>"]
    assert said == {"enabled": ["no", "yes"], "method": ["icmp", "icmp"], "interval_s": ["60 s", "300 s"]}
    assert page.js("return window.hacked") is None


def test_a_section_that_the_file_lacks_can_be_set(page, luci):
    luci.config = {"web": {".name": "web", ".type": "target", "host": "192.0.2.1"}}
    opened(page, SETTINGS)
    page.find(".cbi-map")
    value(page, "mqtt.mqtt.host", "192.0.2.7")
    assert page.js("return L.map.save()") == {}
    kept = page.js("return L.uci.values.pathwarden")
    assert kept["mqtt"] == {".name": "mqtt", ".type": "mqtt", "host": "192.0.2.7"}
    assert kept["web"] == {".name": "web", ".type": "target", "host": "192.0.2.1"}, "a target of that name stays one"
    assert sorted(each[".type"] for each in kept.values()) == ["agent", "defaults", "mqtt", "target", "web"]


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("agent.agent.name", "home-rt", "Home Router"),
        ("agent.agent.max_pps", "0.5", "0.05"),
        ("agent.agent.do_not_probe", "198.51.100.0/24 2001:db8::/32", "everywhere!"),
        ("agent.agent.db", "/mnt/usb/history.db", "history.db"),
        ("agent.agent.flush_s", "60", "9"),
        ("target.office.host", "2001:db8::1", "no host!"),
        ("target.office.label", "家" * 64, "家" * 65),
        ("target.office.interval_s", "86400", "86401"),
        ("target.office.size", "0", "67"),
        ("target.office.queries", "10", "3.5"),
        ("source.wanb.device", "wwan0", "a/b"),
        ("source.wanb.address", "192.0.2.7", "192.0.2"),
        ("source.wanb.table", "wanb", "two words"),
        ("source.wanb.fwmark", "0x100", "0x"),
        ("mqtt.mqtt.prefix", "home/paths", "home/#"),
        ("web.web.listen", "@lan:8866 [::1]:8866", "8866"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_field_and_remedy(settings, field, good, bad):
    value(settings, field, good)
    assert field not in settings.js("return L.map.save()")
    value(settings, field, bad)
    said = settings.js("return L.map.save()")[field]
    title = settings.js("return document.querySelector(`label[for='${arguments[0]}']`).textContent", field)
    assert said.startswith("Expecting: ") or (said.startswith(f'{title}: "') and bad.split()[0] in said)
    value(settings, field, good)


@pytest.fixture(scope="module")
def settings(driver):
    """The settings, for tests that leave them as they were."""
    with PageServer() as agent, LuciServer(agent) as luci:
        luci.config = CONFIG
        with Page(driver, luci.url).watched() as page:
            opened(page, SETTINGS)
            page.find(".cbi-map")
            yield page


@pytest.mark.parametrize("language", TAGS)
def test_the_settings_are_translated(page, luci, language):
    speak(luci, language)
    sized(page, 360)
    luci.config = CONFIG
    opened(page, SETTINGS)
    page.find(".cbi-map")
    said = page.texts("label, .cbi-value-description, h2, h3, p, option")
    english = {help_ for options in SECTIONS.values() for option in options for help_ in (option.help,)}
    assert not [text for text in said if text.partition(" [")[0] in english]
    assert page.overflow() == 0
    page.shoot(f"luci-settings-{language}")


def test_the_log_shows_our_lines_as_text_and_goes_on(page, luci):
    luci.log = "Sat Nov 21 12:00:00 2026 daemon.info pathwarden[7]: a name <b>from the network</b>\n"
    opened(page, LOG)
    page.find("#pathwarden-log")
    assert page.js("return document.getElementById('pathwarden-log').value") == luci.log.strip()
    luci.log += "Sat Nov 21 12:00:05 2026 daemon.info pathwarden[7]: more\n"
    page.js("return L.polled[0]()")
    page.until(lambda: "more" in page.js("return document.getElementById('pathwarden-log').value"))
    assert page.axe() == []


def test_the_block_on_luci_s_overview_has_a_row_for_each_target(page, luci):
    luci.agent.summary["targets"][0]["name"] = "<b>stranger</b>"
    opened(page, BLOCK)
    page.find("#view table")
    assert page.text("#view h3") == "Path Monitor"
    rows = page.texts("#view tr.tr:not(.table-titles)")
    assert len(rows) == len(luci.agent.summary["targets"])
    assert rows[0].startswith("<b>stranger</b>")
    link = page.js("return document.querySelector('#view a').getAttribute('href')")
    assert link == f"/cgi-bin/luci/admin/services/pathwarden/status#/target/{luci.agent.summary['targets'][0]['target']}"
    luci.gone = True
    opened(page, BLOCK)
    page.shows("#view", "The path monitor does not answer.")
    luci.rights = {"read": {}, "write": {}}
    opened(page, BLOCK)
    page.until(lambda: ("pathwarden", "summary", {}) in luci.calls[-1:] and page.js("return L.shown"))
    assert page.text("#view") == "", "who may not look is not told that nothing answers"


def test_every_script_parses_where_luci_evaluates_it(page):
    opened(page, LOG)
    for script in (TOP / APP / "htdocs").rglob("*.js"):
        page.js("new Function(arguments[0])", script.read_text(encoding="utf-8"))
