"""What holds for the watch in every world: silence, order, doubles and balancers make no change; a map is right or none."""

from random import Random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from equipment.campaign import Campaign, sim_target
from equipment.desk import SITE, Desk, along, known
from pathwarden.detect.compare import Hop, compatible, hop_at
from pathwarden.detect.watch.remap import remap
from pathwarden.detect.watch.values import Look, Whole
from pathwarden.model.change import ChangeKind
from pathwarden.model.probe import Reply
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import Change, Destination, Router, Scenario

PATH = {ChangeKind.PATH_CHANGED, ChangeKind.PATH_REVERTED}
TOLD = {"path_changed", "path_reverted", "target_unreachable", "target_reachable"}
WAIT_S = 0.8  # the shortest time-out of a check; these worlds are near
WORLDS = range(3)  # always the same: in a whole world anything happens by chance some time; the campaigns in tests/soak draw others
seeds = st.integers(0, 2**32 - 1)


# A map.


@st.composite
def rerouted(draw: st.DrawFn) -> tuple[tuple[Hop, ...], tuple[Hop, ...], int]:
    """A known route, what becomes of it when one stretch is replaced, and the first ttl where a stranger answers."""
    length = draw(st.integers(2, 14))
    old: list[Hop] = [() if draw(st.integers(0, 9)) == 0 else (f"o{ttl}",) for ttl in range(1, length)]
    start = draw(st.integers(0, length - 2))
    gone = draw(st.integers(1, length - 1 - start))
    come: list[Hop] = [() if draw(st.integers(0, 9)) == 0 else (f"n{number}",) for number in range(draw(st.integers(0, gone + 4)))]
    return (*old, (SITE,)), (*old[:start], *come, *old[start + gone :], (SITE,)), start


def pieced(
    old: tuple[Hop, ...], new: tuple[Hop, ...], dice: Random, loss: float, rows: dict[int, list[str | None]]
) -> Whole | tuple[int, ...]:
    for _ in range(200):
        found = remap(old, len(old), SITE, rows)
        if isinstance(found, Whole) or not found:
            return found
        for ttl in found:
            hop = new[min(ttl, len(new)) - 1]
            rows.setdefault(ttl, []).append(hop[0] if hop and dice.random() >= loss else None)
    raise AssertionError("it asks for ever")


def strange_ttl(old: tuple[Hop, ...], new: tuple[Hop, ...]) -> int | None:
    """Where the watch may meet the stranger: any answering hop that differs from a known one."""
    return next((ttl for ttl, (a, b) in enumerate(zip(old, new, strict=False), 1) if a and b and a != b), None)


@given(rerouted(), seeds)
@settings(max_examples=75)
def test_a_map_is_the_new_route_or_none(routes: tuple[tuple[Hop, ...], tuple[Hop, ...], int], seed: int) -> None:
    old, new, _ = routes
    ttl = strange_ttl(old, new)
    if ttl is None:
        return
    found = pieced(old, new, Random(seed), 0.0, {ttl: [new[ttl - 1][0]]})
    event("a trace is wanted" if not isinstance(found, Whole) else "mapped")
    if isinstance(found, Whole):
        assert found.length == len(found.hops) == len(new)
        # What nobody knew and nobody asked, before the anchor, stays unknown.
        assert all(a == b or (a == () and hop_at(old, ttl) == ()) for ttl, (a, b) in enumerate(zip(found.hops, new, strict=True), 1))


@given(rerouted(), seeds, st.floats(0.05, 0.5))
@settings(max_examples=75)
def test_a_map_through_loss_never_contradicts_the_new_route(
    routes: tuple[tuple[Hop, ...], tuple[Hop, ...], int], seed: int, loss: float
) -> None:
    old, new, _ = routes
    ttl = strange_ttl(old, new)
    if ttl is None:
        return
    found = pieced(old, new, Random(seed), loss, {ttl: [new[ttl - 1][0]]})
    if isinstance(found, Whole):
        assert found.length == len(found.hops)
        longer = len(found.hops) - len(new)
        assert longer >= 0
        # A destination that was lost at its distance, and answers from beyond it, leaves silence there: a trace corrects that.
        assert not any(found.hops[len(new) - 1 : -1] if longer else ())
        assert compatible(found.hops[: len(new) - 1], None, new, None)


# Silence.


@pytest.mark.parametrize(
    ("seed", "share", "lasts_s", "balanced"), [(1, 0.05, 20, False), (2, 0.4, 5, True), (3, 0.9, 60, False), (4, 0.6, 300, True)]
)
def test_silence_makes_no_change_of_a_path(seed: int, share: float, lasts_s: int, balanced: bool) -> None:
    """Any hop is silent for stretches of time, and single answers are lost as well."""
    row = ("c", "C") if balanced else "c"
    world = along("a", "b", row, "d", "e", SITE)

    def quiet(tid: str, look: Look, now_s: float) -> str | None:
        silent = Random(f"{seed} {look.ttl} {now_s // lasts_s}").random() < share
        lost = Random(f"{seed} {look} {now_s}").random() < share / 2
        return None if silent or lost else world(tid, look, now_s)

    desk = Desk({"site": known("a", "b", "c", "d", "e", SITE, traces=20)}, quiet)
    desk.run(2000)
    assert not [change for _, change in desk.changes if change.kind in PATH]
    assert all(watch.inquiry is None or not watch.inquiry.cleared for watch in desk.watcher.targets.values())


