"""The rules of a connection to ubusd, bytes in and bytes out."""

from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.ubus import exchange
from pathwarden.errors import MalformedPacket
from pathwarden.net import blobmsg
from pathwarden.net.ubus_message import LONGEST, Attr, Frames, Kind, Status, number, text, write
from pathwarden.net.ubus_session import Session, UbusError

LATER = 10**18
GREETING = write(Kind.HELLO, 0, 0x01020304, {})


def greeted():
    session = Session(counts := Counter())
    session.receive(GREETING)
    return session, counts


def messages(data):
    frames = Frames(Counter())
    frames.push(bytes(data))
    return list(iter(frames.next, None))


def with_object(handler):
    """A session with an object of ours, which has the id 9."""
    session, counts = greeted()
    session.add_object(handler, LATER, lambda *_: None)
    session.receive(write(Kind.DATA, 1, 0, {Attr.OBJID: number(9)}) + write(Kind.STATUS, 1, 0, {Attr.STATUS: number(0)}))
    session.outgoing.clear()
    return session, counts


def invocation(seq, method="big", object_id=9, **more):
    return write(Kind.INVOKE, seq, 5, {Attr.OBJID: number(object_id), Attr.METHOD: text(method), **more})


def test_requests_end_once_at_their_deadline():
    session, counts = greeted()
    ended = []
    session.lookup("a", 100, lambda status, _: ended.append(("a", status)))
    session.lookup("b", 200, lambda status, _: ended.append(("b", status)))
    assert session.next_deadline_ns() == 100
    session.expire(99)
    assert ended == []
    session.expire(150)
    assert ended == [("a", Status.TIMEOUT)]
    session.receive(write(Kind.STATUS, 1, 0, {Attr.STATUS: number(0)}))  # too late
    assert (counts["unexpected"], counts["timeouts"]) == (1, 1)
    session.lost()
    assert ended == [("a", Status.TIMEOUT), ("b", Status.CONNECTION_FAILED)]
    assert session.next_deadline_ns() is None


def test_sequence_numbers_go_round_past_those_that_wait():
    session, _ = greeted()
    ended = []
    session.lookup("first", LATER, lambda status, _: ended.append(status))
    for _ in range(0x10000 + 5):
        session.outgoing.clear()
        session.lookup("next", LATER, lambda *_: None)
        (asked,) = messages(session.outgoing)
        assert asked.seq != 1
        session.receive(write(Kind.STATUS, asked.seq, 0, {Attr.STATUS: number(0)}))
    session.receive(write(Kind.STATUS, 1, 0, {Attr.STATUS: number(4)}))
    assert ended == [Status.NOT_FOUND]


def test_only_so_many_requests_wait_at_once():
    session, _ = greeted()
    ended = []
    for _ in range(300):
        session.lookup("x", LATER, lambda status, _: ended.append(status))
    assert ended == [Status.NO_MEMORY] * 44


def test_an_answer_without_end_is_cut():
    session, counts = greeted()
    ended = []
    session.lookup("", LATER, lambda status, parts: ended.append((status, len(parts))))
    session.receive(write(Kind.DATA, 1, 0, {}) * 2000 + write(Kind.STATUS, 1, 0, {Attr.STATUS: number(0)}))
    assert ended == [(Status.OK, 1024)]
    assert counts["unexpected"] == 976


def test_what_cannot_be_sent_is_refused_at_once():
    session, _ = greeted()
    ended = []
    session.invoke(7, "m", {"text": "x" * LONGEST}, LATER, lambda status, _: ended.append(status))
    assert ended == [Status.INVALID_ARGUMENT]
    assert not session.outgoing


def test_an_object_without_an_id_is_none():
    session, _ = greeted()
    ended = []
    session.add_object(lambda *_: None, LATER, lambda *end: ended.append(end))
    session.receive(write(Kind.DATA, 1, 0, {}) + write(Kind.STATUS, 1, 0, {Attr.STATUS: number(0)}))
    assert ended == [(Status.NO_DATA, 0)]


