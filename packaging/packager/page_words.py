"""What the page's settings call options, from the program's schema and LuCI's translations; needs the program, as `luci_form` does."""

import json
from pathlib import Path

from packager import lmo, luci_form, luci_texts
from pathwarden.config.schema import SECTIONS

PLACE = "web/i18n/settings.{language}.js"
ENGLISH = "en"
LANGUAGES = (ENGLISH, *luci_texts.LANGUAGES)
PAGE_SECTIONS = ("target", "source")  # what the page sets; what `defaults` says is among a target's
# In one file with what people write: texts that are alike and fetched together are smaller so.
_FROM_HERE = "  // From here on made of the program's schema and LuCI's translations by `make luci`: an option's name and meaning.\n"
_END = "};\n"


def merged(app: Path, language: str, old: str) -> str:
    """A language's module with the options of now: what people wrote before them stays; what nobody has translated is empty."""
    return old.partition(_FROM_HERE)[0].removesuffix(_END) + _FROM_HERE + _options(app, language) + _END


def _options(app: Path, language: str) -> str:
    known = {} if language == ENGLISH else _translated(app, language)

    def said(text: str) -> str:
        return text if language == ENGLISH else known.get(text, "")

    found: dict[str, str] = {}
    for section in PAGE_SECTIONS:
        for option in SECTIONS[section]:
            title, means = said(luci_form.title(section, option.name)), said(option.help)
            whole = title if language == ENGLISH else f"{title}\n{means}" if title and means else ""  # English comes with the schema
            found[f"option.{section}.{option.name}"] = whole
            if len(option.unit) > len("MB"):  # shorter ones are everybody's
                found[f"unit.{option.unit}"] = said(option.unit)
    return "".join(f"  {json.dumps(key)}: {json.dumps(text, ensure_ascii=False)},\n" for key, text in found.items())


def _translated(app: Path, language: str) -> dict[str, str]:
    file = app / luci_texts.PLACE.format(language=language)
    return {each.msgid: each.texts[0] for each in lmo.read(file.read_text(encoding="utf-8"))}
