"""Each option of traceroute(8) 2.1.6: the same as there, or why not; and what this kernel can exercise, run beside it."""

import re
import socket
import sys
import threading
from pathlib import Path

import pytest

from equipment.agent import Runner
from netlab import StandardLab
from pathwarden.cli.main import main

# As in its option list. The words behind: the same; or what is different, and why.
SAME = "same as traceroute"
TABLE = {
    "-4": SAME,
    "-6": SAME,
    "-d": SAME,
    "--debug": SAME,
    "-F": f"{SAME}; a length beyond the first link's MTU is refused in one line, where traceroute prints !F",
    "--dont-fragment": SAME,
    "-f": SAME,
    "--first": SAME,
    "-g": f"{SAME}; the target is named once, not twice; IPv6 routing headers of any type, where the kernel's socket option refuses most",
    "--gateway": SAME,
    "-I": f"{SAME}; the checksum stays constant, so balancers show one path",
    "--icmp": SAME,
    "-T": f"{SAME}; one source port",
    "--tcp": SAME,
    "-i": SAME,
    "--interface": SAME,
    "-m": SAME,
    "--max-hops": SAME,
    "-N": SAME,
    "--sim-queries": SAME,
    "-n": SAME,
    "-p": f"{SAME}; beyond it: a list of ports",
    "--port": SAME,
    "-t": SAME,
    "--tos": SAME,
    "-l": f"{SAME}; over IPv4 refused, where traceroute ignores it",
    "--flowlabel": SAME,
    "-w": f"{SAME}; MAX at most 20 s, the time for which a probe's number is kept",
    "--wait": SAME,
    "-q": SAME,
    "--queries": SAME,
    "-r": SAME,
    "-s": SAME,
    "--source": SAME,
    "-z": SAME,
    "--sendwait": SAME,
    "-e": SAME,
    "--extensions": SAME,
    "-A": SAME,
    "--as-path-lookups": SAME,
    "-M": f"{SAME}; beyond it: classic for default, tcp-connect for tcpconn; tcpconn without privilege, too; no modules from files",
    "--module": SAME,
    "-O": f"{SAME}; reuse is taken and always so",
    "--options": SAME,
    "--sport": f"{SAME}, without -N 1: probes of one port are told apart",
    "--fwmark": SAME,
    "-U": SAME,
    "--udp": SAME,
    "-UL": SAME,
    "-D": SAME,
    "--dccp": SAME,
    "-P": f"{SAME}; protocols with a method of their own are refused; IPv6: !P for !<4-1>",
    "--protocol": SAME,
    "--mtu": f"{SAME}; for the methods whose length is ours to choose",
    "--back": SAME,
    "-V": SAME,
    "--version": SAME,
    "--help": SAME,
}
# 2.1.6's option_list, as the manual and the source have it.
THEIRS = [
    *("-4", "-6", "-d", "--debug", "-F", "--dont-fragment", "-f", "--first", "-g", "--gateway", "-I", "--icmp", "-T", "--tcp"),
    *("-i", "--interface", "-m", "--max-hops", "-N", "--sim-queries", "-n", "-p", "--port", "-t", "--tos", "-l", "--flowlabel"),
    *("-w", "--wait", "-q", "--queries", "-r", "-s", "--source", "-z", "--sendwait", "-e", "--extensions", "-A", "--as-path-lookups"),
    *("-M", "--module", "-O", "--options", "--sport", "--fwmark", "-U", "--udp", "-UL", "-D", "--dccp", "-P", "--protocol", "--mtu"),
    *("--back", "-V", "--version", "--help"),
]
QUICK = ("-n", "-q", "2", "-w", "0.7")
RTT = re.compile(r"\d+\.\d{3} ms")
# What both are asked. One node in the middle balances flows and one limits its answers, so those two hops are looked at apart.
FLAGS = [
    [],
    ["-I"],
    ["-T"],
    ["-T", "-p", "443"],
    ["-T", "-O", "info"],
    ["-T", "-O", "ack,fin"],
    ["-T", "-O", "mss=1000"],
    ["-U"],
    ["-UL"],
    ["-M", "tcpconn"],
    ["-P", "99", "-q", "1"],
    ["-N", "1"],
    ["-z", "0.25"],
    ["-t", "0x10"],
    ["-e"],
    ["--back"],
    ["-d"],
    ["-F"],
    ["-I", "-p", "7"],
    ["--fwmark=256"],
    ["--sport=4445"],
]
UNPRIVILEGED = [[], ["-U"], ["-I"], ["-N", "1"], ["-UL"]]


