"""Which devices Home Assistant is told of, and which retained topics are ours no more.

Rules.
1. One device for the agent and one for each target, again with each connection, and when Home Assistant says that it has started; then
   within some seconds that chance chooses, since a fleet hears it at the same instant.
2. A target that was removed or renamed leaves retained messages behind. The ledger knows every retained topic that was ever used; those
   that are ours no more are emptied, which Home Assistant takes as a device's removal.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from pathwarden.mqtt.connection import Heard
from pathwarden.mqtt.topics import Topics
from pathwarden.present.discovery import of_agent, of_target

_BIRTH = b"online"
_SPREAD_NS = 5_000_000_000


class States(Protocol):
    """The part of `Agent` that is needed here."""

    def target_state(self, tid: str) -> dict[str, object] | None:
        """The JSON object of one target's `state` topic."""
        ...


class Ledger(Protocol):
    """Retained topics that an earlier configuration used."""

    @property
    def stale(self) -> Sequence[str]:
        """Those that are ours no more and may still hold something."""
        ...

    def emptied(self, topic: str) -> None:
        """The broker has emptied one."""
        ...


class Announcer:
    """The publisher's thread alone calls it. `prefix` is Home Assistant's, '' without."""

    def __init__(self, topics: Topics, prefix: str, agent: States, ledger: Ledger) -> None:
        self.enabled = bool(prefix)
        self.ledger = ledger
        self._topics = topics
        self._prefix = prefix
        self._agent = agent

    def device_topic(self, tid: str) -> str:
        """Where a target's device is told, '' is the agent's."""
        return device_topic(self._prefix, self._topics, tid)

    def device(self, tid: str) -> Mapping[str, object] | None:
        """A target's device, '' is the agent's; None if there is no such target."""
        base = f"{self._topics.prefix}/{self._topics.agent}"
        if not tid:
            return of_agent(base, self._topics.agent)
        state = self._agent.target_state(tid)
        return state and of_target(base, self._topics.agent, state)

    def is_birth(self, heard: Heard) -> bool:
        """Whether Home Assistant says that it has started."""
        return self.enabled and heard.topic == birth_topic(self._prefix) and heard.payload == _BIRTH

    def due_ns(self, mono_ns: int) -> int:
        """When to tell everything again after a birth."""
        return mono_ns + random.randrange(_SPREAD_NS)  # noqa: S311 - spreads agents, guards nothing


def birth_topic(prefix: str) -> str:
    """Where Home Assistant says that it has started."""
    return f"{prefix}/status"


def device_topic(prefix: str, topics: Topics, tid: str) -> str:
    """Where a device is told, of a target or ('') of the agent."""
    return f"{prefix}/device/pathwarden_{topics.agent}{f'_{tid}' if tid else ''}/config"


def retained(topics: Topics, prefix: str, tids: Sequence[str]) -> tuple[str, ...]:
    """Every topic on which we leave a retained message; `prefix` as for `Announcer`.

    Devices come first, and so are emptied first: Home Assistant complains of an empty state of a device that it still has.
    """
    devices = [device_topic(prefix, topics, tid) for tid in ("", *tids) if prefix]
    return (*devices, topics.status, topics.info, *(topic for tid in tids for topic in (topics.state(tid), topics.path(tid))))
