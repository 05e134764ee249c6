"""ICMP extensions against their RFCs' figures: where a structure stands, and what its objects say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import messages
from pathwarden.model.probe import InterfaceInfo, MplsLabel, MplsStack, OtherObject, mpls_of
from pathwarden.wire import checksum, extensions
from pathwarden.wire.address import unpack4, unpack6

octet = st.integers(0, 0xFF)
number = st.integers(0, 2**32 - 1)
payload = st.binary(max_size=64)
addresses = st.one_of(st.binary(min_size=4, max_size=4).map(unpack4), st.binary(min_size=16, max_size=16).map(unpack6))
labels = st.lists(st.builds(MplsLabel, st.integers(0, 0xFFFFF), st.integers(0, 7), st.booleans(), octet), min_size=1, max_size=16)

# By hand after RFC 4884 section 7 and RFC 4950 section 3: label 100, TC 5, not bottom, TTL 1; label 524288, TC 0, bottom, TTL 255.
STACK = "00064a01" + "800001ff"
STRUCTURE = bytes.fromhex("2000" + "0000" + "000c0101" + STACK)
STACK_READ = (MplsLabel(100, 5, False, 1), MplsLabel(524288, 0, True, 255))


def with_checksum(structure):
    return structure[:2] + checksum.checksum(structure).to_bytes(2, "big") + structure[4:]


def mpls_read(structure):
    return mpls_of(extensions.read(structure))


def test_mpls_stack_of_hand_made_bytes():
    assert mpls_read(STRUCTURE) == STACK_READ
    assert messages.structure([messages.mpls_object(STACK_READ)]) == with_checksum(STRUCTURE)


@given(labels)
def test_mpls_stack_there_and_back(stack):
    assert mpls_read(messages.structure([messages.mpls_object(stack)])) == tuple(stack)


@given(st.lists(st.builds(OtherObject, octet, octet, payload), max_size=5))
def test_objects_there_and_back(objects):
    structure = messages.structure(objects)
    assert checksum.valid(structure)
    assert extensions.parse(structure) == tuple(objects)


def test_objects_of_other_classes_are_passed_over():
    interface = OtherObject(2, 0x08, b"\0\0\0\5")  # RFC 5837
    other_type = OtherObject(extensions.MPLS_CLASS, 9, b"\0\0\0\5")
    stack = messages.mpls_object(STACK_READ)
    assert mpls_read(messages.structure([interface, other_type, stack])) == STACK_READ
    assert mpls_read(messages.structure([interface])) == ()


@pytest.mark.parametrize("length", ["0000", "0003", "000d", "ffff"])
def test_an_object_whose_length_cannot_be_ends_the_list(length):
    assert extensions.parse(bytes.fromhex("20000000" + length + "0101" + STACK)) == ()


def test_a_stack_has_at_most_sixteen_labels():
    stack = [MplsLabel(n, 0, False, 1) for n in range(300)]
    assert mpls_read(messages.structure([messages.mpls_object(stack)])) == tuple(stack[:16])


@given(st.binary(max_size=400), st.integers(0, 2040), st.integers(0, 400))
def test_any_body_is_split_without_error(body, length, whole):
    quote, structure = extensions.split(body, length, 4, 28, whole)
    assert body.startswith(quote)
    mpls_read(structure)


@pytest.mark.parametrize(
    ("body", "length", "quote_length", "found"),
    [
        (bytes(128) + with_checksum(STRUCTURE), 128, 128, True),
        (bytes(160) + with_checksum(STRUCTURE), 160, 160, True),
        (bytes(128) + STRUCTURE, 128, 128, True),  # checksum 0: not computed
        (bytes(128) + with_checksum(STRUCTURE), 0, 128, True),  # from before RFC 4884
        (bytes(128) + with_checksum(STRUCTURE), 20, 128, True),  # a length that is none
        (bytes(128) + STRUCTURE, 0, 144, False),  # neither length nor checksum: payload
        (bytes(128) + STRUCTURE[:2] + b"\1\1" + STRUCTURE[4:], 128, 128, False),  # wrong checksum
        (bytes(128) + b"\x10" + STRUCTURE[1:], 128, 128, False),  # version 1
        (bytes(128), 128, 128, False),
        (bytes(131), 128, 131, False),
        (bytes(40), 200, 40, False),  # says more than there is
    ],
)
def test_where_a_structure_stands(body, length, quote_length, found):
    quote, structure = extensions.split(body, length, 4, 28, 0)
    assert len(quote) == quote_length
    assert mpls_read(structure) == (STACK_READ if found else ())


# -- structures that nothing announces

OBJECT = bytes.fromhex("000c0101" + STACK)
WHOLE = with_checksum(STRUCTURE)


def found(body, *, said=0, unit=4, shortest=28, whole=0):
    """Where a structure was found, None for nowhere."""
    quote, structure = extensions.split(body, said, unit, shortest, whole)
    assert quote == body[: len(quote)]
    return len(quote) if structure else None


@pytest.mark.parametrize("at", range(28, 200, 4))
def test_a_quote_that_is_not_filled_up(at):
    assert found(bytes(at) + WHOLE) == at
    assert found(bytes(at) + WHOLE, said=at - at % 8 + 8) == at  # a length that is not right


@pytest.mark.parametrize(("at", "unit", "shortest"), [(27, 4, 28), (24, 4, 28), (30, 4, 28), (52, 8, 48), (40, 8, 48)])
def test_no_structure_within_the_shortest_quote_or_between_units(at, unit, shortest):
    assert found(bytes(at) + WHOLE, unit=unit, shortest=shortest) is None


def test_a_quote_of_the_whole_datagram_is_not_looked_through():
    body = bytes(28) + WHOLE
    assert found(body, whole=len(body)) is None
    assert found(body, whole=len(body) + 4) == 28


@pytest.mark.parametrize(
    "structure",
    [
        STRUCTURE,  # without checksum
        WHOLE[:3] + bytes([WHOLE[3] ^ 1]) + WHOLE[4:],
        with_checksum(bytes.fromhex("20000000")),  # without objects
        with_checksum(STRUCTURE + b"\0\0"),
        with_checksum(STRUCTURE + b"\0\x03\1\1"),
        with_checksum(b"\x21" + STRUCTURE[1:]),  # reserved bits are set
        with_checksum(STRUCTURE + 16 * bytes.fromhex("00040909")),
    ],
)
def test_payload_is_not_taken_for_a_structure(structure):
    assert found(bytes(40) + structure) is None


def test_what_lies_beyond_any_routers_answer_is_not_looked_at():
    assert found(bytes(1276) + WHOLE) is None
    assert found(bytes(1272) + WHOLE) == 1272


def test_a_body_made_to_be_looked_through_for_long_costs_little():
    """Headers everywhere, each before a long row of objects: only sixteen of a row are looked at."""
    heads = b"".join(b"\x20\0" + b"\1\1" + (1280 - at - 4).to_bytes(2, "big") + b"\1\1" for at in range(0, 1280, 8))
    assert found(heads + 16000 * bytes.fromhex("00040101")) is None


# -- interface information (RFC 5837)

NAME = "ge-0/0/1.100"  # twelve bytes: with its length, sixteen


@pytest.mark.parametrize(
    ("c_type", "data", "read"),
    [
        (0x08, "0000002a", InterfaceInfo("INC", 42)),
        (0x0C, "0000002a" + "00010000c0000201", InterfaceInfo("INC", 42, "192.0.2.1")),
        (0x84, "00020000" + "20010db8000000000000000000000001", InterfaceInfo("OUT", 0, "2001:db8::1")),
        (0xC2, "10" + NAME.encode().hex() + "000000", InterfaceInfo("NXT", 0, "", NAME)),
        (0x43, "04657468" + "000005dc", InterfaceInfo("SUB", 0, "", "eth", 1500)),
        (0x01, "00000514", InterfaceInfo("INC", mtu=1300)),
        (0x00, "", InterfaceInfo("INC")),
        (0x02, "00", InterfaceInfo("INC")),  # a name of no length at all
        (0x02, "0461001b", InterfaceInfo("INC", name="a\ufffd\ufffd")),  # what a terminal would obey
        (0x02, "04ff6162", InterfaceInfo("INC", name="\ufffdab")),  # no UTF-8
        (0x0F, "00000007" + "00010000c0000201" + "04627230" + "00000578", InterfaceInfo("INC", 7, "192.0.2.1", "br0", 1400)),
        (0x08, "00002a", None),  # cut
        (0x04, "00010000c00002", None),
        (0x04, "00030000c0000201", None),  # an address family that we do not know
        (0x02, "08616263", None),
        (0x02, "", None),
        (0x18, "0000002a", None),  # reserved bits
    ],
)
def test_interface_information_of_hand_made_bytes(c_type, data, read):
    other = OtherObject(extensions.INTERFACE_CLASS, c_type, bytes.fromhex(data))
    assert extensions.read(messages.structure([other])) == (read or other,)


names = st.text(st.characters(categories=("L", "N", "P")), max_size=15)


@given(st.builds(InterfaceInfo, st.sampled_from(["INC", "SUB", "OUT", "NXT"]), number, st.one_of(st.just(""), addresses), names, number))
def test_interface_information_there_and_back(info):
    written = extensions.interface_object(info)
    assert len(written.payload) % 4 == 0
    assert extensions.read(messages.structure([written])) == (info,)


def test_a_name_longer_than_the_rfc_allows_is_cut():
    written = extensions.interface_object(InterfaceInfo("INC", name="n" * 100))
    assert written.payload[0] == len(written.payload) == 64
    assert extensions.read(messages.structure([written])) == (InterfaceInfo("INC", name="n" * 63),)


def test_objects_keep_their_order_and_unknown_ones_their_bytes():
    info, other = InterfaceInfo("INC", 5), OtherObject(3, 1, b"rest")
    structure = messages.structure([extensions.interface_object(info), other, messages.mpls_object(STACK_READ)])
    assert extensions.read(structure) == (info, other, MplsStack(STACK_READ))


def test_at_most_sixteen_objects_are_read():
    assert len(extensions.read(messages.structure([OtherObject(9, n, b"") for n in range(100)]))) == 16


@given(st.binary(max_size=400))
def test_any_structure_is_read_without_error(data):
    extensions.read(b"\x20\0\0\0" + data)
    extensions.read(b"\x20\0\0\0" + (len(data) + 4).to_bytes(2, "big") + b"\x02\x0f" + data)