def test_the_table_holds_every_option_of_traceroute() -> None:
    print("\n".join(f"{option:18} {said}" for option, said in TABLE.items()))
    assert list(TABLE) == THEIRS


@pytest.mark.parametrize("option", THEIRS)
def test_our_help_knows_the_option(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["trace", "--help"])
    assert re.search(rf"(^|[\s,]){re.escape(option)}([\s,]|$)", capsys.readouterr().out, re.MULTILINE)


def masked(text: str, lab: StandardLab) -> list[list[str]]:
    """Heading, responders and annotations; times are masked, and a single lost answer beside others (kernels limit them, too).

    Of the balanced and the limited hops the number alone.
    """
    apart = {lab.diamond_ttl, lab.diamond_ttl + 1, lab.limited_ttl}
    heading, *lines = text.rstrip().splitlines()
    seen = [heading.split()]
    for ttl, line in enumerate(lines, 1):
        words = RTT.sub("", line).split()
        said = list(dict.fromkeys(word for word in words[1:] if word != "*"))
        seen.append(words[:1] if ttl in apart else [words[0], *said])
    return seen


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
@pytest.mark.parametrize("family", [4, 6])
def test_the_same_lines_as_traceroute(lab: StandardLab, both: tuple[Runner, Runner], flags: list[str], family: int) -> None:
    if "-P" in flags:  # over IPv6 the answer has another mark: see the table
        family = 4
    target = lab.target4 if family == 4 else lab.target6
    theirs = lab.exec(lab.agent, ["traceroute", *QUICK, *flags, target])
    ours = both[0].run(lab, lab.agent, "trace", *QUICK, *flags, target)
    assert (theirs.returncode, ours.returncode, ours.stderr) == (0, 0, ""), (theirs.stderr, ours.stdout)
    assert masked(ours.stdout, lab) == masked(theirs.stdout, lab)


@pytest.mark.parametrize("flags", UNPRIVILEGED, ids=" ".join)
def test_the_same_lines_without_privilege(lab: StandardLab, both: tuple[Runner, Runner], flags: list[str]) -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    theirs = lab.exec(lab.agent, [*nobody, "traceroute", *QUICK, *flags, lab.target4])
    ours = both[1].run(lab, lab.agent, "trace", *QUICK, *flags, lab.target4)
    assert (theirs.returncode, ours.returncode) == (0, 0), (theirs.stderr, ours.stdout, ours.stderr)
    assert masked(ours.stdout, lab) == masked(theirs.stdout, lab)


@pytest.mark.parametrize("flags", [["-T"], ["-D"], ["-P", "99"], ["--pcap", "x"]], ids=" ".join)
def test_what_needs_privilege_says_so(lab: StandardLab, both: tuple[Runner, Runner], flags: list[str]) -> None:
    done = both[1].run(lab, lab.agent, "trace", *QUICK, *flags, lab.target4)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1), done.stderr
    assert done.stderr.startswith("pathwarden: ")
    assert "run as root or with CAP_NET_RAW" in done.stderr


def test_lengths_whole_and_in_fragments(lab: StandardLab, both: tuple[Runner, Runner]) -> None:
    for words in (["1400"], ["2000"], ["-I", "2000"]):
        flags, length = words[:-1], words[-1]
        theirs = lab.exec(lab.agent, ["traceroute", *QUICK, *flags, lab.target4, length])
        ours = both[0].run(lab, lab.agent, "trace", *QUICK, *flags, lab.target4, length)
        assert masked(ours.stdout, lab) == masked(theirs.stdout, lab)
    refused = both[0].run(lab, lab.agent, "trace", *QUICK, "-F", lab.target4, "2000")
    line = f"pathwarden: length 2000: {lab.wan} carries at most 1500 bytes at once; shorten it, or leave out -F\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (3, "", line)


def test_programs_by_their_names(lab: StandardLab, tmp_path: Path) -> None:
    script = tmp_path / "pathwarden"
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom pathwarden.cli.main import main\nsys.exit(main())\n")
    script.chmod(0o755)
    for name, size in (("traceroute", 60), ("traceroute6", 80), ("tracert", 60)):
        link = tmp_path / name
        link.symlink_to(script)
        target = lab.target6 if name.endswith("6") else lab.target4
        done = lab.exec(lab.agent, [str(link), *QUICK, "-m", "4", target])
        assert (done.returncode, done.stderr) == (0, ""), "as traceroute, whether or not the destination answered"
        assert done.stdout.startswith(f"traceroute to {target} ({target}), 4 hops max, {size} byte packets\n")
    (tmp_path / "tcptraceroute").symlink_to(script)
    done = lab.exec(lab.agent, [str(tmp_path / "tcptraceroute"), *QUICK, lab.target4, "81"])
    assert (done.returncode, done.stdout.splitlines()[-1].split()[1:3]) == (0, [lab.target4, "<rst,ack>"])
    refused = lab.exec(lab.agent, [str(tmp_path / "traceroute"), "-q", "11", lab.target4])
    assert (refused.returncode, refused.stderr) == (2, "traceroute: -q 11: above 10; write a number from 1 to 10\n")


