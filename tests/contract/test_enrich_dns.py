"""Team Cymru's way against a real name server: one that runs, with `pathwarden enrich`, in a namespace of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
WAIT_S = 120

# The server: by the third label of an origin's name, that is by the second number of the address, it behaves differently.
SERVER = """
import socket, sys, threading
sys.path.insert(0, {tests!r})
from equipment.cymru import asked_name, reply
ONE = "64500 | 5.1.0.0/16 | NL | ripencc | 2010-01-01"
log = open({log!r}, "w", buffering=1)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 53))
tcp = socket.create_server(("127.0.0.1", 53))
def over_tcp():
    while True:
        sock, _ = tcp.accept()
        with sock:
            data = sock.recv(2048)[2:]
            log.write("tcp " + asked_name(data) + "\\n")
            answer = reply(data, ["64503 | 5.3.0.0/16 | NL"])
            for piece in (len(answer).to_bytes(2, "big"), answer[:9], answer[9:]):
                sock.sendall(piece)
threading.Thread(target=over_tcp, daemon=True).start()
print("ready", flush=True)
while True:
    data, who = udp.recvfrom(2048)
    name = asked_name(data)
    log.write("udp " + name + "\\n")
    if name.startswith("as"):
        answers = [reply(data, [name[2:7] + " | NL | ripencc | 2010-01-01 | EXAMPLE-" + name[2:7] + ", NL"])]
    else:
        number = int.from_bytes(data[:2], "big")
        wrong = reply(data, ["666 | 5.2.0.0/16 | NL"], number=number ^ 1)
        answers = {{
            "1": [reply(data, [ONE])],
            "2": [wrong, b"x", wrong[:20], reply(data, ["64502 | 5.2.0.0/16 | NL"])],
            "3": [reply(data, [], flags=0x8380)],
            "4": [reply(data, ["666 | 9.0.0.0/8 | NL"])],
            "5": [reply(data, [], flags=0x8183)],
            "6": [],
            "a": [reply(data, ["64506 | 2a00:1::/32 | NL"])],
        }}[name.split(".")[2] if name.endswith("in.asn.cymru.com") else "a"]
    for each in answers:
        udp.sendto(each, who)
"""


@pytest.fixture
def lookup(tmp_path):
    """Runs `pathwarden enrich lookup` beside the server; what it printed, and what the server was asked."""
    (tmp_path / "server.py").write_text(SERVER.format(tests=str(TESTS), log=str(tmp_path / "log")))
    (tmp_path / "resolv.conf").write_text("# ours\nsearch example.net\nnameserver 127.0.0.1\n")
    config = tmp_path / "config"
    config.write_text(f"config agent 'agent'\n\toption db '{tmp_path}/history.db'\n\toption dns_lookups '1'\n")

    def run(*addresses):
        script = (
            "set -e; ip link set lo up; mount --bind resolv.conf /etc/resolv.conf; : >ready; "
            '"$1" server.py >ready & server=$!; trap "kill $server" EXIT; '
            "i=0; until grep -q ready ready || [ $i -ge 600 ]; do i=$((i+1)); sleep 0.05; done; "
            'shift; "$@"'
        )
        command = [sys.executable, "-m", "pathwarden", "--config", str(config), "--json", "enrich", "lookup", *addresses]
        inside = ["unshare", "-nm", "sh", "-c", script, "sh", sys.executable, *command]
        done = subprocess.run(inside, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=WAIT_S)
        assert done.returncode == 0, done.stderr
        return {row["address"]: row for row in json.loads(done.stdout)}, (tmp_path / "log").read_text().splitlines(), done.stderr

    return run


def test_answers_wrong_ones_and_those_that_are_cut(lookup):
    found, asked, err = lookup("5.1.2.3", "5.2.2.3", "5.3.2.3", "5.4.2.3", "5.5.2.3", "2a00:1::7", "10.0.0.1", "5.1.9.9")
    networks = {address: (row["asn"], row["as_name"], row["prefix"]) for address, row in found.items()}
    assert networks == {
        "5.1.2.3": (64500, "EXAMPLE-64500, NL", "5.1.0.0/16"),
        "5.2.2.3": (64502, "EXAMPLE-64502, NL", "5.2.0.0/16"),
        "5.3.2.3": (64503, "EXAMPLE-64503, NL", "5.3.0.0/16"),
        "5.4.2.3": (None, None, None),  # another network's, so nobody's
        "5.5.2.3": (None, None, None),
        "2a00:1::7": (64506, "EXAMPLE-64506, NL", "2a00:1::/32"),
        "10.0.0.1": (None, None, None),
        "5.1.9.9": (64500, "EXAMPLE-64500, NL", "5.1.0.0/16"),
    }
    assert err == ""
    assert found["10.0.0.1"]["special"] == "private"
    assert found["5.1.2.3"]["sources"][0]["name"] == "cymru.com"
    assert asked.count("tcp 0.2.3.5.origin.asn.cymru.com") == 1
    assert not [line for line in asked if "10.origin" in line], "a private address leaves this machine"
    assert len([line for line in asked if line.startswith("udp as")]) == 4


def test_a_name_server_that_is_silent_is_said_and_asked_once(lookup):
    found, asked, err = lookup("5.6.2.3", "5.6.3.3", "5.6.4.3")
    assert {row["asn"] for row in found.values()} == {None}
    assert asked == ["udp 0.2.6.5.origin.asn.cymru.com"]
    assert err == "the name server does not answer for Team Cymru: what no database knows stays unknown\n"
