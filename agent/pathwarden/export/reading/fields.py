"""The members of a JSON object, each of the type and in the range that its place allows; all else is `Unreadable`, named by its place."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from math import isfinite
from typing import Any, TypeVar

from pathwarden.export.reading.recorded import Unreadable
from pathwarden.wire.address import pack4, pack6, unpack4, unpack6

LAST_NS = 2**63 - 1  # what the history's integers hold: the year 2262
MOST_TEXT = 1024  # characters; the longest host name has 253
MOST_MS = 3_600_000.0  # an RTT of an hour is none
_SHOWN = 40  # characters of a wrong value
_Kind = TypeVar("_Kind", bound=StrEnum)


class Fields:
    """An object's members. `where` is its place in the item, '' for the item itself."""

    __slots__ = ("_values", "_where")

    def __init__(self, values: Mapping[str, Any], where: str = "") -> None:
        self._values = values
        self._where = where

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def wrong(self, key: str, expected: str) -> Unreadable:
        """The error that a member is not what it must be."""
        if key not in self._values:
            return Unreadable(f"{self._place(key)} is missing; it must be {expected}")
        return Unreadable(f"{self._place(key)} is {shown(self._values[key])}; it must be {expected}")

    def integer(self, key: str, least: int, most: int, default: int | None = None) -> int:
        """A whole number from `least` to `most`; `default`, if there is one, where it is absent or null."""
        value = self._values.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(key, f"a whole number from {least} to {most}")
        return value

    def ns(self, key: str, most_ms: float = MOST_MS) -> int | None:
        """A duration that the file gives in ms, in ns; None where it is absent or null."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or not 0 <= value <= most_ms:
            raise self.wrong(key, f"a number of ms from 0 to {most_ms:.0f}")
        return round(value * 1e6)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._values.get(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A text that can be printed as UTF-8; `default`, if there is one, where it is absent or null."""
        value = self._values.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or len(value) > MOST_TEXT or not _whole(value):
            raise self.wrong(key, f"a text of at most {MOST_TEXT} characters without halves of surrogate pairs")
        return value

    def one_of(self, key: str, kinds: type[_Kind]) -> _Kind:
        """One of a few words."""
        try:
            return kinds(self.text(key))
        except ValueError:
            raise self.wrong(key, f"one of {', '.join(kinds)}") from None

    def address(self, key: str, af: int, default: str | None = None) -> str:
        """An address of this family (4 or 6) in its canonical form; `default`, if there is one, where it is absent, null or ''."""
        value = self._values.get(key)
        if value in (None, "") and default is not None:
            return default
        if isinstance(value, str) and len(value) <= MOST_TEXT:
            try:
                return _canonical(value, af)
            except ValueError:
                pass
        raise self.wrong(key, f"an IPv{af} address")

    def family(self, *keys: str) -> int:
        """4 or 6, by the address under the first of these keys that has one. Raises `Unreadable` if none has."""
        for key in keys:
            value = self._values.get(key)
            if isinstance(value, str) and value:
                return 6 if ":" in value else 4
        raise self.wrong(keys[0], "an address")

    def child(self, key: str) -> "Fields":
        """The object under a key."""
        value = self._values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return Fields(value, self._place(key))

    def children(self, key: str) -> Iterable["Fields"]:
        """The objects of a list; none where it is absent or null."""
        value = self._values.get(key)
        if value is None:
            return
        if not isinstance(value, list):
            raise self.wrong(key, "a list of objects")
        place = self._place(key)
        for index, each in enumerate(value):
            if not isinstance(each, dict):
                raise Unreadable(f"{place}[{index}] is {shown(each)}; it must be an object")
            yield Fields(each, f"{place}[{index}]")

    def texts(self, key: str) -> list[str]:
        """The texts of a list; none where it is absent or null."""
        value = self._values.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.wrong(key, "a list of texts")
        return value

    def raw(self, key: str) -> object:
        """The value as JSON gave it, None where it is absent."""
        return self._values.get(key)

    def _place(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key


def shown(value: object) -> str:
    """A value of a file for an error's one line: cut, and without what a terminal would not print."""
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "an object"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _whole(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


@lru_cache(4096)  # as in `wire.address`: the same few come again and again
def _canonical(text: str, af: int) -> str:
    return unpack4(pack4(text)) if af == 4 else unpack6(pack6(text))
