"""JSON payloads that stay within a limit."""

import json
from collections.abc import Mapping
from typing import Any

# What is shown around a difference when hops are left out.
_NEIGHBOURS = 2
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class TooLong(ValueError):
    """A payload exceeds the limit even without its hops."""


def encode(payload: object) -> bytes:
    """UTF-8 JSON without spaces. Half a surrogate pair, which UTF-8 cannot carry, leaves as the JSON escape that brought it."""
    return _ENCODER.encode(payload).encode("utf-8", "backslashreplace")


def fit(payload: Mapping[str, Any], limit: int) -> bytes:
    """UTF-8 JSON of at most `limit` bytes; hops are left out as far as needed, and then `truncated` is true.

    The lists that shrink are `hops` and those inside `old` and `new`: first to the changed hops (`first_diff_ttl` to
    `last_diff_ttl`) and two neighbours on each side, then from their middle, until it fits. Raises `TooLong`.
    """
    whole = encode(payload)
    if len(whole) <= limit:
        return whole
    lists = {place: _around_change(payload, hops) for place, hops in _hop_lists(payload).items()}
    while (excess := len(data := encode(_with_hops(payload, lists))) - limit) > 0:
        if not any(lists.values()):
            raise TooLong(f"{len(data)} bytes without hops, {limit} are allowed")
        _drop(list(lists.values()), excess)
    return data


def _drop(lists: list[list[Any]], excess: int) -> None:
    """Take hops of about `excess` bytes out of the middle of the longest lists; at least one."""
    while excess > 0 and (longest := max(lists, key=len)):
        excess -= len(encode(longest.pop(len(longest) // 2))) + 1  # and a comma


def _hop_lists(payload: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Lists of hops by place: '' is the payload itself, else the key of the object that holds them."""
    places = {"": payload, "old": payload.get("old"), "new": payload.get("new")}
    return {
        place: holder["hops"] for place, holder in places.items() if isinstance(holder, Mapping) and isinstance(holder.get("hops"), list)
    }


def _around_change(payload: Mapping[str, Any], hops: list[Any]) -> list[Any]:
    first, last = payload.get("first_diff_ttl"), payload.get("last_diff_ttl")
    if not isinstance(first, int) or not isinstance(last, int):
        return list(hops)
    kept = range(first - _NEIGHBOURS, last + _NEIGHBOURS + 1)
    return [hop for number, hop in enumerate(hops, 1) if (hop["ttl"] if isinstance(hop, Mapping) else number) in kept]


def _with_hops(payload: Mapping[str, Any], lists: Mapping[str, list[Any]]) -> dict[str, Any]:
    short: dict[str, Any] = {**payload, "truncated": True}
    for place, hops in lists.items():
        if place:
            short[place] = {**payload[place], "hops": hops}
        else:
            short["hops"] = hops
    return short
