"""The firewall mark that keeps multi-WAN services away from our probes: mwan3 and pbr steer only packets that have none of theirs."""

import re
from collections.abc import Callable, Collection
from pathlib import Path

MWAN3_MASK = Path("/var/run/mwan3/mmx_mask")  # the mask that the running mwan3 uses
PBR_CONFIG = Path("/etc/config/pbr")
_PBR_MASK = 0x00FF0000  # pbr's default; one who may not read its configuration goes by it
_NUMBER = re.compile(r"\s*(?:0[xX])?([0-9a-fA-F]{1,8})\s*")
_OPTION = re.compile(r"""^\s*option\s+['"]?(\w+)['"]?\s+['"]?([^'"\s]*)['"]?\s*$""", re.MULTILINE)
_LONGEST = 65536  # characters of a configuration; pbr's own has 3,000


def mwan3_mark(text: str) -> int:
    """All bits of mwan3's mask, which means to it `do not touch`; 0 if the text is no mask."""
    found = _NUMBER.fullmatch(text)
    return int(found[1], 16) if found else 0


def pbr_mark(config: str, used: Collection[int]) -> int:
    """A mark in the mask of a pbr configuration that no interface has; 0 if pbr is switched off or every mark is taken.

    `used` are the marks in the kernel's rules. pbr passes over every packet that has any bit of its mask.
    """
    options = dict(_OPTION.findall(config))
    if options.get("enabled", "0") != "1":
        return 0
    found = _NUMBER.fullmatch(options.get("fw_mask", ""))
    return _free(int(found[1], 16) if found else _PBR_MASK, used)


def _free(mask: int, used: Collection[int]) -> int:
    """The highest mark in a mask that is not used."""
    taken = {mark & mask for mark in used}
    mark = mask
    while mark and mark in taken:
        mark = (mark - 1) & mask
    return mark


class Marks:
    """The mark to set now. `used` asks the kernel for the marks in its rules, and is called only where pbr is installed."""

    def __init__(self, used: Callable[[], Collection[int]], mwan3: Path = MWAN3_MASK, pbr: Path = PBR_CONFIG) -> None:
        self._used = used
        self._mwan3 = mwan3
        self._pbr = pbr
        self._pbr_mark = 0

    def refresh(self) -> None:
        """Look at pbr's configuration again."""
        try:
            with self._pbr.open(encoding="utf-8", errors="replace") as file:
                self._pbr_mark = pbr_mark(file.read(_LONGEST), self._used())
        except PermissionError:
            self._pbr_mark = _free(_PBR_MASK, self._used())
        except OSError:
            self._pbr_mark = 0

    def __call__(self) -> int:
        """mwan3's mark while it runs, else pbr's, else 0. The file of mwan3 is in memory: reading it waits for no disk."""
        try:
            return mwan3_mark(self._mwan3.read_text(encoding="ascii", errors="replace")) or self._pbr_mark
        except OSError:
            return self._pbr_mark
