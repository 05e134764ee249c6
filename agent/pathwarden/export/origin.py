"""Who made a target's traces and what they asked for, in the names that other programs use."""

import json
from hashlib import sha256
from typing import NamedTuple, Self

FIRST_ID = 1_000_000_000  # numbers of measurements and probes from here on are not in use at RIPE Atlas
MOST_ID = 2**63  # no number of theirs comes near


class Origin(NamedTuple):
    """A target's traces as a series of measurements.

    `name` is what was asked for, a host name or an address, '' for whatever address was probed. `measurement` and `observer` are the
    numbers of RIPE Atlas, `monitor` and `method` scamper's words for observer and method ('' : by the flow). `form` and `file` tell of
    imported traces whose they are and which file brought them first; they are '' for our own.
    """

    name: str
    measurement: int
    observer: int
    monitor: str
    method: str = ""
    form: str = ""
    file: str = ""

    @classmethod
    def of_ours(cls, agent: str, tid: str, host: str) -> Self:
        """The origin of what this agent measures: equal names give equal numbers."""
        return cls(host, _number(f"{agent}/{tid}"), _number(agent), agent)

    @classmethod
    def read(cls, text: str) -> Self:
        """The opposite of `text`."""
        return cls(**json.loads(text))

    def asked_for(self, address: str) -> str:
        """What a trace to this address ('': it had none) was asked to find."""
        return self.name or address or "unknown"

    @property
    def text(self) -> str:
        """All of it as JSON."""
        return json.dumps(self._asdict(), ensure_ascii=False, separators=(",", ":"))

    @property
    def words(self) -> str:
        """Where imported traces come from, for people; '' for our own."""
        if not self.form:
            return ""
        what = f"measurement {self.measurement}, probe {self.observer}" if self.form == ATLAS else f"monitor {self.monitor}"
        return f"{_PROGRAMS[self.form]}, {what}, to {self.name}"


ATLAS, SCAMPER = "atlas", "scamper"
_PROGRAMS = {ATLAS: "RIPE Atlas", SCAMPER: "scamper"}


def _number(name: str) -> int:
    return FIRST_ID + int.from_bytes(sha256(name.encode()).digest()[:4], "big") % FIRST_ID
