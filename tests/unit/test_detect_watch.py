"""The watch between traces: what it keeps over a restart, and that what is urgent is not crowded out."""

import json
from collections import Counter

import pytest

from equipment.traces import SECOND, SITE, trace_of
from pathwarden.detect.detector import Detector
from pathwarden.detect.watch.target import TargetWatch
from pathwarden.detect.watch.values import Errand, Kind
from pathwarden.detect.watch.watcher import Watcher
from pathwarden.model.change import Change, ChangeKind
from pathwarden.model.trace import Answer

ROUTERS = ("r1", "r2", "r3", "r4", "r5", "r6", "r7")
CHANGED_NS = 1_000_000_000


def watch() -> TargetWatch:
    return TargetWatch("home", Detector("home", 0), lambda _tid, _mono_ns: True)


def test_a_restarted_watch_goes_on_where_the_first_one_was() -> None:
    first, second = watch(), watch()
    for _ in range(3):
        first.count_change(CHANGED_NS)
    kept = json.loads(json.dumps(first.export()))
    second.restore(kept)
    assert second.export() == kept
    assert second.changes(CHANGED_NS) == pytest.approx(first.changes(CHANGED_NS))
    assert second.changes(CHANGED_NS) > watch().changes(CHANGED_NS) + 2


@pytest.mark.parametrize("values", [{}, {"changes": "3", "audits": {}, "back_off": {}}, {"changes": 1, "audits": [], "back_off": {}}])
def test_what_no_watch_wrote_is_refused(values: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        watch().restore(values)


def answers(errand: Errand, *, last_ttl: int) -> list[Answer]:
    """Every router up to `last_ttl` answers, and nobody behind it."""
    return [Answer(n, ROUTERS[look.ttl - 1], 1, None) if 0 < look.ttl <= last_ttl else Answer(n) for n, look in enumerate(errand.looks)]


@pytest.mark.parametrize("pps", [1.0, 10.0, 60.0, 100.0])
def test_a_sweep_begins_however_many_probes_keep_the_routers_busy(pps: float) -> None:
    detectors = {f"site{number}": Detector("site", 0) for number in range(4)}
    for detector in detectors.values():
        detector.on_trace(trace_of(*ROUTERS, SITE))
    watcher = Watcher(detectors, pps, lambda _tid, _mono_ns: True, 0)
    told: list[Change] = []
    sent: Counter[Kind] = Counter()
    for now_ns in range(0, 120 * SECOND, SECOND // 200):
        for errand in watcher.due(now_ns, lambda _tid: True):
            sent[errand.kind] += len(errand.looks)
            told += watcher.done(errand, answers(errand, last_ttl=5), trace_of(reached=False, mono_s=now_ns / SECOND), now_ns).changes
        if len(told) == len(detectors):
            break
    assert [(change.kind, change.lost_after_ttl) for change in told] == [(ChangeKind.TARGET_UNREACHABLE, 5)] * len(detectors), sent
