"""What a check finds, and what all checks know of this machine."""

from dataclasses import asdict, dataclass, field

from pathwarden.cli.bounded import bounded
from pathwarden.config.values import address_of
from pathwarden.daemon.sources import source_named
from pathwarden.model.settings import Settings, Source, Target
from pathwarden.net.netlink import KernelRoutes
from pathwarden.net.resolver import resolve_now

OK, WARN, FAIL = "ok", "warn", "FAIL"
_NAME_S = 1.5  # a resolver's first time-out is often 5 s; who waits that long for a name has no working one


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `status` is ok, warn or FAIL; `fix` says what to do about it, None if nothing is to be done."""

    status: str
    what: str
    detail: str
    fix: str | None = None

    def as_json(self) -> dict[str, object]:
        """The finding as `--json` prints it."""
        return asdict(self)


@dataclass(slots=True)
class Place:
    """The machine under examination: its settings, its kernel, and the addresses of host names, each asked for once."""

    settings: Settings
    oracle: KernelRoutes
    _addresses: dict[tuple[str, int], str | None] = field(default_factory=dict)

    def address(self, host: str, family: int = 0) -> str | None:
        """The address of a host; None if it does not resolve within a moment."""
        key = (host, family)
        if key not in self._addresses:
            try:
                self._addresses[key] = bounded(lambda: resolve_now(host, family), _NAME_S)
            except TimeoutError:
                self._addresses[key] = None
        return self._addresses[key]

    def targets(self) -> list[tuple[Target, str]]:
        """The enabled targets whose addresses are known, with these; a literal address or one that a check has asked for."""
        hosts = ((target, address_of(target.host) or self._addresses.get((target.host, target.family))) for target in self.settings.targets)
        return [(target, str(address)) for target, address in hosts if target.enabled and address]

    def source(self, target: Target) -> Source:
        """The way out of a target."""
        return source_named(self.settings, target.source)
