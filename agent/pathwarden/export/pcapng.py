"""The packets of a trace as a pcapng file (draft-ietf-opsawg-pcapng), for Wireshark, tshark and tcpdump.

One section, one interface of whole IP datagrams (LINKTYPE_RAW), stamps in nanoseconds of the wall clock. Each packet carries a comment:
which probe it is, or which probe it answers and when.

Block:                                   Enhanced packet block, between the lengths:
+---------------------------------------+  +---------------------------------------+
| Block Type                            |  | Interface ID                          |
+---------------------------------------+  +---------------------------------------+
| Block Total Length                    |  | Timestamp, upper 32 bits, then lower  |
+---------------------------------------+  +---------------------------------------+
| Block Body, padded to 32 bits         |  | Captured Length, then Original Length |
+---------------------------------------+  +---------------------------------------+
| Block Total Length, again             |  | Packet, padded to 32 bits; Options    |
+---------------------------------------+  +---------------------------------------+
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Self

from pathwarden import __version__
from pathwarden.errors import OperatorError
from pathwarden.model.probe import Probe, Reply
from pathwarden.model.protocols import Clock

MOST_BYTES = 8 << 20  # 30,000 packets of a usual trace: they are kept in memory until the end

_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6  # block types
_END, _COMMENT = 0, 1  # options of every block
_USER_APPLICATION = 4  # of a section
_RESOLUTION = 9  # of an interface
_FLAGS = 2  # of a packet
_DROPPED = 5  # of statistics: packets that came, but are not in the file
_LINKTYPE_RAW = 101  # the packet begins with its IP header, whose first half byte says which
_NANOSECONDS = b"\x09"  # 10 to the minus 9
_UNKNOWN_LENGTH = (1 << 64) - 1  # the section ends where the file ends
_IN, _OUT = 1, 2

_WORD = Struct("<I")
_BLOCK = Struct("<II")
_OPTION = Struct("<HH")
_SECTION_BODY = Struct("<IHHQ")  # byte-order magic, version 1.0, section length
_INTERFACE_BODY = Struct("<HHI")  # link type, reserved, no limit to a packet's length
_PACKET_BODY = Struct("<IIIII")
_STATISTICS_BODY = Struct("<III")
_COUNT = Struct("<Q")

_PROBES = 4096  # of which answers are expected; more than any trace has in flight


class Recorder:
    """Writes the packets of a trace to a file, as they leave and come: `record` is a transport's hook.

    The file appears whole, in the order of time and with mode 0600, when `close` is called; one that was there is overwritten, as
    tcpdump -w does. Until then an empty temporary file beside it shows that it can be made: otherwise OperatorError is raised at once.
    Packets that answer none of the recorded probes are left out, and counted in `foreign`; so are those beyond `most_bytes`, counted in
    `left_out` and in the file's statistics. A reply that came more than `wait_ns` after its probe is called late (0: never).
    """

    def __init__(self, path: Path, clock: Clock, *, wait_ns: int = 0, most_bytes: int = MOST_BYTES) -> None:
        self.foreign = 0
        self.left_out = 0
        self._path = path.resolve()  # a link stays a link
        self._wait_ns = wait_ns
        self._wall_offset_ns = clock.wall_ns() - clock.mono_ns()  # once: so no step of the clock stands between probe and reply
        self._room = most_bytes
        self._packets: list[tuple[int, bytes]] = []
        self._sent: dict[int, tuple[Probe, int]] = {}
        self._answered: set[int] = set()
        if self._path.exists() and not self._path.is_file():
            raise OperatorError(f"{path} is no file", "give the name of a file to write packets to")
        try:
            self._file, self._part = _temporary(self._path)
        except OSError as error:
            raise _cannot_write(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(self, data: bytes, mono_ns: int, what: Probe | Reply | None) -> None:
        """Note a packet that left (`Probe`) or came (`Reply`; None: no answer to any probe) at this monotonic instant.

        `data` is the whole IP datagram, or one fragment of it.
        """
        if isinstance(what, Probe):
            self._keep(what, mono_ns)
            self._packet(data, mono_ns, _OUT, _said_of_probe(what))
            return
        found = self._probe_of(what) if what is not None else None
        if what is None or found is None:
            self.foreign += 1
            return
        probe, sent_ns = found
        rtt_ns = max(mono_ns - sent_ns, 0)
        notes = [_said_of_reply(what, probe, rtt_ns)]
        if self._wait_ns and rtt_ns > self._wait_ns:
            notes.append("late")
        if probe.ident in self._answered:
            notes.append("duplicate: the probe had an answer already")
        self._answered.add(probe.ident)
        self._packet(data, mono_ns, _IN, "; ".join(notes))

    def close(self) -> None:
        """Write the file and put it in its place; a second time does nothing. Raises OperatorError, and leaves nothing, if that fails."""
        if self._file.closed:
            return
        packets = sorted(self._packets, key=lambda each: each[0])  # a reply is read only after the next probes have left
        last_at = packets[-1][0] if packets else self._wall_offset_ns
        try:
            with self._file as file:
                file.write(_section() + _interface())
                file.writelines(block for _, block in packets)
                file.write(_statistics(last_at, self.left_out))
            self._part.replace(self._path)
        except OSError as error:
            self._part.unlink(missing_ok=True)
            raise _cannot_write(self._path, error) from error

    def _keep(self, probe: Probe, mono_ns: int) -> None:
        if len(self._sent) >= _PROBES:
            oldest = next(iter(self._sent))
            del self._sent[oldest]
            self._answered.discard(oldest)
        self._sent.pop(probe.ident, None)  # an ident that is used again is a new probe, and the newest
        self._answered.discard(probe.ident)
        self._sent[probe.ident] = probe, mono_ns

    def _probe_of(self, reply: Reply) -> tuple[Probe, int] | None:
        """The probe that a reply names by either of its idents; if it names none, the only one of its flow that waits for an answer."""
        for ident in (reply.ident, reply.ident_checksum):
            found = self._sent.get(ident)
            if found and _of_flow(found[0], reply):
                return found
        if reply.ident or reply.ident_checksum:
            return None
        waiting = [each for ident, each in self._sent.items() if ident not in self._answered and _of_flow(each[0], reply)]
        return waiting[0] if len(waiting) == 1 else None

    def _packet(self, data: bytes, mono_ns: int, direction: int, comment: str) -> None:
        at = mono_ns + self._wall_offset_ns
        body = _PACKET_BODY.pack(0, at >> 32, at & 0xFFFFFFFF, len(data), len(data)) + _padded(data)
        block = _block(_PACKET, body, ((_FLAGS, _WORD.pack(direction)), (_COMMENT, comment.encode())))
        if len(block) > self._room:
            self.left_out += 1
            return
        self._room -= len(block)
        self._packets.append((at, block))


def _temporary(path: Path) -> tuple[BinaryIO, Path]:
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    return os.fdopen(fd, "wb"), Path(name)


def _cannot_write(path: Path, error: OSError) -> OperatorError:
    return OperatorError(f"cannot write {path}: {error.strerror or error}", "name a file in a folder with room that you may write to")


# -- what a comment says


def _said_of_probe(probe: Probe) -> str:
    flow = probe.flow
    return f"probe {probe.ident}: {flow.method} to {flow.dst}, ttl {probe.ttl}, query {probe.query + 1}"


def _said_of_reply(reply: Reply, probe: Probe, rtt_ns: int) -> str:
    what = reply.kind.replace("_", " ")
    return (
        f"{what} from {reply.responder}: answers probe {probe.ident}, ttl {probe.ttl}, query {probe.query + 1}, after {rtt_ns / 1e6:.3f} ms"
    )


def _of_flow(probe: Probe, reply: Reply) -> bool:
    flow = probe.flow
    return (flow.method, flow.dst, flow.sport) == (reply.method, reply.dst, reply.sport)


# -- blocks


def _section() -> bytes:
    return _block(
        _SECTION, _SECTION_BODY.pack(0x1A2B3C4D, 1, 0, _UNKNOWN_LENGTH), ((_USER_APPLICATION, f"pathwarden {__version__}".encode()),)
    )


def _interface() -> bytes:
    return _block(_INTERFACE, _INTERFACE_BODY.pack(_LINKTYPE_RAW, 0, 0), ((_RESOLUTION, _NANOSECONDS),))


def _statistics(at: int, left_out: int) -> bytes:
    return _block(_STATISTICS, _STATISTICS_BODY.pack(0, at >> 32, at & 0xFFFFFFFF), ((_DROPPED, _COUNT.pack(left_out)),))


def _block(kind: int, body: bytes, options: Iterable[tuple[int, bytes]]) -> bytes:
    body += b"".join(_OPTION.pack(code, len(value)) + _padded(value) for code, value in options) + _OPTION.pack(_END, 0)
    length = _BLOCK.size + len(body) + _WORD.size
    return _BLOCK.pack(kind, length) + body + _WORD.pack(length)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
