"""The scenarios E1-E30: the real prober on simulated worlds, with and without noise, and what must and must not be told.

Each e*.toml is a world (see pathwarden.sim.scenario) and:
[run]        `hours` (`hours_watch` with the watch); `interval_s` of scheduled traces without the watch (60); `watch_pps` (0.5);
             `names` (targets are names), `dscp`, `ecn`, `size`; `incidents`, how many the events belong to; `may_traces` and
             `may_watch`: types of events that may be told besides what is expected, without and with the watch
[noise]      what routers are like besides when there is noise; `each` stands for all of them
[[expect]]   what must be told: `type`, `target`, `after_s` at the earliest, at most `within_s` later; also where given `change` (the
             headline class), `segment`, `fault_after` (the last responder before the fault), `mode` (only with the watch, or without);
             `also` is another type that would be right; `optional`
[networks]   whose addresses are: an AS by the beginning of those that are its own
Nothing else may be told.
"""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from equipment.campaign import Campaign, Told, sim_target
from pathwarden.model.network import UNKNOWN, Network, Whose
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import Scenario, parse

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("e[0-9][0-9]_*.toml"))
WATCH_PPS = 0.5
TRACES_BESIDE_WATCH_S = 600
RUNS = [(mode, noise) for mode in ("traces", "watch") for noise in (False, True)]
SEED = 1


def with_noise(document: dict[str, Any], noise: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The world with a noise that leaves alone what its routers already have."""
    each = noise.get("each", {})
    routers = {name: {**each, **noise.get(name, {}), **values} for name, values in document["routers"].items()}
    return {**document, "routers": routers}


def world(path: Path, *, noise: bool) -> tuple[Scenario, dict[str, Any], list[dict[str, Any]], Whose]:
    """A file's world, how to run it, what to expect, and whose its addresses are."""
    document = tomllib.loads(path.read_text())
    run, expected, extra = document.pop("run"), document.pop("expect", []), document.pop("noise")
    networks = document.pop("networks", {})

    def whose(address: str) -> Network:
        return next((Network(asn=number) for prefix, number in networks.items() if address.startswith(f"{prefix}.")), UNKNOWN)

    return parse(with_noise(document, extra) if noise else document), run, expected, whose


def fits(told: Told, due: dict[str, Any]) -> bool:
    """Whether an event is the one that is due."""
    body = told.event.body
    return (
        told.event.event_type in (due["type"], due.get("also"))
        and due["after_s"] <= told.at_s <= due["after_s"] + due["within_s"]
        and ("change" not in due or body["change"] == due["change"])
        and ("segment" not in due or body["location"]["segment"] == due["segment"])
        and ("fault_after" not in due or due["fault_after"] in _near_side(body["location"]))
    )


def _near_side(location: object) -> list[str]:
    between = location["between"] if isinstance(location, dict) else None
    return list(between[0]) if between else []


def unexpected(told: list[Told], expected: list[dict[str, Any]], may: list[str]) -> list[str]:
    """What is wrong with a target's events: told but not due, or due but not told."""
    wrong, left = [], list(expected)
    for each in told:
        due = next((due for due in left if fits(each, due)), None)
        if due is not None:
            left.remove(due)
        elif each.event.event_type not in may:
            wrong.append(f"told: {each}")
    return wrong + [f"not told: {due}" for due in left if not due.get("optional")]


@pytest.mark.parametrize(("mode", "noise"), RUNS)
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_what_happened_is_told_and_nothing_else(path: Path, mode: str, noise: bool) -> None:
    scenario, run, expected, whose = world(path, noise=noise)
    network = SimNetwork(scenario, SEED)
    names = run.get("names", False)
    marks = {key: run[key] for key in ("dscp", "ecn", "size") if key in run}
    interval_s = TRACES_BESIDE_WATCH_S if mode == "watch" else run.get("interval_s", 60)
    targets = [sim_target(d.name, d.name if names else d.address, interval_s, **marks) for d in scenario.destinations]
    campaign = Campaign(network, targets, SEED, run.get("watch_pps", WATCH_PPS) if mode == "watch" else 0.0, whose=whose)
    hours = run.get(f"hours_{mode}", run["hours"])
    campaign.run_until(hours * 3600)
    for target in targets:
        told = [each for each in campaign.told if each.event.target == target.tid]
        due = [each for each in expected if each["target"] == target.tid and each.get("mode", mode) == mode]
        assert unexpected(told, due, run.get(f"may_{mode}", [])) == []
    if "incidents" in run:
        assert len({told.event.body["group_id"] for told in campaign.told}) == run["incidents"]
    assert campaign.traces >= 0.9 * len(targets) * hours * 3600 / interval_s


def test_there_are_thirty() -> None:
    assert [path.stem[:3] for path in SCENARIOS] == [f"e{number:02}" for number in range(1, 31)]
