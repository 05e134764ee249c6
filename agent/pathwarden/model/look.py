"""How a picture is drawn for who asked for it."""

from typing import NamedTuple

LANGUAGES = ("en", "zh_Hant", "zh_Hans", "ja")  # as the page names them
NARROWEST, WIDEST = 320, 2400  # px of a map: a small phone, and a large screen


class Look(NamedTuple):
    """On which ground, in which of `LANGUAGES`, and, for a map, how broad in px; a graph is as broad as it is."""

    dark: bool = False
    language: str = LANGUAGES[0]
    width: int = 1232
