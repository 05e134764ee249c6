"""The one list of what is installed where: shared by the ipk, the apk and the feed's Makefile."""

from pathlib import Path

from packager import archive, imports, vendor
from packager.page import thin
from packager.recipe import Recipe
from packager.rename import shorten
from packager.slim import slim
from packager.tree import Node

PROGRAM = "usr/lib/pathwarden"
PAGE = "usr/share/pathwarden/www"
# Commands that the daemon and its page do well without are a package of their own, with every module that they alone reach.
TOOLS = ("demo", "diff", "enrich", "export", "graph", "history", "import_", "map", "password", "replay", "trace")
# What the program reads beside its modules: the history's schema, the demo's network.
_DATA_KINDS = {".sql", ".toml", ".json"}
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
    f"{PROGRAM}/compile.py": (0o644, "compile.py"),
    "usr/share/acl.d/pathwarden.json": (0o644, "acl.json"),
    "usr/share/rpcd/acl.d/pathwarden.json": (0o644, "rpcd-acl.json"),
}


class ManifestError(ValueError):
    """The checkout holds something that no package may carry."""


def files(checkout: Path, recipe: Recipe, waitress: Path) -> list[Node]:
    """Every file of the main package. `waitress` is the folder for `vendor.load`. Modes do not depend on the checkout's.

    Raises `ManifestError` for a kind of file that is not known here, and what `vendor.load` raises.
    """
    source = checkout / "openwrt/pathwarden/files"
    system = [Node(path, mode, (source / name).read_bytes()) for path, (mode, name) in _SYSTEM.items()]
    daemon, _ = _parted(checkout)
    foreign = vendor.load(waitress)
    version = Node(f"{PROGRAM}/VERSION", 0o644, f"{recipe.full_version}\n".encode())
    return sorted(
        [
            *system,
            *_installed(daemon, "pathwarden", recipe),
            *(node for node in foreign if not _is_module(node)),
            archive.pack(vendor.PLACE, vendor.ARCHIVE, recipe, filter(_is_module, foreign)),
            version,
        ]
    )


def page(checkout: Path) -> list[Node]:
    """Every file of the package with what a browser loads. Raises `ManifestError` as `files` does."""
    return sorted(node._replace(content=thin(node.path, node.content or b"")) for node in _copied(checkout / "web", PAGE, _PAGE_KINDS))


def tools(checkout: Path, recipe: Recipe) -> list[Node]:
    """Every file of the package with the commands of `TOOLS`. Raises `ManifestError` as `files` does."""
    _, tools = _parted(checkout)
    return sorted(_installed(tools, "tools", recipe))


def is_foreign(node: Node) -> bool:
    """Whether a file is of a vendored library."""
    return node.path.startswith((f"{vendor.PLACE}/", archive.path(vendor.ARCHIVE, "")))


def _parted(checkout: Path) -> tuple[list[Node], list[Node]]:
    """The program's files, those that the tools alone need apart."""
    nodes = _copied(checkout / "agent/pathwarden", "pathwarden", _DATA_KINDS | {".py"})
    modules = {imports.name(node.path): node.content or b"" for node in nodes if _is_module(node)}
    commands = [name for name in modules if name.startswith("pathwarden.cli.") and name.rpartition(".")[2] not in TOOLS]
    needed = imports.reached(modules, ["pathwarden.__main__", *(name for name in commands if name.count(".") == 2)])
    # Data belong to the package of modules above them.
    packages = {name for name in needed if f"{name.replace('.', '/')}/__init__.py" in {node.path for node in nodes}}
    parts: tuple[list[Node], list[Node]] = [], []
    for node in nodes:
        if _is_module(node):
            parts[imports.name(node.path) not in needed].append(node)
        else:
            owner = next(parent for parent in Path(node.path).parents if (checkout / "agent" / parent / "__init__.py").is_file())
            parts[".".join(owner.parts) not in packages].append(node)
    return parts


def _installed(nodes: list[Node], name: str, recipe: Recipe) -> list[Node]:
    """The modules in one archive, and the data where the modules look for them."""
    modules = [node._replace(content=shorten(slim(node.content or b""))) for node in nodes if _is_module(node)]
    data = [node._replace(path=f"{PROGRAM}/{node.path}") for node in nodes if not _is_module(node)]
    return [archive.pack("", name, recipe, modules), *data]


def _is_module(node: Node) -> bool:
    return node.path.endswith(".py")


def _copied(folder: Path, to: str, kinds: set[str]) -> list[Node]:
    nodes = []
    for file in folder.rglob("*"):
        if file.is_dir() or file.parent.name == "__pycache__":
            continue
        if file.suffix not in kinds:
            raise ManifestError(f"{file}: a file of this kind is in no package; remove it, or add the kind to packager/manifest.py")
        nodes.append(Node(f"{to}/{file.relative_to(folder).as_posix()}", 0o644, file.read_bytes()))
    return nodes
