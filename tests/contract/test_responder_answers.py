"""What odd routers and targets send, and what a trace must make of it: raw sockets, correlator and session on a scripted network."""

import pytest

from equipment.traced import SECOND_NS, Traced
from netlab import Lab
from netlab import responder as net
from netlab.responder import PORT, PROHIBITED, SILENT, TARGET, TOO_BIG, Responder, Says, hop
from pathwarden.model.probe import Extra, InterfaceInfo, Method, MplsLabel, MplsStack, OtherObject, ReplyKind
from pathwarden.model.trace import UNMARKED, Ending, Marks
from pathwarden.net.raw import RawTransport

BOTH = pytest.mark.parametrize("af", [4, 6])
UDP_AND_ICMP = pytest.mark.parametrize("method", [Method.UDP, Method.ICMP])
TE = ReplyKind.TIME_EXCEEDED
SECOND_HOP = {4: hop(4, 2), 6: hop(6, 2)}  # where nothing gets through, it answers all greater ttls as well


@pytest.fixture(scope="module")
def network():
    with Lab() as lab:
        lab.host("agent")
        with Responder(lab, "agent") as responder, lab.enter("agent"):
            yield responder


@pytest.fixture
def transport(network):  # noqa: ARG001 - the namespace that it opens sockets in
    made = RawTransport()
    yield made
    made.close()


def target_says(method):
    return Says(PORT) if method is Method.UDP else Says(direct=net.echo_reply)


def one_odd_hop(network, transport, af, says, method=Method.UDP, **options):
    """A trace whose first hop is the odd one and whose second is the target."""
    network.play({1: says, 2: target_says(method)})
    traced = Traced(transport, TARGET[af], method, **options)
    assert traced.outcome.reached_ttl == 2, traced.outcome
    assert {answer.responder for answer in traced.answers(2)} == {TARGET[af]}
    return traced


# -- as it should be


@BOTH
@UDP_AND_ICMP
def test_honest_answers_carry_no_marks(network, transport, af, method):
    network.play({1: Says(), 2: Says(ttl=63), 3: target_says(method)})
    traced = Traced(transport, TARGET[af], method, tos=0x28, queries=3)
    assert [(each.ttl, each.responders) for each in traced.outcome.hops] == [(1, (hop(af, 1),)), (2, (hop(af, 2),)), (3, (TARGET[af],))]
    assert (traced.outcome.ending, traced.outcome.late, traced.outcome.duplicates) == (Ending.REACHED, 0, 0)
    for each in traced.outcome.hops:
        assert {answer.marks for answer in each.answers} == {UNMARKED}
    assert [answer.reply_ttl for answer in traced.answers(2)] == [63] * 3
    assert [answer.quoted_ttl for answer in traced.answers(2)] == [1] * 3


# -- extensions

LABELS = ((100, 5, 1), (524288, 0, 255))
STACK = MplsStack((MplsLabel(100, 5, False, 1), MplsLabel(524288, 0, True, 255)))


@BOTH
@UDP_AND_ICMP
def test_a_label_stack(network, transport, af, method):
    traced = one_odd_hop(network, transport, af, Says(structure=net.structure(net.mpls(*LABELS))), method)
    assert traced.only().marks == Marks(extensions=(STACK,))
    assert traced.only().mpls == STACK.labels


@BOTH
def test_a_label_stack_of_an_old_router_without_a_length(network, transport, af):
    traced = one_odd_hop(network, transport, af, Says(structure=net.structure(net.mpls(*LABELS)), length=0))
    assert traced.only().mpls == STACK.labels


@BOTH
def test_a_structure_whose_checksum_is_left_out(network, transport, af):
    traced = one_odd_hop(network, transport, af, Says(structure=net.structure(net.mpls(*LABELS), checksum=False)))
    assert traced.only().mpls == STACK.labels


@BOTH
@pytest.mark.parametrize(
    "structure",
    [
        net.structure(net.mpls(*LABELS), version=1),
        net.structure(net.mpls(*LABELS))[:-1] + b"\x07",  # its checksum is wrong
        net.structure(net.mpls(*LABELS))[:3],
    ],
)
def test_a_damaged_structure_costs_its_content_and_not_the_answer(network, transport, af, structure):
    traced = one_odd_hop(network, transport, af, Says(structure=structure))
    assert traced.only().responder == hop(af, 1)
    assert traced.only().marks.extensions == ()


