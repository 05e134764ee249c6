"""What a target's watch keeps over a restart."""

import json

import pytest

from pathwarden.detect.detector import Detector
from pathwarden.detect.watch.target import TargetWatch

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
