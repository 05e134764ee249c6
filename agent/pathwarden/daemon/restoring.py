"""What the history remembers of targets, of what was told, and of the lines: as it was when it was last written.

`kept` are the reader's `tellings`, which who starts reads once.
"""

import json
import logging
import os
from collections.abc import Mapping

from pathwarden.daemon.reporting import LOAD, REST
from pathwarden.daemon.telling import Entropy, Teller
from pathwarden.detect.detector import Detector
from pathwarden.detect.judge import Judge
from pathwarden.detect.load import Load
from pathwarden.model.protocols import Clock, HistoryReader
from pathwarden.model.settings import Settings

log = logging.getLogger(__name__)


def restore_detectors(settings: Settings, reader: HistoryReader) -> dict[str, Detector]:
    """One detector per target, as it was when the history was last written."""
    learn_s = round(settings.agent.learn_h * 3600)
    states = reader.states()
    detectors = {}
    for target in settings.targets:
        routes = tuple(reader.routes(target.tid))
        text = states.get(target.tid)
        detectors[target.tid] = Detector(target.tid, learn_s, routes=routes)
        if text is not None:
            try:
                detectors[target.tid] = Detector.restore(target.tid, learn_s, text, routes)
            except (ValueError, TypeError, KeyError):
                log.error("the state of target %s in the history is unreadable: its route is learned anew", target.tid)
    return detectors


def restore_judges(settings: Settings, reader: HistoryReader, kept: Mapping[str, str]) -> dict[str, Judge]:
    """One judge per target, as it was when the history was last written."""
    judges = {tid: Judge(detector) for tid, detector in restore_detectors(settings, reader).items()}
    for tid, judge in judges.items():
        text = kept.get(f"{tid}{REST}")
        if text is not None:
            try:
                judge.restore_rest(text)
            except (ValueError, TypeError, KeyError):
                log.error("what was noted about target %s is unreadable in the history: it is learned anew", tid)
    return judges


def restore_teller(
    settings: Settings, judges: Mapping[str, Judge], reader: HistoryReader, kept: Mapping[str, str], entropy: Entropy = os.urandom
) -> Teller:
    """The teller, as it was when the history was last written; `entropy` gives the events' ids."""
    teller = Teller(settings.agent.name, settings.targets, entropy, lambda tid: judges[tid].detector.route)
    teller.restore(kept, reader.change_numbers())
    return teller


def restore_load(kept: Mapping[str, str], clock: Clock) -> Load:
    """What is known of the lines' speeds."""
    text = kept.get(LOAD)
    try:
        return Load() if text is None else Load.restore(json.loads(text), clock.mono_ns())
    except (ValueError, TypeError, KeyError):
        log.error("the lines' speeds are unreadable in the history: they are learned anew")
        return Load()
