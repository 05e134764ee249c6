"""blobmsg: what is written reads the same, and any bytes give a value or MalformedPacket."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.errors import MalformedPacket
from pathwarden.net import blobmsg
from pathwarden.net.blobmsg import attribute, decode, encode

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXT
VALUES = st.dictionaries(TEXT, st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=30))


@given(VALUES)
def test_what_is_written_reads_the_same(values):
    data = encode(values)
    assert decode(data) == values
    assert len(data) % 4 == 0


@given(st.binary(max_size=200))
def test_any_bytes_give_values_or_malformed_packet(data):
    try:
        values = decode(data)
    except MalformedPacket:
        return
    assert isinstance(values, dict)


@given(VALUES, st.data())
def test_damaged_bytes_give_values_or_malformed_packet(values, draw):
    data = bytearray(encode(values))
    for _ in range(draw.draw(st.integers(1, 4))):
        if data:
            data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    with suppress(MalformedPacket):
        assert isinstance(decode(bytes(data)), dict)


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ({"timeout": 300}, "85000014 0007 74696d656f757400 0000 0000012c"),
        ({"up": True}, "8700000d 0002 757000 000000 01 000000"),
        ({"n": None}, "80000008 0001 6e00"),
        ({"x": 1 << 40}, "84000010 0001 7800 0000010000000000"),
        ({"d": 0.5}, "88000010 0001 6400 3fe0000000000000"),
        ({"a": ["b"]}, "81000014 0001 6100 8300000a 0000 0000 6200 0000"),
        ({"t": {}}, "82000008 0001 7400"),
        ({}, ""),
    ],
    ids=["int32", "bool", "nothing", "int64", "double", "array", "table", "empty"],
)
def test_the_layout(values, written):
    assert encode(values) == bytes.fromhex(written)
    assert decode(encode(values)) == values


def test_tuples_are_arrays_and_numbers_at_the_edges_keep_their_width():
    assert decode(encode({"t": (1, 2)})) == {"t": [1, 2]}
    for number, kind in ((2**31 - 1, 5), (-(2**31), 5), (2**31, 4), (-(2**31) - 1, 4)):
        assert encode({"": number})[0] & 0x7F == kind
        assert decode(encode({"": number})) == {"": number}


def test_the_types_that_only_others_write():
    assert decode(bytes.fromhex("86 00000a 0001 7800 fffe 0000")) == {"x": -2}
    assert math.isnan(decode(encode({"d": math.nan}))["d"])


def test_a_nul_and_what_is_no_text_do_no_harm():
    assert decode(encode({"a\0b": "c\0d"})) == {"a\ufffdb": "c\ufffdd"}
    assert decode(encode({"half": "\ud800"})) == {"half": "?"}
    assert decode(attribute(3, bytes.fromhex("0001 7800 ff00"), extended=True)) == {"x": "\ufffd"}


def test_of_two_equal_names_the_last_counts():
    assert decode(encode({"x": 1}) + encode({"x": 2})) == {"x": 2}


@pytest.mark.parametrize(
    "data",
    [
        "00",  # half a header
        "85000002",  # shorter than its header
        "85000014 0007 74696d65",  # longer than what is left
        "05000014 0007 74696d656f757400 0000 0000012c",  # not a named one
        "85000004",  # no room for a name's length
        "85000014 ffff 74696d656f757400 0000 0000012c",  # a name longer than the attribute
        "85000014 0007 74696d656f757401 0000 0000012c",  # a name without its NUL
        "8500000c 0007 74696d656f757400",  # no value
        "83000009 0001 7800 41 000000",  # a string without its NUL
        "8700000a 0001 7800 0101 0000",  # a truth value of two bytes
        "8f00000c 0001 7800 00000000",  # an unknown type
    ],
)
def test_malformed(data):
    with pytest.raises(MalformedPacket):
        decode(bytes.fromhex(data))


def test_tables_in_tables_have_an_end():
    nested = b""
    for _ in range(40):
        nested = attribute(2, bytes.fromhex("00000000") + nested, extended=True)
    with pytest.raises(MalformedPacket, match="more than 32"):
        decode(nested)


@pytest.mark.parametrize("value", [{1, 2}, 2**63, b"bytes"])
def test_what_has_no_type_is_our_own_mistake(value):
    with pytest.raises(ValueError, match=r"no type|64 bits"):
        encode({"x": value})


def test_an_attribute_has_at_most_24_bits_of_length():
    with pytest.raises(ValueError, match="16 MiB"):
        blobmsg.attribute(0, bytes(1 << 24))
