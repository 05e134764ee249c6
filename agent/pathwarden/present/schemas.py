"""JSON Schemas (draft 2020-12) of everything that is published over MQTT; the API and the command line show the same objects.

Every member that stands here is always there, null where there is nothing to say. More may be added without a new `v`: who reads must
pass over what he does not know.
"""

from collections.abc import Iterable, Mapping

from pathwarden.model.change import SEVERITIES, AgentKind, CauseKind, ChangeKind, Segment
from pathwarden.model.commands import CODES, ID_LENGTH, MOST_MUTED_S, OPTION_LENGTH
from pathwarden.present.live import STATES, VERDICT_WORDS

Schema = dict[str, object]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_METHODS = ("udp", "icmp", "tcp", "tcp-connect", "udplite", "dccp", "raw")

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_WHOLE: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}
_ANYTHING: Schema = {}


def _of(text: str, schema: Schema) -> Schema:
    return {**schema, "description": text}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _one_of(words: Iterable[str]) -> Schema:
    return {"type": "string", "enum": list(words)}


def _list(item: Schema, most: int | None = None) -> Schema:
    return {"type": "array", "items": item, **({} if most is None else {"maxItems": most})}


def _object(members: Mapping[str, Schema], *, more: bool = False) -> Schema:
    """An object that has all these members; `more` tells that others are usual."""
    return {"type": "object", "properties": dict(members), "required": list(members), **({"additionalProperties": True} if more else {})}


def _map(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}


