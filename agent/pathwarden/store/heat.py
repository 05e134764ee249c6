"""A target's hops over time, from traces where they are kept and from the levels before; see `model.history.Heat`."""

from collections.abc import Mapping
from typing import Any

from pathwarden.model.history import Heat, HeatCell
from pathwarden.store.blocks import DAY_NS, Head
from pathwarden.store.codec import decode_trace
from pathwarden.store.levels import DAY_S, Group, Ticks, decode_day
from pathwarden.store.past import Past
from pathwarden.store.rows import Meanings
from pathwarden.store.series import days_of, finest_s

_NS = 1_000_000_000
_MS = 1_000_000
_TICKS_PER_MS = 100
_HOURLY_S = 10 * DAY_S  # a longer span takes figures of days: those of so many hours would take longer to read than a page may wait

Cells = Mapping[int, HeatCell]


def heat(past: Past, tid: str, at_from: int, at_to: int, columns: int) -> Heat:
    """See `Reader.heat`."""
    days = days_of(past, tid, at_from, at_to)
    if at_to - at_from > _HOURLY_S * _NS:
        days = [(day, whole, None) for day, whole, _ in days]
    seconds = max(1, -(-(at_to - at_from) // (columns * _NS)), finest_s(days))
    width = seconds * _NS
    count = -(-(at_to - at_from) // width)
    at_s: list[int | None] = [None] * count
    hops: list[Cells] = [{}] * count
    for number, (at, group) in _most_followed(days, at_from, at_to, width).items():
        at_s[number] = at // _NS
        hops[number] = {group.first_ttl + place: _of_figures(each) for place, each in enumerate(group.hops)}
    for number, (meanings, row) in _worst(past, tid, at_from, at_to, width).items():
        at_s[number] = -(-row.at // _NS)
        hops[number] = _of_trace(meanings, row)
    return Heat(at_from // _NS, seconds, at_s, hops)


def _worst(past: Past, tid: str, at_from: int, at_to: int, width: int) -> dict[int, tuple[Meanings, Head]]:
    found: dict[int, tuple[Any, tuple[Meanings, Head]]] = {}
    for meanings, row in past.heads(tid, at_from, at_to):
        number = (row.at - at_from) // width
        # The number last: of equals always the same one, and rows are never compared.
        badness = (row.lost / row.sent if row.sent else 0, row.rtt_median or 0, row.id)
        if number not in found or found[number][0] < badness:
            found[number] = badness, (meanings, row)
    return {number: row for number, (_, row) in found.items()}


def _most_followed(days: list[Any], at_from: int, at_to: int, width: int) -> dict[int, tuple[int, Group]]:
    found: dict[int, tuple[int, Group]] = {}
    for day, whole, hours in days:
        for start_s, width_s, group in decode_day(whole, hours, with_hops=True):
            start = day * DAY_NS + start_s * _NS
            if at_from < start + width_s * _NS and start < at_to:
                number = (max(start, at_from) - at_from) // width
                if number not in found or found[number][1].traces < group.traces:
                    found[number] = start, group
    return found


def _of_trace(meanings: Meanings, row: Head) -> Cells:
    told = meanings.content(row)
    cells = {}
    for hop in decode_trace(told.form, row.detail, told.path).hops:
        rtts = sorted(hop.rtts_ns)
        median = (rtts[(len(rtts) - 1) // 2] + rtts[len(rtts) // 2]) / 2 / _MS if rtts else None
        cells[hop.ttl] = HeatCell(len(hop.answers), len(hop.answers) - len(rtts), median)
    return cells


def _of_figures(figures: Ticks) -> HeatCell:
    return HeatCell(figures.sent, figures.lost, figures.rtts[2] / _TICKS_PER_MS if figures.rtts else None)
