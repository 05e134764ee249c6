"""Instants as people and programs exchange them: RFC 3339 text outside, wall-clock nanoseconds since 1970 inside."""

import re
from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_NS = 2**63 - 1  # what the history's integer columns hold: the year 2262
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

_NOT_ONE = "not an RFC 3339 date and time such as 2026-11-21T08:45:00Z"


def rfc3339(at: int) -> str:
    """An instant as UTC with milliseconds, cut and not rounded: `2026-11-21T08:45:00.123Z`."""
    seconds, rest_ns = divmod(at, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1_000, tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"


def parse_instant(text: str) -> int:
    """Wall-clock nanoseconds of an RFC 3339 date and time with any offset; up to nine decimals count.

    Raises `ValueError` for anything else, and for instants before 1970 or after 2262.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(_NOT_ONE)
    day, clock, fraction, offset = match.groups()
    try:
        since = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in 'Zz' else offset}") - EPOCH
    except ValueError:  # a day, an hour or an offset that there is not; each Python tells it in other words
        raise ValueError(_NOT_ONE) from None
    at = (since.days * 86_400 + since.seconds) * 1_000_000_000 + int((fraction or "").ljust(9, "0"))
    if not 0 <= at <= LAST_NS:
        raise ValueError("outside the years 1970 to 2262")
    return at
