"""How grave a change is."""

from pathwarden.model.change import SEVERITIES, Change, ChangeKind

INFO, NOTICE, WARNING, CRITICAL = range(len(SEVERITIES))
MORE_HOPS = 3  # a route this much longer is a warning
SLOWER_MS = 20.0  # and so is one this much slower

# What a class alone weighs. What routers answer, label or mark is worth keeping and no news.
_CLASSES = {
    "hop": NOTICE,
    "reroute": NOTICE,
    "length": NOTICE,
    "as_path": WARNING,
    "loop": WARNING,
    "nat": NOTICE,
    "mtu": NOTICE,
    "latency": NOTICE,
    "congestion": NOTICE,
}
_KINDS = {
    ChangeKind.TARGET_UNREACHABLE: CRITICAL,
    ChangeKind.TARGET_REACHABLE: NOTICE,
    ChangeKind.PATH_UNSTABLE: WARNING,
    ChangeKind.PATH_STABLE: NOTICE,
    ChangeKind.TARGET_ADDRESS_CHANGED: INFO,
}


def severity_of(change: Change) -> str:
    """The severity of any change but a digest, whose is the highest of what it stands for."""
    return SEVERITIES[_rank(change)]


def _rank(change: Change) -> int:
    fixed = _KINDS.get(change.kind)
    if fixed is not None:
        return fixed
    rank = max((_CLASSES.get(name, INFO) for name in change.classes), default=INFO)
    if _worse(change):
        rank = max(rank, WARNING)
    if "loop" in change.classes and change.new is not None and change.new.length is None:
        rank = CRITICAL  # what goes round and arrives is strange; what only goes round is lost
    # Going back to the usual path, and getting better, is one step less than the way there.
    return max(rank - (change.returns_to_usual or _better(change)), INFO)


def _worse(change: Change) -> bool:
    """Whether what it feels like is worth a warning, whatever brought it about."""
    if change.kind is ChangeKind.LATENCY_SHIFT:
        return abs(change.rtt_delta_ms or 0.0) >= SLOWER_MS
    if change.kind is ChangeKind.PATH_ATTRIBUTE_CHANGED:
        return "mtu" in change.classes and not _grew(change)
    longer = (change.new.length or 0) - (change.old.length or 0) if change.new and change.old and change.old.length else 0
    return longer >= MORE_HOPS or (change.rtt_delta_ms or 0.0) >= SLOWER_MS


def _better(change: Change) -> bool:
    return change.kind is ChangeKind.LATENCY_SHIFT and (change.rtt_delta_ms or 0.0) < 0


def _grew(change: Change) -> bool:
    """Whether a size in words is larger than before; one that cannot be read is not."""
    before, after = _number(change.before), _number(change.after)
    return before is not None and after is not None and after > before


def _number(words: str) -> int | None:
    first = words.split(" ", 1)[0]
    return int(first) if first.isascii() and first.isdecimal() else None
