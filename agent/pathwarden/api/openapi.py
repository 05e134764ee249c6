"""The OpenAPI 3.1 document of the HTTP interface, made of tables. Asked for once in a router's life, if ever.

Shapes are written as words, `name:type`: a type is one of `_TYPES` or a shape's name; `[type]` is a list of it, `?` behind it admits null.
Every member is there, null where there is nothing to say; more may be added, so who reads must pass over what he does not know.
"""

from collections.abc import Iterable, Mapping

from pathwarden import __version__
from pathwarden.present import schemas

Json = dict[str, object]

_TYPES: Mapping[str, Json] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "int": {"type": "integer"},
    "flag": {"type": "boolean"},
    "instant": {"type": "string", "format": "date-time", "description": "RFC 3339, UTC, with milliseconds"},
    "any": {},
}
_SHAPES = {
    "notice": "level:text text:text",
    "spark": "at_s:[int] rtt_ms:[number?] lost:[int] changed:[int]",
    "outline": "strip:any why:any",
    "targets": "targets:[state]",
    "configured": "id:text method:text host:text label:text family:int port:int source:text interval_s:int queries:int first_ttl:int"
    " max_ttl:int dscp:int enabled:flag",
    "target": "config:configured state:state? path:path? trace:trace?",
    "source": "id:text interface:text device:text address:text table:int fwmark:int next_hop:text targets:[text]",
    "sources": "sources:[source]",
    "asked": "target:text",
    "trace_asked": "target:text? asked:text",
    "progress": "asked:text target:text? host:text state:text max_ttl:int trace:trace?",
    "muted": "target:text for_s:int? pair:[text]?",
    "noted": "event_id:text note:text?",
    "answer": "responder:text? rtt_ms:number? kind:text? annotation:text reply_ttl:int? quoted_ttl:int? mpls:any marks:any",
    "hop": "ttl:int answers:[answer] responders:[text] loss_pct:number? rtt_ms:number? adds_ms:number? note:text"
    " asn:int? as_name:text? country:text? city:text? ixp:text?",
    "network": "asn:int? as_name:text? country:text? city:text? ixp:text?",
    "short_trace": "id:int? target:text at:instant clock_synced:flag duration_ms:number address:text? af:int? proto:text method:text"
    " source:text kernel_route:any transport:text reason:text ending:text? error:text? error_detail:text? reached:flag reached_ttl:int?"
    " hop_count:int? rtt_ms:number? loss_pct:number? path_id:text? path_label:text? probes:int late:int duplicates:int",
    "traces": "traces:[short_trace] next_before:int?",
    "route": "path_id:text target:text label:text address:text epoch:text hops:[any] length:int as_path:[int] first_at:instant"
    " last_at:instant held_s:int share_pct:number? traces:int rtt_ms:number? loss_pct:number usual:flag current:flag",
    "paths": "paths:[route]",
    "columns": "at_s:[int] rtt_min_ms:[number?] rtt_median_ms:[number?] rtt_max_ms:[number?] sent:[int] lost:[int] path_id:[text?]",
    "series": "target:text columns:columns",
    "heat": "ttl:int rtt_ms:[number?] loss_pct:[number?]",
    "heatmap": "target:text start_s:int width_s:int at_s:[int?] hops:[heat]",
    "side": "path_id:text label:text at:instant? length:int as_path:[int] rtt_ms:number?",
    "row": "op:text old_ttl:int? new_ttl:int? old:[text]? new:[text]? old_network:network new_network:network"
    " old_rtt_ms:number? new_rtt_ms:number?",
    "diff": "target:text same:flag old:side new:side rows:[row]",
    "changes": "changes:[told] last_seq:int",
    "incidents": "incidents:[any] next_before:text?",
    "section": "id:text options:any tag:text",
    "settings": "targets:[section] sources:[section] defaults:any defaults_tag:text schema:[any] taken:flag wrong:text?",
    "written": "id:text",
    "session": "signed_in:flag name:text? right:text token:text? can_sign_in:flag suggested:text no_password:flag",
    "problem": "type:text title:text status:int code:text detail:text",
}
_EXTENDED = {
    "summary": ("", "v:int agent:text ts:instant clock_synced:flag verdict:text sentence:text notices:[notice] targets:[shown]"),
    "shown": ("state", "spark:spark outline:outline?"),
    "told": ("any_event", "seq:int note:text?"),
    "trace": ("short_trace", "hops:[hop] findings:[any]"),
}
_PUBLISHED = {
    "info": schemas.INFO,
    "state": schemas.STATE,
    "path": schemas.PATH,
    "event": schemas.TARGET_EVENT,
    "agent_event": schemas.AGENT_EVENT,
}

