"""The verdict over all targets while the name servers do not answer."""

import pytest

from equipment.fakes import make_state
from pathwarden.present.live import overall

OK: dict[str, object] = {}
NEW: dict[str, object] = {"state": "unknown", "verdict": "unknown", "measured_at": None, "reached": None}
DOWN: dict[str, object] = {"state": "unreachable", "verdict": "destination", "reached": False}
NAMELESS: dict[str, object] = {"state": "error", "verdict": "local", "error": "unknown_host", "error_detail": "x", "reached": False}


def sentence(*states: dict[str, object], silent: bool = True) -> tuple[str, str]:
    return overall([make_state(f"t{n}") | each for n, each in enumerate(states)], resolver_silent=silent)


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([OK, OK], "Your resolver does not answer; all 2 targets do."),
        ([OK], "Your resolver does not answer; the target does."),
        ([OK, NAMELESS], "Your resolver does not answer; 1 of 2 targets does, by a known address."),
        ([OK, OK, NAMELESS], "Your resolver does not answer; 2 of 3 targets do, by a known address."),
        ([NAMELESS, NAMELESS], "Your resolver does not answer; no target's address is known."),
    ],
)
def test_a_silent_resolver_is_a_verdict_of_its_own(states: list[dict[str, object]], words: str) -> None:
    assert sentence(*states) == ("resolver", words)
    assert sentence(*states, silent=False)[0] != "resolver"


@pytest.mark.parametrize("states", [[OK, DOWN], [DOWN, DOWN], [NAMELESS, DOWN], [], [NEW, NEW]])
def test_what_else_is_lost_comes_first(states: list[dict[str, object]]) -> None:
    assert sentence(*states) == sentence(*states, silent=False)