def test_an_invocation_is_answered_with_data_and_status():
    session, counts = with_object(lambda method, data: {"method": method, "data": data})
    session.receive(invocation(77, "get") + invocation(78, "put", object_id=10))
    data, status, unknown = messages(session.outgoing)
    assert (data.kind, data.seq, data.peer, data.number(Attr.OBJID)) == (Kind.DATA, 77, 5, 9)
    assert data.data() == {"method": "get", "data": {}}
    assert (status.kind, status.seq, status.peer, status.status(), status.number(Attr.OBJID)) == (Kind.STATUS, 77, 5, Status.OK, 9)
    assert (unknown.kind, unknown.seq, unknown.status(), unknown.number(Attr.OBJID)) == (Kind.STATUS, 78, Status.NOT_FOUND, 10)
    assert counts["answered"] == 2


def test_who_wants_no_reply_gets_none():
    heard = []
    session, counts = with_object(lambda method, _data: heard.append(method))
    attrs = {Attr.OBJID: number(9), Attr.METHOD: text("interface.update"), Attr.NO_REPLY: b"\x01"}
    session.receive(write(Kind.INVOKE, 1, 0, attrs))
    assert (heard, bytes(session.outgoing), counts["answered"]) == (["interface.update"], b"", 0)


def test_a_payload_that_cannot_be_read_is_an_invalid_argument():
    session, counts = with_object(lambda *_: pytest.fail("not to be called"))
    attrs = {Attr.OBJID: number(9), Attr.METHOD: text("get"), Attr.DATA: b"\xff\xff\xff\xff"}
    session.receive(write(Kind.INVOKE, 1, 0, attrs))
    (status,) = messages(session.outgoing)
    assert (status.status(), counts["unexpected"]) == (Status.INVALID_ARGUMENT, 1)


def test_who_asks_much_and_reads_nothing_costs_a_bounded_amount():
    session, counts = with_object(lambda *_: {"text": "x" * 500_000})
    session.receive(b"".join(invocation(seq) for seq in range(1000)))
    assert not session.has_room
    assert len(session.outgoing) < 2 << 20
    answered = 0
    while session.outgoing:
        assert len(session.outgoing) < 2 << 20
        answered += sum(message.kind == Kind.STATUS for message in messages(session.outgoing))
        session.outgoing.clear()
        session.advance()
    assert answered == counts["answered"] == 1000


def test_an_unknown_status_is_an_unknown_error():
    session, _ = greeted()
    ended = []
    session.lookup("x", LATER, lambda status, _: ended.append(status))
    session.receive(write(Kind.STATUS, 1, 0, {Attr.STATUS: number(99)}))
    assert ended == [Status.UNKNOWN_ERROR]


@pytest.mark.parametrize(
    "data",
    ["01000000 00000000 00000004", "00000000 00000000 00000003", "00000000 00000000 00100004", "00000000 00000000 00ffffff"],
    ids=["version", "too short", "longer than ubusd takes", "longest"],
)
def test_a_stream_that_is_none_is_refused_at_its_head(data):
    session = Session(Counter())
    with pytest.raises(MalformedPacket, match="no ubus message"):
        session.receive(bytes.fromhex(data))


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused(data):
    session, _ = with_object(lambda *_: {})
    with suppress(MalformedPacket):
        session.receive(data)


@given(st.sampled_from(["login-ok", "listen-network.interface-down-up", "interface-dump"]), st.data())
def test_damaged_recordings_are_taken_or_refused(name, draw):
    stream = bytearray(b"".join(exchange(name).by("ubusd")))
    for _ in range(draw.draw(st.integers(1, 6))):
        stream[draw.draw(st.integers(0, len(stream) - 1))] = draw.draw(st.integers(0, 255))
    session, _ = with_object(lambda *_: {})
    ended = []
    session.lookup("x", LATER, lambda status, _: ended.append(status))
    with suppress(MalformedPacket):
        session.receive(bytes(stream))
    session.lost()
    assert len(ended) == 1


def test_refusals_are_said_in_words():
    assert str(UbusError(Status.NOT_FOUND, "network.interface dump")) == "network.interface dump: not found"
    assert str(UbusError(Status.PERMISSION_DENIED)) == "permission denied"
    with pytest.raises(MalformedPacket):
        blobmsg.string(b"x")
