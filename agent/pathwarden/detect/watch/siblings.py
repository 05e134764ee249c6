"""Other targets that the same change may have touched.

Where a sibling's route had the same hops as the changed one (as far as they answer), from the hop before the change to its end, or to
the hop behind it if the length changed, its new route is foreseen, and one answer of the expected stranger confirms it. Where it only
led through a responder that is gone, it is verified there; and so it is where it went between the same two responders by another
branch, which may have been one of a balancer that is gone as a whole.
"""

from pathwarden.detect.compare import Hop, hop_at
from pathwarden.detect.watch.values import Errand, Kind, Look, Whole
from pathwarden.model.change import Change
from pathwarden.model.history import Route

SPREAD = 4  # siblings are asked at so many different ttls, so that no one router has to answer for all


def sibling(tid: str, route: Route | None, change: Change, number: int, mono_ns: int) -> Errand | None:
    """The look at another target after a change of this one's path; None if it is not concerned. `number` spreads the looks."""
    old, new = change.old, change.new
    if route is None or old is None or new is None or old is new:
        return None
    whole = foresee(route, old, new, change.first_ttl, change.last_ttl)
    if whole is not None:
        telling = [ttl for ttl, hop in enumerate(whole.hops, 1) if _differs(hop, hop_at(route.hops, ttl))][:SPREAD]
        if telling:
            return Errand(tid, Kind.SIBLING, (Look(telling[number % len(telling)]),), mono_ns, whole)
    gone = set(change.removed)
    ttl = next((ttl for ttl, hop in enumerate(route.hops, 1) if gone & set(hop)), 0)
    if not ttl and _on_another_branch(route, old, new, change.first_ttl, change.last_ttl):
        ttl = change.first_ttl
    return Errand(tid, Kind.SIBLING, (Look(ttl),), mono_ns) if ttl else None


def foresee(route: Route, old: Route, new: Route, first_ttl: int, last_ttl: int) -> Whole | None:
    """What becomes of a route if the change from old to new, at `first_ttl..last_ttl` of the new one, is its own as well."""
    shift = len(new.hops) - len(old.hops)
    last_old = last_ttl - shift
    # Where the length stays, it does not matter where the sibling goes on behind the change.
    around = range(max(first_ttl - 1, 1), last_old + (2 if shift else 1))
    destination = old.length or len(old.hops)
    if not first_ttl or last_old >= destination or len(route.hops) < last_old:
        return None
    if route.epoch != old.epoch or any(_differs(hop_at(route.hops, ttl), hop_at(old.hops, ttl)) for ttl in around if ttl < destination):
        return None
    hops = (*route.hops[: first_ttl - 1], *new.hops[first_ttl - 1 : last_ttl], *route.hops[last_old:])
    return Whole(hops, None if route.length is None else route.length + shift)


def _on_another_branch(route: Route, old: Route, new: Route, first_ttl: int, last_ttl: int) -> bool:
    """Whether a route goes from the responder before the change to the one behind it, by neither the old nor the new branch."""
    ends = (first_ttl - 1, last_ttl + 1 - (len(new.hops) - len(old.hops)))
    between = route.epoch == old.epoch and all(set(hop_at(route.hops, ttl)) & set(hop_at(old.hops, ttl)) for ttl in ends)
    return between and _differs(hop_at(new.hops, first_ttl), hop_at(route.hops, first_ttl))


def _differs(expected: Hop, known: Hop) -> bool:
    return bool(expected) and bool(known) and not set(expected) & set(known)