def test_several_targets_and_ports_as_a_table(lab: StandardLab, both: tuple[Runner, Runner]) -> None:
    code = "import signal, socket; s = socket.create_server(('', 80)); print(flush=True); signal.pause()"
    server = lab.popen(lab.target, [sys.executable, "-c", code], stdout=-1)
    try:
        server.stdout.readline()
        done = both[0].run(lab, lab.agent, "trace", *QUICK, "-T", "-p", "80,81", lab.target4, lab.gateway4)
    finally:
        server.kill()
        server.communicate()
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    outcomes = [word for line in lines if not line.strip()[:1].isdigit() for word in line.split() if word in ("open", "closed")]
    assert outcomes == ["open", "closed", "closed", "closed"]


def test_egress_sends_nothing_and_names_the_rule(lab: StandardLab, both: tuple[Runner, Runner]) -> None:
    for runner in both:
        done = runner.run(lab, lab.agent, "trace", "--egress", "--table", str(lab.wanb_table), lab.target4)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[1:4] == [
            f"  device   {lab.wanb}",
            f"  source   {lab.agent_wanb4}",
            f"  gateway  {lab.gateway_wanb4}",
        ]
        assert f"lookup {lab.wanb_table}" in done.stdout


def test_a_forced_next_hop(lab: StandardLab, both: tuple[Runner, Runner]) -> None:
    done = both[0].run(lab, lab.agent, "trace", *QUICK, "--next-hop", lab.gateway_wanb4, lab.target4)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[1] for line in done.stdout.splitlines()[1:]] == [next(iter(hop)) for hop in lab.hops_wanb4]


def test_all_paths(lab: StandardLab, both: tuple[Runner, Runner], tmp_path: Path) -> None:
    dot = tmp_path / "paths.dot"
    done = both[0].run(lab, lab.agent, "trace", "-w", "1", "--mda", "--confidence", "99", "--dot", str(dot), lab.target4)
    assert (done.returncode, done.stderr) == (0, "")
    for address in lab.hops4[lab.diamond_ttl - 1] or ():
        assert f" {address} " in done.stdout
        assert f'[label="{address}"]' in dot.read_text()
    assert f"paths part after ttl {lab.diamond_ttl - 1}, meet at ttl {lab.diamond_ttl + 1}: width 2" in done.stdout
    # The limited router may answer too seldom for a verdict, and then that is said.
    assert re.search(r"^complete, but for a probability of at most 1%|^not complete \(stopped by: answers\)", done.stdout, re.MULTILINE)


def test_the_path_mtu(lab: StandardLab, both: tuple[Runner, Runner]) -> None:
    done = both[0].run(lab, lab.agent, "trace", "-n", "-q", "1", "-w", "0.7", "--mtu", lab.target4)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[-1] for line in done.stdout.splitlines() if "F=" in line] == ["F=1500"]


def test_as_numbers_from_a_registry(lab: StandardLab, both: tuple[Runner, Runner]) -> None:
    asked: list[bytes] = []
    with lab.enter(lab.agent):
        server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                asked.append(client.recv(100))
                client.sendall(b"route: 10.77.0.0/16\r\norigin: AS64500\r\norigin: \x1b[2J\r\n")

    threading.Thread(target=serve, daemon=True).start()
    runner = both[0]._replace(env={"RA_SERVER": "127.0.0.1", "RA_SERVICE": str(server.getsockname()[1])})
    try:
        done = runner.run(lab, lab.agent, "trace", "-n", "-A", "-q", "1", lab.gateway4)
        quiet = runner.run(lab, lab.agent, "trace", "-n", "-q", "1", lab.gateway4)
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    assert (done.returncode, quiet.returncode) == (0, 0)
    assert f"{lab.gateway4} [AS64500]  " in done.stdout
    assert asked == [f"{lab.gateway4}\r\n".encode()], "nothing is asked but with -A"
