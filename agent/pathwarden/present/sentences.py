"""What is said of a change, an incident or the agent: a stable key with its arguments, and the same in English.

`ENGLISH` is the whole list of keys; the page says the same in its own languages. A title stands alone; a message is a list of clauses,
which in English are joined into one sentence.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pathwarden.detect.quota import NOTHING_HELD, Held
from pathwarden.model.change import NOWHERE, Cause, CauseKind, Change, ChangeKind, Location
from pathwarden.present.location import describe

FELT_MS = 0.5  # a smaller difference is noise to people
_NAMED = 3  # networks of a sentence that are named

ENGLISH = {
    "title.path_changed": "Path to {name} changed to {label}",
    "title.path_reverted": "Path to {name} went back to {label}",
    "title.path_unstable": "Path to {name} is unstable",
    "title.path_stable": "Path to {name} is stable again",
    "title.target_unreachable": "{name} does not answer",
    "title.target_reachable": "{name} answers again",
    "title.target_address_changed": "{name} has a new address",
    "title.slower": "{name} became slower",
    "title.faster": "{name} became faster",
    "title.congestion": "The way to {name} is congested",
    "title.digest": "{count} more events of {name}",
    "title.attribute": "Something about the path to {name} changed",
    "title.lb_set": "Load balancing on the path to {name} changed",
    "title.mpls": "MPLS on the path to {name} changed",
    "title.filtered": "The answers of a hop on the path to {name} changed",
    "title.nat": "Address translation on the path to {name} changed",
    "title.dscp": "DSCP or ECN on the path to {name} changed",
    "title.mtu": "The MTU of the path to {name} changed",
    "title.return_path": "The way back from {name} changed",
    "title.renumbered": "A hop on the path to {name} has a new address",
    "where.range": "hops {first} to {last} differ",
    "where.one": "hop {first} differs",
    "where.from": "different from hop {first} on",
    "where.length": "different length",
    "path.before": "before it was path {label}",
    "path.slower": "{ms} ms slower",
    "path.faster": "{ms} ms faster",
    "path.stays": "it stays on path {label}",
    "path.often": "it changes too often to tell each time",
    "networks.replaced": "now through {come} instead of {gone}",
    "networks.added": "now through {come}, too",
    "networks.removed": "no longer through {gone}",
    "lost.after": "the last hop that answers is {ttl}",
    "lost.all": "the last hop that answers is none",
    "back": "the destination answers its probes again",
    "address.moved": "the name moved from {before} to {after}",
    "value.changed": "{before} before, {after} now",
    "digest.limit": "the hourly limit held them back",
    **{f"digest.{kind.value}": f"{kind.value.replace('_', ' ')}: {{count}}" for kind in ChangeKind if kind is not ChangeKind.DIGEST},
    "cause.said": "cause: {detail}",
    "cause.uplink": "cause: the uplink",
    "cause.address": "cause: the address of the uplink changed",
    "cause.route": "cause: a route of this machine changed",
    "cause.rule": "cause: a routing rule of this machine changed",
    "cause.load": "cause: the line is full",
    "incident.unreachable": "{name} does not answer",
    "incident.unreachable.many": "{count} targets do not answer",
    "incident.path": "the path to {name} changed",
    "incident.path.many": "the paths to {count} targets changed",
    "incident.unstable": "the path to {name} is unstable",
    "incident.unstable.many": "the paths to {count} targets are unstable",
    "incident.latency": "the latency to {name} changed",
    "incident.latency.many": "the latency to {count} targets changed",
    "incident.other": "something about {name} changed",
    "incident.other.many": "something about {count} targets changed",
    "incident.uplink": "the uplink {device} is down",
    "incident.uplink.unnamed": "the uplink is down",
    "incident.still": "{count} still do not answer",
    "incident.over": "it is over",
    "title.agent_started": "Pathwarden {version} started",
    "title.uplink_down": "The uplink {device} is down",
    "title.uplink_down.unnamed": "The uplink is down",
    "title.uplink_up": "The uplink {device} is up again",
    "title.uplink_up.unnamed": "The uplink is up again",
    "title.incident": "Incident: {sentence}",
    "title.probe_error": "Cannot probe",
    "said": "{detail}",
}


LOCATION = "location."  # before the keys of `location.describe`


class Sentence(NamedTuple):
    """A key of `ENGLISH` and what goes into it: text or numbers. `said` is the English where `ENGLISH` has none: see `LOCATION`."""

    key: str
    args: dict[str, object]
    said: str = ""

    @property
    def english(self) -> str:
        """The sentence in English, as it stands within another."""
        return self.said or ENGLISH[self.key].format_map(self.args)


class Words(NamedTuple):
    """Title and message."""

    title: Sentence
    message: tuple[Sentence, ...]


def say(key: str, **args: object) -> Sentence:
    """A sentence."""
    return Sentence(key, args)


def title(words: Words) -> str:
    """The title in English."""
    return words.title.english


def message(clauses: Sequence[Sentence]) -> str:
    """The clauses as one English sentence, '' without any."""
    text = "; ".join(clause.english.rstrip(". ") for clause in clauses)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def as_json(words: Words) -> dict[str, object]:
    """Keys and arguments, for whoever says it in another language."""
    return {"title": _pair(words.title), "message": [_pair(clause) for clause in words.message]}


def of_change(name: str, change: Change, held: Held = NOTHING_HELD) -> Words:
    """What is said of a change of the target with this name."""
    said = _TITLES.get(change.kind, _of_path)(name, change, held)
    return said._replace(message=said.message + around(change.cause, change.location, change.new_address))


def around(cause: Cause, location: Location, address: str = "") -> tuple[Sentence, ...]:
    """What is said of a cause of our own, and of the place if it is known; `address` is the target's."""
    clauses = []
    if cause.kind not in (CauseKind.UNKNOWN, CauseKind.REMOTE):
        clauses.append(say("cause.said", detail=cause.detail) if cause.detail else say(f"cause.{cause.kind.value}"))
    if location != NOWHERE:
        place = describe(location, address)
        clauses.append(Sentence(LOCATION + place.key, dict(place.args), f"{place.text[0].lower()}{place.text[1:]}".rstrip(".")))
    return tuple(clauses)


