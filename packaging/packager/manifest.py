"""The one list of what is installed where: shared by the ipk, the apk and the feed's Makefile."""

from pathlib import Path

from packager import vendor
from packager.recipe import Recipe
from packager.slim import slim
from packager.tree import Node

PROGRAM = "usr/lib/pathwarden"
PAGE = "usr/share/pathwarden/www"
# What the program reads beside its modules: the history's schema, the demo's network.
_PROGRAM_KINDS = {".py", ".sql", ".toml", ".json"}
_PAGE_KINDS = {".html", ".js", ".css", ".svg", ".json"}

# Installed path: mode, and the file in openwrt/pathwarden/files.
_SYSTEM = {
    "etc/capabilities/pathwarden.json": (0o644, "capabilities.json"),
    "etc/config/pathwarden": (0o600, "pathwarden.config"),  # it may name the broker's user
    "etc/hotplug.d/iface/90-pathwarden": (0o644, "pathwarden.iface"),
    "etc/hotplug.d/ntp/30-pathwarden": (0o644, "pathwarden.ntp"),
    "etc/init.d/pathwarden": (0o755, "pathwarden.init"),
    "etc/uci-defaults/90-pathwarden": (0o755, "pathwarden.defaults"),
    "lib/upgrade/keep.d/pathwarden": (0o644, "pathwarden.keep"),
    "lib/upgrade/pathwarden.sh": (0o644, "pathwarden.upgrade"),
    "usr/bin/pathwarden": (0o755, "pathwarden.launcher"),
    "usr/share/acl.d/pathwarden.json": (0o644, "acl.json"),
    "usr/share/rpcd/acl.d/pathwarden.json": (0o644, "rpcd-acl.json"),
}


class ManifestError(ValueError):
    """The checkout holds something that no package may carry."""


def files(checkout: Path, recipe: Recipe, waitress: Path) -> list[Node]:
    """Every file of the package. `waitress` is the folder for `vendor.load`. Modes do not depend on the checkout's.

    Raises `ManifestError` for a kind of file that is not known here, and what `vendor.load` raises.
    """
    source = checkout / "openwrt/pathwarden/files"
    system = [Node(path, mode, (source / name).read_bytes()) for path, (mode, name) in _SYSTEM.items()]
    return sorted(
        [
            *system,
            *map(_slimmed, _copied(checkout / "agent/pathwarden", f"{PROGRAM}/pathwarden", _PROGRAM_KINDS)),
            *_copied(checkout / "web", PAGE, _PAGE_KINDS),
            *vendor.load(waitress),
            Node(f"{PROGRAM}/VERSION", 0o644, f"{recipe.full_version}\n".encode()),
        ]
    )


def _slimmed(node: Node) -> Node:
    return node._replace(content=slim(node.content)) if node.path.endswith(".py") and node.content else node


def _copied(folder: Path, to: str, kinds: set[str]) -> list[Node]:
    nodes = []
    for file in folder.rglob("*"):
        if file.is_dir() or file.parent.name == "__pycache__":
            continue
        if file.suffix not in kinds:
            raise ManifestError(f"{file}: a file of this kind is in no package; remove it, or add the kind to packager/manifest.py")
        nodes.append(Node(f"{to}/{file.relative_to(folder).as_posix()}", 0o644, file.read_bytes()))
    return nodes
