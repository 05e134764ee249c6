"""How far away a destination is that answered only from beyond its distance."""

from pathwarden.model.probe import ReplyKind
from pathwarden.model.trace import Hop


def pull_back(hops: tuple[Hop, ...], reached: int) -> tuple[tuple[Hop, ...], int]:
    """Move a destination that answered a too large ttl only back to its true distance, if its quote tells that.

    A port unreachable quotes the TTL that was left on arrival. When the nearer ttls were silent (lost, or never probed), the true
    distance is the probe's ttl minus what was left (as traceroute(8) does in check_expired).
    """
    final = next(hop for hop in hops if hop.ttl == reached)
    left = {a.quoted_ttl for a in final.answers if a.kind is ReplyKind.PORT_UNREACHABLE}
    if len(left) != 1:
        return hops, reached
    true_ttl = reached - left.pop() + 1
    between = [hop for hop in hops if true_ttl <= hop.ttl < reached]
    if not 1 <= true_ttl < reached or any(hop.responders for hop in between):
        return hops, reached
    nearer = tuple(hop for hop in hops if hop.ttl < true_ttl)
    return (*nearer, Hop(true_ttl, final.answers)), true_ttl
