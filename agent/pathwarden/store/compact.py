"""Numbers, texts and the marks of answers as compact bytes: the inner parts of `codec`'s format.

All numbers are unsigned LEB128 ("varint"). Marks are a byte of flags for what is there, then the values in their order:

    TOS 1         as quoted
    LENGTH 2      as quoted
    NAT 4         difference of the checksums
    MTU 8         as said
    MSS 16        as quoted
    SEGMENT 32    length, bytes
    EXTENSIONS 64 their number, then each: its kind and the values in their order
                  0 MPLS stack: number of entries, then each as the 4 bytes of RFC 3032 section 2.1
                  1 interface: role (0..3: INC SUB OUT NXT), index, address, name, MTU
                  2 any other: class, type, payload

Texts (in UTF-8) and payload come after their length.
"""

from pathwarden.model.probe import Extension, InterfaceInfo, MplsLabel, MplsStack, OtherObject
from pathwarden.model.trace import UNMARKED, Marks

_SEGMENT, _EXTENSIONS = 32, 64
_NUMBERS = (("tos", 1), ("length", 2), ("nat", 4), ("mtu", 8), ("mss", 16))  # marks that are numbers, and their flags
_STACK, _INTERFACE, _OTHER = 0, 1, 2
_ROLES = ("INC", "SUB", "OUT", "NXT")


def put(out: bytearray, number: int) -> None:
    """A number, at least 0."""
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


class Bytes:
    """Reads numbers one after the other."""

    __slots__ = ("data", "place")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def number(self) -> int:
        """The next varint."""
        value = shift = 0
        while True:
            byte = self.data[self.place]
            self.place += 1
            if byte < 128:
                return value | byte << shift
            value |= (byte & 127) << shift
            shift += 7

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        self.place += count
        return self.data[self.place - count : self.place]


def put_stack(out: bytearray, stack: tuple[MplsLabel, ...]) -> None:
    """A label stack."""
    put(out, len(stack))
    for entry in stack:
        out += (entry.label << 12 | entry.traffic_class << 9 | entry.bottom << 8 | entry.ttl).to_bytes(4, "big")


def _put_bytes(out: bytearray, data: bytes) -> None:
    put(out, len(data))
    out += data


def put_marks(out: bytearray, marks: Marks) -> None:
    """The marks of one answer."""
    place = len(out)
    out.append(0)
    for name, flag in _NUMBERS:
        value = getattr(marks, name)
        if value != getattr(UNMARKED, name):
            out[place] |= flag
            put(out, value)
    if marks.segment:
        out[place] |= _SEGMENT
        _put_bytes(out, marks.segment)
    if marks.extensions:
        out[place] |= _EXTENSIONS
        put(out, len(marks.extensions))
        for each in marks.extensions:
            _put_extension(out, each)


def _put_extension(out: bytearray, each: Extension) -> None:
    match each:
        case MplsStack(labels):
            out.append(_STACK)
            put_stack(out, labels)
        case InterfaceInfo(role, ifindex, address, name, mtu):
            out.append(_INTERFACE)
            put(out, _ROLES.index(role))
            put(out, ifindex)
            _put_bytes(out, address.encode())
            _put_bytes(out, name.encode())
            put(out, mtu)
        case OtherObject(class_num, c_type, payload):
            out.append(_OTHER)
            put(out, class_num)
            put(out, c_type)
            _put_bytes(out, payload)


def take_stack(source: Bytes) -> tuple[MplsLabel, ...]:
    """The opposite of `put_stack`."""
    return tuple(_mpls_label(source.take(4)) for _ in range(source.number()))


def take_marks(source: Bytes) -> Marks:
    """The opposite of `put_marks`; the shared `UNMARKED` where there are none."""
    flags = source.take(1)[0]
    if not flags:
        return UNMARKED
    numbers = {name: source.number() for name, flag in _NUMBERS if flags & flag}
    segment = source.take(source.number()) if flags & _SEGMENT else b""
    extensions = tuple(_take_extension(source) for _ in range(source.number())) if flags & _EXTENSIONS else ()
    return UNMARKED._replace(**numbers, segment=segment, extensions=extensions)


def _take_extension(source: Bytes) -> Extension:
    kind = source.take(1)[0]
    if kind == _STACK:
        return MplsStack(take_stack(source))
    if kind == _INTERFACE:
        role, ifindex = _ROLES[source.number()], source.number()
        address, name = source.take(source.number()).decode(), source.take(source.number()).decode()
        return InterfaceInfo(role, ifindex, address, name, source.number())
    return OtherObject(source.number(), source.number(), source.take(source.number()))


def _mpls_label(data: bytes) -> MplsLabel:
    entry = int.from_bytes(data, "big")
    return MplsLabel(entry >> 12, entry >> 9 & 7, bool(entry & 256), entry & 255)
