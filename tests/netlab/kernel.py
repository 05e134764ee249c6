"""What the laboratory asks of the kernel: entering a namespace, reading a process's namespace, kernel settings."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NETNS = Path("/run/netns")
_CLONE_NEWNET = 0x40000000  # <sched.h>
_TENTATIVE = 0x40  # IFA_F_TENTATIVE, <linux/if_addr.h>
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd: int) -> None:
    """Move the calling thread (os.setns exists from Python 3.12 only; we run on 3.11)."""
    if _libc.setns(fd, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")


@contextmanager
def entered(name: str) -> Iterator[None]:
    """Run the block with the calling thread inside the namespace `name`.

    A socket belongs for ever to the namespace in which it was opened, so it may be used after the block. Threads and
    programs started in the block stay inside; threads that ran before stay outside. /sys still shows the old namespace.
    """
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        inside = os.open(NETNS / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(inside)
        finally:
            os.close(inside)
        try:
            yield
        finally:
            _setns(before)
    finally:
        os.close(before)


def write_sysctls(name: str, settings: dict[str, str]) -> None:
    """Write kernel settings of one namespace; keys as sysctl(8) writes them. /proc/sys/net follows the calling thread."""
    with entered(name):
        for key, value in settings.items():
            Path("/proc/sys", key.replace(".", "/")).write_text(value, encoding="ascii")


def has_link_local(name: str, dev: str) -> bool:
    """Whether a device has an IPv6 link-local address that it may use."""
    with entered(name):
        lines = Path("/proc/thread-self/net/if_inet6").read_text(encoding="ascii").splitlines()
    rows = (line.split() for line in lines)  # address, index, prefix length, scope, flags, device
    return any(row[5] == dev and row[3] == "20" and not int(row[4], 16) & _TENTATIVE for row in rows)


def pids_inside(names: list[str]) -> list[int]:
    """The processes whose network namespace is one of `names`, without this process."""
    inodes = {(NETNS / name).stat().st_ino for name in names if (NETNS / name).exists()}
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            inode = (entry / "ns/net").stat().st_ino
        except OSError:  # it ended meanwhile
            continue
        if inode in inodes:
            found.append(int(entry.name))
    return found
