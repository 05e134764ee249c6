"""Which transport is chosen, with root's capabilities and without any."""

import json
import sys

import pytest

from equipment.agent import runners
from netlab import standard_lab
from pathwarden.errors import CannotProbe, ProbeError
from pathwarden.model.probe import Binding, Method
from pathwarden.net import choose, rootless
from pathwarden.net.choose import open_transport
from pathwarden.net.raw import RawTransport

# Still our user, who can read the interpreter wherever it lies, but with no capability left to gain.
_WITHOUT_CAPABILITIES = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
# Runs inside the namespace without privilege: the sentence, then for each target what answered at ttl 1 and at the end.
_SCRIPT = """
import json, sys
from pathwarden.errors import ProbeError
from pathwarden.model.probe import Binding, Method, Probe
from pathwarden.net.choose import open_transport

transport, sentence = open_transport(0)
seen, ident = [], 0
for dst in sys.argv[1:]:
    for method in (Method.UDP, Method.ICMP):
        for ttl in (1, 30):
            ident += 1
            try:
                flow = transport.flow(dst, method, 0, Binding(), 0, 0)
            except ProbeError as error:
                seen.append([dst, method, ttl, error.reason])
                continue
            transport.send(Probe(ident, flow, ttl, 0), Binding())
            replies = transport.receive(2_000_000_000)
            seen.append([dst, method, ttl, [[r.kind, r.responder, r.ident == ident] for r in replies]])
errors = []
for binding in (Binding(device="wanb"), Binding(fwmark=5)):
    try:
        transport.flow(sys.argv[1], Method.UDP, 0, binding, 0, 0)
        errors.append("")
    except ProbeError as error:
        errors.append(error.reason)
print(json.dumps([transport.name, sentence, seen, errors]))
"""


@pytest.fixture(scope="module")
def lab():
    with standard_lab() as built:
        yield built


def unprivileged(lab):
    done = lab.exec("agent", [*_WITHOUT_CAPABILITIES, sys.executable, "-c", _SCRIPT, lab.target4, lab.target6])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def expected(lab, icmp):
    for dst, gateway in ((lab.target4, lab.gateway4), (lab.target6, lab.gateway6)):
        yield [dst, "udp", 1, [["time_exceeded", gateway, True]]]
        yield [dst, "udp", 30, [["port_unreachable", dst, True]]]
        yield [dst, "icmp", 1, [["time_exceeded", gateway, True]] if icmp else "no_permission"]
        yield [dst, "icmp", 30, [["echo_reply", dst, True]] if icmp else "no_permission"]


def test_without_capabilities_probes_still_leave(lab):
    name, sentence, seen, errors = unprivileged(lab)
    assert name == "rootless"
    assert sentence == "without root: UDP with the kernel's error queue; ICMP through datagram sockets"
    assert seen == list(expected(lab, icmp=True))
    assert errors == ["", "no_permission"]  # a device is permitted since Linux 5.7, a mark is not


# Runs as a user without anything: what answered at ttl 1, and at the end of each method that needs no raw socket.
_AS_NOBODY = """
import json, sys
from pathwarden.model.probe import Binding, Method, Probe
from pathwarden.net.choose import open_transport

transport, _ = open_transport(0)
seen, ident = [], 0
for dst in sys.argv[1:]:
    for method, port in ((Method.TCP_CONNECT, 81), (Method.UDPLITE, 0)):
        for ttl in (1, 30):
            ident += 1
            flow = transport.flow(dst, method, port, Binding(), 0, 0)
            transport.send(Probe(ident, flow, ttl, 0), Binding())
            seen.append([dst, method, ttl, [[r.kind, r.responder, r.ident == ident] for r in transport.receive(2_000_000_000)]])
print(json.dumps([transport.name, seen]))
"""


def test_a_plain_user_connects_and_sends_udp_lite(lab):
    with runners() as (_, nobody):
        command = [*nobody.command[:-2], "-c", _AS_NOBODY, lab.target4, lab.target6]
        done = lab.exec("agent", command, **nobody.options())
    assert done.returncode == 0, done.stderr
    expected = [
        [dst, method, ttl, [[kind, responder, True]]]
        for dst, gateway in ((lab.target4, lab.gateway4), (lab.target6, lab.gateway6))
        for method, end in (("tcp-connect", "closed"), ("udplite", "port_unreachable"))
        for ttl, kind, responder in ((1, "time_exceeded", gateway), (30, end, dst))
    ]
    assert json.loads(done.stdout) == ["rootless", expected]


def test_whoever_may_not_send_icmp_is_told_why(lab):
    before = lab.exec("agent", ["cat", "/proc/sys/net/ipv4/ping_group_range"]).stdout.strip()
    lab.sysctl("agent", "net.ipv4.ping_group_range", "1 0")
    try:
        name, sentence, seen, _ = unprivileged(lab)
    finally:
        lab.sysctl("agent", "net.ipv4.ping_group_range", before)
    assert name == "rootless"
    assert sentence == "without root: UDP with the kernel's error queue; ICMP is not permitted: net.ipv4.ping_group_range"
    assert seen == list(expected(lab, icmp=False))


def test_root_gets_raw_sockets_unless_told_otherwise(lab):
    with lab.enter("agent"):
        for rootless, name, sentence in (
            (False, "raw", "raw sockets"),
            (True, "rootless", "without root: UDP with the kernel's error queue; ICMP through datagram sockets"),
        ):
            transport, said = open_transport(61234, rootless=rootless)
            assert (transport.name, transport.source_port, said) == (name, 61234, sentence)
            transport.close()


def test_when_nothing_works_the_operator_is_told(monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(choose, "RawTransport", lambda *_, **__: (_ for _ in ()).throw(CannotProbe("raw sockets are not permitted")))
    monkeypatch.setattr(rootless, "RootlessTransport", refuse)
    with pytest.raises(CannotProbe) as caught:
        open_transport()
    assert str(caught.value) == "no probing method works here: Operation not permitted; run as root or with CAP_NET_RAW"
    assert caught.value.exit_code == 3


def test_a_kernel_without_ipv6_probes_ipv4(lab, monkeypatch):
    """Such a kernel refuses the address family; here the question whether it has it is answered with no."""
    monkeypatch.setattr("pathwarden.net.ports.has_ipv6", lambda: False)
    with lab.enter("agent"):
        for rootless in (False, True):
            transport, _ = open_transport(rootless=rootless)
            assert transport.flow(lab.target4, Method.UDP, 0, Binding(), 0, 0).af == 4
            transport.close()


def test_a_target_of_a_family_that_the_kernel_lacks_has_no_route(lab, monkeypatch):
    import socket

    with lab.enter("agent"):
        transport = RawTransport()
        real = socket.socket

        def without_ipv6(family=-1, *args, **kw):
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            return real(family, *args, **kw)

        monkeypatch.setattr(socket, "socket", without_ipv6)
        with pytest.raises(ProbeError) as caught:
            transport.flow(lab.target6, Method.UDP, 0, Binding(), 0, 0)
        assert caught.value.reason == "no_route"
        transport.close()
