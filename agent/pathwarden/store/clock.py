"""Corrects the instants of traces, routes, events and incidents that were written before the clock was right."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from pathwarden.model.instants import ClockShift
from pathwarden.present.instants import parse_instant, rfc3339
from pathwarden.store import texts
from pathwarden.store.blocks import unpack
from pathwarden.store.codec import started, synced

# Where an event's body has instants: by the member that holds them, '' being the body itself.
_INSTANTS = {
    "": ("first_seen_at", "occurred_at"),
    "old": ("since",),
    "new": ("since",),
    "digest": ("first_at", "last_at"),
    "incident": ("opened_at", "updated_at", "closed_at"),
}


def correct(db: sqlite3.Connection, boot: str, shift: ClockShift) -> int:
    """Correct what this boot wrote with a clock that was not known to be right; how many traces that were.

    A trace knows its monotonic start, so its instant is exact. Routes and events are moved by as much as the clock jumped.
    """
    corrected = correct_traces(db, boot, shift)
    events = db.execute(
        "SELECT seq, at, body FROM events WHERE clock_synced = 0 AND at BETWEEN ? AND ?", (shift.since, shift.until)
    ).fetchall()
    db.executemany(
        "UPDATE events SET at = ?, clock_synced = 1, body = ? WHERE seq = ?",
        [(shift.of(at), _moved(body, shift), seq) for seq, at, body in events],
    )
    _correct_incidents(db, shift)
    return corrected


def correct_traces(db: sqlite3.Connection, boot: str, shift: ClockShift) -> int:
    """Correct only traces and routes, which both databases have."""
    row = db.execute("SELECT id FROM boots WHERE boot = ?", (boot,)).fetchone()
    if row is None:
        return 0
    unpack(db, row[0])
    corrected = [
        (mono_ns + shift.mono_offset_ns, synced(detail), number)
        for number, detail in db.execute("SELECT id, detail FROM traces WHERE boot = ?", row)
        for was_synced, mono_ns in (started(detail),)
        if not was_synced
    ]
    db.executemany("UPDATE traces SET at = ?, detail = ? WHERE id = ?", corrected)
    db.execute("UPDATE OR REPLACE spans SET at = at + ? WHERE at BETWEEN ? AND ?", (shift.by_ns, shift.since, shift.until))
    db.execute(
        "UPDATE routes SET first_at = first_at + :by WHERE first_at BETWEEN :since AND :until",
        {"by": shift.by_ns, "since": shift.since, "until": shift.until},
    )
    db.execute(
        "UPDATE routes SET last_at = last_at + :by WHERE last_at BETWEEN :since AND :until",
        {"by": shift.by_ns, "since": shift.since, "until": shift.until},
    )
    return len(corrected)


def _correct_incidents(db: sqlite3.Connection, shift: ClockShift) -> None:
    rows = db.execute("SELECT id, opened_at, closed_at, body FROM incidents").fetchall()
    for number, opened_at, closed_at, body in rows:
        text = texts.unpack(body)
        incident = json.loads(text)
        _move(incident, _INSTANTS["incident"], shift)
        opened, closed = shift.of(opened_at), None if closed_at is None else shift.of(closed_at)
        moved = json.dumps(incident, ensure_ascii=False, separators=(",", ":"))
        if (opened, closed, moved) != (opened_at, closed_at, text):
            values = (opened, closed, texts.pack(moved), number)
            db.execute("UPDATE incidents SET opened_at = ?, closed_at = ?, body = ? WHERE id = ?", values)


def _moved(body: str | bytes, shift: ClockShift) -> bytes:
    event = json.loads(texts.unpack(body))
    event["clock_synced"] = True
    for place, keys in _INSTANTS.items():
        holder = event.get(place) if place else event
        if isinstance(holder, dict):
            _move(holder, keys, shift)
    return texts.pack(json.dumps(event, ensure_ascii=False, separators=(",", ":")))


def _move(holder: dict[str, Any], keys: Iterable[str], shift: ClockShift) -> None:
    for key in keys:
        if key in holder:
            holder[key] = _later(holder[key], shift)


def _later(text: str | None, shift: ClockShift) -> str | None:
    return None if text is None else rfc3339(shift.of(parse_instant(text)))
