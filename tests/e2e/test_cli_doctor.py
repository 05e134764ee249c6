"""`pathwarden doctor` on real kernels: what works is told as working, what is broken is found, and it sends three probes at most."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from equipment.agent import Runner
from equipment.broker import Broker
from equipment.waiting import until
from netlab import StandardLab, standard_lab

Findings = dict[str, dict[str, Any]]
LIMIT_S = 30.0  # ten on a calm machine; what hangs would wait for a minute and more


@pytest.fixture
def root(both) -> Runner:
    return both[0]


@pytest.fixture
def folder(root, request) -> Path:
    return root.place(re.sub(r"\W", "-", request.node.name))


def config(lab: StandardLab, folder: Path, *more: str, target: str = "", port: int = 33434) -> Path:
    """A configuration with one target; connection tracking remembers a port's translation for a while."""
    path = folder / "config"
    head = [
        "config agent\n\toption name 'home-rt'\n\toption max_pps '200'",
        f"\toption db '{folder}/history.db'",
        f"config target 'site'\n\toption host '{target or lab.target4}'\n\toption port '{port}'\n\toption interval_s '60'",
    ]
    path.write_text("\n".join([*head, *more]) + "\n")
    return path


def doctor(lab: StandardLab, runner: Runner, path: Path) -> tuple[int, Findings]:
    """Exit code and findings by what they are about, in time."""
    begun = time.monotonic()
    done = runner.run(lab, lab.agent, "doctor", "--json", "--config", str(path))
    assert time.monotonic() - begun < LIMIT_S
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert all(set(each) == {"status", "what", "detail", "fix"} for each in found)
    assert all(each["status"] in ("ok", "warn", "FAIL") for each in found)
    assert all(each["fix"] for each in found if each["status"] != "ok")
    assert done.returncode == any(each["status"] == "FAIL" for each in found)
    return done.returncode, {each["what"]: each for each in found}


@contextmanager
def rule(lab: StandardLab, node: str, chain: str, text: str) -> Iterator[None]:
    """A node with one more firewall rule; `chain` says type, hook and priority."""
    lab.nft(node, f"table inet doctor {{\n chain one {{\n type {chain};\n {text}\n }}\n}}\n")
    try:
        yield
    finally:
        lab.nft(node, "delete table inet doctor")


def test_a_machine_where_all_is_well(lab, root, folder):
    source = f"config source 'second'\n\toption device '{lab.wanb}'\n\toption table '{lab.wanb_table}'"
    code, found = doctor(lab, root, config(lab, folder, source))
    assert code == 0
    assert found["raw sockets"]["detail"] == "permitted"
    assert found["IPv4 default route"]["detail"] == f"via {lab.gateway4} dev {lab.wan} src {lab.agent4}"
    assert found["IPv6 default route"]["detail"] == f"via {lab.gateway6} dev {lab.wan} src {lab.agent6}"
    assert found["ICMP errors"]["detail"].startswith(f"arrive: {lab.gateway4} answered a probe with ttl 1 in ")
    assert found["gateway"]["detail"].startswith(f"{lab.gateway4} is ")
    assert found["source port"]["status"] == "ok"
    assert found["source second"]["detail"] == (
        f"{lab.target4} via {lab.gateway_wanb4} dev {lab.wanb} src {lab.agent_wanb4} table {lab.wanb_table}"
    )
    assert found["history"]["detail"] == f"{folder}/history.db can be made"
    assert found["page"]["detail"] == "127.0.0.1:8866 is free"
    assert (found["daemon"]["status"], found["daemon"]["fix"]) == ("warn", "pathwarden run")
    assert not list(folder.glob("history*"))


def test_without_any_privilege(lab, both):
    nobody = both[1]
    code, found = doctor(lab, nobody, config(lab, nobody.place("unprivileged")))
    assert code == 0
    assert (found["raw sockets"]["status"], found["raw sockets"]["fix"]) == ("warn", "run as root, or give the program CAP_NET_RAW")
    assert [found[f"{method} without root"]["status"] for method in ("UDP", "ICMP")] == ["ok", "ok"]
    assert found["ICMP errors"]["detail"].startswith(f"arrive: {lab.gateway4} answered a probe with ttl 1")
    assert found["source port"]["status"] == "ok"


