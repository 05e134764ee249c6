r"""All paths to a target as a picture of 80 columns.

     1     192.0.2.1     0.102 ms   16 flows  → 2a-c
     2 ┌ a 198.51.100.2  0.310 ms    6 flows  → 3a-b
       ├ b 198.51.100.6  0.298 ms    5 flows  → 3c
       └ c *                         5 flows  → 3c
     3 ┌ a 203.0.113.9   0.512 ms    3 flows  → 4

A bracket holds the responders of one ttl together; the arrow says to which of the next ttl's flows were seen to go on.
"""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple

from pathwarden.cli.terminal import counted
from pathwarden.model.multipath import Diamond, Multipath, Vertex
from pathwarden.present.hops import annotation, median_ms

COLUMNS = 80
SILENT = "*"
_ALPHABET = 26
_UNDER = " " * 7  # where addresses begin


class Signs(NamedTuple):
    """What the picture is drawn with."""

    first: str
    between: str
    last: str
    arrow: str


LINES = Signs("┌", "├", "└", "→")
ASCII = Signs("+", "|", "+", "->")

Members = dict[int, list[Vertex]]


def signs(encoding: str | None) -> Signs:
    """Lines, or their stand-ins where the terminal's encoding lacks them."""
    try:
        "".join(LINES).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return LINES


def lines(found: Multipath, drawn: Signs) -> Iterator[str]:
    """A line per responder and ttl, then the diamonds, then how sure the result is."""
    members = _members(found)
    room = max((len(_address(vertex)) for hop in members.values() for vertex in hop), default=0)
    letters = len(_letter(max((len(hop) for hop in members.values()), default=1) - 1))
    for ttl, hop in members.items():
        for place, vertex in enumerate(hop):
            bracket = "" if len(hop) == 1 else f"{_bracket(place, len(hop), drawn)} {_letter(place)}"
            start = f"{'' if place else ttl:>2} {bracket:<{letters + 2}} {_address(vertex):<{room}}"
            yield from _lines_of(start, vertex, found, _onward(vertex, members, found, drawn))
    for diamond in found.diamonds:
        yield from _diamond(diamond)
    yield from _sureness(found)


def _members(found: Multipath) -> Members:
    """The vertices by ttl; those behind one vertex stand together, in the order of the hop before."""
    members: Members = {}
    for ttl in sorted({vertex.ttl for vertex in found.vertices}):
        places = {vertex.address: place for place, vertex in enumerate(members.get(ttl - 1, []))}
        behind: dict[str | None, int] = {}
        for edge in found.edges:
            if edge.ttl == ttl - 1 and edge.near in places:
                behind[edge.far] = min(behind.get(edge.far, len(places)), places[edge.near])
        hop = [vertex for vertex in found.vertices if vertex.ttl == ttl]
        members[ttl] = sorted(hop, key=lambda vertex: behind.get(vertex.address, len(places)))
    return members


def _bracket(place: int, of: int, drawn: Signs) -> str:
    return drawn.first if place == 0 else drawn.last if place == of - 1 else drawn.between


def _address(vertex: Vertex) -> str:
    return vertex.address or SILENT


def _onward(vertex: Vertex, members: Members, found: Multipath, drawn: Signs) -> str:
    """Where flows go on from a vertex, if that is not plain: `→ 3a-c f`; '' where one vertex follows one, or none."""
    hop, after = members[vertex.ttl], members.get(vertex.ttl + 1, [])
    places = [
        place
        for place, other in enumerate(after)
        if any((edge.ttl, edge.near, edge.far) == (vertex.ttl, vertex.address, other.address) for edge in found.edges)
    ]
    if not places or len(hop) == len(after) == 1:
        return ""
    return f"{drawn.arrow} {vertex.ttl + 1}{_letters(places) if len(after) > 1 else ''}"


def _letters(places: Sequence[int]) -> str:
    """Ascending places as letters, neighbours together: `a-c f`."""
    runs: list[list[int]] = []
    for place in places:
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return " ".join(_letter(run[0]) if len(run) == 1 else f"{_letter(run[0])}-{_letter(run[-1])}" for run in runs)


def _letter(place: int) -> str:
    """A name by place: a to z, then aa, ab and so on."""
    head, tail = divmod(place, _ALPHABET)
    return (_letter(head - 1) if head else "") + chr(ord("a") + tail)


def _lines_of(start: str, vertex: Vertex, found: Multipath, onward: str) -> Iterator[str]:
    """One line; where there is no room for all of it, the number of flows goes, then the arrow gets lines of its own."""
    rtt = median_ms(vertex.rtts_ns)
    mark = annotation(found.flow.af, vertex.icmp_type, vertex.icmp_code) if vertex.final else ""
    figures = f"{'' if rtt is None else f'{rtt:.3f} ms':>10}{mark and ' ' + mark}"
    flows = f"{counted(vertex.flow_count, 'flow'):>9}"
    for parts in ((start, figures, flows, onward), (start, figures, onward)):
        line = "  ".join(part for part in parts if part).rstrip()
        if len(line) <= COLUMNS:
            yield line
            return
    yield f"{start}  {figures}  {flows}".rstrip()
    yield from wrap(onward, COLUMNS, initial_indent=_UNDER, subsequent_indent=_UNDER + "  ")


def _diamond(diamond: Diamond) -> Iterator[str]:
    traits = [word for word in ("meshed", "asymmetric", "per_packet") if getattr(diamond, word)]
    end = f"meet at ttl {diamond.end_ttl}" if diamond.joined else "do not meet again"
    words = "".join(", " + word.replace("_", " ") for word in traits)
    yield from wrap(f"paths part after ttl {diamond.ttl}, {end}: width {diamond.width}{words}", COLUMNS)


def _sureness(found: Multipath) -> Iterator[str]:
    cost = f"{counted(found.flow_count, 'flow')}, {counted(found.probes, 'probe')}"
    if found.complete:
        yield f"complete, but for a probability of at most {found.failure_probability:.0%}: {cost}"
    else:
        why = f"stopped by: {', '.join(found.limits)}" if found.limits else "ended early"
        yield from wrap(f"not complete ({why}): {cost}", COLUMNS)
