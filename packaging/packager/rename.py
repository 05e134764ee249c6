"""Short names for what only one function sees: the variables of functions, but not their parameters, which callers may name.

All of a name's places in a function and what is nested in it are renamed together, so scopes stay as they are. A name keeps what it is
called if anything but an assignment, a loop or a comprehension binds it there, if the module or Python itself knows it too, or if it
stands in a class, or in an f-string, whose insides have no place in Python 3.11's syntax trees.
"""

import ast
import builtins
from collections.abc import Iterator
from string import ascii_lowercase
from typing import NamedTuple

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class _Place(NamedTuple):
    """A name in a line: row from 0, first byte, byte behind, and what takes its place."""

    row: int
    start: int
    end: int
    name: str


def shorten(source: bytes) -> bytes:
    """The module with short names; every line keeps its number."""
    tree = ast.parse(source)
    known = set(dir(builtins)) | {name for node in _outside(tree) for name in _named(node)}
    lines = source.split(b"\n")
    found = [place for node in _outside(tree) if isinstance(node, _FUNCTIONS) for place in _places(node, known)]
    # From the end on, so that what comes before stays where it is.
    for row, start, end, name in sorted(found, reverse=True):
        lines[row] = lines[row][:start] + name.encode() + lines[row][end:]
    return b"\n".join(lines)


def _outside(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below this one, those of functions left out but for the functions themselves."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _FUNCTIONS):
            yield from _outside(child)


def _places(function: ast.AST, known: set[str]) -> Iterator[_Place]:
    nodes = list(ast.walk(function))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    fixed = known | {name for node in nodes if not isinstance(node, ast.Name) for name in _named(node)}
    # The names in a class are what its users ask for.
    fixed |= {name for node in nodes if isinstance(node, ast.JoinedStr | ast.ClassDef) for each in ast.walk(node) for name in _named(each)}
    bound = {node.id: None for node in names if isinstance(node.ctx, ast.Store) and len(node.id) > 1 and node.id not in fixed}
    taken = fixed | {node.id for node in names}
    free = (name for name in _short() if name not in taken)
    shorter = {name: short for name, short in zip(bound, free, strict=False) if len(short) < len(name)}
    for node in names:
        if node.id in shorter:
            yield _Place(node.lineno - 1, node.col_offset, node.col_offset + len(node.id.encode()), shorter[node.id])


def _named(node: ast.AST) -> Iterator[str]:
    """The names that a node speaks of by itself, not by nodes below it: of functions, arguments, imports, captures."""
    if isinstance(node, ast.Name):
        yield node.id
    for field in () if isinstance(node, ast.keyword) else ("name", "arg", "asname", "rest"):
        if isinstance(name := getattr(node, field, None), str):
            yield name.partition(".")[0]
    if isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names


def _short() -> Iterator[str]:
    yield from ascii_lowercase
    yield from (first + second for first in ascii_lowercase for second in ascii_lowercase)
