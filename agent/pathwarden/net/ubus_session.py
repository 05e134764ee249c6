"""One connection to ubusd, as bytes in and bytes out: requests, their answers, and what others ask of our objects.

Rules:
1. ubusd speaks first. Before its greeting nothing is sent.
2. A request has a sequence number, counted from 1. Its answers are any number of DATA and one STATUS with the same number, and the
   STATUS ends it. So does its deadline, and the end of the connection: `done` is called exactly once in any case.
3. What others invoke on an object of ours is answered at once, with DATA if there is any and with STATUS, unless they want no reply.
4. What does not belong here (an answer nobody waits for, an unknown kind, a message without what it must have) is counted.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pathwarden.errors import MalformedPacket
from pathwarden.net import blobmsg
from pathwarden.net.ubus_message import Attr, Frames, Kind, Message, Status, number, text, write

EVENT_OBJECT = 1  # ubusd's own object, where patterns of events are registered
_SEQUENCES = 0x10000
_PENDING = 256  # requests that wait for an answer; more than everything we do at once
_ROOM = 1 << 20  # bytes that wait to be sent; above it nothing more is read, so a peer that does not listen costs no more
_PARTS = 1024  # DATA messages of one answer; a lookup of everything on a busy router has a hundred

log = logging.getLogger(__name__)

Answer = Callable[[Status, Sequence[Message]], None]
Handler = Callable[[str, Mapping[str, blobmsg.Value]], Mapping[str, object] | None]


class UbusError(Exception):
    """A request was refused or failed; `status` says how."""

    def __init__(self, status: Status, what: str = "") -> None:
        super().__init__(f"{what}: {status.words}" if what else status.words)
        self.status = status


@dataclass(slots=True)
class _Pending:
    done: Answer
    deadline_ns: int
    parts: list[Message] = field(default_factory=list)


class Session:
    """One connection. Not thread-safe. `outgoing` is what is to be sent; the owner takes it away as far as it was sent.

    `counts` outlives it.
    """

    def __init__(self, counts: Counter[str]) -> None:
        self.peer = 0  # our own id, 0 before the greeting
        self.outgoing = bytearray()
        self._counts = counts
        self._frames = Frames(counts)
        self._seq = 0
        self._pending: dict[int, _Pending] = {}
        self._objects: dict[int, Handler] = {}
        self._gone: dict[tuple[int, int], Callable[[], None]] = {}

    def receive(self, data: bytes) -> None:
        """Take bytes from ubusd, and `advance`. Raises MalformedPacket where the stream cannot be followed any more."""
        self._frames.push(data)
        self.advance()

    def advance(self) -> None:
        """React to what has come, as long as there is room for answers; to be called again when some were sent."""
        while self.has_room and (message := self._frames.next()):
            try:
                self._react(message)
            except MalformedPacket:
                self._counts["unexpected"] += 1

    @property
    def has_room(self) -> bool:
        """Whether ubusd takes our answers, so that more of its questions may be read."""
        return len(self.outgoing) < _ROOM

    def next_deadline_ns(self) -> int | None:
        """When the next request runs out of time; None if none waits."""
        return min((pending.deadline_ns for pending in self._pending.values()), default=None)

    def expire(self, mono_ns: int) -> None:
        """End the requests that have waited too long."""
        for seq in [seq for seq, pending in self._pending.items() if pending.deadline_ns <= mono_ns]:
            self._counts["timeouts"] += 1
            self._end(seq, Status.TIMEOUT)

    def lost(self) -> None:
        """The connection ended: end every request."""
        while self._pending:
            self._end(next(iter(self._pending)), Status.CONNECTION_FAILED)

    def lookup(self, path: str, deadline_ns: int, done: Answer) -> None:
        """Ask for the object of this path, or for all with ''; each comes as one message with OBJPATH, OBJID and SIGNATURE."""
        self._ask(Kind.LOOKUP, 0, {Attr.OBJPATH: text(path)} if path else {}, deadline_ns, done)

    def invoke(self, target_id: int, method: str, data: Mapping[str, object], deadline_ns: int, done: Answer) -> None:
        """Call a method."""
        attrs = {Attr.OBJID: number(target_id), Attr.METHOD: text(method), Attr.DATA: blobmsg.encode(data)}
        self._ask(Kind.INVOKE, target_id, attrs, deadline_ns, done)

    def add_object(self, handler: Handler, deadline_ns: int, done: Callable[[Status, int], None], **published: bytes) -> None:
        """Make an object of ours, whose invocations `handler(method, data)` answers; `done(status, object_id)`.

        `published` is nothing, or `path` and `signature`. A handler returns its reply, or raises UbusError.
        """
        attrs = {Attr.OBJPATH: published["path"], Attr.SIGNATURE: published["signature"]} if published else {}

        def added(status: Status, parts: Sequence[Message]) -> None:
            added_id = object_id(parts)
            if status is Status.OK and not added_id:
                status = Status.NO_DATA
            if status is Status.OK:
                self._objects[added_id] = handler
            done(status, added_id)

        self._ask(Kind.ADD_OBJECT, 0, attrs, deadline_ns, added)

    def subscribe(self, own_id: int, target_id: int, deadline_ns: int, done: Answer, gone: Callable[[], None]) -> None:
        """Let our object hear what the target notifies; `gone` is called when the target goes away."""
        self._gone[own_id, target_id] = gone
        self._ask(Kind.SUBSCRIBE, 0, {Attr.OBJID: number(own_id), Attr.TARGET: number(target_id)}, deadline_ns, done)

    def _ask(self, kind: Kind, peer: int, attrs: Mapping[Attr, bytes], deadline_ns: int, done: Answer) -> None:
        if len(self._pending) >= _PENDING:
            done(Status.NO_MEMORY, ())
            return
        self._seq = self._next_seq()
        try:
            self.outgoing += write(kind, self._seq, peer, attrs)
        except ValueError:
            done(Status.INVALID_ARGUMENT, ())
            return
        self._pending[self._seq] = _Pending(done, deadline_ns)

    def _next_seq(self) -> int:
        seq = self._seq
        while True:
            seq = (seq + 1) % _SEQUENCES
            if seq not in self._pending:
                return seq

    def _end(self, seq: int, status: Status) -> None:
        pending = self._pending.pop(seq)
        pending.done(status, pending.parts)

    def _react(self, message: Message) -> None:
        match message.kind:
            case Kind.HELLO:
                self.peer = message.peer
            case Kind.STATUS:
                self._on_status(message)
            case Kind.DATA:
                self._on_data(message)
            case Kind.INVOKE:
                self._on_invoke(message)
            case Kind.UNSUBSCRIBE:
                self._on_unsubscribe(message)
            case Kind.NOTIFY:  # somebody began or ceased to listen to an object of ours; we tell nothing there
                self._counts["notify"] += 1
            case _:
                raise MalformedPacket("an unexpected kind of message")

    def _on_data(self, message: Message) -> None:
        pending = self._pending.get(message.seq)
        if pending is None or len(pending.parts) >= _PARTS:
            raise MalformedPacket("an answer that nobody waits for")
        pending.parts.append(message)

    def _on_status(self, message: Message) -> None:
        status = message.status()
        if message.seq not in self._pending:
            raise MalformedPacket("an answer that nobody waits for")
        self._end(message.seq, status)

    def _on_unsubscribe(self, message: Message) -> None:
        gone = self._gone.pop((message.number(Attr.OBJID), message.number(Attr.TARGET)), None)
        if gone is None:
            raise MalformedPacket("the end of a subscription that we do not have")
        gone()

    def _on_invoke(self, message: Message) -> None:
        own_id, method = message.number(Attr.OBJID), message.text(Attr.METHOD)
        status, reply = self._handle(own_id, method, message)
        if not message.wants_reply():
            return
        self._counts["answered"] += 1
        head = {Attr.OBJID: number(own_id)}
        if reply is not None:
            try:
                self.outgoing += write(Kind.DATA, message.seq, message.peer, {**head, Attr.DATA: blobmsg.encode(reply)})
            except ValueError as error:
                log.error("the answer to %s cannot go over ubus: %s", method, error)
                status = Status.NO_MEMORY
        self.outgoing += write(Kind.STATUS, message.seq, message.peer, {Attr.STATUS: number(status), **head})

    def _handle(self, own_id: int, method: str, message: Message) -> tuple[Status, Mapping[str, object] | None]:
        handler = self._objects.get(own_id)
        if handler is None:
            return Status.NOT_FOUND, None
        try:
            return Status.OK, handler(method, message.data())
        except MalformedPacket:
            self._counts["unexpected"] += 1
            return Status.INVALID_ARGUMENT, None
        except UbusError as error:
            return error.status, None
        except Exception:
            log.exception("the ubus method %r failed", method)
            return Status.UNKNOWN_ERROR, None


def object_id(parts: Sequence[Message]) -> int:
    """The object's id in the first answer that has one, 0 if none has."""
    for part in parts:
        try:
            return part.number(Attr.OBJID)
        except MalformedPacket:
            continue
    return 0


def signature(methods: Mapping[str, Mapping[str, type]]) -> bytes:
    """Methods and their arguments, as ADD_OBJECT has them."""
    return blobmsg.encode({name: {arg: blobmsg.TYPES[kind] for arg, kind in arguments.items()} for name, arguments in methods.items()})