@BOTH
@pytest.mark.parametrize("length", [1, 16, 31, 200, 255])
def test_a_wrong_length_field_costs_no_answer(network, transport, af, length):
    structured = Says(structure=net.structure(net.mpls(*LABELS)), length=length)
    for says in (structured, Says(length=length), Says((), (net.cut(8),), length=length)):
        method = Method.ICMP  # over IPv6 UDP probes may need their payload, which such a length may cut away
        assert one_odd_hop(network, transport, af, says, method).only().responder == hop(af, 1)


@BOTH
def test_unknown_objects_are_kept_in_their_order(network, transport, af):
    structure = net.structure((7, 3, b"what?"[:4]), net.mpls(*LABELS), (250, 0, b""))
    traced = one_odd_hop(network, transport, af, Says(structure=structure))
    assert traced.only().marks.extensions == (OtherObject(7, 3, b"what"), STACK, OtherObject(250, 0, b""))


IN = InterfaceInfo("INC", ifindex=7, address="198.18.77.1", name="ge-0/0/0.17", mtu=9000)
OUT = InterfaceInfo("OUT", address="2001:db8:77::7", name="wan")


@BOTH
def test_interface_information(network, transport, af):
    objects = (
        net.interface(0, ifindex=7, address="198.18.77.1", name="ge-0/0/0.17", mtu=9000),
        net.interface(2, address="2001:db8:77::7", name="wan"),
        net.interface(3, ifindex=9),
        net.interface(1, mtu=1400),
    )
    traced = one_odd_hop(network, transport, af, Says(structure=net.structure(*objects, net.mpls(*LABELS))))
    expected = (IN, OUT, InterfaceInfo("NXT", ifindex=9), InterfaceInfo("SUB", mtu=1400), STACK)
    assert traced.only().marks.extensions == expected
    assert traced.only().mpls == STACK.labels


@BOTH
def test_hundreds_of_labels_are_cut(network, transport, af):
    traced = one_odd_hop(network, transport, af, Says(structure=net.structure(net.mpls(*[(7, 0, 1)] * 90))))
    assert 0 < len(traced.only().mpls) <= 90


# -- odd quotes


@BOTH
@UDP_AND_ICMP
def test_eight_quoted_bytes_are_enough(network, transport, af, method):
    traced = one_odd_hop(network, transport, af, Says(edits=(net.cut(8),)), method, queries=3)
    assert [answer.responder for answer in traced.answers()] == [hop(af, 1)] * 3
    assert {answer.marks for answer in traced.answers()} == {UNMARKED}


@BOTH
@UDP_AND_ICMP
@pytest.mark.parametrize("bytes_left", [0, 3, 7])
def test_a_shorter_quote_is_no_answer(network, transport, af, method, bytes_left):
    traced = one_odd_hop(network, transport, af, Says(edits=(net.cut(bytes_left),)), method, wait_s=0.2)
    assert traced.only().responder is None


@BOTH
@UDP_AND_ICMP
def test_a_quote_filled_with_zeros(network, transport, af, method):
    traced = one_odd_hop(network, transport, af, Says(edits=(net.cut(8), net.filled(120))), method, queries=3)
    assert [answer.responder for answer in traced.answers()] == [hop(af, 1)] * 3
    assert {answer.marks for answer in traced.answers()} == {UNMARKED}


@BOTH
@pytest.mark.parametrize(("sent", "seen", "marked"), [(0x28, 0, 0), (0xB8, 0x28, 0x28), (0, 3, 3), (2, 3, 3), (0x28, 0x28, -1)])
def test_a_rewritten_tos(network, transport, af, sent, seen, marked):
    traced = one_odd_hop(network, transport, af, Says(edits=(net.with_tos(seen),)), tos=sent)
    assert traced.only().marks.tos == marked


@BOTH
@UDP_AND_ICMP
@pytest.mark.parametrize("left", [0, 2, 5, 255])
def test_the_ttl_that_the_responder_saw(network, transport, af, method, left):
    traced = one_odd_hop(network, transport, af, Says(edits=(net.with_ttl(left),)), method)
    assert (traced.only().quoted_ttl, traced.only().responder) == (left, hop(af, 1))


