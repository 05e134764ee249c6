"""What the package with the tools brings to the page; the daemon runs without it."""

from importlib import import_module
from typing import Any

from pathwarden.model.network import Whose, nobody
from pathwarden.model.protocols import Exports, Pictures
from pathwarden.store.reader import Reader


def exporter(reader: Reader, agent: str, whose: Whose = nobody) -> Exports | None:
    """What gives the history to other programs over HTTP: a megabyte of memory; None where the package with the tools is not installed."""
    exports: Exports | None = _tool("pathwarden.export.exporter", "Exporter", reader, agent, whose)
    return exports


def drawer(reader: Reader, whose: Whose) -> Pictures | None:
    """What draws for the page; None likewise."""
    pictures: Pictures | None = _tool("pathwarden.picture.drawer", "Drawer", reader, whose)
    return pictures


def _tool(name: str, maker: str, *values: object) -> Any:  # noqa: ANN401 - what a module that may be missing makes
    """What a module of the package with the tools makes of these values; None without that package."""
    try:
        return getattr(import_module(name), maker)(*values)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        return None
