"""The laboratory itself, seen by the real traceroute(8): what it promises is what a kernel does."""

import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from netlab import Lab, LabError, StandardLab

Seen = list[set[str]]
QUERIES = 4


def trace(lab: StandardLab, target: str, *options: str) -> Seen:
    """The responders by ttl. Ten hops are probed at once, so a trace lasts one wait."""
    done = lab.exec(lab.agent, ["traceroute", "-n", "-q", str(QUERIES), "-N", "40", "-w", "1", *options, target])
    assert done.returncode == 0, done.stderr
    return [set(filter(_is_address, line.split()[1:])) for line in done.stdout.splitlines()[1:]]


def _is_address(word: str) -> bool:
    return word.count(".") == 3 or ":" in word


def as_expected(lab: StandardLab, seen: Seen, hops: tuple[frozenset[str] | None, ...]) -> None:
    assert len(seen) == len(hops), seen
    for ttl, (answered, expected) in enumerate(zip(seen, hops, strict=True), 1):
        assert answered <= (expected or set()), f"ttl {ttl}: {answered}, not of {expected}"
        assert answered or expected is None or (ttl == lab.limited_ttl and len(hops) == 8), f"ttl {ttl} is silent"


@pytest.mark.parametrize("method", ["-U", "-I", "-T"])
def test_the_main_path_has_the_named_hops(lab: StandardLab, method: str) -> None:
    as_expected(lab, trace(lab, lab.target4, method), lab.hops4)
    as_expected(lab, trace(lab, lab.target6, method), lab.hops6)


def test_the_diamond_shares_flows_and_keeps_one_flow_on_one_side(lab: StandardLab) -> None:
    """Sixty-four flows all on one side would be a chance of 2^-63; each query of one flow has a socket of its own."""
    at = lab.diamond_ttl - 1
    for target, hops in ((lab.target4, lab.hops4), (lab.target6, lab.hops6)):
        only = ["-f", str(lab.diamond_ttl), "-m", str(lab.diamond_ttl)]
        assert set().union(*(trace(lab, target, *only)[0] for _ in range(16))) == hops[at]
        fixed = ["-U", "-p", "33434", "--sport=40001"]
        assert len(trace(lab, target, *only, *fixed)[0]) == 1


def test_moving_the_kernel_route_changes_hop_3_and_back(lab: StandardLab) -> None:
    assert lab.hops4[2] != lab.hops4_moved[2]
    assert [ttl for ttl in range(8) if lab.hops4[ttl] != lab.hops4_moved[ttl]] == [2]
    lab.move()
    try:
        as_expected(lab, trace(lab, lab.target4), lab.hops4_moved)
        as_expected(lab, trace(lab, lab.target6), lab.hops6_moved)
    finally:
        lab.move_back()
    as_expected(lab, trace(lab, lab.target4), lab.hops4)
    as_expected(lab, trace(lab, lab.target6), lab.hops6)


def test_the_second_uplink_is_taken_by_device_mark_and_source(lab: StandardLab) -> None:
    mark = f"--fwmark={lab.fwmark:#x}"
    for target, hops, source in (
        (lab.target4, lab.hops_wanb4, lab.agent_wanb4),
        (lab.target6, lab.hops_wanb6, lab.agent_wanb6),
    ):
        for options in (["-i", lab.wanb], [mark], ["-s", source], ["-I", "-i", lab.wanb]):
            as_expected(lab, trace(lab, target, *options), hops)


def test_a_lost_uplink_leaves_the_other_and_comes_back(lab: StandardLab) -> None:
    lab.down(lab.agent, lab.wan)
    try:
        as_expected(lab, trace(lab, lab.target4), lab.hops_wanb4)
        as_expected(lab, trace(lab, lab.target6), lab.hops_wanb6)
    finally:
        lab.up(lab.agent, lab.wan)
    as_expected(lab, trace(lab, lab.target4), lab.hops4)
    as_expected(lab, trace(lab, lab.target6), lab.hops6)


def test_a_silent_router_can_answer_again(lab: StandardLab) -> None:
    only = ["-f", str(lab.silent_ttl), "-m", str(lab.silent_ttl)]
    assert trace(lab, lab.target4, *only) == [set()]
    lab.answer("r5")
    try:
        assert len(trace(lab, lab.target4, *only)[0]) == 1
        assert len(trace(lab, lab.target6, *only)[0]) == 1
    finally:
        lab.silence("r5")
    assert trace(lab, lab.target6, *only) == [set()]