@BOTH
@UDP_AND_ICMP
@pytest.mark.parametrize("checksum", [True, False])
def test_a_translated_source_address_is_still_ours(network, transport, af, method, checksum):
    nat = net.translated({4: "203.0.113.77", 6: "2001:db8:77::1"}, transport.source_port, checksum=checksum)
    traced = one_odd_hop(network, transport, af, Says(edits=(nat,)), method, queries=2)
    assert [answer.responder for answer in traced.answers()] == [hop(af, 1)] * 2
    rewritten = checksum and (method is Method.UDP or af == 6)  # ICMP's checksum over IPv4 does not cover addresses
    assert all((answer.marks.nat != 0) == rewritten for answer in traced.answers())
    assert len({answer.marks.nat for answer in traced.answers()}) == 1


def test_a_rewritten_port_is_not_ours_to_hear(network, transport):
    """Such a quote was not translated back on its way: the kernel's filter knows our port alone."""
    nat = net.translated({4: "203.0.113.77", 6: "2001:db8:77::1"}, transport.source_port ^ 1)
    assert one_odd_hop(network, transport, 4, Says(edits=(nat,)), wait_s=0.2).only().responder is None


@UDP_AND_ICMP
@pytest.mark.parametrize("at", [2, 6], ids=["length", "flags"])
def test_fields_in_the_byte_order_of_old_routers(network, transport, method, at):
    traced = one_odd_hop(network, transport, 4, Says(edits=(net.swapped(at),)), method)
    assert traced.only().responder == hop(4, 1)


def test_a_swapped_ip_id_leaves_the_checksum_to_name_the_probe(network, transport):
    traced = one_odd_hop(network, transport, 4, Says(edits=(net.swapped(4),)), queries=3)
    assert [answer.responder for answer in traced.answers()] == [hop(4, 1)] * 3
    assert all(0 <= answer.rtt_ns < SECOND_NS for answer in traced.answers())


def test_a_broken_icmp_checksum_costs_no_answer_over_ipv4(network, transport):
    """NAT devices break it; over IPv6 the kernel itself refuses such a message."""
    traced = one_odd_hop(network, transport, 4, Says(checksum_off_by=1))
    assert traced.only().responder == hop(4, 1)
    assert one_odd_hop(network, transport, 6, Says(checksum_off_by=1), wait_s=0.2).only().responder is None


# -- what they say


@BOTH
@UDP_AND_ICMP
@pytest.mark.parametrize("mtu", [1280, 1492, 65535])
def test_packet_too_big_with_its_mtu(network, transport, af, method, mtu):
    network.play({1: Says(), 2: Says(TOO_BIG, word=mtu, source=SECOND_HOP)})
    traced = Traced(transport, TARGET[af], method)
    assert (traced.only(2).kind, traced.only(2).marks.mtu) == (ReplyKind.PACKET_TOO_BIG, mtu)
    assert traced.outcome.ending is Ending.UNREACHABLE


@BOTH
@UDP_AND_ICMP
def test_prohibited_on_the_way_ends_the_trace(network, transport, af, method):
    network.play({1: Says(), 2: Says(PROHIBITED, source=SECOND_HOP)})
    traced = Traced(transport, TARGET[af], method)
    assert (traced.outcome.ending, traced.outcome.reached_ttl) == (Ending.UNREACHABLE, None)
    answer = traced.only(2)
    assert (answer.kind, answer.icmp_type, answer.icmp_code) == (ReplyKind.UNREACHABLE, *PROHIBITED[af])
    assert answer.marks == UNMARKED


@BOTH
def test_a_target_that_answers_from_another_address_is_no_arrival_there(network, transport, af):
    other = {4: "198.18.99.1", 6: "2001:db8:99::1"}
    network.play({1: Says(), 2: Says(PORT, source=other)})
    traced = Traced(transport, TARGET[af])
    assert traced.only(2).responder == other[af]
    assert traced.outcome.reached_ttl is None


