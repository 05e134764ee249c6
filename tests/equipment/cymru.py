"""Answers as Team Cymru's DNS gives them, made byte by byte (RFC 1035), for fakes and for a server that tests run."""

import struct


def asked_name(question: bytes) -> str:
    """The name in a question, in lower case."""
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += 1 + question[at]
    return ".".join(labels).lower()


def reply(
    question: bytes, texts: list[str], *, ttl_s: int = 14400, flags: int = 0x8180, number: int | None = None, kind: int = 16
) -> bytes:
    """An answer with these TXT records to a question, its name by a pointer."""
    end = question.index(b"\0", 12) + 5
    head = struct.pack(">HHHHHH", number if number is not None else int.from_bytes(question[:2], "big"), flags, 1, len(texts), 0, 0)
    records = b""
    for text in texts:
        pieces = [text.encode()[at : at + 255] for at in range(0, len(text.encode()), 255)]
        content = b"".join(bytes([len(piece)]) + piece for piece in pieces)
        records += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, ttl_s, len(content)) + content
    return head + question[12:end] + records
