"""What stands in the nodes of the graph and beside its edges, for every form of the picture."""

import re
from collections.abc import Iterable, Iterator, Sequence
from unicodedata import east_asian_width

from pathwarden.picture.graph import Edge, Graph, Kind, Node, State
from pathwarden.picture.words import Words

_LONGEST = 40  # columns of a line; an IPv6 address has 39
_NAMED = 3  # targets of a destination that are named
_BROAD = "\u2e80-\uffdc"  # East Asian scripts: a line may end behind each of their characters, but for closing marks
_PIECES = re.compile(f"\\s+|(?:[{_BROAD}]|[^\\s{_BROAD}]+)[,;.)\u3001\u3002\uff09\uff0c\uff1a\uff1b]*")
_MARKS = {State.SAME: "", State.GONE: "- ", State.COME: "+ "}


def lines(node: Node, say: Words) -> list[str]:
    """The lines of a node, none for what is unknown; one that is of one time only begins with `-` (gone) or `+` (come)."""
    if node.kind is Kind.UNKNOWN:
        return []
    if node.kind is Kind.SOURCE:
        return [f"{_MARKS[node.state]}{say('here')}"]
    title = f"{_MARKS[node.state]}{node.lines[0]}"
    rtt = [f"{node.rtt_ms:.1f} ms"] if node.rtt_ms is not None else []
    network = [name for name in (node.network.ixp, network_name(node)) if name][:1]
    if node.kind is Kind.HOP:
        return [fit(each) for each in (title, ", ".join([*rtt, *network])) if each]
    service, *names = node.lines[1:]
    said = ", ".join([f"{service} {say(f'outcome.{node.outcome.value}')}", *rtt])
    return [fit(each) for each in (title, said, _few(names), *network) if each]


def network_name(node: Node) -> str:
    """`AS64500 EXAMPLE`, '' if it is unknown."""
    network = node.network
    return "" if network.asn is None else f"AS{network.asn} {network.as_name}".strip()


def networks(graph: Graph) -> dict[int, str]:
    """The networks of the graph in the order in which it brings them, with their names."""
    found: dict[int, str] = {}
    for node in graph.nodes:
        if node.network.asn is not None:
            found.setdefault(node.network.asn, network_name(node))
    return found


def told(edge: Edge, say: Words) -> str:
    """What is said of an edge."""
    rtt = [] if edge.rtt_ms is None else [say("to", rtt=f"{edge.rtt_ms:.1f} ms", end=edge.end.partition(" ")[0])]
    return _MARKS[edge.state] + say("list").join([*rtt, say("for", names=_few(edge.targets))])


def width(text: str) -> int:
    """How many columns a text takes: characters of East Asian scripts take two."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def fit(text: str, most: int = _LONGEST) -> str:
    """A text of at most so many columns, without anything that cannot be printed."""
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    if width(plain) <= most:
        return plain
    while width(plain) > most - 1:
        plain = plain[:-1]
    return f"{plain}\N{HORIZONTAL ELLIPSIS}"


def _few(names: Sequence[str]) -> str:
    more = f" +{len(names) - _NAMED}" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def longest(texts: Iterable[str]) -> int:
    """The columns of the longest of some texts, 0 without any."""
    return max(map(width, texts), default=0)


def wrapped(text: str, most: int, indent: str = "  ") -> Iterator[str]:
    """A text as lines of at most so many columns, all but the first indented; what has no place to be broken is cut."""
    row = ""
    for piece in _PIECES.findall(text):
        rest = piece
        if width(row + rest.rstrip()) > most and row.strip():
            yield row.rstrip()
            row, rest = indent, rest.lstrip()
        while width(row + rest.rstrip()) > most:
            cut = _columns(rest, most - width(row))
            yield row + rest[:cut]
            row, rest = indent, rest[cut:]
        row += rest
    if row.strip():
        yield row.rstrip()


def _columns(text: str, most: int) -> int:
    """How many characters of a text that is broader take at most so many columns; one at least."""
    taken = 0
    for number, char in enumerate(text):
        taken += width(char)
        if taken > most:
            return max(number, 1)
    return len(text)
