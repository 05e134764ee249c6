"""The texts of LuCI's views for translators: a template of all messages, and the languages' files in its order."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from packager import lmo

TEMPLATE = "po/templates/pathwarden.pot"
PLACE = "po/{language}/pathwarden.po"
LANGUAGES = ("ja", "zh_Hans", "zh_Hant")
CALL = re.compile(r"\b_\('((?:[^'\\]|\\.)*)'\)")
_HEADER = """msgid ""
msgstr ""
"Project-Id-Version: pathwarden\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"
"""


def messages(app: Path) -> dict[str, list[str]]:
    """What is shown to readers, with the files that say it: texts in scripts, titles in the menu, what an access list grants."""
    found: dict[str, list[str]] = {}
    for file in sorted(app.rglob("*.js")):
        _note(found, (re.sub(r"\\(.)", r"\1", text) for text in CALL.findall(file.read_text(encoding="utf-8"))), file.relative_to(app))
    for file in sorted(app.glob("root/usr/share/luci/menu.d/*.json")):
        _note(found, (entry["title"] for entry in json.loads(file.read_text(encoding="utf-8")).values()), file.relative_to(app))
    for file in sorted(app.glob("root/usr/share/rpcd/acl.d/*.json")):
        _note(found, (group["description"] for group in json.loads(file.read_text(encoding="utf-8")).values()), file.relative_to(app))
    return found


def template(app: Path) -> str:
    """The .pot file."""
    return _file("", messages(app), {})


def merged(app: Path, language: str, old: str) -> str:
    """A language's file with the messages of now: translations of `old` stay, what nobody says any more goes, what is new is empty."""
    return _file(language, messages(app), {each.msgid: each.texts[0] for each in lmo.read(old)})


def _note(found: dict[str, list[str]], texts: Iterable[str], file: Path) -> None:
    for text in texts:
        files = found.setdefault(text, [])
        if file.as_posix() not in files:
            files.append(file.as_posix())


def _file(language: str, found: dict[str, list[str]], translated: dict[str, str]) -> str:
    entries = (
        "".join(f"#: {file}\n" for file in files) + f"msgid {_quoted(msgid)}\nmsgstr {_quoted(translated.get(msgid, ''))}\n"
        for msgid, files in found.items()
    )
    return "\n".join([_HEADER.format(language=language), *entries])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