_INSTANT = _of("RFC 3339, UTC, with milliseconds", {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"})
_MS = _of("milliseconds, 3 decimals", {"type": "number"})
_PERCENT: Schema = {"type": "number", "minimum": 0, "maximum": 100}
_ULID: Schema = {"type": "string", "pattern": "^[0-9A-HJKMNP-TV-Z]{26}$"}
_RESPONDERS = _of("the responders of a hop; none if it is silent", _list(_TEXT))
_ASN: Schema = {"type": "integer", "minimum": 1, "maximum": 2**32 - 1}
_AS_PATH = _of("AS numbers along the path; borders that only one hop shows, exchanges and what is unknown are left out", _list(_ASN))
_FAMILY = _or_null({"type": "integer", "enum": [4, 6]})
_HEAD: Mapping[str, Schema] = {
    "v": _of("version of this form", {"const": 1}),
    "clock_synced": _of("whether the agent's clock is known to be right", _FLAG),
    "agent": _TEXT,
}
_OF_TARGET: Mapping[str, Schema] = {
    "target": _TEXT,
    "name": _TEXT,
    "address": _or_null(_TEXT),
    "af": _FAMILY,
    "proto": _one_of(_METHODS),
}
_CAUSE = _object({"kind": _one_of(kind.value for kind in CauseKind), "detail": _or_null(_TEXT)})
_LOCATION = _object(
    {
        "segment": _one_of(segment.value for segment in Segment),
        "between": _or_null(_list(_RESPONDERS, 2)),
        "confidence": _or_null({"type": "number", "minimum": 0, "maximum": 1}),
        "direction": _TEXT,
        "evidence": _list(_TEXT),
    }
)
_KEYED = _object({"key": _TEXT, "args": _object({}, more=True)})
_WORDS: Mapping[str, Schema] = {
    "title": _TEXT,
    "message": _TEXT,
    "text": _of("title and message as keys with arguments", _object({"title": _KEYED, "message": _list(_KEYED)})),
    "url": _or_null(_TEXT),
    "truncated": _of("whether hops were left out to keep to 8 KiB", _FLAG),
}
_TOLD: Mapping[str, Schema] = {
    "seq": _of("grows with each event of the agent", {"type": "integer", "minimum": 1}),
    "event_id": _of("the same if an event comes twice", _ULID),
    "severity": _one_of(SEVERITIES),
    "notify": _of("whether a person should be bothered", _FLAG),
    "delayed": _of("told after the connection had been lost", _FLAG),
    "first_seen_at": _INSTANT,
    "occurred_at": _INSTANT,
    "group_id": _of("the incident's, or the event's own", _TEXT),
    "cause": _CAUSE,
    "location": _LOCATION,
}
_SIDE = _object(
    {
        "path_id": _or_null(_TEXT),
        "label": _or_null(_TEXT),
        "since": _INSTANT,
        "duration_s": _COUNT,
        "hop_count": _or_null(_COUNT),
        "rtt_ms": _or_null(_MS),
        "loss_pct": _or_null(_PERCENT),
        "as_path": _AS_PATH,
        "hops": _list(_RESPONDERS),
        "address": _or_null(_TEXT),
    }
)
_NETWORK: Mapping[str, Schema] = {
    "asn": _or_null(_ASN),
    "as_name": _or_null(_TEXT),
    "country": _or_null(_of("ISO 3166, two letters; where a database thinks it is", _TEXT)),
    "city": _or_null(_TEXT),
    "ixp": _or_null(_of("the Internet exchange whose network it is", _TEXT)),
}
_HOP = _object(
    {
        "ttl": {"type": "integer", "minimum": 1, "maximum": 255},
        "responders": _RESPONDERS,
        "silent": _FLAG,
        "rtt_ms": _or_null(_MS),
        "rtt_min_ms": _or_null(_MS),
        "rtt_max_ms": _or_null(_MS),
        "sent": _COUNT,
        "lost": _COUNT,
        "loss_pct": _or_null(_PERCENT),
        "adds_ms": _or_null(_MS),
        "note": _one_of(("", "quiet", "rate_limited")),
        **_NETWORK,
        "mpls": _list(_of("label, traffic class, bottom, ttl", _list(_ANYTHING, 4))),
    }
)

STATUS: Schema = _one_of(("online", "offline"))

STATE = _object(
    {
        **_HEAD,
        **_OF_TARGET,
        "method": _one_of(_METHODS),
        "source": _TEXT,
        "ts": _INSTANT,
        "measured_at": _or_null(_INSTANT),
        "state": _one_of(STATES),
        "verdict": _of("where the fault is", _one_of(VERDICT_WORDS)),
        "error": _or_null(_TEXT),
        "error_detail": _or_null(_TEXT),
        "reached": _or_null(_FLAG),
        "rtt_ms": _or_null(_MS),
        "rtt_min_ms": _or_null(_MS),
        "rtt_max_ms": _or_null(_MS),
        "jitter_ms": _or_null(_MS),
        "loss_pct": _or_null(_PERCENT),
        "hop_count": _or_null(_COUNT),
        "silent_hops": _or_null(_COUNT),
        "path_id": _or_null(_TEXT),
        "path_label": _or_null(_TEXT),
        "path_since": _or_null(_INSTANT),
        "usual_path": _or_null(_TEXT),
        "kernel_route": _or_null(_object({"device": _TEXT, "source": _TEXT, "gateway": _TEXT, "table": _COUNT})),
        "changes_24h": _COUNT,
        "changes_total": _COUNT,
        "stability_pct_7d": _or_null(_PERCENT),
        "last_change_at": _or_null(_INSTANT),
        "last_event_id": _or_null(_TEXT),
        "next_run_at": _or_null(_INSTANT),
        "stale_after_s": _COUNT,
        "learning": _FLAG,
        "muted_until": _or_null(_INSTANT),
        "muted_pairs": _list(_list(_TEXT, 2)),
        "running": _FLAG,
        "resolving": _FLAG,
        "added_by": _of("mqtt: a command added the target; null: the configuration has it", _or_null(_one_of(("mqtt",)))),
    }
)

PATH = _object(
    {
        **_HEAD,
        **_OF_TARGET,
        "ts": _INSTANT,
        "path_id": _or_null(_TEXT),
        "path_label": _or_null(_TEXT),
        "since": _or_null(_INSTANT),
        "usual": _FLAG,
        "hop_count": _COUNT,
        "reached": _FLAG,
        "as_path": _AS_PATH,
        "hops": _list(_HOP),
        "truncated": _FLAG,
    }
)

TARGET_EVENT = _object(
    {
        **_HEAD,
        **_OF_TARGET,
        **_TOLD,
        "event_type": _one_of(kind.value for kind in ChangeKind),
        "confirmations": _COUNT,
        "change": _of("the first of `changes`", _or_null(_TEXT)),
        "changes": _list(_TEXT),
        "scope": _one_of(segment.value for segment in Segment),
        "first_diff_ttl": _or_null(_COUNT),
        "last_diff_ttl": _or_null(_COUNT),
        "hops_added": _list(_TEXT),
        "hops_removed": _list(_TEXT),
        "similarity": {"type": "number", "minimum": 0, "maximum": 1},
        "new_path_known": _FLAG,
        "returns_to_usual": _FLAG,
        "rtt_delta_ms": _or_null(_MS),
        "before": _ANYTHING,
        "after": _ANYTHING,
        "old": _SIDE,
        "new": _SIDE,
        "digest": _or_null(_object({"total": _COUNT, "counts": _map(_COUNT), "first_at": _INSTANT, "last_at": _INSTANT})),
        **_WORDS,
    }
)

_INCIDENT = _object(
    {
        "id": _TEXT,
        "opened_at": _INSTANT,
        "updated_at": _INSTANT,
        "closed_at": _or_null(_INSTANT),
        "severity": _one_of(SEVERITIES),
        "kind": _TEXT,
        "targets": _list(_TEXT),
        "target_count": _COUNT,
        "lost_count": _COUNT,
        "event_ids": _list(_TEXT),
        "event_count": _COUNT,
        "cause": _CAUSE,
        "location": _LOCATION,
        "sentence": _TEXT,
        "text": _list(_KEYED),
    }
)

AGENT_EVENT = _object(
    {
        **_HEAD,
        **_TOLD,
        "event_type": _one_of(kind.value for kind in AgentKind),
        "target": {"type": "null"},
        "name": _TEXT,
        "code": _or_null(_TEXT),
        "device": _or_null(_TEXT),
        "incident": _or_null(_INCIDENT),
        **_WORDS,
    }
)

_CONNECTION = _object(
    {
        "enabled": _FLAG,
        "connected": _FLAG,
        "protocol": _or_null(_one_of(("5", "3.1.1"))),
        "host": _TEXT,
        "port": _COUNT,
        "outbox": _of("events that are not acknowledged", _COUNT),
        "published": _COUNT,
        "failed": _of("refusals by reason", _map(_COUNT)),
        "faults": _of("exceptions in callbacks, survived", _COUNT),
        "commands": _of("commands heard, by the code of their answer", _map(_COUNT)),
        "detail": _of("what is wrong, '' if nothing is", _TEXT),
    }
)

INFO = _object(
    {
        **_HEAD,
        "version": _TEXT,
        "ts": _INSTANT,
        "started_at": _INSTANT,
        "uptime_s": _COUNT,
        "targets": _COUNT,
        "rounds": _object({"ok": _COUNT, "partial": _COUNT, "failed": _COUNT}),
        "next_run_at": _or_null(_INSTANT),
        "verdict": _one_of((*VERDICT_WORDS, "resolver")),
        "sentence": _TEXT,
        "transport": _object({"name": _TEXT, "detail": _TEXT}, more=True),
        "mqtt": _CONNECTION,
        "db": _object({"path": _TEXT, "size_bytes": _COUNT, "limit_bytes": _COUNT}, more=True),
        "ubus": _object({"connected": _FLAG, "detail": _TEXT}, more=True),
        "counters": _of(
            "everything counted since start", _object({"probes_sent": _COUNT, "probes": _map(_COUNT), "replies": _map(_COUNT)}, more=True)
        ),
        "notices": _list(_object({"level": _one_of(("error", "warning", "info")), "text": _TEXT})),
    }
)

RESULT: Schema = {
    "description": "a traceroute result of RIPE Atlas, firmware 5080; what that form has no word for stands in the member pathwarden",
    **_object(
        {
            "fw": _COUNT,
            "lts": _WHOLE,
            "endtime": _COUNT,
            "dst_name": _TEXT,
            "af": {"type": "integer", "enum": [4, 6]},
            "result": _list(_object({"hop": _COUNT}, more=True)),
            "msm_id": _of("of the target; no number that RIPE Atlas uses", {"type": "integer", "minimum": 1_000_000_000}),
            "prb_id": _of("of the agent; likewise", {"type": "integer", "minimum": 1_000_000_000}),
            "timestamp": _COUNT,
            "msm_name": _TEXT,
            "type": {"const": "traceroute"},
            "pathwarden": _object({"method": _one_of(_METHODS), "ending": _TEXT, "error": _TEXT, "probes": _COUNT}, more=True),
        },
        more=True,
    ),
}

COMMAND: Schema = {
    "type": "object",
    "properties": {
        "id": _of("comes back with the answer", {"type": ["string", "integer", "null"], "maxLength": ID_LENGTH}),
        "target": _of("not for ping; may stand in the topic instead", _TEXT),
        "for_s": _of("for mute: how long, 0 ends it", {"type": "integer", "minimum": 0, "maximum": MOST_MUTED_S}),
    },
    "additionalProperties": _of(
        "for add alone: an option of config target, such as host (which must be there) or interval_s",
        {"type": ["string", "number", "boolean"], "maxLength": OPTION_LENGTH},
    ),
}

REPLY = _object(
    {
        **_HEAD,
        "ts": _INSTANT,
        "id": _or_null({"type": ["string", "integer"]}),
        "verb": _or_null(_TEXT),
        "target": _or_null(_TEXT),
        "ok": _FLAG,
        "code": _one_of(CODES),
        "detail": _or_null(_TEXT),
    }
)
