"""What every change must keep true of the repository itself."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from packager.option_table import markdown

TOP = Path(__file__).resolve().parents[2]
MAX_LINES = 420  # "about 400": beyond it a file has two subjects
KINDS = {"unit", "sim", "contract", "e2e", "openwrt", "page", "luci", "soak", "bench", "meta", "homeassistant"}
NOT_TESTS = {"corpus", "equipment", "netlab", "storelab"}
# A checkout may lie in a folder that documents rightly name.
COMMON_PARENTS = {Path(p) for p in ("/", "/tmp", "/var/tmp", "/root", "/home", "/opt", "/srv", "/usr/src", "/usr/local/src")}
REGISTRIES = [".".join(words) for words in (("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs", "org"))]


@cache
def tracked() -> tuple[Path, ...]:
    """The tracked files that exist. (As root of a user's checkout git wants to be told that this is meant.)"""
    command = ["git", "-c", "safe.directory=*", "-C", TOP, "ls-files", "-z"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return tuple(path for path in (TOP / name for name in names if name) if path.is_file())


def holding(*texts: str) -> list[str]:
    """The tracked files with one of these texts, and which."""
    wanted = [text.encode() for text in texts]
    rows = ((path, path.read_bytes()) for path in tracked())
    return [f"{path.relative_to(TOP)}: {text.decode()}" for path, data in rows for text in wanted if text in data]


def makefile_targets() -> list[str]:
    text = (TOP / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"^([A-Za-z][\w-]*)\s*:(?!=)", text, re.MULTILINE)
    phony = re.findall(r"^\.PHONY:(.*)$", text, re.MULTILINE)[0].split()
    return sorted({*rules, *phony})


def test_make_alone_shows_the_help() -> None:
    helps = [subprocess.run(["make", *goal], cwd=TOP, capture_output=True, text=True, check=True).stdout for goal in ([], ["help"])]
    assert helps[0] == helps[1]


@pytest.mark.parametrize("target", makefile_targets())
def test_help_describes_the_target(target: str) -> None:
    shown = subprocess.run(["make", "help"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^make {target} +\S", shown, re.MULTILINE), f"{target} has no ## text in the Makefile"


def test_the_makefile_has_the_targets_that_documents_name() -> None:
    named = {"run", "demo", "test", "lint", "types", "unit", "sim", "contract", "e2e", "page", "soak", "matrix", "bench", "clean", "help"}
    assert named <= set(makefile_targets())


def test_ci_runs_make_test_and_nothing_else() -> None:
    lines = (TOP / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert lines == ["#!/usr/bin/env bash", "set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]
    assert os.access(TOP / ".ci/run", os.X_OK)


@pytest.mark.parametrize("command", ["make run", "make test"])
def test_the_readme_shows_the_two_commands_at_once(command: str) -> None:
    assert command in "\n".join((TOP / "README.md").read_text(encoding="utf-8").splitlines()[:30])


def test_no_tracked_file_names_this_machines_folders() -> None:
    places = [str(TOP)]
    if TOP.parent not in COMMON_PARENTS:
        places.append(f"{TOP.parent}/")
    assert holding(*places) == []


def test_no_tracked_file_names_a_registry() -> None:
    set_here = (os.environ.get(name, "") for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "npm_config_registry"))
    hosts = {host for urls in set_here for url in urls.split() if (host := urlsplit(url).hostname)}
    assert holding(*REGISTRIES, *sorted(hosts)) == []


def test_source_files_are_short_enough_to_have_one_subject() -> None:
    sources = [path for path in tracked() if path.is_relative_to(TOP / "agent") and path.suffix == ".py"]
    lengths = {str(path.relative_to(TOP)): len(path.read_text(encoding="utf-8").splitlines()) for path in sources}
    assert lengths, "no source files are tracked"
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_the_changelog_has_a_place_for_what_is_not_released() -> None:
    assert "## [Unreleased]" in (TOP / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()


def test_every_test_lies_in_a_directory_that_says_its_kind() -> None:
    parts = [path.relative_to(TOP / "tests").parts for path in tracked() if path.is_relative_to(TOP / "tests")]
    assert {first for first, *rest in parts if rest} <= KINDS | NOT_TESTS
    tests = {"/".join(names): names[0] for names in parts if names[-1].startswith("test_") and names[-1].endswith(".py")}
    assert tests
    assert {name for name, kind in tests.items() if kind not in KINDS} == set()


def test_the_readmes_options_are_the_schemas():
    text = (TOP / "README.md").read_text(encoding="utf-8")
    shown = text.partition("compared by a test -->\n")[2].partition("<!-- /options -->")[0]
    assert shown.strip() == markdown().strip()
