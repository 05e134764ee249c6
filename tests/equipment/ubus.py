"""Exchanges between the `ubus` command and a real ubusd, as they were recorded, and bytes for fakes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_FILE = Path(__file__).parents[1] / "corpus/ubus/exchanges.json"


class Exchange(NamedTuple):
    """One recorded conversation: the command's arguments (None where it was no command), what it printed, and who sent what, in order."""

    name: str
    args: list[str] | None
    exit: int | None
    output: Any
    said: tuple[tuple[str, bytes], ...]

    def by(self, who: str) -> list[bytes]:
        """What one side sent: `client` or `ubusd`."""
        return [data for speaker, data in self.said if speaker == who]


def exchanges() -> Iterator[Exchange]:
    """All recorded conversations."""
    for found in json.loads(_FILE.read_text(encoding="utf-8")):
        said = tuple((part["from"], bytes.fromhex(part["hex"])) for part in found["exchange"])
        yield Exchange(found["name"], found["args"], found["exit"], found["output"], said)


def exchange(name: str) -> Exchange:
    """The recorded conversation of this name."""
    return next(each for each in exchanges() if each.name == name)
