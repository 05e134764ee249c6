"""Whose an address is and where: AS, place, exchange. What is not known says so, and is never guessed."""

from collections.abc import Callable
from typing import NamedTuple, Protocol


class Source(NamedTuple):
    """Who says so: `gives` is `range`, `as`, `place` or `exchange`; `at` the instant at which that was so, None for what never changes."""

    gives: str
    name: str
    at: int | None


class Network(NamedTuple):
    """What is known of an address; '' and None where nothing is.

    `special` names a range that is nobody's on the Internet (private, loopback, …). `prefix` is the announced network if the source told
    it. `country` has two letters (ISO 3166). The position, in degrees, is an estimate, good to about `accuracy_km` where that is told.
    """

    special: str = ""
    asn: int | None = None
    as_name: str = ""
    prefix: str = ""
    country: str = ""
    city: str = ""
    latitude: float | None = None
    longitude: float | None = None
    accuracy_km: int | None = None
    ixp: str = ""
    sources: tuple[Source, ...] = ()


UNKNOWN = Network()
Whose = Callable[[str], Network]


def nobody(_address: str) -> Network:
    """Knows nothing of any address."""
    return UNKNOWN


def numbers(whose: Whose) -> Callable[[str], int | None]:
    """Gives an address's AS."""
    return lambda address: whose(address).asn


def exchanges(whose: Whose) -> Callable[[str], bool]:
    """Tells whether an address is an exchange's."""
    return lambda address: bool(whose(address).ixp)


class Networks(Protocol):
    """Who knows whose addresses are."""

    def of(self, address: str) -> Network:
        """What is known already; asks for the rest without waiting. For the prober's thread."""
        ...

    def now(self, address: str) -> Network:
        """The same with what files on this machine tell, which is read if need be. For any other thread."""
        ...

    def notices(self) -> list[str]:
        """What the operator should know, a line each."""
        ...

    def close(self) -> None:
        """Ask nothing more."""
        ...


class Nobody:
    """Where there is neither a database nor leave to ask."""

    def __init__(self, *notices: str) -> None:
        self._notices = list(notices)

    def of(self, address: str) -> Network:
        """Nothing."""
        return nobody(address)

    def now(self, address: str) -> Network:
        """Nothing."""
        return nobody(address)

    def notices(self) -> list[str]:
        """Why nobody is asked, if somebody should be."""
        return self._notices

    def close(self) -> None:
        """There is nothing to end."""