_SPAN = "from to"
_WHOLE = {"width", "limit", "points", "columns", "since_seq", "before_seq"}
# Method and path: summary, query parameters, answer's shape (or its media type), members of the body that is sent.
ROUTES: Mapping[tuple[str, str], tuple[str, str, str, str]] = {
    ("get", "/api/v1/status"): ("The agent's own state", "", "info", ""),
    ("get", "/api/v1/summary"): ("Everything that the overview shows", "", "summary", ""),
    ("get", "/api/v1/targets"): ("The state of every target", "", "targets", ""),
    ("get", "/api/v1/targets/{tid}"): ("One target", "", "target", ""),
    ("get", "/api/v1/sources"): ("The configured ways out", "", "sources", ""),
    ("post", "/api/v1/targets/{tid}/trace"): ("Ask for a trace, which runs later", "", "trace_asked", ""),
    ("post", "/api/v1/traces"): (
        "Trace a target of these options once: `target` as a target of the file, `source` if that is not configured either",
        "",
        "trace_asked",
        "target source",
    ),
    ("get", "/api/v1/traces/asked/{name}"): (
        "How far it is: queued, resolving, running, done or failed; a running `trace` has no `ending`, none that is not stored an `id`",
        "",
        "progress",
        "",
    ),
    ("post", "/api/v1/targets/{tid}/mute"): ("Notify nothing for `for_s` seconds, or of `pair`", "", "muted", "for_s pair"),
    ("post", "/api/v1/targets/{tid}/accept-path"): ("Take the path in force as usual", "", "asked", ""),
    ("post", "/api/v1/targets/{tid}/pause"): ("Probe it no more, but on demand", "", "asked", ""),
    ("post", "/api/v1/targets/{tid}/resume"): ("Probe it again", "", "asked", ""),
    ("post", "/api/v1/events/{event_id}/note"): ("Keep a note with an event, or with '' none; soon in `changes`", "", "noted", "note"),
    ("get", "/api/v1/targets/{tid}/traces"): ("Traces, newest first", f"before {_SPAN} limit", "traces", ""),
    ("get", "/api/v1/targets/{tid}/trace-at"): ("The trace in force at an instant", "at", "trace", ""),
    ("get", "/api/v1/targets/{tid}/paths"): ("Paths, most time first", "", "paths", ""),
    ("get", "/api/v1/targets/{tid}/series"): ("Samples in equal buckets", f"{_SPAN} points", "series", ""),
    ("get", "/api/v1/targets/{tid}/heatmap"): ("Hops over time", f"{_SPAN} columns", "heatmap", ""),
    ("get", "/api/v1/targets/{tid}/export"): ("Traces as a file", f"format {_SPAN}", "application/octet-stream", ""),
    ("get", "/api/v1/graph.svg"): ("The ways to the targets as a picture", "target at before theme lang", "image/svg+xml", ""),
    ("get", "/api/v1/map.svg"): (
        "The places on the ways to the targets, on a map of the world",
        "target at theme lang width",
        "image/svg+xml",
        "",
    ),
    ("get", "/api/v1/traces/{number}"): ("One trace with its hops", "", "trace", ""),
    ("get", "/api/v1/paths/{route_id}"): ("One path", "", "route", ""),
    ("get", "/api/v1/diff"): ("Two paths of a target, aligned", "target a b", "diff", ""),
    ("get", "/api/v1/changes"): ("Events", f"since_seq before_seq target {_SPAN} limit", "changes", ""),
    ("get", "/api/v1/incidents"): ("Incidents, newest first", "before limit", "incidents", ""),
    ("get", "/api/v1/settings"): ("Targets and sources as they stand in the file; `taken` if the agent runs with it", "", "settings", ""),
    ("put", "/api/v1/targets/{tid}"): ("Write a target", "", "written", "options"),
    ("delete", "/api/v1/targets/{tid}"): ("Take a target out", "", "written", ""),
    ("put", "/api/v1/sources/{name}"): ("Write a source", "", "written", "options"),
    ("delete", "/api/v1/sources/{name}"): ("Take a source out", "", "written", ""),
    ("put", "/api/v1/settings/defaults"): ("Write what holds for every target that does not say otherwise", "", "written", "options"),
    ("get", "/api/v1/session"): ("Who asks", "", "session", ""),
    ("post", "/api/v1/session"): ("Sign in; the answer sets the cookie", "", "session", "name password code"),
    ("delete", "/api/v1/session"): ("Leave", "", "session", ""),
    ("get", "/api/v1/asyncapi.json"): ("What is published over MQTT", "", "application/json", ""),
    ("get", "/api/v1/openapi.json"): ("This document", "", "application/json", ""),
    ("get", "/metrics"): ("OpenMetrics text", "", "application/openmetrics-text", ""),
    ("get", "/healthz"): ("Whether the server answers", "", "text/plain", ""),
}
LATER = ("/trace", "/traces", "/accept-path", "/pause", "/resume", "/note")  # they answer 202
# Every code of a problem, with its usual status; they keep their meaning.
CODES: Mapping[str, int] = {
    "bad_request": 400, "bad_query": 400, "bad_body": 400, "bad_parameter": 400, "unknown_parameter": 400, "bad_setting": 400,
    "sign_in_required": 401, "wrong_password": 401, "wrong_code": 401,
    "foreign_origin": 403, "read_only": 403, "wrong_token": 403, "no_right": 403,
    "not_found": 404, "unknown_target": 404, "no_trace": 404, "no_path": 404, "no_packets": 404, "not_installed": 404, "no_sign_in": 404,
    "not_configured": 404, "no_event": 404, "not_asked": 404, "method_not_allowed": 405,
    "not_watched": 409, "cannot_change": 409, "set_in_luci": 409, "no_file": 409,
    "changed_meanwhile": 412, "body_too_large": 413, "not_json": 415, "wrong_host": 421, "too_many_attempts": 429,
    "too_many_traces": 429, "header_too_large": 431, "internal_error": 500, "not_implemented": 501,
    "history_unavailable": 503, "accounts_unavailable": 503,
}  # fmt: skip


