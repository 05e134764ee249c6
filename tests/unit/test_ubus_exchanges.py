"""The recorded exchanges, replayed without sockets: what we send is what the `ubus` command sent, byte for byte."""

import json
from collections import Counter

import pytest

from equipment.ubus import Exchange, exchange, exchanges
from pathwarden.net import blobmsg
from pathwarden.net.ubus_message import Attr, Frames, Kind, Status
from pathwarden.net.ubus_session import Session, object_id
from pathwarden.net.ubus_standing import Listening, Subscription

ALL = list(exchanges())
CALLS = [each for each in ALL if each.args and each.args[0] == "call"]
LATER = 10**18
by_name = pytest.mark.parametrize("recorded", ALL, ids=[each.name for each in ALL])
by_call = pytest.mark.parametrize("recorded", CALLS, ids=[each.name for each in CALLS])


def replay(recorded: Exchange, session: Session, ask) -> None:
    """Let the recorded ubusd speak; `ask` begins when it has greeted. Whatever we send must be what the client sent."""
    asked = False
    for who, data in recorded.said:
        if who == "client":
            if not asked:
                ask()
                asked = True
            assert bytes(session.outgoing[: len(data)]).hex() == data.hex()
            del session.outgoing[: len(data)]
        else:
            session.receive(data)
    assert not session.outgoing


@by_call
def test_a_call_is_the_commands_own_bytes_and_its_answer_what_the_command_printed(recorded):
    session = Session(counts := Counter())
    _, path, method, *arguments = recorded.args
    ended = []

    def found(status, parts):
        if status is Status.OK:
            session.invoke(object_id(parts), method, json.loads(arguments[0]) if arguments else {}, LATER, lambda *end: ended.append(end))
        else:
            ended.append((status, ()))

    replay(recorded, session, lambda: session.lookup(path, LATER, found))
    (status, parts), *more = ended
    assert not more
    # The command ends with its status or, from a call, with its negative as a byte.
    assert recorded.exit in (int(status), -int(status) & 0xFF)
    printed = json.loads(recorded.output) if status is Status.OK and recorded.output else None
    assert [part.data() for part in parts] == ([printed] if printed is not None else [])
    assert not +counts


@pytest.mark.parametrize(("name", "path"), [("list", ""), ("list-verbose-session", "session")])
def test_a_lookup_finds_what_the_command_lists(name, path):
    recorded, session, ended = exchange(name), Session(Counter()), []
    replay(recorded, session, lambda: session.lookup(path, LATER, lambda *end: ended.append(end)))
    ((status, parts),) = ended
    assert status is Status.OK
    if path:
        (part,) = parts
        head, *methods = recorded.output.splitlines()
        assert head == f"'session' @{part.number(Attr.OBJID):08x}"
        said = blobmsg.decode(part.attrs[Attr.SIGNATURE])
        words = {1: "Array", 2: "Table", 3: "String", 5: "Integer", 7: "Boolean"}
        assert [
            f'\t"{m}":' + json.dumps({a: words[t] for a, t in args.items()}, separators=(",", ":")) for m, args in said.items()
        ] == methods
    else:
        assert [part.text(Attr.OBJPATH) for part in parts] == recorded.output.splitlines()


def test_a_login_without_a_command_reads_too():
    recorded, session, ended = exchange("login-ok-2"), Session(Counter()), []
    arguments = {"username": "root", "password": "labpass", "timeout": 300}

    def found(_status, parts):
        session.invoke(object_id(parts), "login", arguments, LATER, lambda *end: ended.append(end))

    replay(recorded, session, lambda: session.lookup("session", LATER, found))
    ((status, (part,)),) = ended
    assert status is Status.OK
    assert part.data()["ubus_rpc_session"] == "fd49740783840fd6b63f462d62a68c12"


@pytest.mark.parametrize(
    ("name", "standing"),
    [("subscribe-network.interface-down-up", Subscription), ("listen-network.interface-down-up", Listening)],
)
def test_what_a_listener_hears_is_what_the_command_printed(name, standing):
    recorded, session, heard, ended = exchange(name), Session(counts := Counter()), [], []
    ear = standing("network.interface", lambda what, data: heard.append({what: data}))
    replay(recorded, session, lambda: ear.set_up(session, LATER, ended.append))
    assert ended == [Status.OK]
    assert heard == [json.loads(line) for line in recorded.output]
    assert counts["malformed"] == counts["unexpected"] == 0
    # An event wants an answer, a notification does not.
    assert counts["answered"] == (len(heard) if standing is Listening else 0)


@by_name
def test_the_bytes_may_come_one_by_one(recorded):
    counts, whole, single = Counter(), Frames(Counter()), []
    frames = Frames(counts)
    stream = b"".join(recorded.by("ubusd"))
    whole.push(stream)
    for index in range(len(stream)):
        frames.push(stream[index : index + 1])
        single += [message] if (message := frames.next()) else []
    assert single == list(iter(whole.next, None))
    assert not counts


@by_name
def test_every_payload_writes_itself_again(recorded):
    seen = 0
    for data in (data for _, data in recorded.said):
        frames = Frames(Counter())
        frames.push(data)
        for message in iter(frames.next, None):
            for attr in (Attr.DATA, Attr.SIGNATURE):
                payload = message.attrs.get(attr)
                if payload is not None:
                    seen += 1
                    values = blobmsg.decode(payload)
                    assert blobmsg.decode(blobmsg.encode(values)) == values
                    # rpcd gives one small number 64 bits.
                    assert blobmsg.encode(values) == payload or "expires" in values
    assert seen or recorded.name == "no-such-object"


def test_a_greeting_gives_us_our_id():
    session = Session(Counter())
    (greeting,) = (data for data in exchange("no-such-object").by("ubusd")[:1])
    session.receive(greeting)
    assert session.peer == 0x1924C94B
    assert greeting[1] == Kind.HELLO
