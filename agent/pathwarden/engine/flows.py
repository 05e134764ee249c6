"""More flows to the same target: what every balancer on the way takes for another flow, and nothing else changes.

A balancer hashes addresses, protocol and the first four bytes of the transport header, or on IPv6 the flow label (RFC 6438). So:
1. UDP, UDP-Lite and DCCP: the destination port. The source port is ours and stays: replies are recognised by it.
2. ICMP: the constant checksum. With the type it is all of the first four bytes, and the identifier is our port.
3. IPv6: the flow label as well, since a router may hash the label alone or the ports alone, and both kinds are common (Linux takes the
   label with `fib_multipath_hash_policy` 0 and the ports with 1). A label of 0 means that nobody set one, or that the kernel writes
   the headers; it stays 0.
4. TCP and raw protocols over IPv4 have nothing to vary: another destination port is another service, and our source port is held.
"""

from pathwarden.model.probe import Flow, Method

MOST = 4096  # flows of one base flow; all differ
_LAST_PORT = 0xFFFF
_TRACEROUTE_PORT = 33434  # where traceroutes have always gone, so where nobody offers a service
_FIRST_FREE_PORT = 1024  # below it stand services: of those only the one that was asked for is probed
_CHECKSUMS = 0xFFFE  # 1..0xfffe (see wire.probe_codec)
_LABELS = 0xFFFFF  # 1..0xfffff, 20 bits (RFC 6437); 0 means unlabelled
_PORTED = frozenset({Method.UDP, Method.UDPLITE, Method.DCCP})


def varies(flow: Flow) -> bool:
    """Whether other flows can be made of this one."""
    return flow.method in _PORTED or flow.method is Method.ICMP or bool(flow.label)


def nth(flow: Flow, number: int) -> Flow:
    """The flow of this number, 0..4095, of a base flow, which is number 0; equal arguments give equal flows.

    Raises ValueError for another number, or if nothing of the flow can vary.
    """
    if number == 0:
        return flow
    if not 0 < number < MOST or not varies(flow):
        raise ValueError(f"no flow {number} of a {flow.method} flow over IPv{flow.af}")
    dport, label = flow.dport, flow.label
    if flow.method in _PORTED:
        dport = _port(dport, number)
    elif flow.method is Method.ICMP:
        dport = 1 + (dport - 1 + number) % _CHECKSUMS
    if label:
        label = 1 + (label - 1 + number) % _LABELS
    return flow._replace(dport=dport, label=label)


def risen(flow: Flow, number: int) -> Flow:
    """The flow of a trace's probe of this number (0..), when each has its own as in the classic traceroute: ports rise and go round."""
    if flow.method is Method.UDP:
        return flow._replace(dport=(flow.dport - 1 + number) % _LAST_PORT + 1)
    # An echo request's checksum falls by one as its sequence rises by one.
    return flow._replace(dport=(flow.dport - 1 - number) % _CHECKSUMS + 1)


def _port(base: int, number: int) -> int:
    """Upwards from the base; from a service's port, and beyond the last one, on from traceroute's."""
    if base < _FIRST_FREE_PORT:
        return _TRACEROUTE_PORT + number
    port = base + number
    return port if port <= _LAST_PORT else _TRACEROUTE_PORT + port - _LAST_PORT
