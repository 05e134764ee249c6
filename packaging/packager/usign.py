"""Signatures as usign and OpenBSD's signify write them: a comment line, then base64.

secret     "Ed" "BK" u32 rounds, salt of 16, first 8 of SHA-512 of the key, id of 8, key of 64 (seed, then public)
public     "Ed" id of 8, key of 32
signature  "Ed" id of 8, signature of 64
"""

import base64
import hashlib
import struct
from pathlib import Path
from typing import NamedTuple

from packager import ed25519

_SECRET = struct.Struct(">2s2sI16s8s8s64s")


class BadKey(ValueError):
    """The file is no key that can sign here."""


class Key(NamedTuple):
    """A signing key; opkg finds its public half in /etc/opkg/keys under `fingerprint`."""

    id: bytes
    seed: bytes
    public: bytes

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits."""
        return self.id.hex()

    def public_file(self, comment: str) -> str:
        """The public half as a file."""
        return _file(comment, b"Ed" + self.id + self.public)

    def sign(self, message: bytes, comment: str) -> str:
        """The signature of a message as a file."""
        return _file(comment, b"Ed" + self.id + ed25519.sign(self.seed, message))


def load(file: Path) -> Key:
    """The secret key in a file that `usign -G` or `signify -G -n` made. Raises `BadKey`."""
    lines = file.read_text(encoding="utf-8").splitlines()
    try:
        data = base64.b64decode(lines[1], validate=True)
        kind, derivation, rounds, _salt, checksum, identity, key = _SECRET.unpack(data)
    except (IndexError, ValueError, struct.error) as error:
        raise BadKey(f"{file}: is no secret key; usign -G -s {file} -p {file}.pub makes one") from error
    if (kind, derivation) != (b"Ed", b"BK"):
        raise BadKey(f"{file}: is no Ed25519 secret key; usign -G -s {file} -p {file}.pub makes one")
    if rounds:
        raise BadKey(f"{file}: is locked with a passphrase, which a builder cannot type; make one without (signify -G -n)")
    if checksum != hashlib.sha512(key).digest()[:8] or ed25519.public_key(key[:32]) != key[32:]:
        raise BadKey(f"{file}: is damaged; take it from your backup")
    return Key(identity, key[:32], key[32:])


def _file(comment: str, data: bytes) -> str:
    return f"untrusted comment: {comment}\n{base64.b64encode(data).decode()}\n"