@BOTH
def test_time_exceeded_from_the_target_is_no_arrival(network, transport, af):
    network.play({1: Says(source=TARGET), 2: Says(PORT)})
    traced = Traced(transport, TARGET[af])
    assert (traced.outcome.reached_ttl, traced.only(1).kind, traced.only(2).kind) == (2, TE, ReplyKind.PORT_UNREACHABLE)


@BOTH
@UDP_AND_ICMP
def test_a_hop_that_answers_from_two_addresses_is_booked_once(network, transport, af, method):
    other = {4: "198.18.99.1", 6: "2001:db8:99::1"}
    traced = one_odd_hop(network, transport, af, (Says(), Says(source=other)), method)
    assert traced.only().responder == hop(af, 1)
    assert traced.correlator.duplicates == traced.outcome.duplicates == 1


# -- when


@BOTH
@UDP_AND_ICMP
def test_copies_are_duplicates(network, transport, af, method):
    traced = one_odd_hop(network, transport, af, Says(copies=4), method, queries=2)
    assert traced.outcome.duplicates == traced.correlator.duplicates == 6
    assert [answer.responder for answer in traced.answers()] == [hop(af, 1)] * 2


@BOTH
def test_the_delay_is_the_rtt(network, transport, af):
    traced = one_odd_hop(network, transport, af, Says(delay_s=0.1), queries=2)
    assert all(100_000_000 <= answer.rtt_ns < SECOND_NS for answer in traced.answers())


@BOTH
@UDP_AND_ICMP
def test_a_late_reply_is_counted_and_booked_nowhere(network, transport, af, method):
    network.play({1: Says(delay_s=0.5), 2: SILENT, 3: target_says(method)})
    traced = Traced(transport, TARGET[af], method, wait_s=0.2, queries=3)  # the target holds the trace until the late ones come
    for answer in traced.answers(1):
        assert (answer.responder, answer.rtt_ns, answer.kind) == (None, None, None)
    while traced.correlator.late < len(traced.answers(1)):
        for reply in transport.receive(SECOND_NS):
            traced.correlator.dispatch(reply)
    assert len(traced.answers(1)) > 0
    assert traced.correlator.late == traced.session.late == len(traced.answers(1))
    assert traced.correlator.foreign == 0


@BOTH
@UDP_AND_ICMP
def test_answers_in_the_wrong_order_find_their_probes(network, transport, af, method):
    network.play({ttl: Says(delay_s=0.35 - 0.05 * ttl) for ttl in range(1, 6)} | {6: target_says(method)})
    traced = Traced(transport, TARGET[af], method, queries=2, max_ttl=6)
    assert [each.responders for each in traced.outcome.hops] == [*((hop(af, ttl),) for ttl in range(1, 6)), (TARGET[af],)]
    for ttl in range(1, 6):
        assert all(answer.rtt_ns >= (0.35 - 0.05 * ttl) * SECOND_NS for answer in traced.answers(ttl))


# -- targets that answer in the probe's own protocol

SYN_ACK, RST = 0x12, 0x14
SYN = Extra(tcp_options=net.mss(1460))


@BOTH
@pytest.mark.parametrize(("flags", "kind"), [(SYN_ACK, ReplyKind.OPEN), (RST, ReplyKind.CLOSED)])
def test_tcp(network, transport, af, flags, kind):
    network.play({1: Says(), 2: Says(direct=net.tcp(flags, net.mss(1360)))})
    traced = Traced(transport, TARGET[af], Method.TCP, port=443, queries=3, max_ttl=5, extra=SYN)
    assert traced.outcome.reached_ttl == 2
    assert [answer.responder for answer in traced.answers(1)] == [hop(af, 1)] * 3
    assert {answer.marks for answer in traced.answers(1)} == {UNMARKED}
    for answer in traced.answers(2):
        assert (answer.kind, answer.responder) == (kind, TARGET[af])
        sport, dport, flags_at = answer.marks.segment[:2], answer.marks.segment[2:4], answer.marks.segment[13]
        assert (sport, dport) == ((443).to_bytes(2, "big"), transport.source_port.to_bytes(2, "big"))
        assert (flags_at, answer.marks.segment[20:]) == (flags, net.mss(1360))