def test_no_more_than_three_probes_leave(lab, root, folder):
    with rule(lab, lab.agent, "filter hook output priority 0", f"ip daddr {lab.target4} counter"):
        _, found = doctor(lab, root, config(lab, folder))
        shown = lab.exec(lab.agent, ["nft", "-j", "list", "table", "inet", "doctor"]).stdout
    assert re.findall(r'"packets": (\d+)', shown) == ["3"]
    assert found["ICMP errors"]["status"] == "ok"


def test_a_firewall_that_drops_icmp_errors(lab, root, folder):
    with rule(lab, lab.agent, "filter hook input priority 0", "icmp type time-exceeded drop"):
        code, found = doctor(lab, root, config(lab, folder))
    assert code == 1
    assert found["ICMP errors"]["status"] == "FAIL"
    assert found["ICMP errors"]["detail"] == f"no answer to 3 probes towards {lab.target4} (ttl 1 to 3)"
    assert (found["source port"]["status"], found["source port"]["detail"]) == ("warn", "unknown: no answer quotes it")


def test_masquerading_that_draws_ports_is_seen_in_connection_tracking(lab, root, folder):
    with rule(lab, lab.agent, "nat hook postrouting priority 100", "udp dport 40001 masquerade to :20000-20010"):
        _, found = doctor(lab, root, config(lab, folder, port=40001))
    assert found["source port"]["status"] == "warn"
    detail = found["source port"]["detail"]
    assert re.fullmatch(r"this machine's firewall sends port 6\d+ as 200\d\d, perhaps as another one after a pause", detail)
    assert found["source port"]["fix"] == "take random and fully-random off its masquerade rule"


def test_masquerading_that_keeps_the_port_is_fine(lab, root, folder):
    with rule(lab, lab.agent, "nat hook postrouting priority 100", "udp dport 40002 masquerade"):
        _, found = doctor(lab, root, config(lab, folder, port=40002))
    assert found["source port"]["status"] == "ok"
    assert found["source port"]["detail"].startswith("this machine keeps ")
    assert re.fullmatch(r"\d+ of \d+ connections tracked", found["connections"]["detail"])


@pytest.mark.parametrize("family", [4, 6])
def test_a_router_that_rewrites_the_port_for_good(lab, root, folder, family):
    with rule(lab, "r1", "filter hook forward priority 0", "udp dport 33434 udp sport set 4444"):
        _, found = doctor(lab, root, config(lab, folder, target=lab.target4 if family == 4 else lab.target6))
    assert found["source port"]["status"] == "warn"
    assert found["source port"]["detail"].startswith("a router on the way makes 4444 of port ")
    assert found["ICMP errors"]["status"] == "ok"


def test_sources_that_cannot_be_used(lab, root, folder):
    sections = [
        "config source 'absent'\n\toption device 'wwan0'",
        "config source 'foreign'\n\toption address '192.0.2.77'",
        f"config source 'ruleless'\n\toption device '{lab.wan}'\n\toption table '4711'",
    ]
    code, found = doctor(lab, root, config(lab, folder, *sections))
    assert code == 1
    assert {name: (found[f"source {name}"]["status"], found[f"source {name}"]["fix"]) for name in ("absent", "foreign", "ruleless")} == {
        "absent": ("FAIL", "see the devices with: ip link"),
        "foreign": ("FAIL", "see this machine's addresses with: ip address"),
        "ruleless": ("FAIL", f"ip rule add oif {lab.wan} lookup 4711"),
    }


def test_no_network_at_all(root, folder):
    with standard_lab() as alone:
        alone.down(alone.agent, alone.wan)
        alone.down(alone.agent, alone.wanb)
        path = config(alone, folder, target="www.example")
        code, found = doctor(alone, root, path)
    assert code == 1
    assert [found[f"IPv{af} default route"]["status"] for af in (4, 6)] == ["FAIL", "FAIL"]
    assert (found["DNS"]["status"], found["DNS"]["detail"]) == ("FAIL", "www.example does not resolve in time")
    assert found["ICMP errors"]["detail"].startswith("no probe towards 1.1.1.1 can leave: no route to the target")


