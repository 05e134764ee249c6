"""What a package installs: folders, files and links as values."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple


class Node(NamedTuple):
    """One thing to install, owned by root. `path` has no slash at either end; '' is the root itself.

    `content` is None for a folder; `target` is the text of a symbolic link, '' for all else.
    """

    path: str
    mode: int
    content: bytes | None = None
    target: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether other nodes may lie in it."""
        return self.content is None and not self.target


def with_folders(files: Iterable[Node]) -> list[Node]:
    """The files and every folder above them, 0755, the root first: folders by path, then files by path."""
    # Package managers give folders that exist the package's mode, so all of them carry the usual one.
    files = sorted(files)
    folders = {str(parent).strip(".") for file in files for parent in PurePosixPath(file.path).parents}
    return [*(Node(path, 0o755) for path in sorted(folders)), *files]
