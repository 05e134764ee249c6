"""Modules without what only people read. On the router they become bytecode at once, and the package is a good third smaller.

Comments, docstrings, and the annotations of functions and of module variables go; nobody asks for those at run time. Those of class bodies
stay: dataclasses and named tuples are made of them.
"""

import ast
import io
import tokenize
from collections.abc import Iterator

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def slim(source: bytes) -> bytes:
    """The module without all that; every line keeps its number, so that a traceback leads to the checkout's."""
    text = source.decode("utf-8")
    tree = ast.parse(text)
    lines = [line.encode() for line in _without_comments(text)]
    # From the end on, so that what comes before stays where it is.
    for row, start, end in sorted(set(_annotations(tree, lines)), reverse=True):
        lines[row] = lines[row][:start] + lines[row][end:]
    kept = [line.decode() for line in lines]
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            _drop(node.body, kept)
    return "".join(f"{line}\n" for line in kept).encode("utf-8")


def _without_comments(text: str) -> list[str]:
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return lines


def _annotations(tree: ast.Module, lines: list[bytes]) -> Iterator[tuple[int, int, int]]:
    """Where annotations that may go stand: line, first byte, byte behind. Those that go over several lines stay: they are few."""
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            of = node.args
            for arg in (*of.posonlyargs, *of.args, *of.kwonlyargs, *filter(None, (of.vararg, of.kwarg))):
                if arg.annotation is not None:
                    yield from _span(arg.lineno, arg.col_offset + len(arg.arg.encode()), arg.annotation)
            if node.returns is not None:
                arrow = lines[node.returns.lineno - 1].rfind(b"->", 0, node.returns.col_offset)
                if arrow >= 0:
                    yield from _span(node.returns.lineno, arrow, node.returns)
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            yield from _span(statement.lineno, statement.target.end_col_offset or 0, statement.annotation)


def _span(row: int, start: int, annotation: ast.expr) -> Iterator[tuple[int, int, int]]:
    if annotation.lineno == annotation.end_lineno == row and annotation.end_col_offset is not None:
        yield row - 1, start, annotation.end_col_offset


def _drop(body: list[ast.stmt], lines: list[str]) -> None:
    """Empty the lines of the docstring, the first statement; where it is the only one, `pass` takes its place."""
    first, last, column = body[0].lineno - 1, body[0].end_lineno, body[0].col_offset
    if lines[first][:column].strip():
        return  # behind something else in its line, which has to stay
    lines[first:last] = [""] * len(lines[first:last])
    if len(body) == 1:
        lines[first] = f"{'':{column}}pass"
