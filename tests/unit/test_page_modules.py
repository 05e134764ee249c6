"""The page's modules as the browser loads them."""

import re
from pathlib import Path

WEB = Path(__file__).parents[2] / "web"
IMPORT = re.compile(r'^(?:import|export)\b[^;]*?from "(\.[^"]+)"', re.MULTILINE)


def loaded(name, seen):
    """A module and all that it imports from the start."""
    if name not in seen:
        seen.add(name)
        for other in IMPORT.findall((WEB / name).read_text(encoding="utf-8")):
            loaded(str((WEB / name).parent.joinpath(other).resolve().relative_to(WEB)), seen)
    return seen


def test_all_that_the_page_loads_is_asked_for_at_once():
    text = (WEB / "index.html").read_text(encoding="utf-8")
    named = re.findall(r'<link rel="modulepreload" href="static/([^"]+)">', text)
    assert named == sorted(set(named), key=lambda name: (name.count("/"), name))
    assert {*named, "entry.js"} == loaded("main.js", loaded("entry.js", set()))
