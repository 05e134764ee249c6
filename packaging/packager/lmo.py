"""Translations as LuCI reads them: .po texts, and the .lmo archives that po2lmo would make of them.

    text...    each filled with zeros up to a multiple of 4
    index...   u32 key, u32 forms, u32 offset, u32 length; by key
    u32        offset of the index

All numbers are big-endian. A key is the hash of `msgid`, or `context` 0x01 `msgid`; form N of a plural adds 0x02 and N in digits. The
field `forms` is 1, or a plural's highest form + 1. The header's plural rule has the key 0 and no form.
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

_ENTRY = struct.Struct(">IIII")
_LINE = re.compile(r'^(?:(msgctxt|msgid|msgid_plural|msgstr(?:\[[0-9]\])?)\s+)?"(.*)"$')
_PLURALS = re.compile(r"Plural-Forms: (.*?)\\n")
_U32 = 0xFFFFFFFF


class PoError(ValueError):
    """A .po file holds a line that is of no message."""


class Message(NamedTuple):
    """One message; `context` is '' without one. `texts` has one, or those of a plural's forms; '' is not translated."""

    context: str
    msgid: str
    texts: tuple[str, ...]
    is_plural: bool = False


def read(po: str) -> list[Message]:
    """The messages of a .po file in their order, the header (with an empty msgid) among them. Raises `PoError`.

    Quotes and backslashes are unescaped, other escapes stay as they are, as with po2lmo.
    """
    return list(_messages(po))


def _messages(po: str) -> Iterator[Message]:
    parts: dict[str, str] = {}
    part = ""
    for number, line in enumerate([*po.splitlines(), ""], 1):
        if line.startswith("#"):
            continue
        found = _LINE.match(line)
        if line and not found:
            raise PoError(f"line {number} is no line of a message: {line}")
        if ("msgstr" in parts or "msgstr[0]" in parts) and (not found or found[1] in ("msgctxt", "msgid")):
            forms = tuple(parts[name] for name in sorted(parts) if name.startswith("msgstr"))
            yield Message(parts.get("msgctxt", ""), parts["msgid"], forms, "msgid_plural" in parts)
            parts = {}
        if found:
            part = found[1] or part
            parts[part] = parts.get(part, "") + re.sub(r'\\(["\\])', r"\1", found[2])


def write(messages: list[Message]) -> bytes:
    """The archive; b'' if there is nothing to translate."""
    texts = bytearray()
    index = []
    for key, forms, text in (entry for message in messages for entry in _entries(message)):
        coded = text.encode()
        index.append((key, forms, len(texts), len(coded)))
        texts += coded + bytes(-len(coded) % 4)
    if not index:
        return b""
    entries = b"".join(_ENTRY.pack(*entry) for entry in sorted(index, key=lambda entry: entry[0]))
    return bytes(texts) + entries + struct.pack(">I", len(texts))


def _entries(message: Message) -> Iterator[tuple[int, int, str]]:
    """Key, forms and text of what is translated of a message."""
    if not message.msgid:
        yield from ((0, 0, rule) for rule in _PLURALS.findall(message.texts[0]))
        return
    key = f"{message.context}\x01{message.msgid}" if message.context else message.msgid
    keys = [f"{key}\x02{form}" for form in range(len(message.texts))] if message.is_plural else [key]
    hashed = [(sfh_hash(each.encode()), text) for each, text in zip(keys, message.texts, strict=True)]
    # A text that says what its msgid says is found without an archive.
    yield from ((one, len(keys), text) for one, text in hashed if text and sfh_hash(text.encode()) != one)


def sfh_hash(data: bytes) -> int:
    """Paul Hsieh's SuperFastHash, begun with the length; a last odd byte counts as signed."""
    value = len(data)
    for at in range(0, len(data) - 3, 4):
        low, high = struct.unpack_from("<HH", data, at)
        value = (value + low) & _U32
        value = (value << 16 ^ (high << 11 ^ value)) & _U32
        value = (value + (value >> 11)) & _U32
    value = _tail(value, data[len(data) & ~3 :])
    for left, right in ((3, 5), (4, 17), (25, 6)):
        value = (value ^ value << left) & _U32
        value = (value + (value >> right)) & _U32
    return value


def _tail(value: int, rest: bytes) -> int:
    """What remains behind the groups of four bytes: none to three."""
    if len(rest) >= 2:
        value = (value + rest[0] + (rest[1] << 8)) & _U32
    signed = rest[-1] - (256 if rest[-1] > 127 else 0) if rest else 0
    if len(rest) == 3:
        value = (value ^ value << 16) & _U32
        value = (value ^ (signed << 18)) & _U32
        value = (value + (value >> 11)) & _U32
    elif len(rest) == 2:
        value = (value ^ value << 11) & _U32
        value = (value + (value >> 17)) & _U32
    elif rest:
        value = (value + signed) & _U32
        value = (value ^ value << 10) & _U32
        value = (value + (value >> 1)) & _U32
    return value
