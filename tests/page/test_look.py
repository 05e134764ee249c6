"""LuCI's look in every size, scheme and language; accessibility; languages."""

import gzip
import re

import pytest

from equipment import page_data
from equipment.page_server import WEB
from pathwarden.api.app import GZIP_LEVEL
from pathwarden.detect.align import Op
from pathwarden.detect.locate import Evidence
from pathwarden.detect.segments import Part
from pathwarden.errors import PROBE_ERRORS
from pathwarden.model.change import CauseKind
from pathwarden.model.trace import Reason
from pathwarden.present.sentences import ENGLISH, LOCATION

VIEWS = {"overview": "#/", "target": "#/target/cloudflare", "changes": "#/changes"}
# Made of the same parts as those above, so one scheme for each language is enough.
MORE_VIEWS = {
    "heat": "#/target/cloudflare/heat",
    "paths": "#/target/cloudflare/paths",
    "diff": "#/target/cloudflare/diff",
    "report": "#/report/cloudflare",
}
LANGUAGES = ("en", "zh_Hant", "zh_Hans", "ja")
CLOSED_SETS = {
    "state": ("ok", "degraded", "unstable", "unreachable", "paused", "error", "unknown"),
    "verdict.is": ("ok", "local", "isp", "transit", "destination", "resolver", "unknown"),
    "reason": tuple(Reason),
    "change": (
        "hop", "reroute", "as_path", "length", "loop", "lb_set", "mpls", "filtered", "nat", "dscp", "mtu", "return_path", "renumbered",
        "congestion",
    ),
    "cause": tuple(kind for kind in CauseKind if kind not in (CauseKind.UNKNOWN, CauseKind.REMOTE)),
    "place": tuple(Part),
    "severity": ("info", "notice", "warning", "critical"),
    "ending": ("reached", "unreachable", "gap", "max_ttl", "error"),
    "note": ("quiet", "rate_limited"),
    "evidence": tuple(Evidence),
    "op": tuple(Op),
    "fault": tuple(PROBE_ERRORS),
    "transport": ("raw", "rootless", "sim"),
    "event": (
        "path_changed", "path_reverted", "path_attribute_changed", "path_unstable", "path_stable", "target_unreachable", "target_reachable",
        "latency_shift", "target_address_changed", "digest", "agent_started", "uplink_down", "uplink_up", "incident", "probe_error",
    ),
}  # fmt: skip
ARGS = {
    **dict.fromkeys(("name", "label", "device", "version", "detail", "sentence", "before", "after", "come", "gone"), "X"),
    **dict.fromkeys(("first", "last", "ttl", "ms", "count"), 7),
    "place": "isp",
    "sureness": "probable",
    "near": "192.0.2.1",
    "far": "192.0.2.2",
}
PLACES = ("between", "behind", "left", "part", "unknown", *list(Evidence)[:4])
GIVEN_WORDS = {
    "target": ("Target", "目標", "目标", "ターゲット"),
    "hop": ("Hop", "跳", "跳", "ホップ"),
    "loss": ("Packet loss", "封包遺失率", "丢包率", "パケットロス"),
    "latency": ("Latency", "延遲", "延迟", "レイテンシ"),
    "path": ("Path", "路徑", "路径", "経路"),
    "path.usual": ("usual path", "常用路徑", "常用路径", "通常の経路"),
    "state.unstable": ("Unstable", "不穩定", "不稳定", "不安定"),
    "note.quiet": ("does not answer (normal)", "不回應（正常）", "不响应（正常）", "応答なし（正常）"),
}


@pytest.fixture
def texts(page):
    page.driver.get(page.url)
    load = "const done = arguments[1]; import('/static/i18n.js').then((i18n) => i18n.catalogue(arguments[0], i18n.SETTINGS)).then(done)"
    return {language: page.driver.execute_async_script(load, language) for language in LANGUAGES}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_view_is_wider_than_the_screen(page, view, language):
    page.open(VIEWS[view])
    page.language(language)
    for width in (360, 768, 1280):
        for dark in (False, True):
            page.size(width, dark)
            assert page.overflow() == 0, (width, dark)
            if width != 768:
                page.shoot(f"{view}-{language}-{width}-{'dark' if dark else 'light'}")


@pytest.mark.parametrize("view", MORE_VIEWS)
def test_views_over_time_fit_and_axe_finds_nothing_serious(page, view):
    page.open(MORE_VIEWS[view])
    for language, dark in zip(LANGUAGES, (False, True, False, True), strict=True):
        page.language(language)
        for width in (360, 768, 1280):
            page.size(width, dark)
            assert page.overflow() == 0, (language, width)
        page.shoot(f"{view}-{language}-1280-{'dark' if dark else 'light'}")
    assert page.axe() == []
    page.size(360)
    assert page.axe() == []
    page.shoot(f"{view}-ja-360-light")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(page, view, dark):
    page.open(VIEWS[view])
    for width in (360, 1280):
        page.size(width, dark)
        assert page.axe() == [], width
    page.language("ja")
    assert page.axe() == []


@pytest.mark.parametrize("view", VIEWS)
def test_paper_is_light_whatever_the_screen_is(page, view):
    colours = (
        "return ['body', 'header', 'h2', 'main a', '.cbi-section', '.icon'].flatMap((selector) => {"
        "  const style = getComputedStyle(document.querySelector(selector)); return [style.color, style.backgroundColor]; })"
    )
    page.open(VIEWS[view])
    seen = {}
    for scheme in ("light", "dark"):
        page.size(1280, scheme == "dark")
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
        assert page.js("return matchMedia('print').matches && document.documentElement.dataset.darkmode") == str(scheme == "dark").lower()
        seen[scheme] = page.js(colours)
        assert page.axe() == []
        assert page.js("return getComputedStyle(document.documentElement).colorScheme") == "light"
    page.shoot(f"{view}-print")
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert seen["dark"] == seen["light"]
    assert seen["dark"][:2] == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]


