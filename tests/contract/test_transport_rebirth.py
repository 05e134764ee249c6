"""A device that goes and comes again under the same name, as ppp0 does at every redial."""

import pytest

from equipment.agent import awaited
from netlab import Lab
from pathwarden.model.probe import Binding, Method, Probe
from pathwarden.net.raw import RawTransport
from pathwarden.net.rootless import RootlessTransport

SECOND_NS = 1_000_000_000


def heard(transport):
    """The replies of one reading. A device that went away wakes its sockets, too; the first question for a neighbour may be lost."""
    return awaited(lambda: transport.receive(SECOND_NS), bool, "a reply", 30.0)


@pytest.mark.parametrize("kind", [RawTransport, RootlessTransport])
@pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
def test_probes_leave_through_a_device_made_anew(kind, method):
    with Lab() as lab:
        lab.nodes(hosts=["agent", "far"])
        lab.link("agent", "far", "10.1.1.0/24", "fd01::/64", dev_a="ppp0")
        with lab.enter("agent"):
            transport = kind()
            binding = Binding(device="ppp0")
            for dst in ("10.1.1.2", "fd01::2"):
                flow = transport.flow(dst, method, 0, binding, 0, 0)
                assert transport.send(Probe(1, flow, 1, 0), binding)
                assert len(heard(transport)) == 1
            lab.ip("agent", "link del ppp0")
            lab.link("agent", "far", "10.1.1.0/24", "fd01::/64", dev_a="ppp0")
            for dst in ("10.1.1.2", "fd01::2"):
                flow = transport.flow(dst, method, 0, binding, 0, 0)
                assert transport.send(Probe(2, flow, 1, 0), binding)
                assert [reply.ident for reply in heard(transport)] == [2]
            transport.close()
