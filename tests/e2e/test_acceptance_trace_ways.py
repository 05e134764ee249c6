"""`pathwarden trace` on real kernels: ways out of the machine and through the network, being interrupted, being called by another name."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from equipment.agent import Runner
from equipment.waiting import until
from netlab import StandardLab, standard_lab

QUICK = ("-n", "-q", "1", "-w", "0.7")
# A line of the trace knows its ttl, and who answered or that nobody did.
LINE = re.compile(r"^ *(\d+)  (\*|[0-9a-f.:]+)", re.MULTILINE)


def responders(text: str) -> list[str]:
    return [who for _, who in LINE.findall(text)]


def program(before: str) -> list[str]:
    """Our program in an interpreter that does something before."""
    return [sys.executable, "-c", f"import sys\nfrom pathwarden.cli.main import main\n{before}\nsys.exit(main(sys.argv[1:]))"]


def test_a_vrf_binds_to_its_device(lab: StandardLab) -> None:
    """No kernel here has VRFs, so a plain device is taken for one; what binding to it means is the kernel's own doing."""
    taken = program(f"from pathwarden.cli.tracing import wish\nwish.is_vrf = lambda device: device == {lab.wanb!r}")
    for target, hops in ((lab.target4, lab.hops_wanb4), (lab.target6, lab.hops_wanb6)):
        done = lab.exec(lab.agent, [*taken, "trace", *QUICK, "--vrf", lab.wanb, target])
        assert (done.returncode, done.stderr) == (0, "")
        assert responders(done.stdout) == [next(iter(hop)) for hop in hops if hop]
    refused = lab.exec(lab.agent, [*taken, "trace", *QUICK, "--vrf", lab.wan, lab.target4])
    sentence = "not a VRF; see them with: ip link show type vrf; leave through another device with -i"
    assert (refused.returncode, refused.stderr) == (2, f"pathwarden: --vrf {lab.wan}: {sentence}\n")


# Tells the options that the kernel took.
WATCHED = """
import socket
class Watched(socket.socket):
    def setsockopt(self, level, name, *value):
        super().setsockopt(level, name, *value)
        if (level, name) == (socket.SOL_SOCKET, socket.SO_DEBUG):
            sys.stderr.write(f"SO_DEBUG {self.getsockopt(level, name)}\\n")
socket.socket = Watched
"""


@pytest.mark.parametrize("method", ["-U", "-I", "-T"])
def test_the_kernel_is_asked_to_debug_every_socket_that_sends(lab: StandardLab, method: str) -> None:
    asked = lab.exec(lab.agent, [*program(WATCHED), "trace", *QUICK, "-d", method, lab.target4])
    assert (asked.returncode, set(asked.stderr.splitlines())) == (0, {"SO_DEBUG 1"})
    plain = lab.exec(lab.agent, [*program(WATCHED), "trace", *QUICK, method, lab.target4])
    assert (plain.returncode, plain.stderr) == (0, "")
    assert len(responders(plain.stdout)) == len(responders(asked.stdout)) == len(lab.hops4)


def test_through_a_gateway_beside_traceroute(both: tuple[Runner, Runner]) -> None:
    """To the second hop: a router's answers go back by the source route, too, and from the third on find no way here.

    Of the first hop only ours knows the answer, which quotes the gateway as the destination.
    """
    with standard_lab() as lab:
        for node in (lab.agent, "r1", "r2"):
            for device in ("all", *_devices(lab, node)):
                lab.sysctl(node, f"net.ipv4.conf.{device}.accept_source_route", 1)
        words = [*QUICK, "-N", "1", "-m", "2", "-g", lab.gateway4, lab.target4]
        theirs = lab.exec(lab.agent, ["traceroute", *words])
        ours = both[0].run(lab, lab.agent, "trace", *words)
        assert (theirs.returncode, ours.returncode, ours.stderr) == (0, 5, ""), (theirs.stderr, ours.stdout)
        second = next(iter(lab.hops4[1] or ()))
        assert responders(ours.stdout) == [lab.gateway4, second]
        assert responders(theirs.stdout)[1] == second
        # Linux's option for it sends the last address twice.
        assert [text.splitlines()[0].rpartition(",")[2] for text in (ours.stdout, theirs.stdout)] == [
            " 68 byte packets",
            " 72 byte packets",
        ]