@BOTH
def test_a_clamped_mss_shows_where_the_quote_holds_it(network, transport, af):
    network.play({1: Says(), 2: Says(edits=(clamped(1400),)), 3: Says(edits=(clamped(1400), net.cut(8))), 4: Says(direct=net.tcp(RST))})
    traced = Traced(transport, TARGET[af], Method.TCP, max_ttl=5, extra=SYN)
    assert [traced.only(ttl).marks.mss for ttl in (1, 2, 3)] == [0, 1400, 0]
    assert [traced.only(ttl).responder for ttl in (1, 2, 3)] == [hop(af, ttl) for ttl in (1, 2, 3)]


def clamped(mss):
    return lambda quote: quote[:-4] + net.mss(mss)


@BOTH
@pytest.mark.parametrize(("packet", "kind"), [(1, ReplyKind.OPEN), (7, ReplyKind.CLOSED)])
def test_dccp(network, transport, af, packet, kind):
    network.play({1: Says(), 2: Says(edits=(net.cut(8),)), 3: Says(direct=net.dccp(packet))})
    traced = Traced(transport, TARGET[af], Method.DCCP, queries=3, max_ttl=5)
    assert traced.outcome.reached_ttl == 3
    assert [answer.responder for answer in traced.answers(2)] == [hop(af, 2)] * 3
    assert {(answer.kind, answer.responder) for answer in traced.answers(3)} == {(kind, TARGET[af])}


@BOTH
@pytest.mark.parametrize("method", [Method.UDPLITE, Method.UDP])
def test_a_program_that_answers(network, transport, af, method):
    network.play({1: Says(), 2: Says(direct=net.datagram_back(b"hello"))})
    traced = Traced(transport, TARGET[af], method, port=53, queries=2, max_ttl=5)
    assert traced.outcome.reached_ttl == 2
    assert {(answer.kind, answer.responder) for answer in traced.answers(2)} == {(ReplyKind.ANSWER, TARGET[af])}


@BOTH
def test_a_protocol_that_the_target_does_not_know(network, transport, af):
    unknown = {4: (3, 2), 6: (4, 1)}
    network.play({1: Says(edits=(net.cut(8),)), 2: Says(unknown)})
    traced = Traced(transport, TARGET[af], Method.RAW, queries=2, max_ttl=5)
    assert traced.outcome.reached_ttl == 2
    assert [answer.responder for answer in traced.answers(1)] == [hop(af, 1)] * 2
    assert {(answer.icmp_type, answer.icmp_code) for answer in traced.answers(2)} == {unknown[af]}


@BOTH
@pytest.mark.parametrize("method", [Method.TCP, Method.DCCP, Method.UDPLITE, Method.RAW])
def test_every_method_has_its_odd_quotes(network, transport, af, method):
    edits = (
        (net.cut(8),),
        (net.cut(8), net.filled(120)),
        (net.with_tos(0xB8),),
        (net.with_ttl(5),),
        (net.translated({4: "203.0.113.77", 6: "2001:db8:77::1"}, transport.source_port),),
    )
    script = {ttl: Says(edits=each) for ttl, each in enumerate(edits, 1)}
    network.play(script | {len(script) + 1: Says(PORT)})
    options = {} if method is Method.RAW else {"port": 33434}
    # A checksum that covers the header alone is the same in every UDP-Lite probe and not told: so let it cover all.
    traced = Traced(transport, TARGET[af], method, max_ttl=len(script) + 1, extra=Extra(coverage=0), **options)
    assert [traced.only(ttl).responder for ttl in script] == [hop(af, ttl) for ttl in script]
    assert [traced.only(ttl).marks.tos for ttl in script] == [-1, -1, 0xB8, -1, -1]
    assert traced.only(4).quoted_ttl == 5
    # TCP's checksum is not known ahead; a raw protocol has none.
    assert (traced.only(5).marks.nat != 0) == (method in (Method.DCCP, Method.UDPLITE))


@BOTH
@UDP_AND_ICMP
def test_a_changed_length_is_marked(network, transport, af, method):
    said = 48 if af == 4 else 28
    traced = one_odd_hop(network, transport, af, Says(edits=(net.with_length(said),)), method)
    assert traced.only().marks.length == (48 if af == 4 else 68)
