"""A stand-in for ubusd on a real Unix socket, which speaks the bytes that were recorded from the real one.

It knows objects of its own (`offer`), takes those that clients publish, passes invocations on, and sends events and notifications.
"""

import os
import select
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pathwarden.errors import MalformedPacket
from pathwarden.net import blobmsg
from pathwarden.net.ubus_message import Attr, Frames, Kind, Message, Status, number, text, write

DEADLINE_S = 20.0
MUTE = "mute"  # what a method returns that never answers
_TYPE_ID = 0x3048A704


@dataclass(eq=False)
class _Client:
    sock: socket.socket
    peer: int
    frames: Frames = field(default_factory=lambda: Frames(Counter()))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, data: bytes) -> None:
        with self.lock:
            try:
                self.sock.sendall(data)
            except OSError:  # it has gone; its reading end will be seen
                return


@dataclass(eq=False)
class _Object:
    ident: int
    path: str = ""
    signature: bytes = b""
    owner: _Client | None = None
    methods: Mapping[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)
    type_id: int = _TYPE_ID
    subscribers: list["_Object"] = field(default_factory=list)


@dataclass
class _Call:
    ended: threading.Event = field(default_factory=threading.Event)
    data: list[dict[str, Any]] = field(default_factory=list)
    status: Status | None = None


