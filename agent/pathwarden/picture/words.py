"""What pictures say, in the languages of the page."""

import json
from functools import cache
from pathlib import Path

_TABLES = Path(__file__).parent / "words.json"


class Words:
    """One language's words: a function of a key and what goes into its text."""

    def __init__(self, language: str = "en") -> None:
        self._table = _tables()[language]

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key."""
        return self._table[key].format_map(values)

    def special(self, name: str) -> str:
        """The name of a special range; those that are names of protocols are the same everywhere."""
        return self._table.get(f"special.{name}", name)


@cache
def _tables() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(_TABLES.read_text("utf-8"))
    return found
