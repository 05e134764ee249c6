"""Query parameters, checked: every mistake is a 400 that names the parameter."""

from urllib.parse import parse_qsl

from pathwarden.api.problem import Problem
from pathwarden.present.instants import parse_instant

MOST_FIELDS = 16  # more than any route knows
LAST_ID = 2**63 - 1  # SQLite's integers


class Query:
    """The parameters of one request. Unknown and repeated names are mistakes. Raises `Problem`."""

    def __init__(self, text: str, *known: str) -> None:
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
        except ValueError as error:
            raise Problem(400, "bad_query", f"there are more than {MOST_FIELDS} query parameters") from error
        self._values: dict[str, str] = {}
        for name, value in pairs:
            if name not in known:
                raise Problem(400, "unknown_parameter", f"there is no parameter {name!r} here", parameter=name)
            if name in self._values:
                raise _bad(name, "stands there twice")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        """A parameter as it is; None if absent."""
        return self._values.get(name)

    def integer(self, name: str, low: int = 0, high: int = LAST_ID) -> int | None:
        """A whole number from `low` to `high`; None if absent."""
        value = self._values.get(name)
        if value is None:
            return None
        # 19 digits hold every allowed number; a longer text is not worth converting.
        if not (value.isascii() and value.isdecimal() and len(value) <= 19 and low <= int(value) <= high):
            raise _bad(name, f"must be a whole number from {low} to {high}")
        return int(value)

    def instant(self, name: str) -> int | None:
        """An RFC 3339 instant as wall-clock nanoseconds; None if absent."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            return parse_instant(value)
        except ValueError as error:
            raise _bad(name, f"is {error}") from error

    def span(self) -> tuple[int | None, int | None]:
        """The instants `from` and `to`, in that order."""
        start, end = self.instant("from"), self.instant("to")
        if start is not None and end is not None and start > end:
            raise _bad("from", "must not be later than 'to'")
        return start, end


def _bad(name: str, what: str) -> Problem:
    return Problem(400, "bad_parameter", f"{name!r} {what}", parameter=name)
