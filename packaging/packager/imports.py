"""Which modules of the program reach which, by the import statements in them, those inside functions too."""

import ast
from collections.abc import Iterable, Iterator, Mapping


def name(path: str) -> str:
    """A module's name by its path, such as `pathwarden/cli/__init__.py`."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def reached(modules: Mapping[str, bytes], roots: Iterable[str]) -> set[str]:
    """The roots, every module that they import or that those import, and the packages above them. `modules` holds sources by name."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module in found or module not in modules:
            continue
        found.add(module)
        waiting += [module.rpartition(".")[0], *_imported(modules[module])]
    return found


def _imported(source: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # What is imported may be a module itself.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
