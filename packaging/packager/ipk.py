"""Writer of ipk packages: a gzip'ed tar of debian-binary, data.tar.gz and control.tar.gz, in that order, as opkg walks it."""

from collections.abc import Iterable
from typing import NamedTuple

from packager import scripts
from packager.recipe import Recipe
from packager.tar import gzip, tar
from packager.tree import Node, with_folders


class Ipk(NamedTuple):
    """A package, and the control text in it, which a feed's index repeats."""

    control: str
    content: bytes


def build(recipe: Recipe, files: Iterable[Node], mtime: int) -> Ipk:
    """The package; `mtime` in seconds holds for everything in it."""
    data = tar(with_folders(files), mtime)
    text = _control(recipe, len(data), mtime)
    control = [
        Node("control", 0o644, text.encode()),
        *([Node("conffiles", 0o644, "".join(f"{path}\n" for path in recipe.conffiles).encode())] if recipe.conffiles else []),
        *(Node(name, 0o755, script.encode()) for name, script in scripts.for_opkg(recipe).items()),
    ]
    members = [
        Node("debian-binary", 0o644, b"2.0\n"),
        Node("data.tar.gz", 0o644, gzip(data)),
        Node("control.tar.gz", 0o644, gzip(tar(with_folders(control), mtime))),
    ]
    return Ipk(text, gzip(tar(members, mtime)))


def _control(recipe: Recipe, installed_size: int, mtime: int) -> str:
    """The control file. `installed_size` counts bytes of the unpacked archive, as OpenWrt does."""
    fields = {
        "Package": recipe.name,
        "Version": recipe.full_version,
        "Depends": ", ".join(recipe.depends),
        "License": recipe.license,
        "Section": recipe.section,
        "Require-User": recipe.user,
        "SourceDateEpoch": str(mtime),
        "Maintainer": recipe.maintainer,
        "Architecture": "all",
        "Installed-Size": str(installed_size),
        "Description": recipe.description,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
