"""A datagram in pieces: whoever puts them together has it again, and each piece fits the link."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import messages
from pathwarden.model.probe import Extra, Flow, Method
from pathwarden.wire import checksum, ipv4, ipv6
from pathwarden.wire.probe_codec import decode4, decode6, default_size, encoder, fragments, min_size

SRC = {4: "192.0.2.1", 6: "2001:db8::1"}
DST = {4: "198.51.100.7", 6: "2001:db8:7::7"}
GATEWAY = {4: "203.0.113.5", 6: "2001:db8:5::5"}
methods = st.sampled_from([Method.UDP, Method.ICMP, Method.TCP, Method.UDPLITE, Method.DCCP, Method.RAW])


def datagram(af, method, size, ident=0x1234, gateways=0):
    extra = Extra(gateways=(GATEWAY[af],) * gateways)
    flow = Flow(af, method, SRC[af], DST[af], 61001, 33434, 0x28, 0x12345 if af == 6 else 0, size, extra)
    return encoder(flow)(ident, 7)


def together4(pieces):
    payload = {}
    for piece in pieces:
        header = ipv4.parse(piece)
        assert checksum.valid(piece[: header.header_length])
        assert header.total_length == len(piece)
        payload[(header.fragment & ipv4.OFFSET_MASK) * 8] = piece[header.header_length :]
        assert bool(header.fragment & ipv4.MORE_FRAGMENTS) == (piece is not pieces[-1])
        assert not header.fragment & ipv4.DONT_FRAGMENT
    return in_order(payload)


def together6(pieces, before):
    payload, names = {}, set()
    for piece in pieces:
        assert ipv6.parse(piece).payload_length == len(piece) - 40
        _, reserved, offset, more = (
            piece[before],
            piece[before + 1],
            int.from_bytes(piece[before + 2 : before + 4], "big") & ~7,
            piece[before + 3] & 7,
        )
        assert (reserved, more) == (0, piece is not pieces[-1])
        payload[offset] = piece[before + 8 :]
        names.add((piece[before], piece[before + 4 : before + 8]))
    assert len(names) == 1
    return in_order(payload)


def in_order(payload):
    whole = b""
    for offset, piece in sorted(payload.items()):
        assert offset == len(whole)
        whole += piece
    return whole


@given(methods, st.integers(1300, 9000), st.integers(68, 1280), st.integers(0, 8))
def test_ipv4_pieces_make_the_datagram_again(method, size, mtu, gateways):
    whole = datagram(4, method, size, gateways=gateways)
    before = ipv4.parse(whole).header_length
    pieces = fragments(whole, mtu)
    assert len(pieces) > 1
    assert max(map(len, pieces)) <= mtu
    assert together4(pieces) == whole[before:]
    assert {piece[:2] + piece[4:6] + piece[8:10] + piece[12:before] for piece in pieces} == {
        whole[:2] + whole[4:6] + whole[8:10] + whole[12:before]
    }  # all but length, fragment and checksum


@given(methods, st.integers(1300, 9000), st.integers(200, 1290), st.integers(0, 3))
def test_ipv6_pieces_make_the_datagram_again(method, size, mtu, gateways):
    whole = datagram(6, method, size, gateways=gateways)
    before = 40 + (8 + 16 * gateways if gateways else 0)
    pieces = fragments(whole, mtu)
    assert max(map(len, pieces)) <= mtu
    assert together6(pieces, before) == whole[before:]
    for piece in pieces:
        header = ipv6.parse(piece)
        assert header[:2] == ipv6.parse(whole)[:2]
        assert header.hop_limit == 7
    carried = ipv6.transport(pieces[0], ipv6.parse(pieces[0]).next_header)
    assert carried[:2] == (ipv6.transport(whole, ipv6.parse(whole).next_header).protocol, before + 8)
    assert carried.fragmented


@pytest.mark.parametrize("af", [4, 6])
def test_what_fits_is_left_as_it_is(af):
    whole = datagram(af, Method.UDP, 1500)
    assert fragments(whole, 1500) == [whole]


def test_pieces_of_different_probes_are_told_apart():
    names = {fragments(datagram(6, Method.UDPLITE, 3000, ident), 1280)[0][44:48] for ident in range(1, 500)}
    assert len(names) == 499


@pytest.mark.parametrize(("af", "mtu"), [(4, 27), (4, 0), (6, 55)])
def test_a_link_without_room_for_eight_bytes(af, mtu):
    with pytest.raises(ValueError, match="no room"):
        fragments(datagram(af, Method.UDP, 200), mtu)


@pytest.mark.parametrize("af", [4, 6])
@given(method=methods)
def test_a_router_that_quotes_the_first_piece_names_the_probe(af, method):
    first = fragments(datagram(af, method, 2000), 600)[0]
    if af == 4:
        reply = decode4(ipv4.build(GATEWAY[4], SRC[4], 1, messages.error4(11, 0, first), ttl=9), 7)
    else:
        reply = decode6(messages.error6(GATEWAY[6], SRC[6], 3, 0, first), GATEWAY[6], 9, 7)
    assert (reply.method, reply.dst) == (method, DST[af])
    assert {reply.ident, reply.ident_checksum} - {0} == {0x1234}
    assert reply.quoted_length == 0  # the piece's length says nothing about the datagram's


@pytest.mark.parametrize("af", [4, 6])
@pytest.mark.parametrize("method", [Method.UDP, Method.TCP])
def test_small_datagrams_fit_everywhere(af, method):
    assert min_size(af, method) <= default_size(af, method)
    assert len(fragments(datagram(af, method, default_size(af, method)), 1280)) == 1
