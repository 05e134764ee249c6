"""The route that gives a target's traces as a file, a piece at a time."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import bottle

from pathwarden.api.answers import Answers
from pathwarden.api.live import query
from pathwarden.api.problem import Problem
from pathwarden.model.protocols import Exports

# In the request's environment: what follows the head. It may be far larger than memory, so it never stands in an answer.
STREAM = "pathwarden.stream"
_PIECE = 64 * 1024  # bytes handed over at once; a trace is a few hundred, and each hand-over is a chunk of HTTP
_PACKETS = "pcapng"


class ExportRoutes:
    """Files of traces. The method may run in several threads at once."""

    def __init__(self, exports: Callable[[], Exports | None], answers: Answers) -> None:
        self._exports = exports
        self._answers = answers

    def add_to(self, app: bottle.Bottle) -> None:
        """Register the route."""
        app.get("/api/v1/targets/<tid>/export", callback=self.export)

    def export(self, tid: str) -> bottle.HTTPResponse:
        """The traces of a target in the form that `format` names, oldest first, between `from` and `to`."""
        asked = query("format", "from", "to")
        form, (start, end) = asked.text("format"), asked.span()
        target = self._answers.known(tid)
        if form == _PACKETS:
            raise Problem(404, "no_packets", "the history keeps no packets; pathwarden trace --pcap does", parameter="format")
        exports = self._exports()
        if exports is None:
            raise Problem(404, "not_installed", "what exports is not installed; it is in the package pathwarden-tools")
        if form not in exports.forms:
            raise Problem(400, "bad_parameter", f"'format' must be one of {', '.join(exports.forms)}", parameter="format")
        made = exports.export(target, form, start, end)
        pieces = _large(made.pieces)
        # Before the head is sent, so that a history that cannot be read is said as any other answer says it.
        bottle.request.environ[STREAM] = chain([next(pieces, b"")], pieces)
        headers = {"Content-Type": made.content_type, "Content-Disposition": f'attachment; filename="{made.name}"'}
        return bottle.HTTPResponse(b"", 200, headers)


def _large(pieces: Iterable[str]) -> Iterator[bytes]:
    """The text in pieces of about `_PIECE`."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        data = piece.encode("utf-8", "backslashreplace")
        waiting.append(data)
        size += len(data)
        if size >= _PIECE:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)
