"""The page's own files: a fixed set of types below one folder, nothing else.

The page names them below a tag of all of them, so that a browser asks for each once: whatever changes has another address.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import bottle

from pathwarden.api.problem import Problem

# Not the system's table: there .js may be anything, and a browser runs no module of a wrong type.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
}
_AT = "@"  # before a tag; no file begins so
_NAMED = b'"static/'  # how the page begins the address of a file
# Keep it, but ask each time whether the tag of what it says still fits, so that an update shows at once.
_ASK = "no-cache"
_KEEP = "max-age=31536000, immutable"  # RFC 8246


class Pages:
    """Serves `/` (index.html) and `/static/...`, or `/static/@TAG/...`, from a folder."""

    def __init__(self, root: str) -> None:
        self._root = Path(root).resolve()
        self._tag = ""

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.get("/", callback=self.index)
        app.get("/static/<name:path>", callback=self.file)

    def index(self) -> bottle.HTTPResponse:
        """Page itself."""
        page = self.file("index.html")
        with suppress(OSError):  # an update is under way: until the next look each file is asked for
            self._tag = _tag(self._root)
            page.body = page.body.replace(_NAMED, _NAMED + f"{_AT}{self._tag}/".encode())
        return page

    def file(self, name: str) -> bottle.HTTPResponse:
        """One file. Whatever is outside the folder, hidden, or of no known type does not exist."""
        tag = ""
        if name.startswith(_AT):
            tag, _, name = name[len(_AT) :].partition("/")
        # Under the tag of other files it may be asked for by a page that was loaded before an update.
        keep = _KEEP if tag and tag == self._tag else _ASK
        headers = {"Content-Type": TYPES.get(Path(name).suffix, ""), "Cache-Control": keep}
        try:
            path = (self._root / name).resolve()  # follows links, so that none leads out
            hidden = any(part.startswith(".") for part in Path(name).parts)
            plain = str(Path(name)) == name  # one address per file: no double or trailing slash
            if headers["Content-Type"] and plain and not hidden and path.is_relative_to(self._root):
                return bottle.HTTPResponse(path.read_bytes(), 200, headers)
        except (OSError, ValueError):  # ValueError: a NUL byte in the name
            pass
        raise Problem(404, "not_found", "there is no such file")


def _tag(root: Path) -> str:
    """A text that is another one when any of these files is: of their names, lengths and times, which cost less than what they say."""
    told = hashlib.sha256()
    for folder, _folders, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            info = path.lstat()
            told.update(f"{path}\0{info.st_size}\0{info.st_mtime_ns}\0{info.st_ino}\0".encode(errors="surrogateescape"))
    return told.hexdigest()[:12]
