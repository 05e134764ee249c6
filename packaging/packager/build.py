"""Everything that is published, from one recipe and one list of files: ipk, apk, feed."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from packager import apk, feed, ipk, scripts
from packager.recipe import Recipe
from packager.tree import Node, with_folders
from packager.usign import Key

ORIGIN = "pathwarden"  # the one source of all packages


class Package(NamedTuple):
    """What a package says of itself, and its files."""

    recipe: Recipe
    files: list[Node]


def everything(packages: Iterable[Package], mtime: int, key: Key | None) -> dict[str, bytes]:
    """Contents by the path below the output folder; `mtime` in seconds holds for all. Without a key the feed is not signed."""
    made: dict[str, bytes] = {}
    index = ""
    for recipe, files in packages:
        package = ipk.build(recipe, files, mtime)
        name = f"{recipe.name}_{recipe.full_version}_all.ipk"
        made[name] = made[f"feed/{name}"] = package.content
        made[f"{recipe.name}-{recipe.full_version}.apk"] = _apk(recipe, files, mtime)
        index += feed.index(package.control, name, package.content)
    return made | {f"feed/{part}": content for part, content in feed.files(index, key).items()}


def _apk(recipe: Recipe, files: Sequence[Node], mtime: int) -> bytes:
    info = apk.Info(
        name=recipe.name,
        version=recipe.full_version,
        description=recipe.description,
        license=recipe.license,
        origin=ORIGIN,
        maintainer=recipe.maintainer,
        depends=recipe.depends,
    )
    return apk.build(info, with_folders([*files, *_records(recipe, files)]), scripts.for_apk(recipe), mtime)


def _records(recipe: Recipe, files: Sequence[Node]) -> list[Node]:
    """What OpenWrt's functions look up on a router with apk, which has no opkg folder to ask."""
    contents = {f"/{node.path}": node.content or b"" for node in files}
    sums = (f"{path} {hashlib.sha256(contents[path]).hexdigest()}\n" for path in recipe.conffiles)
    records = {
        "conffiles": "".join(f"{path}\n" for path in recipe.conffiles),
        "conffiles_static": "".join(sums),
        "list": "".join(f"{path}\n" for path in sorted(contents)),
        "rusers": f"{recipe.user}\n" if recipe.user else "",
    }
    return [Node(f"lib/apk/packages/{recipe.name}.{kind}", 0o644, text.encode()) for kind, text in records.items() if text]