def document() -> Json:
    """The document; it stands for itself, without references elsewhere."""
    shapes: Json = {name: _shape(words) for name, words in _SHAPES.items()}
    for name, (base, words) in _EXTENDED.items():
        shapes[name] = {"allOf": [_ref(base), _shape(words)]} if base else _shape(words)
    shapes["any_event"] = {"anyOf": [_ref("event"), _ref("agent_event")]}
    paths: dict[str, Json] = {}
    for (method, path), (summary, query, answer, body) in ROUTES.items():
        paths.setdefault(path, {})[method] = _operation(method, path, summary, query.split(), answer, body.split())
    problem = {"type": "object", "description": "; ".join(f"{code}: {status}" for code, status in CODES.items())}
    shapes["problem"] = {"allOf": [problem, _shape(_SHAPES["problem"])]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pathwarden", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {**shapes, **_PUBLISHED},
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "pathwarden_8866"}},
        },
        "security": [{"session": []}, {}],
    }


def _operation(method: str, path: str, summary: str, query: Iterable[str], answer: str, body: Iterable[str]) -> Json:
    named = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    whole = _WHOLE | {"before"} if answer == "traces" else _WHOLE  # elsewhere it is an incident, or an instant
    kinds = {name: _TYPES["int" if name in whole else "text"] for name in query}
    parameters = [{"name": name, "in": "path", "required": True, "schema": _TYPES["text"]} for name in named]
    parameters += [{"name": name, "in": "query", "schema": kind} for name, kind in kinds.items()]
    status = "202" if answer == "written" or (method == "post" and path.endswith(LATER)) else "200"
    content: Json = {answer: {}} if "/" in answer else {"application/json": {"schema": _ref(answer)}}
    operation: Json = {
        "summary": summary,
        "parameters": parameters,
        "responses": {
            status: {"description": summary, "content": content},
            "default": {"description": "A problem", "content": {"application/problem+json": {"schema": _ref("problem")}}},
        },
    }
    if method != "get":
        given = {"type": "object", "properties": {name: {} for name in body}, "additionalProperties": False}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": given}}}
        headers = ("X-Pathwarden-Token", *(("If-Match", "If-None-Match") if answer == "written" else ()))
        operation["parameters"] = [*parameters, *({"name": name, "in": "header", "schema": _TYPES["text"]} for name in headers)]
    return operation


def _shape(words: str) -> Json:
    members = dict(word.split(":", 1) for word in words.split())
    return {"type": "object", "properties": {name: _type(text) for name, text in members.items()}, "required": list(members)}


def _type(text: str) -> Json:
    if text.endswith("?"):
        return {"anyOf": [_type(text[:-1]), {"type": "null"}]}
    if text.startswith("["):
        return {"type": "array", "items": _type(text[1:-1])}
    return dict(_TYPES[text]) if text in _TYPES else _ref(text)


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
