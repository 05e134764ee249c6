"""A listener that is a file: a proxy on this machine asks the page through it."""

import errno
import socket
import stat
from pathlib import Path

from pathwarden.errors import OperatorError

MODE = 0o660  # our user, and the folder's group where the folder hands that on (chmod g+s)
BACKLOG = 64
_ERRORS = {
    errno.ENOENT: ("lies in a folder that is not there", "make the folder"),
    errno.EACCES: ("may not be made there", "let the daemon's user write the folder"),
    errno.EPERM: ("may not be made there", "let the daemon's user write the folder"),
    errno.EADDRINUSE: ("is in use by another program", "choose another path"),
    errno.EEXIST: ("is no socket", "choose another path, or remove what is there"),
}


def bind_file(listen: str, path: str) -> socket.socket:
    """A socket that listens at a path; one that nobody listens on any more gives way. Raises `OperatorError`, which names `listen`."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(Path(path))
        bound.bind(path)
        Path(path).chmod(MODE)  # before anybody can connect, which `listen` allows
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        problem, remedy = _ERRORS.get(error.errno or 0, (f"cannot be listened on: {error.strerror}", ""))
        raise OperatorError(f"web.listen: {listen} {problem}", remedy) from error
    return bound


def _clear(path: Path) -> None:
    """Remove a socket that was left behind. Raises `OSError` for one in use, or for what is no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "no socket", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full backlog is somebody's, too
        if probe.connect_ex(str(path)) != errno.ECONNREFUSED:
            raise OSError(errno.EADDRINUSE, "in use", str(path))
    path.unlink()
