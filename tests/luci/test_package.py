"""LuCI's part as packages: what luci.mk would make of it, the translations, and what LuCI and rpcd expect of menu and access list."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from equipment import adb, opkg
from equipment.fakes import FakeAgent, FakeClock, FakeReader, make_settings
from equipment.packages import FEED, MTIME, TOP
from packager import lmo, luci, luci_form, luci_texts, page_words, recipe
from packager.build import everything
from packager.recipe import RecipeError
from pathwarden.api.answers import Answers
from pathwarden.config.schema import SECTIONS
from pathwarden.daemon.bus import methods

APP = TOP / luci.APP
SAMPLES = Path(__file__).with_name("samples")
VIEWS = APP / "htdocs/luci-static/resources/view"
LANGUAGES = {"ja": "ja", "zh_Hans": "zh-cn", "zh_Hant": "zh-tw"}
MENU = json.loads((APP / "root/usr/share/luci/menu.d/luci-app-pathwarden.json").read_text(encoding="utf-8"))
ACL = json.loads((APP / "root/usr/share/rpcd/acl.d/luci-app-pathwarden.json").read_text(encoding="utf-8"))["luci-app-pathwarden"]
SCRIPTS = sorted(VIEWS.rglob("*.js"))
MOST_PACKED = 20_000  # bytes: a few views and the settings' texts


@pytest.fixture(scope="module")
def made():
    packages = luci.packages(TOP)
    return packages, everything(packages, MTIME, None)


def test_the_application_installs_what_lucis_build_would(made):
    (said, _), content = made[0][0], made[1][f"luci-app-pathwarden_{made[0][0].recipe.full_version}_all.ipk"]
    ipk = opkg.read(content)
    found = {member.name: member for member in ipk.data if member.kind != "5"}
    views = {f"www/luci-static/resources/view/{script.relative_to(VIEWS)}": script.read_bytes() for script in SCRIPTS}
    assert {name: member.content for name, member in found.items() if name.endswith(".js")} == views
    assert found.keys() - views.keys() == {
        "usr/share/luci/menu.d/luci-app-pathwarden.json",
        "usr/share/rpcd/acl.d/luci-app-pathwarden.json",
        "www/luci-static/resources/pathwarden",
    }
    link = found["www/luci-static/resources/pathwarden"]
    assert (link.kind, link.target) == ("2", "/usr/share/pathwarden/www"), "the page's own modules, once on the router"
    control = opkg.fields(ipk.control["control"].content.decode())
    assert (control["Depends"], control["Section"]) == ("luci-base, pathwarden", "luci")
    assert said.version == recipe.read(FEED / "Makefile")[0].version


def test_the_apk_holds_the_same(made):
    for said, files in made[0]:
        apk = adb.read(made[1][f"{said.name}-{said.full_version}.apk"])
        assert {name for name in apk.files if not name.startswith("lib/apk/")} == {node.path for node in files}
        assert apk.info["depends"] == sorted(said.depends)


def test_rpcd_and_luci_read_anew_what_was_installed(made, tmp_path):
    script = made[0][0].recipe.postinst
    (tmp_path / "killall").write_text('#!/bin/sh\necho "$@" >>"$0.said"\n', encoding="utf-8")
    (tmp_path / "killall").chmod(0o755)
    for root, said in (("/image", ""), ("", "-HUP rpcd\n")):
        env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "IPKG_INSTROOT": root}
        # Not the machine's own /tmp.
        subprocess.run(["/bin/sh", "-c", script.replace("/tmp/", f"{tmp_path}/")], env=env, check=True)
        told = tmp_path / "killall.said"
        assert (told.read_text(encoding="utf-8") if told.exists() else "") == said


def test_all_is_small(made):
    for name, content in made[1].items():
        assert len(content) <= MOST_PACKED, name


@pytest.mark.parametrize("name", ["demo", "edge"])
def test_archives_are_what_po2lmo_makes(name):
    po = (SAMPLES / f"{name}.zh_Hant.po").read_text(encoding="utf-8")
    assert lmo.write(lmo.read(po)) == (SAMPLES / f"{name}.zh-tw.lmo").read_bytes()


def test_nothing_translated_is_no_archive_and_nonsense_is_refused():
    assert lmo.write(lmo.read('msgid "a"\nmsgstr ""\n')) == b""
    with pytest.raises(lmo.PoError, match="line 2 is no line of a message: nonsense"):
        lmo.read('msgid "a"\nnonsense\n')


def looked_up(archive: bytes, msgid: str) -> str | None:
    """The text of a msgid by binary search, as LuCI does it."""
    start = int.from_bytes(archive[-4:], "big")
    entries = [archive[at : at + 16] for at in range(start, len(archive) - 4, 16)]
    keys = [int.from_bytes(entry[:4], "big") for entry in entries]
    assert keys == sorted(keys)
    if (key := lmo.sfh_hash(msgid.encode())) not in keys:
        return None
    entry = entries[keys.index(key)]
    offset, length = int.from_bytes(entry[8:12], "big"), int.from_bytes(entry[12:], "big")
    return archive[offset : offset + length].decode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_in_the_archive(made, language):
    code = LANGUAGES[language]
    said, files = next(package for package in made[0] if package.recipe.name == f"luci-i18n-pathwarden-{code}")
    defaults, archive = files
    assert defaults.path == f"etc/uci-defaults/luci-i18n-pathwarden-{code}"
    assert f"uci set luci.languages.{code.replace('-', '_')}='".encode() in defaults.content
    assert (defaults.mode, archive.path) == (0o755, f"usr/lib/lua/luci/i18n/pathwarden.{code}.lmo")
    assert said.depends == ("luci-app-pathwarden",)
    for each in lmo.read((APP / f"po/{language}/pathwarden.po").read_text(encoding="utf-8")):
        if not each.msgid:
            continue
        (text,) = each.texts
        assert not set(text) & set("<&"), each.msgid
        assert text, f"{each.msgid!r} is not translated into {language}: edit po/{language}/pathwarden.po"
        assert looked_up(archive.content, each.msgid) == (None if text == each.msgid else text)
        assert re.findall(r"%[sd]|`[^`]+`", text) == re.findall(r"%[sd]|`[^`]+`", each.msgid) or "`" in text, each.msgid
        assert sorted(re.findall(r"%[sd]", text)) == sorted(re.findall(r"%[sd]", each.msgid)), each.msgid


def test_schema_template_and_languages_are_of_now():
    """After options or texts have changed: `make luci`, then translate what is empty."""
    assert (APP / luci_form.PLACE).read_text(encoding="utf-8") == luci_form.script()
    assert (APP / luci_texts.TEMPLATE).read_text(encoding="utf-8") == luci_texts.template(APP)
    for language in luci_texts.LANGUAGES:
        po = (APP / luci_texts.PLACE.format(language=language)).read_text(encoding="utf-8")
        assert luci_texts.merged(APP, language, po) == po, language
    for language in page_words.LANGUAGES:
        said = (APP.parents[1] / page_words.PLACE.format(language=language)).read_text(encoding="utf-8")
        assert page_words.merged(APP, language, said) == said, language


def test_texts_can_be_looked_up():
    """LuCI trims and joins white space before it looks; po2lmo does not."""
    for msgid in luci_texts.messages(APP):
        assert msgid == " ".join(msgid.split()), msgid
        assert not set(msgid) & set("<&"), "LuCI's form takes titles and help as markup"
    calls = sum(len(re.findall(r"\b_\(", script.read_text(encoding="utf-8"))) for script in SCRIPTS)
    found = sum(len(luci_texts.CALL.findall(script.read_text(encoding="utf-8"))) for script in SCRIPTS)
    assert calls == found, "every text is a literal in single quotes"


def test_every_option_has_a_title_and_a_field():
    script = luci_form.script()
    assert script.count("{ name: '") == len({option for options in SECTIONS.values() for option in options}), (
        "what two sections share stands there once"
    )
    used = {f"{section}.{option.name}" for section, options in SECTIONS.items() for option in options}
    assert all(name in used or any(each.endswith(f".{name}") for each in used) for name in luci_form.TITLES), "no title is left over"


def test_the_menu_leads_to_views_that_are_there():
    top, *entries = MENU
    assert top == "admin/services/pathwarden"
    assert MENU[top]["action"] == {"type": "firstchild"}
    assert MENU[top]["depends"] == {"acl": ["luci-app-pathwarden"]}
    assert [MENU[entry]["title"] for entry in entries] == ["Status", "History", "Route Graph", "Map", "Settings", "Log"]
    for entry in entries:
        assert entry.startswith(f"{top}/")
        assert MENU[entry].keys() <= {"title", "order", "action", "depends"}
        assert MENU[entry]["action"]["type"] == "view"
        assert (VIEWS / f"{MENU[entry]['action']['path']}.js").is_file()
    orders = [MENU[entry]["order"] for entry in entries]
    assert orders == sorted(set(orders))


def test_the_access_list_is_tight():
    """Readers only read; what the views ask of the agent, they may, and nothing else; each method is one that the agent has."""
    assert ACL.keys() == {"description", "read", "write"}
    read, write = (ACL[right]["ubus"] for right in ("read", "write"))
    assert read.keys() == write.keys() == {"pathwarden"}
    offered = methods(Answers(FakeAgent(), FakeReader(), make_settings(), FakeClock()), lambda _tid: True)
    asked = re.findall(r"declare\('([a-z_]+)'", (VIEWS / "pathwarden/agent.js").read_text(encoding="utf-8"))
    assert sorted([*read["pathwarden"], *write["pathwarden"]]) == sorted(asked)
    assert set(asked) <= offered.keys()
    page = json.loads((FEED / "files/rpcd-acl.json").read_text(encoding="utf-8"))["pathwarden"]
    assert write["pathwarden"] == page["write"]["ubus"]["pathwarden"]
    assert ACL["read"]["file"] == {"/sbin/logread -e pathwarden": ["exec"]}
    assert ACL["read"]["cgi-io"] == ["exec"]
    assert ACL["read"]["uci"] == ACL["write"]["uci"] == ["pathwarden"]
    assert ACL["write"].keys() == {"ubus", "uci"}


def test_what_the_views_send_the_agent_takes():
    source = (VIEWS / "pathwarden/agent.js").read_text(encoding="utf-8")
    offered = methods(Answers(FakeAgent(), FakeReader(), make_settings(), FakeClock()), lambda _tid: True)
    for name, params in re.findall(r"declare\('([a-z_]+)'(?:, \[([^\]]*)\])?\)", source):
        assert set(re.findall(r"'([a-z_]+)'", params)) <= offered[name].arguments.keys(), name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_a_class_as_luci_loads_it(script):
    """It begins with directives, gives one class, and survives LuCI's minifier."""
    text = script.read_text(encoding="utf-8")
    head = re.match(r"'use strict';\n((?:'require [a-z_.]+(?: as [a-z_]+)?';\n)+)\n", text)
    assert head, "'use strict' and what it requires stand first"
    base = "view" if "return view.extend({" in text else "baseclass"
    assert f"'require {base}';" in head[1]
    assert text.count(f"\nreturn {base}.extend({{\n") == 1
    assert text.endswith("\n});\n")
    assert "innerHTML" not in text
    assert not re.search(r"(=>|return) */", text), "jsmin takes a regular expression there for a division"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_list_of_nodes_is_markup(script):
    """E() takes a lone text as markup: every text stands in brackets."""
    text = script.read_text(encoding="utf-8")
    assert not re.search(r"E\('[a-z0-9]+', \{[^{}]*\}, (?!\[|titles\.map|row\()", text)


def test_a_makefile_that_lacks_something_is_refused(tmp_path):
    (tmp_path / luci.APP).mkdir(parents=True)
    (tmp_path / luci.APP / "Makefile").write_text("PKG_NAME:=luci-app-pathwarden\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="PKG_VERSION is missing"):
        luci.packages(tmp_path)
