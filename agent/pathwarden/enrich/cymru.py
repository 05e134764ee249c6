"""Team Cymru's questions and answers over DNS: who announces an address, and what an AS is called. Bytes and values, no sockets.

Rules:
1. No more is asked than is needed: the address's /24 or /48, the smallest networks that the Internet's routers take.
2. An answer must be to our question, by id and name. It is believed only where its prefix holds the address; of several the longest
   counts, and of several origins of one prefix the lowest number, so that the order of an answer is no change of network.
"""

from ipaddress import ip_address, ip_network
from typing import NamedTuple

_BITS = {4: 24, 6: 48}
_WIDEST = {4: 8, 6: 16}  # nobody announces more; an answer that does would rename the world
_ZONES = {4: "origin.asn.cymru.com", 6: "origin6.asn.cymru.com"}
_TXT, _OPT, _IN = 16, 41, 1
_LARGEST = 1232  # bytes of an answer that no link on the way cuts (DNS flag day 2020)
_HEADER = 12
_LAST_ASN = 2**32 - 1
_MOST_ANSWERS = 64
_NO_SUCH_NAME = 3
_LONGEST_NAME = 64


class NoAnswer(Exception):
    """The name server failed or refused, or what came is no answer to this question."""


class Texts(NamedTuple):
    """The texts that an answer holds, none if there is no such name; `ttl_s` is how long they are good. `cut`: ask again over TCP."""

    texts: tuple[str, ...]
    ttl_s: int
    cut: bool = False


class Origin(NamedTuple):
    """Who announces a prefix."""

    prefix: str
    asn: int


def network(version: int, number: int) -> tuple[int, int, int]:
    """The network that is asked for on behalf of an address: version, length of its prefix, its bits."""
    length = _BITS[version]
    return version, length, number >> ((32 if version == 4 else 128) - length)


def origin_name(version: int, number: int) -> str:
    """The name to ask for the origin of an address."""
    four = (str(number >> shift & 255) for shift in (24, 16, 8))
    labels = [*four, "0"] if version == 4 else list(f"{number >> 80 << 80:032x}")
    return ".".join([*reversed(labels), _ZONES[version]])


def as_name(asn: int) -> str:
    """The name to ask for what an AS is called."""
    return f"AS{asn}.asn.cymru.com"


def question(name: str, number: int) -> bytes:
    """The query for a name's TXT records, with this id (RFC 1035, and RFC 6891 for a larger answer)."""
    asked = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    head = number.to_bytes(2, "big") + bytes([1, 0, 0, 1, 0, 0, 0, 0, 0, 1])
    return head + asked + bytes([0, _TXT, 0, _IN]) + bytes([0, 0, _OPT]) + _LARGEST.to_bytes(2, "big") + bytes(6)


def answer(asked: bytes, data: bytes) -> Texts:
    """What an answer to this query says. Raises `NoAnswer`."""
    end = len(asked) - 11  # without OPT
    if len(data) < end or data[:2] != asked[:2] or not data[2] & 0x80 or data[_HEADER:end].lower() != asked[_HEADER:end].lower():
        raise NoAnswer("not to our question")
    if data[2] & 2:
        return Texts((), 0, cut=True)
    code = data[3] & 15
    if code not in (0, _NO_SUCH_NAME):
        raise NoAnswer(f"code {code}")
    texts: list[str] = []
    ttl_s = 0
    at = end
    for _ in range(min(int.from_bytes(data[6:8], "big"), _MOST_ANSWERS)):
        at = _behind_name(data, at)
        head = data[at : at + 10]
        length = int.from_bytes(head[8:], "big")
        content = data[at + 10 : at + 10 + length]
        if len(head) < 10 or len(content) < length:
            raise NoAnswer("cut off")
        if head[:4] == bytes([0, _TXT, 0, _IN]):
            texts.append(_text(content))
            ttl_s = int.from_bytes(head[4:8], "big")
        at += 10 + length
    return Texts(tuple(texts), ttl_s)


def origin(version: int, number: int, texts: Texts) -> Origin | None:
    """The origin of an address, None if it is announced by nobody or the texts say nothing of it."""
    found: list[tuple[int, int, str]] = []
    for text in texts.texts:
        asns, _, rest = text.partition("|")
        prefix = rest.partition("|")[0].strip()
        try:
            holds = ip_network(prefix)
        except ValueError:
            continue
        if (
            holds.version == version
            and holds.prefixlen >= _WIDEST[version]
            and ip_address(number if version == 4 else number.to_bytes(16, "big")) in holds
        ):
            found += [(-holds.prefixlen, asn, prefix) for word in asns.split() if (asn := _asn(word))]
    if not found:
        return None
    _, asn, prefix = min(found)
    return Origin(prefix, asn)


def name_of(texts: Texts) -> str:
    """What an AS is called, '' if the texts do not say it."""
    words = texts.texts[0].split("|") if texts.texts else []
    said = words[4].strip() if len(words) == 5 else ""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in said[:_LONGEST_NAME])


def _behind_name(data: bytes, at: int) -> int:
    """Where the name at this place ends: a row of labels that an empty one or a pointer ends."""
    while at < len(data):
        length = data[at]
        if length >= 192:
            return at + 2
        at += 1 + length
        if not length:
            return at
    raise NoAnswer("cut off")


def _text(content: bytes) -> str:
    """The strings of a TXT record as one."""
    found = b""
    at = 0
    while at < len(content):
        found += content[at + 1 : at + 1 + content[at]]
        at += 1 + content[at]
    return found.decode("utf-8", "replace")


def _asn(word: str) -> int:
    number = int(word) if word.isascii() and word.isdigit() and len(word) <= 10 else 0
    return number if number <= _LAST_ASN else 0
