"""An agent that measures is killed at random moments: no change is lost, told twice or out of order against one that lives on.

In virtual time, over a real history. A world has a few targets with a trace every ten minutes and the watch between them; changes of
paths, of one target or of all behind a router, and outages, one after another. Half of the kills fall into the two minutes after a
change, when suspicions, inquiries and vigils are under way. Instants may differ, so only kinds, targets and their order are compared.

PATHWARDEN_SOAK_SHARE is the share of the full count to run: 0.05 unless given, 1 for the whole campaign. A part is always the same worlds
and kills, so that only a change of the code can fail it; the whole draws new ones.
"""

import os
import random
from collections import defaultdict
from pathlib import Path

from equipment.campaign import sim_target
from equipment.lives import Lives
from pathwarden.model.history import StoredEvent
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import Change, Destination, Router, Scenario

FULL_COUNT = 200
SHARE = float(os.environ.get("PATHWARDEN_SOAK_SHARE") or 0.05)
COUNT = max(1, round(FULL_COUNT * SHARE))
KILLS_A_WORLD = 10
INTERVAL_S = 600
APART_S = 1500.0  # of two changes: whoever was killed in the middle of the first has found it by the next
CHANGES = 6
LONGEST_DOWN_S = 20.0


def world(dice: random.Random) -> tuple[Scenario, list[float]]:
    """Four targets, and what happens to them and when."""
    names = ["gw", "isp", "core", "edge", "a", "b", "c", "d", "e"]
    routers = [
        Router(name, f"10.{number}.0.1", jitter_ms=0.3, loss=dice.choice([0.0, 0.002]), duplicate=0.01)
        for number, name in enumerate(names, 1)
    ]
    routers += [Router(f"t{number}") for number in range(4)]
    shared: tuple[tuple[str, ...], ...] = (("gw",), ("isp",), ("core",))
    routes = []
    for number in range(4):
        middle = dice.choice([(("a", "b"),), (("a",),), (("b",), ("c",))])
        routes += [(f"main{number}", (*shared, *middle, ("edge",))), (f"other{number}", (*shared, ("d",), ("e",)))]
    times = [INTERVAL_S + APART_S * number + dice.uniform(0, 300) for number in range(CHANGES)]
    changes, away, down, renamed = [Change(0.0, hash=f"w{dice.random()}")], set[int](), set[int](), False
    for at_s in times:
        number = dice.randrange(4)
        what = dice.random()
        if what < 0.2:
            renamed = not renamed
            changes.append(Change(at_s, router="isp", values=(("address4", "10.99.0.1" if renamed else "10.2.0.1"),)))
        elif what < 0.45 or number in down:
            down ^= {number}
            changes.append(Change(at_s, router=f"t{number}", values=(("down", number in down),)))
        else:
            away ^= {number}
            changes.append(Change(at_s, target=f"t{number}", route=f"{'other' if number in away else 'main'}{number}"))
    destinations = tuple(Destination(f"t{number}", f"198.18.0.{number + 1}", f"main{number}") for number in range(4))
    return Scenario("192.0.2.10", "10.1.0.1", tuple(routers), tuple(routes), destinations, tuple(changes)), times


def told(scenario: Scenario, seed: int, path: Path, kills: list[tuple[float, float]]) -> tuple[list[StoredEvent], int]:
    """The events of a run that is killed at these moments, down for so long each time; and how many records were lost."""
    targets = [sim_target(each.name, each.address, INTERVAL_S) for each in scenario.destinations]
    lives = Lives(SimNetwork(scenario, seed), targets, path, seed)
    try:
        for at_s, down_s in kills:
            lives.run_until(at_s)
            lives.kill(down_s)
        lives.run_until(INTERVAL_S + APART_S * (CHANGES + 1))
        return lives.kept(), lives.lost
    finally:
        lives.close()


def by_target(events: list[StoredEvent]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for event in events:
        found[event.target].append(event.event_type)
    return dict(found)


def test_kills_lose_double_and_turn_round_no_change(tmp_path: Path, seed: int) -> None:
    seed = seed if SHARE >= 1 else 0
    dice = random.Random(seed)
    events, lost, kills_done = 0, 0, 0
    while kills_done < COUNT:
        world_seed = dice.randrange(2**32)
        scenario, times = world(random.Random(world_seed))
        count = min(KILLS_A_WORLD, COUNT - kills_done)
        moments = [
            dice.choice(times) + dice.expovariate(1 / 40) if dice.random() < 0.5 else dice.uniform(60, APART_S * CHANGES)
            for _ in range(count)
        ]
        kills = [(at_s, dice.uniform(0, LONGEST_DOWN_S)) for at_s in sorted(moments)]
        alive, _ = told(scenario, world_seed, tmp_path / f"alive{kills_done}.db", [])
        killed, gone = told(scenario, world_seed, tmp_path / f"killed{kills_done}.db", kills)
        assert by_target(killed) == by_target(alive), f"world {world_seed}, kills {kills}"
        assert len({event.event_id for event in killed}) == len(killed)
        events, lost, kills_done = events + len(killed), lost + gone, kills_done + count
    assert events >= COUNT / KILLS_A_WORLD * CHANGES / 2
    print(f"{kills_done} kills, {lost} records without events lost with them, {events} events as without kills (seed {seed})")