def _pair(sentence: Sentence) -> dict[str, object]:
    return {"key": sentence.key, "args": sentence.args}


def _of_path(name: str, change: Change, _held: Held) -> Words:
    old, new = change.old.label if change.old else "?", change.new.label if change.new else "?"
    clauses = [_where(change), say("path.before", label=old)]
    if change.rtt_delta_ms is not None and abs(change.rtt_delta_ms) >= FELT_MS:
        clauses.append(say("path.slower" if change.rtt_delta_ms > 0 else "path.faster", ms=round(abs(change.rtt_delta_ms), 1)))
    return Words(say(f"title.{change.kind.value}", name=name, label=new), (*clauses, *_networks(change)))


def _networks(change: Change) -> tuple[Sentence, ...]:
    """Which networks the path entered and left, by their names where these are known."""
    if "as_path" not in change.classes:
        return ()
    names = dict(change.as_names)
    come, gone = (
        [f"{names[number]} (AS{number})" if number in names else f"AS{number}" for number in dict.fromkeys(one) if number not in other]
        for one, other in ((change.as_after, change.as_before), (change.as_before, change.as_after))
    )
    key = "replaced" if come and gone else "added" if come else "removed"
    sides = {name: _few(said) for name, said in (("come", come), ("gone", gone)) if said}
    return (say(f"networks.{key}", **sides),) if sides else ()


def networks_of(text: Mapping[str, Any]) -> str:
    """What an event's `text` says of networks, in English; '' if nothing."""
    clauses = (clause for clause in text["message"] if clause["key"].startswith("networks."))
    return "; ".join(ENGLISH[clause["key"]].format_map(clause["args"]) for clause in clauses)


def _few(said: Sequence[str]) -> str:
    more = f", +{len(said) - _NAMED}" if len(said) > _NAMED else ""
    return ", ".join(said[:_NAMED]) + more


def _where(change: Change) -> Sentence:
    first, last = change.first_ttl, change.last_ttl
    if not first:
        return say("where.length")
    if last > first:
        return say("where.range", first=first, last=last)
    return say("where.one" if last == first else "where.from", first=first)


def _of_attribute(name: str, change: Change, _held: Held) -> Words:
    key = f"title.{change.classes[0] if change.classes else ''}"
    clauses = [_where(change)] if change.first_ttl else []
    return Words(say(key if key in ENGLISH else "title.attribute", name=name), (*clauses, *_values(change)))


def _of_latency(name: str, change: Change, _held: Held) -> Words:
    delta = change.rtt_delta_ms or 0.0
    congested = "congestion" in change.classes and delta >= 0
    key = "title.congestion" if congested else "title.slower" if delta >= 0 else "title.faster"
    speed = [say("path.slower" if delta > 0 else "path.faster", ms=round(abs(delta), 1))] if delta else []
    return Words(say(key, name=name), (*_values(change), *speed))


def _values(change: Change) -> tuple[Sentence, ...]:
    return (say("value.changed", before=change.before, after=change.after),) if change.before or change.after else ()


def _of_unstable(name: str, _change: Change, _held: Held) -> Words:
    return Words(say("title.path_unstable", name=name), (say("path.often"),))


def _of_stable(name: str, change: Change, _held: Held) -> Words:
    return Words(say("title.path_stable", name=name), (say("path.stays", label=change.new.label),) if change.new else ())


def _of_loss(name: str, change: Change, _held: Held) -> Words:
    ttl = change.lost_after_ttl
    return Words(say("title.target_unreachable", name=name), (say("lost.after", ttl=ttl) if ttl else say("lost.all"),))


def _of_return(name: str, _change: Change, _held: Held) -> Words:
    return Words(say("title.target_reachable", name=name), (say("back"),))


def _of_address(name: str, change: Change, _held: Held) -> Words:
    return Words(
        say("title.target_address_changed", name=name), (say("address.moved", before=change.old_address, after=change.new_address),)
    )


def _of_digest(name: str, _change: Change, held: Held) -> Words:
    counts = tuple(say(f"digest.{kind}", count=count) for kind, count in held.counts)
    return Words(say("title.digest", name=name, count=held.total), (say("digest.limit"), *counts))


_TITLES = {
    ChangeKind.PATH_ATTRIBUTE_CHANGED: _of_attribute,
    ChangeKind.LATENCY_SHIFT: _of_latency,
    ChangeKind.PATH_UNSTABLE: _of_unstable,
    ChangeKind.PATH_STABLE: _of_stable,
    ChangeKind.TARGET_UNREACHABLE: _of_loss,
    ChangeKind.TARGET_REACHABLE: _of_return,
    ChangeKind.TARGET_ADDRESS_CHANGED: _of_address,
    ChangeKind.DIGEST: _of_digest,
}