def _devices(lab: StandardLab, node: str) -> list[str]:
    listed = json.loads(lab.exec(node, ["ip", "-j", "link"]).stdout)
    return [link["ifname"] for link in listed if link["ifname"] != "lo"]


@pytest.mark.parametrize("mode", [[], ["--json"], ["--mda"], ["--mda", "--json"]], ids=" ".join)
def test_ctrl_c_prints_what_is_known(lab: StandardLab, tmp_path: Path, mode: list[str]) -> None:
    """Hop 5 is silent and waited for 20 s: by then all other hops have answered long since."""
    # Who runs the tests in the background may have switched interrupts off for all that they start.
    words = ["env", "--default-signal=INT", sys.executable, "-m", "pathwarden", "trace", "-n", "-q", "1", "-w", "20,0,0", *mode]
    before = _probes(lab)
    with (tmp_path / "out").open("w+") as out, (tmp_path / "err").open("w+") as err:
        process = lab.popen(lab.agent, [*words, lab.target4], stdout=out, stderr=err)
        until(lambda: _probes(lab) - before >= len(lab.hops4), "every hop was asked")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    text = (tmp_path / "out").read_text()
    assert (tmp_path / "err").read_text().strip() == "pathwarden: interrupted: what was traced is not complete"
    known = {address for hop in (*lab.hops4[:4], *lab.hops4[6:]) if hop and len(hop) == 1 for address in hop}
    assert known
    if "--json" not in mode:
        assert known <= set(responders(text)) | set(re.findall(r"[0-9.]{7,}", text))
        return
    told = json.loads(text)
    assert told["complete"] is False if "--mda" in mode else told["interrupted"] is True
    assert known <= set(re.findall(r'"([0-9.]{7,})"', text))


def _probes(lab: StandardLab) -> int:
    """How many packets went towards the target through the agent's own device."""
    listed = json.loads(lab.exec(lab.agent, ["ip", "-j", "-s", "link", "show", lab.wan]).stdout)
    return int(listed[0]["stats64"]["tx"]["packets"])


def test_called_by_the_name_of_traceroute(lab: StandardLab, both: tuple[Runner, Runner]) -> None:
    """`exec -a` changes the name and not the file: it is the name that counts."""
    # The copy that needs no virtual environment: an interpreter finds its own by the name that it is called by.
    *_, python, _, _, _ = both[1].command
    words = f"{python} -m pathwarden -n -q 1 -w 0.7 -m 2 {lab.target4}"
    calls = [["bash", "-c", f"exec -a {name} {words}"] for name in ("traceroute", "traceroute6")]
    done, refused = (lab.exec(lab.agent, call, **both[1].options()) for call in calls)
    assert (done.returncode, done.stderr) == (0, ""), "as traceroute, though two hops do not reach the target"
    assert done.stdout.startswith(f"traceroute to {lab.target4} ({lab.target4}), 2 hops max, 60 byte packets\n")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert refused.stderr.startswith("traceroute6: ")


def test_what_was_recorded_is_read_by_others(lab: StandardLab, tmp_path: Path) -> None:
    file = tmp_path / "trace.pcapng"
    done = lab.exec(lab.agent, [sys.executable, "-m", "pathwarden", "trace", *QUICK, "--pcap", str(file), lab.target4])
    assert (done.returncode, done.stderr) == (0, "")
    read = subprocess.run(
        ["tshark", "-n", "-r", str(file), "-T", "fields", "-e", "ip.ttl", "-e", "ip.src", "-e", "icmp.type", "-e", "frame.comment"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    packets = [line.split("\t") for line in read.stdout.splitlines()]
    sent = [packet[0] for packet in packets if packet[3].startswith("probe ")]
    assert {str(ttl) for ttl in range(1, len(lab.hops4) + 1)} <= set(sent)
    answered = {packet[1].split(",")[0] for packet in packets if " answers probe " in packet[3]}
    assert answered == set(responders(done.stdout)) - {"*"}
