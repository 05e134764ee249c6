"""The page's own files: a fixed set of types below one folder, nothing else."""

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


class Pages:
    """Serves `/` (index.html) and `/static/...` from a folder."""

    def __init__(self, root: str) -> None:
        self._root = Path(root).resolve()

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the routes."""
        app.get("/", callback=self.index)
        app.get("/static/<name:path>", callback=self.file)

    def index(self) -> bottle.HTTPResponse:
        """Page itself."""
        return self.file("index.html")

    def file(self, name: str) -> bottle.HTTPResponse:
        """One file. Whatever is outside the folder, hidden, or of no known type does not exist."""
        # no-cache: keep it, but ask each time whether the tag still fits, so that an update shows at once.
        headers = {"Content-Type": TYPES.get(Path(name).suffix, ""), "Cache-Control": "no-cache"}
        try:
            path = (self._root / name).resolve()  # follows links, so that none leads out
            hidden = any(part.startswith(".") for part in Path(name).parts)
            plain = str(Path(name)) == name  # one address per file: no double or trailing slash
            if headers["Content-Type"] and plain and not hidden and path.is_relative_to(self._root):
                return bottle.HTTPResponse(path.read_bytes(), 200, headers)
        except (OSError, ValueError):  # ValueError: a NUL byte in the name
            pass
        raise Problem(404, "not_found", "there is no such file")
