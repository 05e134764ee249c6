"""Which program wrote an item, told by its members, and the traces in it."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from pathwarden.export.reading import atlas, own, scamper
from pathwarden.export.reading.fields import shown
from pathwarden.export.reading.recorded import Ignored, Recorded, Unreadable

_KEYS = 4  # names of members that an error shows


def traces(data: bytes) -> tuple[Recorded, ...] | Ignored:
    """The traces of one item. Raises `Unreadable`, and nothing else, whatever the bytes are."""
    values = _value(data)
    if own.is_mine(values):
        return own.read(values)
    for form in (atlas, scamper):
        if form.is_mine(values):
            found = form.read(values)
            return found if isinstance(found, Ignored) else (found,)
    names = ", ".join(shown(key) for key in list(values)[:_KEYS])
    raise Unreadable(f"it is no trace of RIPE Atlas, scamper or Pathwarden; its members are {names or 'none'}")


def _value(data: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(data.decode(), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte {error.start} of it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"it is not JSON: {error.msg} at character {error.pos}") from None
    except ValueError as error:  # a number that is none, or with more digits than Python reads
        raise Unreadable(f"it holds {error}" if isinstance(error, _NoNumber) else "it holds a number of thousands of digits") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise Unreadable(f"it is {shown(value)} and no object")
    return value


class _NoNumber(ValueError):
    """NaN or an infinity, which JSON does not have."""


def _no_number(name: str) -> NoReturn:
    raise _NoNumber(f"{name}, which is no number of JSON")
