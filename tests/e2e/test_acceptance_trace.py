"""`pathwarden trace` beside traceroute(8): the same responders, as root and without any privilege."""

import json
from collections.abc import Sequence

import pytest

from equipment.agent import Runner
from netlab import StandardLab

QUICK = ("-n", "-q", "2", "-w", "0.7")
each_user = pytest.mark.parametrize("who", [0, 1], ids=["root", "nobody"])
each_family = pytest.mark.parametrize("family", [4, 6])
each_method = pytest.mark.parametrize("method", ["udp", "icmp"])

Seen = list[set[str]]


@pytest.fixture(scope="module")
def theirs(lab: StandardLab) -> dict[tuple[str, int], Seen]:
    """What traceroute(8) lists, by method and family."""
    letters = {"udp": (), "icmp": ("-I",)}
    found = {}
    for method, letter in letters.items():
        for family, target in ((4, lab.target4), (6, lab.target6)):
            done = lab.exec(lab.agent, ["traceroute", *QUICK, *letter, target])
            assert done.returncode == 0, done.stderr
            found[method, family] = responders(done.stdout)
    return found


def responders(text: str) -> Seen:
    """Who answered, by ttl, in traceroute's layout."""
    lines = [line.split() for line in text.splitlines()[1:]]
    assert [line[0] for line in lines] == [str(ttl) for ttl in range(1, len(lines) + 1)], text
    return [{word for word in words[1:] if word.count(".") == 3 or ":" in word} for words in lines]


def same(lab: StandardLab, ours: Seen, theirs: Seen, hops: Sequence[frozenset[str] | None]) -> None:
    """Assert that two lists name the same responders.

    At the diamond each flow has its own member, and in IPv6 the next router answers from the side where the probe came in; the
    rate-limited router answers whom it can.
    """
    assert len(ours) == len(theirs) == len(hops) == 8, (ours, theirs)
    for ttl, (our, their, may) in enumerate(zip(ours, theirs, hops, strict=True), 1):
        if may is None:
            assert our == their == set(), f"ttl {ttl}: {our}, {their}"
        elif ttl == lab.limited_ttl:
            assert our <= may, f"ttl {ttl}: {our}"
        elif len(may) > 1:
            assert len(our) == 1, f"ttl {ttl}: one flow, one member: {our}"
            assert our <= may, f"ttl {ttl}: {our}"
        else:
            assert our == their == may, f"ttl {ttl}: {our}, {their}"


@each_user
@each_method
@each_family
def test_the_same_responders_as_traceroute(
    lab: StandardLab, both: tuple[Runner, Runner], theirs: dict[tuple[str, int], Seen], who: int, method: str, family: int
) -> None:
    target, hops = (lab.target4, lab.hops4) if family == 4 else (lab.target6, lab.hops6)
    options = (*QUICK, *(["-I"] if method == "icmp" else []))
    done = both[who].run(lab, lab.agent, "trace", *options, target)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    size = 60 if family == 4 else 80
    assert done.stdout.startswith(f"traceroute to {target} ({target}), 30 hops max, {size} byte packets\n")
    same(lab, responders(done.stdout), theirs[method, family], hops)
    silent = done.stdout.splitlines()[lab.silent_ttl]
    assert silent == f" {lab.silent_ttl}  * *"


@each_user
def test_the_trace_as_json(lab: StandardLab, both: tuple[Runner, Runner], who: int) -> None:
    done = both[who].run(lab, lab.agent, "--json", "trace", *QUICK, lab.target4)
    assert (done.returncode, done.stderr) == (0, "")
    trace = json.loads(done.stdout)
    assert (trace["reached"], trace["reached_ttl"], trace["transport"]) == (True, 8, ("raw", "rootless")[who])
    for hop, may in zip(trace["hops"], lab.hops4, strict=True):
        assert set(hop["responders"]) <= (may or set())
        assert bool(hop["responders"]) or may is None or hop["ttl"] == lab.limited_ttl


@each_user
def test_a_trace_through_the_second_uplink(lab: StandardLab, both: tuple[Runner, Runner], who: int) -> None:
    for option, value in (("-i", lab.wanb), ("-s", lab.agent_wanb4)):
        done = both[who].run(lab, lab.agent, "trace", *QUICK, option, value, lab.target4)
        assert done.returncode == 0, done.stderr
        assert responders(done.stdout) == [set(may or ()) for may in lab.hops_wanb4]


@each_user
def test_a_destination_that_never_answers_is_not_reached(lab: StandardLab, both: tuple[Runner, Runner], who: int) -> None:
    """Nobody has this address; the routers pass it to the target, which sends it back, so that every ttl runs out somewhere."""
    done = both[who].run(lab, lab.agent, "trace", "-n", "-q", "1", "-w", "0.5", "-m", "4", "203.0.113.77")
    assert (done.returncode, done.stderr) == (5, "")
    seen = responders(done.stdout)
    assert len(seen) == 4
    assert seen[:2] == [set(may or ()) for may in lab.hops4[:2]]
