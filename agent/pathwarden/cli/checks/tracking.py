"""What the kernel's connection tracking could not place: a firewall that drops such packets hides hops."""

from pathlib import Path

from pathwarden.cli.checks.finding import WARN, Finding
from pathwarden.cli.terminal import counted

COUNTS = Path("/proc/net/stat/nf_conntrack")  # a line for each processor, in hexadecimal, below one of names
_UNPLACED = frozenset({"invalid", "icmp_error"})  # an ICMP error about no known connection counts as the one or the other, by kernel


def invalid() -> int:
    """Packets called invalid since the machine started; 0 without connection tracking."""
    try:
        names, *processors = (line.split() for line in COUNTS.read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return 0
    return sum(int(count, 16) for counts in processors for name, count in zip(names, counts, strict=False) if name in _UNPLACED)


def dropped(probes: int, answered: int, called_invalid: int) -> list[Finding]:
    """A warning when probes went without an answer while as many packets, or more, were called invalid."""
    silent = probes - answered
    if not silent or called_invalid < silent:
        return []
    words = f"{silent} of {probes} probes got no answer; meanwhile connection tracking called {counted(called_invalid, 'packet')} invalid"
    fix = "if a rule drops what is invalid (option drop_invalid), let ICMP errors in before it: it may be hiding hops"
    return [Finding(WARN, "invalid packets", words, fix)]
