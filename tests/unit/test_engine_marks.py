"""What a quote tells of the way: each mark alone, and none where nothing is known."""

import pytest

from pathwarden.engine.marks import marks_of
from pathwarden.model.probe import Extra, Flow, InterfaceInfo, Method, Probe, Reply, ReplyKind
from pathwarden.model.trace import UNMARKED, Marks

IDENT = 0x1234
MSS_1460 = bytes((2, 4, 5, 180))


def probe(method: Method = Method.UDP, **flow: object) -> Probe:
    made = Flow(4, method, "192.0.2.10", "198.51.100.7", 61000, 33434, 0x28, 0, 60)
    return Probe(IDENT, made._replace(**flow), 3, 0)


def reply(to: Probe, **values: object) -> Reply:
    """A reply that quotes the probe whole and as it was."""
    flow = to.flow
    named = {"ident": IDENT, "ident_checksum": 0 if flow.method is Method.ICMP else IDENT, "icmp_type": 11, "icmp_code": 0}
    quoted = {"ttl": 60, "quoted_ttl": 1, "quoted_tos": flow.tos, "quoted_length": flow.size}
    made = Reply(ReplyKind.TIME_EXCEEDED, "10.0.0.3", 1, flow.method, flow.dst, flow.sport, flow.dport, **named, **quoted)
    return made._replace(**values)


@pytest.mark.parametrize("method", Method)
def test_a_quote_that_agrees_leaves_no_mark(method: Method) -> None:
    sent = probe(method)
    assert marks_of(sent, reply(sent)) is UNMARKED


@pytest.mark.parametrize("method", Method)
def test_what_is_not_quoted_is_not_known(method: Method) -> None:
    sent = probe(method, extra=Extra(tcp_options=MSS_1460))
    silent = reply(sent, quoted_tos=-1, quoted_length=0, ident_checksum=0, quoted_ttl=0, dport=0 if method is Method.ICMP else 33434)
    assert marks_of(sent, silent) is UNMARKED


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"quoted_tos": 0}, Marks(tos=0)),
        ({"quoted_tos": 0x2B}, Marks(tos=0x2B)),
        ({"quoted_length": 80}, Marks(length=80)),
        ({"mtu": 1492}, Marks(mtu=1492)),
        ({"segment": b"segment"}, Marks(segment=b"segment")),
        ({"extensions": (InterfaceInfo("INC", 4),)}, Marks(extensions=(InterfaceInfo("INC", 4),))),
        ({"ident_checksum": IDENT + 5}, Marks(nat=5)),
        ({"ident_checksum": IDENT - 1}, Marks(nat=0xFFFE)),
        ({"quoted_tos": 4, "mtu": 1400, "ident_checksum": 1}, Marks(tos=4, mtu=1400, nat=(1 - IDENT) % 0xFFFF)),
    ],
)
def test_each_mark(values: dict[str, object], expected: Marks) -> None:
    sent = probe()
    assert marks_of(sent, reply(sent, **values)) == expected


@pytest.mark.parametrize(
    ("method", "told"), [(Method.UDP, 7), (Method.UDPLITE, 7), (Method.DCCP, 7), (Method.TCP, 0), (Method.RAW, 0), (Method.TCP_CONNECT, 0)]
)
def test_a_checksum_tells_of_a_translator_where_it_is_the_ident(method: Method, told: int) -> None:
    """TCP's place for it holds what its sequence number says, which is no checksum."""
    sent = probe(method)
    assert marks_of(sent, reply(sent, ident_checksum=IDENT + 7)).nat == told


def test_an_echo_requests_checksum_is_constant_in_its_flow() -> None:
    sent = probe(Method.ICMP)
    assert marks_of(sent, reply(sent, dport=33430)).nat == 0xFFFF - 4
    assert marks_of(sent, reply(sent, kind=ReplyKind.ECHO_REPLY, dport=0)) is UNMARKED


def test_an_all_ones_checksum_is_zero() -> None:
    """The two zeros of ones' complement: 0 and 0xffff are the same sum."""
    sent = probe()._replace(ident=0xFFFE)
    assert marks_of(sent, reply(sent, ident_checksum=0xFFFF)).nat == 1


@pytest.mark.parametrize(("quoted", "told"), [(1460, 0), (1400, 1400), (0, 0)])
def test_a_segment_size_counts_where_it_is_not_the_one_sent(quoted: int, told: int) -> None:
    sent = probe(Method.TCP, extra=Extra(tcp_options=MSS_1460))
    assert marks_of(sent, reply(sent, quoted_mss=quoted)).mss == told


def test_a_segment_size_that_somebody_put_in_counts() -> None:
    sent = probe(Method.TCP)
    assert marks_of(sent, reply(sent, quoted_mss=1360)).mss == 1360