class Ubusd:
    """The daemon; `start` and `stop` may be called again and again, the objects that were offered stay.

    `denied` names the paths, patterns and targets that its access list refuses. `heard` is all that clients sent, by kind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.denied: set[str] = set()
        self.heard: list[Message] = []
        self.greets = True
        self._offered: dict[str, _Object] = {}
        self._ids = iter(range(0x7F000001, 0x7FFFFFFF))
        self._lock = threading.RLock()
        self._reset()

    def _reset(self) -> None:
        self._clients: dict[int, _Client] = {}
        self._objects: dict[int, _Object] = {each.ident: each for each in self._offered.values()}
        self._patterns: list[tuple[str, _Object]] = []
        self._calls: dict[int, _Call] = {}
        self._seq = 0
        for each in self._offered.values():
            each.subscribers.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen."""
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.path.unlink(missing_ok=True)
        self._listening.bind(str(self.path))
        self.path.chmod(0o666)
        self._listening.listen()
        self._bell = os.eventfd(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all connections and stop listening, as when ubusd is restarted."""
        os.eventfd_write(self._bell, 1)
        self._thread.join()
        os.close(self._bell)
        with self._lock:
            for client in self._clients.values():
                client.sock.close()
            self._reset()
        self._listening.close()
        self.path.unlink(missing_ok=True)

    def offer(self, path: str, ident: int = 0, signature: bytes = b"", **methods: Callable[[dict[str, Any]], Any]) -> None:
        """An object of a service. A method returns data, a Status, or MUTE."""
        with self._lock:
            known = self._offered.get(path)
            if known:
                known.methods = {**known.methods, **methods}
                return
            added = _Object(ident or next(self._ids), path, signature, methods=methods)
            self._offered[path] = self._objects[added.ident] = added

    def withdraw(self, path: str) -> None:
        """The service of this object ends."""
        with self._lock:
            gone = self._offered.pop(path)
            del self._objects[gone.ident]
            for subscriber in gone.subscribers:
                assert subscriber.owner is not None
                attrs = {Attr.OBJID: number(subscriber.ident), Attr.TARGET: number(gone.ident)}
                subscriber.owner.send(write(Kind.UNSUBSCRIBE, 0, 0, attrs))

    def paths(self) -> set[str]:
        """The paths of all objects."""
        with self._lock:
            return {each.path for each in self._objects.values() if each.path}

    def subscribers(self, path: str) -> int:
        """How many listen to an object's notifications."""
        with self._lock:
            return len(self._offered[path].subscribers) if path in self._offered else 0

    def patterns(self) -> list[str]:
        """The patterns of events that clients listen to."""
        with self._lock:
            return [pattern for pattern, _ in self._patterns]

    def signature(self, path: str) -> dict[str, Any]:
        """The signature of a published object."""
        with self._lock:
            return blobmsg.decode(next(each.signature for each in self._objects.values() if each.path == path))

    def event(self, name: str, data: Mapping[str, object]) -> int:
        """Send an event to who listens; how many do."""
        with self._lock:
            ears = [ear for pattern, ear in self._patterns if pattern == name or (pattern[-1] == "*" and name.startswith(pattern[:-1]))]
        for ear in ears:
            self._tell(ear, name, data, notify=False)
        return len(ears)

    def notify(self, path: str, name: str, data: Mapping[str, object]) -> int:
        """Send a notification to the subscribers of an object; how many there are."""
        with self._lock:
            ears = list(self._offered[path].subscribers)
        for ear in ears:
            self._tell(ear, name, data, notify=True)
        return len(ears)

    def invoke(self, path: str, method: str, data: Mapping[str, object], *, reply: bool = True) -> tuple[Status, dict[str, Any] | None]:
        """Call a method that a client published; waits for its answer."""
        call = self.begin(path, method, data, reply=reply)
        if not reply:
            return Status.OK, None
        assert call.ended.wait(DEADLINE_S), f"no answer to {path} {method}"
        assert call.status is not None
        return call.status, call.data[0] if call.data else None

    def begin(self, path: str, method: str, data: Mapping[str, object], *, reply: bool = True) -> _Call:
        """Call a method, and do not wait."""
        with self._lock:
            found = next(each for each in self._objects.values() if each.path == path)
            self._seq = (self._seq + 1) & 0xFFFF
            call = self._calls[self._seq] = _Call()
            seq = self._seq
        assert found.owner is not None
        attrs = {Attr.OBJID: number(found.ident), Attr.METHOD: text(method), Attr.DATA: blobmsg.encode(data)}
        attrs |= {} if reply else {Attr.NO_REPLY: b"\x01"}
        found.owner.send(write(Kind.INVOKE, seq, 0x12345678, {**attrs, Attr.USER: text("root"), Attr.GROUP: text("root")}))
        return call

    def raw(self, data: bytes) -> None:
        """Send any bytes to every client."""
        with self._lock:
            clients = list(self._clients.values())
        for client in clients:
            client.send(data)

    def _tell(self, ear: _Object, name: str, data: Mapping[str, object], *, notify: bool) -> None:
        with self._lock:
            self._seq = (self._seq + 1) & 0xFFFF
            seq = self._seq
        assert ear.owner is not None
        attrs = {Attr.NO_REPLY: b"\x01"} if notify else {}
        attrs |= {Attr.OBJID: number(ear.ident), Attr.METHOD: text(name)}
        attrs |= {Attr.USER: text("root"), Attr.GROUP: text("root")} if notify else {}
        ear.owner.send(write(Kind.INVOKE, seq, 0, {**attrs, Attr.DATA: blobmsg.encode(data)}))

    def _run(self) -> None:
        while True:
            with self._lock:
                readers: list[Any] = [self._bell, self._listening, *(client.sock for client in self._clients.values())]
            ready, _, _ = select.select(readers, [], [])
            if self._bell in ready:
                return
            for sock in ready:
                if sock is self._listening:
                    self._accept()
                else:
                    self._read(sock)

    def _accept(self) -> None:
        sock, _ = self._listening.accept()
        client = _Client(sock, next(self._ids))
        with self._lock:
            self._clients[sock.fileno()] = client
        if self.greets:
            client.send(write(Kind.HELLO, 0, client.peer, {}))

    def _read(self, sock: socket.socket) -> None:
        client = self._clients[sock.fileno()]
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        client.frames.push(data)
        try:
            for message in iter(client.frames.next, None):
                self.heard.append(message)
                self._react(client, message)
        except MalformedPacket:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        with self._lock:
            self._clients.pop(client.sock.fileno())
            client.sock.close()
            self._objects = {ident: each for ident, each in self._objects.items() if each.owner is not client}
            self._patterns = [(pattern, ear) for pattern, ear in self._patterns if ear.owner is not client]
            for each in self._objects.values():
                each.subscribers = [ear for ear in each.subscribers if ear.owner is not client]

    def _react(self, client: _Client, message: Message) -> None:
        react = {
            Kind.LOOKUP: self._lookup,
            Kind.INVOKE: self._invoke,
            Kind.ADD_OBJECT: self._add,
            Kind.SUBSCRIBE: self._subscribe,
            Kind.DATA: self._answered,
            Kind.STATUS: self._answered,
        }[Kind(message.kind)]
        status = react(client, message)
        if status is not None:
            client.send(write(Kind.STATUS, message.seq, message.peer, {Attr.STATUS: number(status)} | self._object_of(message)))

    def _object_of(self, message: Message) -> dict[Attr, bytes]:
        """A call's status names its object, but ubusd's own."""
        named = message.kind == Kind.INVOKE and message.peer != 1
        return {Attr.OBJID: message.attrs[Attr.OBJID]} if named else {}

    def _lookup(self, client: _Client, message: Message) -> Status:
        wanted = message.text(Attr.OBJPATH) if Attr.OBJPATH in message.attrs else None
        with self._lock:
            found = [each for each in self._objects.values() if each.path and wanted in (None, each.path)]
        for each in sorted(found, key=lambda one: one.path):
            attrs = {Attr.OBJPATH: text(each.path), Attr.OBJID: number(each.ident), Attr.OBJTYPE: number(each.type_id)}
            client.send(write(Kind.DATA, message.seq, message.peer, {**attrs, Attr.SIGNATURE: each.signature}))
        return Status.OK if found else Status.NOT_FOUND

    def _invoke(self, client: _Client, message: Message) -> Status | None:
        ident, method = message.number(Attr.OBJID), message.text(Attr.METHOD)
        if ident == 1:
            return self._register(client, message)
        with self._lock:
            target = self._objects.get(ident)
        if target is None:
            return Status.NOT_FOUND
        if target.path in self.denied:
            return Status.PERMISSION_DENIED
        if method not in target.methods:
            return Status.METHOD_NOT_FOUND
        answer = target.methods[method](message.data())
        if answer == MUTE:
            return None
        if isinstance(answer, Status):
            return answer
        if answer is not None:
            attrs = {Attr.OBJID: number(ident), Attr.DATA: blobmsg.encode(answer)}
            client.send(write(Kind.DATA, message.seq, message.peer, attrs))
        return Status.OK

    def _register(self, client: _Client, message: Message) -> Status:
        data = message.data()
        pattern, ident = str(data["pattern"]), int(str(data["object"])) & 0xFFFFFFFF
        if pattern in self.denied:
            return Status.PERMISSION_DENIED
        with self._lock:
            ear = self._objects.get(ident)
            if ear is None or ear.owner is not client:
                return Status.PERMISSION_DENIED
            self._patterns.append((pattern, ear))
        return Status.OK

    def _add(self, client: _Client, message: Message) -> Status:
        path = message.text(Attr.OBJPATH) if Attr.OBJPATH in message.attrs else ""
        if path in self.denied:
            return Status.PERMISSION_DENIED
        # A third of the real ids have the highest bit set.
        added = _Object(next(self._ids) | 0x80000000, path, message.attrs.get(Attr.SIGNATURE, b""), client)
        with self._lock:
            if path and path in self.paths():
                return Status.INVALID_ARGUMENT
            self._objects[added.ident] = added
        attrs = {Attr.OBJID: number(added.ident)} | ({Attr.OBJTYPE: number(_TYPE_ID)} if path else {})
        client.send(write(Kind.DATA, message.seq, message.peer, attrs))
        return Status.OK

    def _subscribe(self, client: _Client, message: Message) -> Status:
        with self._lock:
            ear, target = (self._objects.get(message.number(attr)) for attr in (Attr.OBJID, Attr.TARGET))
            if ear is None or ear.owner is not client or target is None or target.path in self.denied:
                return Status.NOT_FOUND
            target.subscribers.append(ear)
        return Status.OK

    def _answered(self, _client: _Client, message: Message) -> None:
        call = self._calls.get(message.seq)
        if call is None or message.peer != 0x12345678:
            return
        if message.kind == Kind.DATA:
            call.data.append(message.data())
        else:
            call.status = message.status()
            call.ended.set()