# Whole worlds, with scheduled traces, judges and watch together.


def world(dice: Random, *, changes: tuple[Change, ...] = (), noise: float = 1.0) -> Scenario:
    """Four targets behind shared routers, with loss, rate limits, silence, balancers per flow and per packet."""
    names, routers = iter(range(1000)), []

    def hop(width: int = 1, sign: str = "", **values: object) -> tuple[str, ...]:
        made = []
        for _ in range(width):
            number = next(names)
            limit = dice.choice([0.0, 0.0, 0.0, 0.5, 1.0, 4.0]) * (noise > 0)
            router = Router(
                f"r{number}",
                f"10.0.{number // 250}.{number % 250 + 1}",
                jitter_ms=dice.uniform(0, 2),
                loss=dice.choice([0.0, 0.002, 0.02]) * noise,
                silent=noise > 0 and dice.random() < 0.1,
                rate_pps=limit,
                rate_burst=dice.randint(1, 4),
                burst_loss=dice.choice([0.0, 0.0, 0.4]) * noise,
                burst_s=10.0,
            )._replace(**values)
            routers.append(router)
            made.append(router.name)
        return (sign + made[0], *made[1:])

    shared = [hop(silent=False, rate_pps=0.0, loss=0.0), hop(), hop(dice.choice([1, 2, 3]), dice.choice(["", "", "?"]) if noise else "")]
    routes, destinations = [], []
    for number in range(4):
        tail = [hop(dice.choice([1, 1, 2, 4]) if noise else 1, dice.choice(["", "", "", "?"]) if noise else "") for _ in range(3)]
        tail = [tuple(name.lstrip("?") for name in way) if len(way) == 1 else way for way in tail]
        routes.append((f"way{number}", tuple(way if len(way) > 1 else (way[0].lstrip("?"),) for way in (*shared, *tail))))
        destinations.append(Destination(f"t{number}", f"198.18.0.{number + 1}", f"way{number}"))
        routers.append(Router(f"t{number}", loss=0.01 * noise))
    first = shared[0][0].lstrip("?")
    detours = tuple((f"detour{n}", ((first,), ("aside",), *routes[n][1][2:])) for n in range(4))
    routers.append(Router("aside", "10.9.9.9"))
    return Scenario("192.0.2.10", "192.0.2.1", tuple(routers), (*routes, *detours), tuple(destinations), (Change(0.0, hash="w"), *changes))


def told(network: SimNetwork, scenario: Scenario, seed: int, hours: float) -> list[tuple[str, str]]:
    """Who told what, in its order, of paths and reach."""
    targets = [sim_target(each.name, each.address, 300) for each in scenario.destinations]
    campaign = Campaign(network, targets, seed, 1.0)
    campaign.run_until(hours * 3600)
    return [(each.event.target, each.event.event_type) for each in campaign.told if each.event.event_type in TOLD]


@pytest.mark.parametrize("seed", WORLDS)
def test_a_world_without_change_has_no_path_events(seed: int) -> None:
    """Balancers share their flows anew four times."""
    dice = Random(seed)
    scenario = world(dice, changes=tuple(Change(dice.uniform(600, 5000), hash=f"again {number}") for number in range(4)))
    found = told(SimNetwork(scenario, seed), scenario, seed, 1.5)
    assert not [each for each in found if each[1].startswith("path")]


class Unruly(SimNetwork):
    """Replies come in any order, twice, and up to the time-out late."""

    def _push(self, reply: Reply) -> None:
        dice = self._random
        late_ns = round(max(WAIT_S - 0.1 - (reply.at_ns - self.now_ns) / 1e9, 0) * 1e9)
        super()._push(reply._replace(at_ns=reply.at_ns + (dice.randrange(late_ns) if late_ns and dice.random() < 0.5 else 0)))
        if dice.random() < 0.5:
            super()._push(reply._replace(at_ns=reply.at_ns + dice.randrange(3_000_000_000)))

    def receive(self, timeout_ns: int) -> list[Reply]:
        replies = super().receive(timeout_ns)
        self._random.shuffle(replies)
        return replies


@pytest.mark.parametrize("seed", WORLDS)
def test_order_doubles_and_delays_of_replies_change_no_verdict(seed: int) -> None:
    dice = Random(seed)
    at_s = [600 + 900 * number + dice.uniform(0, 200) for number in range(4)]
    number = dice.randrange(4)
    scenario = world(
        dice,
        noise=0.0,
        changes=(
            Change(at_s[0], target=f"t{number}", route=f"detour{number}"),
            Change(at_s[1], router="t1", values=(("down", True),)),
            Change(at_s[2], router="t1", values=(("down", False),)),
            Change(at_s[3], target=f"t{number}", route=f"way{number}"),
        ),
    )
    plain = told(SimNetwork(scenario, seed), scenario, seed, 1.5)
    unruly = told(Unruly(scenario, seed), scenario, seed, 1.5)
    who = f"t{number}"
    assert plain == [(who, "path_changed"), ("t1", "target_unreachable"), ("t1", "target_reachable"), (who, "path_reverted")]
    assert unruly == plain
