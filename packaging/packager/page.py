"""The page's files without indentation and comment lines: a tenth less to carry; every line keeps its number."""

import re

_BLOCK = rb"/\*(?:[^*]|\*(?!/))*\*/"
# In JavaScript only those that have lines of their own: elsewhere it takes a parser to tell them from texts.
_COMMENTS = {".css": re.compile(_BLOCK), ".js": re.compile(rb"^(?://.*|" + _BLOCK + rb")$", re.MULTILINE)}
_INDENT = re.compile(rb"^[ \t]+", re.MULTILINE)


class PageError(ValueError):
    """A file of the page holds something where blanks at a line's start may matter."""


def thin(path: str, content: bytes) -> bytes:
    """The file's content; what is neither CSS nor JavaScript stays. Raises `PageError` for a text over several lines."""
    kind = path[path.rfind(".") :]
    if kind not in _COMMENTS:
        return content
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.count(b"`") % 2 or line.endswith(b"\\"):
            raise PageError(f"{path}:{number}: a text that goes on in the next line would lose blanks; end it in this one")
    flat = _INDENT.sub(b"", content)
    return _COMMENTS[kind].sub(lambda found: b"\n" * found[0].count(b"\n"), flat)