def test_axe_finds_nothing_serious_in_the_other_states(page, server):
    page.expected_errors = ("ERR_EMPTY_RESPONSE", "503")
    server.summary |= {"targets": []}
    page.open()
    assert page.axe() == []
    server.offline = True
    page.shows("#pill", "Offline")
    assert page.axe() == []
    server.offline = False
    server.problems["summary"] = {"status": 503, "title": "Unavailable", "code": "starting", "detail": "starting"}
    page.open("#/target/new")
    assert page.axe() == []


@pytest.mark.parametrize("view", ["#/", "#/target/cloudflare", "#/changes"])
def test_long_words_do_not_widen_a_phone(page, server, view):
    long = "W" * 64
    for one in (*server.states, *server.summary["targets"]):
        one |= {"name": long, "address": f"{page_data.LONG6}ffff", "error": long}
    server.summary |= {"sentence": long}
    server.events = [page_data.event(9, title=long, name=long)]
    page.open(view)
    page.size(360)
    assert page.overflow() == 0


def test_language_and_scheme_outlive_a_reload(page):
    page.open()
    page.size(1280, dark=False)
    page.language("zh_Hant")
    page.choose("scheme", "dark")
    page.until(lambda: page.js("return document.documentElement.dataset.darkmode") == "true")
    page.open()
    assert page.text("h2") == "總覽"
    assert page.js("return [document.documentElement.lang, document.documentElement.dataset.darkmode]") == ["zh-Hant", "true"]


@pytest.mark.parametrize(
    ("preferred", "language"),
    [("zh-TW", "zh_Hant"), ("zh-HK", "zh_Hant"), ("zh-CN", "zh_Hans"), ("zh", "zh_Hans"), ("ja-JP", "ja"), ("de-DE", "en")],
)
def test_the_language_follows_the_browser(page, preferred, language):
    page.driver.get(page.url)
    choose = "const done = arguments[1]; import('/static/i18n.js').then((i18n) => done(i18n.chooseLanguage([arguments[0]]).id))"
    assert page.driver.execute_async_script(choose, preferred) == language


def test_catalogues_agree_in_keys_and_placeholders(texts):
    shape = {language: {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in one.items()} for language, one in texts.items()}
    assert len(shape["en"]) > 100
    assert all(one == shape["en"] for one in shape.values())
    assert [key for one in texts.values() for key, text in one.items() if not text.strip()] == []


def test_catalogues_hold_every_text_the_modules_name_and_no_other(texts):
    source = "".join(path.read_text(encoding="utf-8") for path in WEB.rglob("*.js") if path.parent.name != "i18n")
    chosen = re.findall(r'\? "(\w+\.\w+)" : "(\w+\.\w+)"', source)
    named = set(re.findall(r'\bt\("([\w.]+)"', source)) | {key for pair in chosen for key in pair}
    groups = set(re.findall(r'\b(?:t\(`|word\("|badge\(kit, ")([\w.]+?)(?:"|\.\$)', source))
    assert named - set(texts["en"]) == set()
    assert {key for key in texts["en"] if key not in named and not key.startswith(tuple(f"{group}." for group in groups))} == set()


@pytest.mark.parametrize("group", CLOSED_SETS)
def test_every_word_of_a_closed_set_is_spoken(texts, group):
    assert [key for key in (f"{group}.{value}" for value in CLOSED_SETS[group]) if key not in texts["en"]] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_the_agent_has_words(page, language):
    page.driver.get(page.url)
    say = """const [language, keys, args, done] = arguments;
    Promise.all([import("/static/i18n.js"), import("/static/say.js"), import("/static/format.js")]).then(async ([i18n, say, format]) => {
      const kit = { ...(await i18n.loadTexts(language)), lang: language, format: format.createFormat("en") };
      const text = (part) => (Array.isArray(part) ? part.map(text).join("") : (part?.textContent ?? String(part)));
      done(keys.map((key) => { const said = say.sentence(kit, { key, args }); return said && text(said); }));
    });"""
    keys = [*ENGLISH, *(f"{LOCATION}{place}" for place in PLACES)]
    words = dict(zip(keys, page.driver.execute_async_script(say, language, keys, ARGS), strict=True))
    assert {key: said for key, said in words.items() if not said or re.search(r"[{}]|undefined|null", said)} == {}
    if language != "en":
        same = {"said", "cause.said", "value.changed"}
        assert {key for key, said in words.items() if re.fullmatch(r"[\x00-\x7f]+", said)} <= same


def test_the_glossary_is_kept(texts):
    assert {key: tuple(texts[language][key] for language in LANGUAGES) for key in GIVEN_WORDS} == GIVEN_WORDS
    assert not [text for text in texts["zh_Hans"].values() if "跃点" in text]


def test_texts_of_the_agent_are_marked_as_english(page):
    page.open()
    page.language("ja")
    assert {node.get_attribute("lang") for node in page.all(".agent-text")} == {"en"}


def test_no_module_writes_markup():
    source = {path.name: path.read_text(encoding="utf-8") for path in WEB.rglob("*.js")}
    assert source
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|https?://(?!www\.w3\.org/2000/svg)")
    assert {name: forbidden.findall(text) for name, text in source.items() if forbidden.search(text)} == {}


def test_the_page_stays_small():
    files = [path for path in WEB.rglob("*") if path.is_file()]
    # As the server sends them, in all four languages; a reader loads one.
    assert sum(len(gzip.compress(path.read_bytes(), GZIP_LEVEL)) for path in files) < 120_000