def test_a_bad_configuration_is_told_and_the_machine_is_still_looked_at(lab, root, folder):
    path = config(lab, folder, "\toption interval_s '0'\n\toption querys '3'")
    done = root.run(lab, lab.agent, "--config", str(path), "doctor")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("FAIL  configuration: pathwarden.site.")
    assert "ok    raw sockets: permitted" in lines
    assert max(map(len, lines)) <= 80 or str(folder) in done.stdout


def test_a_damaged_history(lab, root, folder):
    (folder / "history.db").write_bytes(b"no history at all" * 1000)
    code, found = doctor(lab, root, config(lab, folder))
    assert code == 1
    assert (found["integrity"]["status"], found["integrity"]["detail"]) == ("FAIL", f"{folder}/history.db is not a history")


def test_beside_the_daemon(lab, root, folder):
    path = config(lab, folder)
    process = lab.popen(lab.agent, [*root.command, "run", "--config", str(path)], stdout=subprocess.PIPE, text=True, **root.options())
    try:
        assert process.stdout
        assert process.stdout.readline() == "The page: http://127.0.0.1:8866/\n"
        status = root.run(lab, lab.agent, "status", "--json", "--config", str(path))
        code, found = doctor(lab, root, path)
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
    told = json.loads(status.stdout)
    assert (status.returncode, told["told_by"], told["daemon"]["running"]) == (0, "daemon", True)
    assert [target["target"] for target in told["targets"]] == ["site"]
    assert code == 0
    assert found["page"]["detail"] == "127.0.0.1:8866 is served by the daemon"
    assert found["daemon"]["detail"].startswith(f"runs as process {told['daemon']['pid']}; ")
    assert found["integrity"]["status"] == "ok"


def test_another_program_on_the_pages_port(lab, root, folder):
    with lab.enter(lab.agent):
        other = socket.create_server(("127.0.0.1", 8866))
    with other:
        code, found = doctor(lab, root, config(lab, folder))
    assert code == 1
    assert found["page"]["detail"] == "127.0.0.1:8866 is in use by another program"


@pytest.fixture(scope="module")
def broker(lab, tmp_path_factory) -> Iterator[Broker]:
    with (
        lab.enter(lab.agent),
        Broker(tmp_path_factory.mktemp("broker"), ns=lab.netns(lab.agent), users={"router": "secret"}, allow_anonymous=False) as broker,
    ):
        yield broker


def mqtt(folder: Path, port: int, password: str) -> str:
    file = folder / "password"
    file.write_text(f"{password}\n")
    file.chmod(0o600)
    return f"config mqtt\n\toption host '127.0.0.1'\n\toption port '{port}'\n\toption username 'router'\n\toption password_file '{file}'"


def test_a_broker_that_takes_us(lab, root, folder, broker):
    code, found = doctor(lab, root, config(lab, folder, mqtt(folder, broker.port, "secret")))
    assert code == 0
    assert found["MQTT"]["detail"] == f"127.0.0.1:{broker.port} takes us as router (MQTT 5)"
    until(lambda: "disconnected" in broker.log(), "the doctor has left")
    assert "pathwarden-home-rt-doctor" in broker.log()
    assert "Publish" not in broker.log()


@pytest.mark.parametrize(("password", "port", "detail"), [
    ("wrong", 0, "mqtt.username: the broker refuses the sign-in"),
    ("secret", 1, "mqtt.port: nothing listens on 127.0.0.1:1"),
])  # fmt: skip
def test_a_broker_that_does_not(lab, root, folder, broker, password, port, detail):
    code, found = doctor(lab, root, config(lab, folder, mqtt(folder, port or broker.port, password)))
    assert code == 1
    assert (found["MQTT"]["status"], found["MQTT"]["detail"]) == ("FAIL", detail)
