"""Piecing a new route together around a stranger, without tracing all of it.

Rules:
1. The anchor is the last hop before the strangers whose known responder was seen again. Nearer hops are taken over as they were.
2. The new route has joined the old one again where two hops in a row (or the destination) answer as known ones did, all shifted by
   the same number of hops. Farther hops are asked once, since they may differ in another stretch; where nobody answers otherwise they
   are taken over, shifted, and so is the destination's ttl; a shifted end is checked.
3. What lies between is asked hop by hop. At most `AHEAD` hops are asked at a time. A hop that does not answer twice is silent.
4. When `GAP` hops in a row are silent, or `MOST` looks were spent, the whole is not known: a trace is needed.
"""

from collections.abc import Mapping, Sequence

from pathwarden.detect.compare import Hop, hop_at, strangers
from pathwarden.detect.watch.values import Whole

AHEAD = 3  # looks at a time: one rejoin needs two, and more would pass it
GAP = 5  # silent hops in a row, as a trace's gap limit
MOST = 40  # looks: more than a whole trace with one query a hop would need
TRIES = 2

Rows = Mapping[int, Sequence[str | None]]  # by ttl, the answers in their order; None is silence


def seen(rows: Rows, ttl: int) -> Hop:
    """Who answered at a ttl, sorted."""
    return tuple(sorted({who for who in rows.get(ttl, ()) if who is not None}))


def remap(hops: Sequence[Hop], length: int | None, address: str, rows: Rows) -> Whole | tuple[int, ...]:
    """The new route, or the ttls to ask next; no ttl at all means that it cannot be pieced together.

    `rows` holds what was answered on the monitored flow since the stranger was met, `hops` and `length` the route known before.
    """
    strange = strangers(hops, [seen(rows, ttl) for ttl in range(1, len(hops) + 1)])
    first = min(strange, default=min((ttl for ttl, row in rows.items() if address in row and ttl != length), default=1))
    anchor, ask = _anchor(hops, rows, first)
    if ask:
        return (ask,)
    ttl, silent, looks = first, 0, sum(len(row) for row in rows.values())
    while True:
        if address in rows.get(ttl, ()):
            return _checked_end(ttl, rows) or _joined(hops, rows, anchor, ttl, Whole((), ttl))
        row = rows.get(ttl, ())
        if not any(row) and len(row) < TRIES:
            if looks >= MOST:
                return ()
            return tuple(t for t in range(ttl, ttl + AHEAD) if not any(rows.get(t, ())) and len(rows.get(t, ())) < TRIES)
        silent = 0 if any(row) else silent + 1
        if silent >= GAP:
            return ()
        shift = _shift(hops, rows, ttl)
        if shift is not None and all(_agrees(hops, rows, later, shift) for later in rows if later > ttl):
            farther = _unasked(hops, length, rows, ttl, shift)
            if farther and looks < MOST:
                return farther
            return _spliced(hops, length, address, rows, anchor, ttl, shift)
        ttl += 1


def _anchor(hops: Sequence[Hop], rows: Rows, first: int) -> tuple[int, int]:
    """The anchor's ttl (0: ourselves), and the ttl to ask if it is not certain yet (0: none)."""
    for ttl in range(first - 1, 0, -1):
        known = hop_at(hops, ttl)
        if not known:
            continue
        row = rows.get(ttl, ())
        if set(known) & {who for who in row if who is not None}:
            return ttl, 0
        if len(row) < TRIES and not any(row):
            return ttl, ttl
    return 0, 0


def _shift(hops: Sequence[Hop], rows: Rows, ttl: int) -> int | None:
    """By how many hops this one and the one before are farther than known ones in a row; None if they are none."""
    before, here = set(seen(rows, ttl - 1)), set(seen(rows, ttl))
    if not before or not here:
        return None
    for old in range(2, len(hops) + 1):
        if here & set(hops[old - 1]) and before & set(hops[old - 2]):
            return ttl - old
    return None


def _unasked(hops: Sequence[Hop], length: int | None, rows: Rows, ttl: int, shift: int) -> tuple[int, ...]:
    """The first ttls behind this one where a known hop is expected that nobody asked; the destination is not among them."""
    known = range(ttl - shift + 1, min(len(hops), (length or len(hops) + 1) - 1) + 1)
    return tuple(old + shift for old in known if hops[old - 1] and old + shift not in rows)[:AHEAD]


def _agrees(hops: Sequence[Hop], rows: Rows, ttl: int, shift: int) -> bool:
    """Whether what answered at a ttl is what the known route shifted by so much has there."""
    here, known = seen(rows, ttl), hop_at(hops, ttl - shift)
    return not here or not known or bool(set(here) & set(known))


def _checked_end(ttl: int, rows: Rows) -> tuple[int, ...] | None:
    """The destination may answer from beyond its distance: the ttl before must have been asked."""
    row = rows.get(ttl - 1, ())
    return (ttl - 1,) if ttl > 1 and not any(row) and len(row) < TRIES else None


def _joined(hops: Sequence[Hop], rows: Rows, anchor: int, last: int, end: Whole) -> Whole:
    """Known hops up to the anchor, seen ones up to `last`, and the known `end`."""
    return Whole(
        (*(hop_at(hops, ttl) for ttl in range(1, anchor + 1)), *(seen(rows, ttl) for ttl in range(anchor + 1, last + 1)), *end.hops),
        end.length,
    )


def _spliced(
    hops: Sequence[Hop], length: int | None, address: str, rows: Rows, anchor: int, last: int, shift: int
) -> Whole | tuple[int, ...]:
    new_length = None if length is None else length + shift
    if shift and new_length is not None:
        row = rows.get(new_length, ())
        if address not in row:
            return (new_length,) if len(row) < TRIES and not any(row) else ()
    joined = _joined(hops, rows, anchor, last, Whole(tuple(hops[last - shift :]), new_length))
    # The two hops that joined are the known ones, with whoever else was known there.
    merged = list(joined.hops)
    for ttl in (last - 1, last):
        merged[ttl - 1] = tuple(sorted({*merged[ttl - 1], *hop_at(hops, ttl - shift)}))
    return Whole(tuple(merged), new_length)
