"""Modules without what only people read. On the router they become bytecode at once, and the package is a third smaller."""

import ast
import io
import tokenize

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def slim(source: bytes) -> bytes:
    """The module without comments and docstrings; every line keeps its number, so that a traceback leads to the checkout's."""
    text = source.decode("utf-8")
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            _drop(node.body, lines)
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def _drop(body: list[ast.stmt], lines: list[str]) -> None:
    """Empty the lines of the docstring, the first statement; where it is the only one, `pass` takes its place."""
    first, last, column = body[0].lineno - 1, body[0].end_lineno, body[0].col_offset
    if lines[first][:column].strip():
        return  # behind something else in its line, which has to stay
    lines[first:last] = [""] * len(lines[first:last])
    if len(body) == 1:
        lines[first] = f"{'':{column}}pass"
