"""The graph in Graphviz's language, networks as clusters; `dot -Tsvg` draws it."""

from collections.abc import Iterator

from pathwarden.picture.graph import Graph, Kind, Node, Outcome, State
from pathwarden.picture.wording import fit, lines, networks, told
from pathwarden.picture.words import Words

_STYLES = {State.SAME: "", State.GONE: ', color="#b00020", style="dashed"', State.COME: ', color="#0057b8", penwidth=2'}
_SHAPES = {Kind.SOURCE: "oval", Kind.HOP: "box", Kind.UNKNOWN: "point", Kind.DESTINATION: "octagon"}
_LONGEST_TIP = 200
_ENGLISH = Words()


def dot(graph: Graph) -> str:
    """The whole document."""
    return "\n".join(
        ["digraph routes {", '  rankdir="LR"; node [fontname="monospace", fontsize=10];', *_nodes(graph), *_edges(graph), "}", ""]
    )


def _nodes(graph: Graph) -> Iterator[str]:
    for number, name in networks(graph).items():
        yield f'  subgraph cluster_{number} {{ label={_quoted(fit(name))}; style="rounded";'
        yield from (f"  {_node(node)}" for node in graph.nodes if node.network.asn == number)
        yield "  }"
    yield from (_node(node) for node in graph.nodes if node.network.asn is None)


def _node(node: Node) -> str:
    outer = ", peripheries=2" if node.outcome in (Outcome.OPEN, Outcome.ANSWERS) else ""
    text = "\n".join(lines(node, _ENGLISH))
    return f"  {_quoted(node.name)} [shape={_SHAPES[node.kind]}, label={_quoted(text)}{outer}{_STYLES[node.state]}];"


def _edges(graph: Graph) -> Iterator[str]:
    for edge in graph.edges:
        label = f"{edge.rtt_ms:.1f} ms" if edge.rtt_ms is not None else ""
        tip = _quoted(fit(told(edge, _ENGLISH), _LONGEST_TIP))
        yield f"  {_quoted(edge.start)} -> {_quoted(edge.end)} [label={_quoted(label)}, edgetooltip={tip}{_STYLES[edge.state]}];"


def _quoted(text: str) -> str:
    """A quoted string: what stands in it is text, never a form of Graphviz's own."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + plain.replace("\n", "\\n") + '"'
