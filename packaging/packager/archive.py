"""The program's source as the packages carry it: one archive for all modules of a package, which the router's Python compiles.

How the router does that, and by which names, stands in openwrt/pathwarden/files/compile.py.
"""

import bz2
import runpy
from collections.abc import Iterable
from pathlib import Path

from packager.recipe import Recipe
from packager.tar import tar
from packager.tree import Node

_PROGRAM = "usr/lib/pathwarden"
_FOLDER = f"{_PROGRAM}/source/"
_LEVEL = 9  # the largest blocks; bzip2 is a quarter smaller than deflate here, and in OpenWrt's python3-light


def path(name: str, version: str) -> str:
    """Where the archive of this name lies; with '' for the version, how that begins."""
    start = f"{_FOLDER}{name}-"
    return f"{start}{version}.tar.bz2" if version else start


def pack(folder: str, name: str, recipe: Recipe, modules: Iterable[Node]) -> Node:
    """The archive of modules, each by its path below the folder."""
    members = [node._replace(path=node.path.removeprefix(f"{folder}/")) for node in sorted(modules)]
    # Bytecode bears no time, so the archive needs none.
    return Node(path(name, recipe.full_version), 0o644, bz2.compress(tar(members, 0), _LEVEL))


def compiled(checkout: Path, nodes: Iterable[Node]) -> list[Node]:
    """The files with bytecode of the Python that runs this in the place of archives, made by the router's own script."""
    script = runpy.run_path(str(checkout / "openwrt/pathwarden/files/compile.py"))
    made = []
    for node in nodes:
        if node.path.startswith(_FOLDER) and node.content is not None:
            name = script["name"](node.path.removeprefix(_FOLDER))
            made.append(Node(f"{_PROGRAM}/bytecode/{name}", node.mode, script["compiled"](node.content)))
        else:
            made.append(node)
    return made
