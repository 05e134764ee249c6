"""What exports the history over HTTP is in the package with the tools, and may be missing."""

import sys

import pytest

from equipment.fakes import FakeReader
from pathwarden.daemon.tools import exporter


def test_what_is_installed_exports() -> None:
    exports = exporter(FakeReader(), "home-rt")
    assert exports is not None
    assert "atlas" in exports.forms


def test_without_the_tools_there_is_nothing_to_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pathwarden.export.exporter", None)
    assert exporter(FakeReader(), "home-rt") is None


def test_a_module_that_is_missing_to_the_exporter_is_our_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pathwarden.export.exporter", raising=False)
    monkeypatch.setitem(sys.modules, "pathwarden.present.text", None)
    with pytest.raises(ModuleNotFoundError):
        exporter(FakeReader(), "home-rt")
