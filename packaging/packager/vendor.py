"""waitress, which no feed has, as released: the only foreign code that travels inside the package."""

import hashlib
from pathlib import Path

from packager.tree import Node

VERSION = "3.0.2"
# Over names and contents of the released modules and the licence: another version or a changed file is refused.
DIGEST = "89f482d5a9eabb2d8ef2e8d087ce5479544a9be48a6efbf3d2a1a0245ff5c731"
PLACE = "usr/lib/pathwarden/vendor"
ARCHIVE = "vendor"


class VendorError(ValueError):
    """The folder does not hold the waitress that the package carries."""


def load(folder: Path) -> list[Node]:
    """The modules and the licence of waitress, from an environment's site-packages or from `src` of its unpacked source.

    Raises `VendorError` unless they are those of the pinned release.
    """
    licences = [folder / f"waitress-{VERSION}.dist-info" / "LICENSE.txt", folder.parent / "LICENSE.txt"]
    licence = next((file for file in licences if file.is_file()), None)
    modules = sorted((folder / "waitress").glob("*.py"))
    if licence is None or not modules:
        raise VendorError(f"{folder}: there is no waitress {VERSION} with its licence; pip install waitress=={VERSION}")
    nodes = [Node(f"{PLACE}/waitress/{file.name}", 0o644, file.read_bytes()) for file in [licence, *modules]]
    found = hashlib.sha256(
        b"".join(b"%s %d\n%s" % (node.path.encode(), len(node.content or b""), node.content) for node in nodes)
    ).hexdigest()
    if found != DIGEST:
        raise VendorError(f"{folder}: this is not waitress {VERSION} as released; pip install --force-reinstall waitress=={VERSION}")
    return nodes
