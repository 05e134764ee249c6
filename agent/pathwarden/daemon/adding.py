"""Targets that subscribers add, where the owner allows it (`mqtt.allow_add`).

Rules.
1. They are noted in the history and nowhere else: the daemon never writes the configuration. Each start takes them after its targets.
2. The configuration's schema checks them, beside the targets and sources that there are; what they leave open, `config defaults` says.
   A target's options name no program, no file and no listener, and a source only by its name.
3. There are at most `MOST`, and only they can be removed. What was measured stays in the history.
4. A change is noted and `renew` is called: the agent starts anew with it, soon and not too often (see `run`).
5. One that does not fit beside the configuration any more is told in the log and forgotten with the next change. If the owner allows them
   no more, none is watched; they come back with the permission.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from pathwarden.config.targets import with_added
from pathwarden.errors import ConfigError
from pathwarden.model.commands import MOST_ADDED, OK
from pathwarden.model.settings import Settings

log = logging.getLogger(__name__)

ADDED = "/added"  # where the history keeps them, among what is told of targets

Added = Mapping[str, Mapping[str, str]]  # options as the configuration writes them, by target


def read_added(text: str | None) -> Added:
    """What the history keeps; nothing if that is unreadable, which is told in the log."""
    try:
        return {str(tid): {str(name): str(value) for name, value in options.items()} for tid, options in json.loads(text or "{}").items()}
    except (ValueError, AttributeError):
        log.error("the targets that were added are unreadable in the history: add them again")
        return {}


def with_all(settings: Settings, added: Added) -> Settings:
    """The settings with those of the added targets that fit; the others are told in the log."""
    if not settings.mqtt.allow_add:
        return settings
    for tid, options in list(added.items())[:MOST_ADDED]:
        try:
            settings = with_added(settings, tid, options)
        except ConfigError as error:
            log.warning("the target %s, which was added over MQTT, is left out: %s", tid, "; ".join(str(error).splitlines()))
    return settings


class Additions:
    """Adds and removes; the publisher's thread alone calls it. `settings` are those in force, `keep` takes what is to be noted.

    Implements `protocols.Additions`.
    """

    def __init__(self, settings: Settings, added: Added, keep: Callable[[str], None], renew: Callable[[], None]) -> None:
        self._settings = settings
        self._added = {tid: added[tid] for tid in settings.added}
        self._keep = keep
        self._renew = renew

    def add(self, tid: str, options: Mapping[str, str]) -> tuple[str, str]:
        """Check and note a target."""
        if not self._settings.mqtt.allow_add:
            return "not_allowed", ""
        if any(target.tid == tid for target in self._settings.targets):
            return "target_exists", ""
        if len(self._added) >= MOST_ADDED:
            return "too_many_targets", ""
        try:
            self._settings = with_added(self._settings, tid, options)
        except ConfigError as error:
            return "bad_parameter", str(error).splitlines()[0].removeprefix(f"pathwarden.{tid}").lstrip(".: ")
        self._added[tid] = options
        return self._note()

    def remove(self, tid: str) -> tuple[str, str]:
        """Forget a target that was added."""
        if not self._settings.mqtt.allow_add:
            return "not_allowed", ""
        if tid not in self._added:
            known = any(target.tid == tid for target in self._settings.targets)
            return ("not_added" if known else "unknown_target"), ""
        del self._added[tid]
        left = tuple(target for target in self._settings.targets if target.tid != tid)
        self._settings = replace(self._settings, targets=left, added=tuple(self._added))
        return self._note()

    def _note(self) -> tuple[str, str]:
        self._keep(json.dumps(self._added, ensure_ascii=False, separators=(",", ":")))
        self._renew()
        return OK, ""
