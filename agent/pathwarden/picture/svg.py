"""The graph as SVG: boxes in layers from left to right, networks by colour and by name, nothing that a page's policy would refuse.

Colours are attributes and never styles, texts are texts: what a stranger named is escaped. Nothing is told by colour alone: a network's
name stands in its boxes, an outcome in words, what came and went with + and -. Equal graphs give equal files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from math import log2
from typing import NamedTuple

from pathwarden.picture.graph import Edge, Graph, Kind, Node, Outcome, State
from pathwarden.picture.layout import Layout, Pair, Size, arrange
from pathwarden.picture.wording import lines, longest, networks, told
from pathwarden.picture.words import Words

LETTER, LINE = 6.7, 14.0  # px: a column of an 11 px monospaced face, and a line of it
FONT = 'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="11"'
_PAD, _MARGIN = 7.0, 16.0
_BETWEEN, _APART = 44.0, 12.0
_DOT = 7.0  # across an unknown hop
_LEGEND = 18.0
_WIDEST_LEGEND = 4  # networks in a line of it
_MOST_NETWORKS = 40  # named there; all have their names in the boxes


# Lays nodes of these sizes out, given edges, the network of nodes, the room between layers and that between the nodes of one.
Arrange = Callable[[Mapping[str, Size], Sequence[Pair], Mapping[str, int], float, float], Layout]


class Theme(NamedTuple):
    """Colours: of the ground, of text, of boxes without a network, of lines, and of what is gone and what came; tints of networks."""

    ground: str
    text: str
    box: str
    line: str
    gone: str
    come: str
    good: str
    tints: tuple[str, ...]


# Tints of Okabe and Ito's colours, which colour-blind people tell apart; text has a contrast of at least 7 on each.
LIGHT = Theme(
    "#ffffff", "#1a1a1a", "#f4f4f4", "#6b6b6b", "#b00020", "#0057b8", "#00695c",
    ("#cfe8f7", "#fbe3b8", "#cdeee2", "#f6d5e6", "#faf3b0", "#d5dcf5", "#f8d3c0", "#e3e3e3"),
)  # fmt: skip
DARK = Theme(
    "#16181c", "#f2f2f2", "#2a2d33", "#9aa0a8", "#ff8a80", "#82b1ff", "#80cbc4",
    ("#1d4257", "#55401a", "#1c4a3c", "#552b43", "#4a461a", "#2c3560", "#583022", "#43464c"),
)  # fmt: skip


def builtin(sizes: Mapping[str, Size], edges: Sequence[Pair], _groups: Mapping[str, int], between: float, apart: float) -> Layout:
    """Our own layout: it finds networks together by how they hang together."""
    return arrange(sizes, edges, between, apart)


def svg(graph: Graph, theme: Theme = LIGHT, language: str = "en", by: Arrange = builtin) -> str:
    """The whole document, laid out by us or by somebody else."""
    say = Words(language)
    texts = {node.name: lines(node, say) for node in graph.nodes}
    sizes = {node.name: _size(node, texts[node.name]) for node in graph.nodes}
    groups = {node.name: node.network.asn for node in graph.nodes if node.network.asn is not None}
    layout = by(sizes, [(edge.start, edge.end) for edge in graph.edges], groups, _BETWEEN, _APART)
    named = networks(graph)
    tints = {number: theme.tints[place % len(theme.tints)] for place, number in enumerate(named)}
    keys = _legend(graph, named, tints, theme, say)
    column = (longest(text for text, _ in keys) * LETTER + 2 * _LEGEND) if keys else 0.0
    across = max(min(_WIDEST_LEGEND, int(layout.width // column)) if column else 1, 1)
    width = max(layout.width, column * min(across, len(keys)))
    legend_height = -(-len(keys) // across) * _LEGEND
    draw = _Drawing(graph, layout, sizes, texts, tints, theme, say)
    body = [*draw.regions(), *draw.edges(), *draw.nodes(), *_keys(keys, layout.height + _LEGEND, column, across, theme)]
    w, h = width + 2 * _MARGIN, layout.height + 2 * _MARGIN + (legend_height + _LEGEND if keys else 0)
    size = f'width="{short(w)}" height="{short(h)}" viewBox="0 0 {short(w)} {short(h)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {FONT}>'
    ground = f'<rect width="100%" height="100%" fill="{theme.ground}"/>'
    return "\n".join(
        [
            head,
            f"<title>{escaped(say('graph'))}</title>",
            ground,
            f'<g transform="translate({short(_MARGIN)} {short(_MARGIN)})">',
            *body,
            "</g></svg>",
            "",
        ]
    )


class _Drawing:
    """The parts of one picture, in the order in which they lie over one another."""

    def __init__(
        self,
        graph: Graph,
        layout: Layout,
        sizes: Mapping[str, Size],
        texts: Mapping[str, list[str]],
        tints: Mapping[int, str],
        theme: Theme,
        say: Words,
    ) -> None:
        self._graph = graph
        self._layout = layout
        self._sizes = sizes
        self._texts = texts
        self._tints = tints
        self._theme = theme
        self._say = say
        self._asn = {node.name: node.network.asn for node in graph.nodes}

    def regions(self) -> Iterator[str]:
        """A broad band along each edge within a network: its boxes hang together."""
        for edge in self._graph.edges:
            number = self._asn[edge.start]
            if number is not None and number == self._asn[edge.end]:
                way = self._way((edge.start, edge.end))
                yield f'<path d="{way}" fill="none" stroke="{self._tints[number]}" stroke-width="16"/>'

    def edges(self) -> Iterator[str]:
        """Lines, the broader the more targets; with what is told of them when they are pointed at."""
        colours = {State.SAME: self._theme.line, State.GONE: self._theme.gone, State.COME: self._theme.come}
        for edge in self._graph.edges:
            pair = (edge.start, edge.end)
            colour = self._theme.gone if pair in self._layout.back else colours[edge.state]
            dashes = ' stroke-dasharray="5 4"' if edge.state is State.GONE or pair in self._layout.back else ""
            wide = 1 + log2(len(edge.targets) or 1) / 2 + (edge.state is State.COME)
            line = f'<path d="{self._way(pair)}" fill="none" stroke="{colour}" stroke-width="{short(wide)}"{dashes}/>'
            yield f"<g><title>{escaped(told(edge, self._say))}</title>{line}{self._head(edge, colour)}</g>"

    def nodes(self) -> Iterator[str]:
        """Boxes with their lines, and small circles for what is unknown."""
        for node in self._graph.nodes:
            x, y = self._layout.middles[node.name]
            if node.kind is Kind.UNKNOWN:
                ring = {State.SAME: self._theme.line, State.GONE: self._theme.gone, State.COME: self._theme.come}[node.state]
                circle = f'<circle cx="{short(x)}" cy="{short(y)}" r="{short(_DOT / 2)}" fill="{self._theme.ground}" stroke="{ring}"/>'
                yield f"<g><title>{escaped(self._say('silent'))}</title>{circle}</g>"
            else:
                yield self._box(node, x, y)

    def _box(self, node: Node, x: float, y: float) -> str:
        size, texts = self._sizes[node.name], self._texts[node.name]
        number = node.network.asn
        fill = self._theme.box if number is None else self._tints[number]
        left, top = x - size.width / 2, y - size.height / 2
        place = f'x="{short(left)}" y="{short(top)}" width="{short(size.width)}" height="{short(size.height)}" rx="{_round(node)}"'
        words = "".join(
            f'<text x="{short(left + _PAD)}" y="{short(top + _PAD + LINE * (line + 1) - 4)}" fill="{self._theme.text}"'
            f"{' font-weight=' + chr(34) + 'bold' + chr(34) if not line else ''}>{escaped(text)}</text>"
            for line, text in enumerate(texts)
        )
        said = (self._say("here"),) if node.kind is Kind.SOURCE else node.lines
        tip = escaped(", ".join((*said, *([node.network.city, node.network.country] if node.network.country else ()))))
        return f'<g><title>{tip}</title><rect {place} fill="{fill}" {self._border(node)}/>{words}</g>'

    def _border(self, node: Node) -> str:
        if node.state is not State.SAME:
            dashes = ' stroke-dasharray="5 4"' if node.state is State.GONE else ""
            return f'stroke="{self._theme.gone if node.state is State.GONE else self._theme.come}" stroke-width="2"{dashes}'
        if node.outcome in (Outcome.OPEN, Outcome.ANSWERS):
            return f'stroke="{self._theme.good}" stroke-width="2"'
        dashes = ' stroke-dasharray="2 3"' if node.outcome is Outcome.SILENT else ""
        return f'stroke="{self._theme.line}" stroke-width="1"{dashes}'

    def _ends(self, pair: Pair) -> tuple[float, float, float, float]:
        (x1, y1), (x2, y2) = (self._layout.middles[name] for name in pair)
        side = -1 if pair in self._layout.back else 1
        return x1 + side * self._sizes[pair[0]].width / 2, y1, x2 - side * self._sizes[pair[1]].width / 2, y2

    def _way(self, pair: Pair) -> str:
        """A curve that leaves and enters the boxes level, and is level at each bend; or the one that the layout has."""
        if curve := self._layout.curves.get(pair):
            first, *rest = (f"{short(x)} {short(y)}" for x, y in curve)
            return f"M{first}C{' '.join(rest)}"
        x, y, end_x, end_y = self._ends(pair)
        way = f"M{short(x)} {short(y)}"
        for to_x, to_y in (*self._layout.bends[pair], (end_x, end_y)):
            middle = (x + to_x) / 2
            way += f"C{short(middle)} {short(y)} {short(middle)} {short(to_y)} {short(to_x)} {short(to_y)}"
            x, y = to_x, to_y
        return way

    def _head(self, edge: Edge, colour: str) -> str:
        """An arrow's head, without a marker: a page's policy may forbid what is named by an address."""
        _, _, x, y = self._ends((edge.start, edge.end))
        back = 6.0 if (edge.start, edge.end) in self._layout.back else -6.0
        return f'<path d="M{short(x)} {short(y)}l{short(back)} -3v6z" fill="{colour}"/>'


def _size(node: Node, texts: list[str]) -> Size:
    if node.kind is Kind.UNKNOWN:
        return Size(_DOT, _DOT)
    return Size(longest(texts) * LETTER + 2 * _PAD, len(texts) * LINE + 2 * _PAD)


def _legend(graph: Graph, named: Mapping[int, str], tints: Mapping[int, str], theme: Theme, say: Words) -> list[tuple[str, str]]:
    """What the colours mean: a text and its colour."""
    keys = [(name, tints[number]) for number, name in list(named.items())[:_MOST_NETWORKS]]
    states = {node.state for node in graph.nodes} | {edge.state for edge in graph.edges}
    more = [(f"- {say('gone')}", State.GONE, theme.gone), (f"+ {say('come')}", State.COME, theme.come)]
    return keys + [(text, colour) for text, state, colour in more if state in states]


def _keys(keys: list[tuple[str, str]], top: float, column: float, across: int, theme: Theme) -> Iterator[str]:
    for number, (text, colour) in enumerate(keys):
        x, y = number % across * column, top + number // across * _LEGEND
        place = f'x="{short(x)}" y="{short(y)}" width="12" height="12"'
        yield f'<rect {place} rx="2" fill="{colour}" stroke="{theme.line}" stroke-width="0.5"/>'
        yield f'<text x="{short(x + _LEGEND)}" y="{short(y + 10)}" fill="{theme.text}">{escaped(text)}</text>'


def _round(node: Node) -> str:
    return {Kind.SOURCE: "16", Kind.DESTINATION: "10"}.get(node.kind, "3")


def short(number: float) -> str:
    """A number with one decimal at most, so that files are small and the same everywhere."""
    return f"{round(number, 1) + 0.0:g}"  # -0.0 + 0.0 is 0.0


def escaped(text: str) -> str:
    """A text as SVG takes it, without anything that cannot be printed."""
    return escape("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text), quote=True)
