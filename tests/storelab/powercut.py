"""The store thread on a disk whose power is cut: `unshare --mount --pid --fork --kill-child python -m storelab.powercut FOLDER COUNT SEED`.

The disk is an ext4 in a file. Its power is cut by shutting the filesystem down without flushing its log, so what was not synced is
gone. This process is alone in its namespaces: whatever ends it, the kernel unmounts the disk and frees the loop device.
"""

import fcntl
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from storelab.ends import LIVES_A_HISTORY, end_one, forget, left
from storelab.ledger import ALL, Ledger
from storelab.life import live_dir, prepare

_LONGEST_S = 0.3  # some ten transactions: each waits for the disk
_DISK_BYTES = 16_000_000
_FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32) of the kernel's <linux/fs.h>
_NO_LOG_FLUSH = (2).to_bytes(4, sys.byteorder)  # XFS_FSOP_GOING_FLAGS_NOLOGFLUSH of the kernel's xfs_fs.h, which ext4 takes as well
_JOURNALLING = ("data=ordered", "data=writeback")  # whether a file's content goes before what its folder says of it, or when it likes


class Disk:
    """An ext4 in a file, mounted while in use."""

    def __init__(self, image: Path, place: Path) -> None:
        self._image, self._place = image, place
        place.mkdir()
        with image.open("wb") as file:
            file.truncate(_DISK_BYTES)
        _run("mkfs.ext4", "-q", "-F", str(image))

    def mount(self, options: str) -> None:
        """Take the disk into use; its log is played back."""
        _run("mount", "-o", f"loop,{options}", str(self._image), str(self._place))

    def unmount(self) -> None:
        """Put the disk away; its loop device goes with it."""
        _run("umount", str(self._place))

    def pull(self) -> None:
        """Take the disk out while it is in use."""
        self.cut()
        _run("umount", "--lazy", str(self._place))
        # Another device when it is put back: of the same file mount(8) would take the dead one again.
        copy = self._image.with_suffix(".copy")
        shutil.copy(self._image, copy)
        copy.replace(self._image)

    def cut(self) -> None:
        """Forget what was not synced; whoever writes gets an error from now on."""
        descriptor = os.open(self._place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _FS_IOC_SHUTDOWN, _NO_LOG_FLUSH)
        finally:
            os.close(descriptor)


def main() -> None:
    """Cut, compare, and say what there was."""
    folder, count, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[3])
    base, place = folder / "base.db", folder / "disk"
    first = prepare(base)
    disk, path = Disk(folder / "image", place), place / "history.db"
    unfinished = spooled = events = 0
    for start in range(0, count, LIVES_A_HISTORY):
        disk.mount("data=ordered")
        shutil.copy(base, path)
        _run("sync", "-f", str(path))
        ledger = Ledger(first, cut=True)
        for _ in range(start, min(start + LIVES_A_HISTORY, count)):
            ledger.heard(end_one(path, rng, _LONGEST_S, disk.cut))
            shutil.rmtree(live_dir(path), ignore_errors=True)  # memory, which has no power either
            disk.unmount()
            disk.mount(rng.choice(_JOURNALLING))
            journal, samples = left(path)
            unfinished += journal
            spooled += samples
            ledger.check(path)
            ledger.resume(path)
        events += ledger.check(path, ALL)
        forget(path)
        disk.unmount()
    print(f"{count} power cuts, {unfinished} of them left an unfinished write, {spooled} a samples file; {events} events kept")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"power cuts need root, mkfs.ext4 and a free loop device, and {command[0]} says: {done.stderr.strip()}")


if __name__ == "__main__":
    main()
