import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.mqtt.payload import TooLong, encode, fit


def _hop(ttl: int) -> dict[str, Any]:
    return {"ttl": ttl, "address": f"2001:db8::{ttl:x}", "name": "r" * 60}


def _event(length: int, first: int | None, last: int | None) -> dict[str, Any]:
    hops = [_hop(ttl) for ttl in range(1, length + 1)]
    return {
        "v": 1,
        "first_diff_ttl": first,
        "last_diff_ttl": last,
        "old": {"label": "A", "hops": hops},
        "new": {"label": "B", "hops": hops[:-1]},
    }


def test_compact_and_not_escaped() -> None:
    assert encode({"a": 1, "b": [None, "東京"]}) == '{"a":1,"b":[null,"東京"]}'.encode()


def test_what_fits_stays_as_it_is() -> None:
    event = {**_event(5, 2, 3), "truncated": False}
    assert fit(event, 8192) == encode(event)
    assert fit(event, len(encode(event))) == encode(event)


def test_changed_hops_and_two_neighbours_remain() -> None:
    event = _event(64, 20, 23)
    short = json.loads(fit(event, 8192))
    assert [hop["ttl"] for hop in short["old"]["hops"]] == list(range(18, 26))
    assert [hop["ttl"] for hop in short["new"]["hops"]] == list(range(18, 26))
    assert short["truncated"] is True
    assert short["old"]["label"] == "A"
    assert len(event["old"]["hops"]) == 64, "the argument stays as it was"


def test_hops_without_ttl_count_from_one() -> None:
    path = {"first_diff_ttl": 3, "last_diff_ttl": 3, "hops": [[f"192.0.2.{n}" * 20] for n in range(1, 100)]}
    assert json.loads(fit(path, 8192))["hops"] == path["hops"][0:5]


def test_without_a_change_the_middle_goes() -> None:
    path = {"hops": [_hop(ttl) for ttl in range(1, 256)]}
    ttls = [hop["ttl"] for hop in json.loads(fit(path, 8192))["hops"]]
    assert ttls[0] == 1
    assert ttls[-1] == 255
    assert 60 < len(ttls) < 100
    assert ttls == sorted(ttls)


def test_a_change_that_is_too_long_loses_its_middle() -> None:
    short = fit(_event(255, 1, 255), 8192)
    assert 8192 - 200 < len(short) <= 8192
    assert json.loads(short)["old"]["hops"][0]["ttl"] == 1


def test_no_hops_and_still_too_long() -> None:
    with pytest.raises(TooLong, match=r"\d+ bytes without hops, 100 are allowed"):
        fit({"message": "x" * 200, "hops": [1, 2, 3]}, 100)


def test_old_may_be_null() -> None:
    assert json.loads(fit({"old": None, "new": {"hops": [_hop(n) for n in range(99)]}}, 500))["old"] is None


@given(st.integers(0, 255), st.none() | st.integers(1, 255), st.none() | st.integers(1, 255), st.integers(300, 9000))
def test_never_over_the_limit_and_always_json(length: int, first: int | None, last: int | None, limit: int) -> None:
    data = fit(_event(length, first, last), limit)
    assert len(data) <= limit
    assert json.loads(data).keys() >= {"v", "old", "new"}