def test_the_rate_limit_leaves_probes_unanswered(lab: StandardLab) -> None:
    only = ["-n", "-f", str(lab.limited_ttl), "-m", str(lab.limited_ttl), "-q", "10", "-w", "0.5"]
    line = lab.exec(lab.agent, ["traceroute", *only, lab.target4]).stdout.splitlines()[1]
    assert line.count("*") >= 8, line


def test_the_target_answers_each_udp_probe_to_a_closed_port(lab: StandardLab) -> None:
    """A kernel limits port unreachable to one a second for a peer unless told otherwise."""
    for target in (lab.target4, lab.target6):
        line = lab.exec(lab.agent, ["traceroute", "-n", "-q", "10", "-f", "8", "-m", "8", target]).stdout.splitlines()[1]
        assert line.count(" ms") == 10, line


def test_code_inside_a_namespace_opens_its_sockets_there(lab: StandardLab) -> None:
    outside = Path("/proc/thread-self/ns/net").readlink()
    with lab.enter(lab.target):
        server = socket.create_server((lab.target4, 8080))
    assert Path("/proc/thread-self/ns/net").readlink() == outside
    with server, lab.enter(lab.agent):
        assert Path("/proc/thread-self/ns/net").readlink() != outside
        with socket.create_connection((lab.target4, 8080), timeout=30) as client:
            assert client.getsockname()[0] == lab.agent4


def test_hosts_and_only_they_let_any_group_open_datagram_icmp_sockets(lab: StandardLab) -> None:
    """The kernel asks for the group even of root."""
    kinds = ((socket.AF_INET, socket.IPPROTO_ICMP), (socket.AF_INET6, socket.IPPROTO_ICMPV6))
    for family, protocol in kinds:
        with lab.enter(lab.agent):
            socket.socket(family, socket.SOCK_DGRAM, protocol).close()
        with lab.enter("r1"), pytest.raises(PermissionError):
            socket.socket(family, socket.SOCK_DGRAM, protocol)


def test_a_laboratory_leaves_nothing_behind_and_ends_what_it_started() -> None:
    with Lab() as lab:
        lab.host("a")
        name = lab.netns("a")
        process = lab.popen("a", ["cat"], stdin=subprocess.PIPE)
        assert Path("/run/netns", name).exists()
    assert process.returncode is not None
    assert not Path("/run/netns", name).exists()


def test_what_a_dead_process_left_is_removed_at_the_next_start() -> None:
    """The namespace of a killed test run and the program that still runs in it go; one of a living process stays."""
    # It dies when all is there: whoever starts beside us removes what a dead one left.
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as owner:
        dead, alive = f"pw{owner.pid}x0-a", f"pw{os.getppid()}x0-a"
        for name in (dead, alive):
            subprocess.run(["ip", "netns", "add", name], check=True)
        orphan = subprocess.Popen(["ip", "netns", "exec", dead, "cat"], stdin=subprocess.PIPE)
        while Path(f"/proc/{orphan.pid}/comm").read_text().strip() != "cat":
            assert orphan.poll() is None
    try:
        with orphan:
            with Lab():
                assert not Path("/run/netns", dead).exists()
                assert Path("/run/netns", alive).exists()
            assert orphan.wait(timeout=30) != 0
    finally:
        for name in (dead, alive):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def test_several_test_processes_may_begin_at_once_on_what_a_dead_one_left() -> None:
    with subprocess.Popen(["true"]) as done:
        done.wait()
    names = [f"pw{done.pid}x0-{number}" for number in range(20)]
    subprocess.run(["ip", "-batch", "-"], input="".join(f"netns add {name}\n" for name in names), text=True, check=True)

    def begin(_number: int) -> bool:
        with Lab():
            return any(Path("/run/netns", name).exists() for name in names)

    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(begin, range(4)))


def test_a_command_that_fails_names_itself() -> None:
    with Lab() as lab:
        lab.router("r")
        with pytest.raises(LabError, match="route replace 192\\.0\\.2\\.0/24 via 192\\.0\\.2\\.1"):
            lab.route("r", "192.0.2.0/24", "192.0.2.1")
