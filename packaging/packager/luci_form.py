"""The options of LuCI's settings view, made from the program's schema; needs the program, so no build of packages imports this."""

import json

from pathwarden.config.schema import ID_LENGTH, NAMELESS, SECTION_HELP, SECTIONS, SINGLE, Kind, Option
from pathwarden.model.change import AgentKind, ChangeKind

PLACE = "htdocs/luci-static/resources/view/pathwarden/schema.js"
SECTION_TITLES = {
    "agent": "Agent",
    "defaults": "Defaults",
    "target": "Targets",
    "source": "Sources",
    "mqtt": "MQTT",
    "web": "Page",
    "hook": "Hooks",
}
# What people read beside a field; the help below it says the rest. By option, or by section and option where one name has two meanings.
TITLES = {
    "address": "Own address",
    "allow_add": "Targets by command",
    "auth": "Sign-in",
    "ca_file": "CA certificate",
    "cert_file": "Own certificate",
    "concurrency": "Traces side by side",
    "db": "History file",
    "db_max_mb": "History size",
    "device": "Device",
    "discovery": "Discovery prefix",
    "dns_lookups": "Networks over DNS",
    "do_not_probe": "Never probe",
    "dscp": "DSCP",
    "ecn": "ECN",
    "enabled": "Enabled",
    "event": "Events",
    "family": "IP version",
    "first_ttl": "First hop",
    "flow_label": "Flow label",
    "flush_s": "Time in memory",
    "fwmark": "Firewall mark",
    "gap_limit": "Silent hops",
    "guests": "Guests may look",
    "hop_metrics": "Metrics of hops",
    "host": "Host",
    "interface": "Interface",
    "interval_s": "Interval",
    "jitter_pct": "Jitter",
    "key_file": "Private key",
    "label": "Label",
    "learn_h": "Learning time",
    "listen": "Addresses",
    "live_dir": "Folder in memory",
    "max_pps": "Most probes",
    "max_ttl": "Last hop",
    "method": "Method",
    "mmdb": "Databases of networks",
    "mqtt.host": "Broker",
    "name": "Name",
    "next_hop": "Next hop",
    "password_file": "Password file",
    "port": "Port",
    "prefix": "Topic prefix",
    "program": "Program",
    "protocol": "IP protocol",
    "publish_results": "Publish traces",
    "queries": "Probes per hop",
    "root": "Folder of the page",
    "size": "Probe size",
    "source": "Source",
    "table": "Routing table",
    "timeout_s": "Time limit",
    "tls": "TLS",
    "username": "User name",
    "wait_s": "Wait",
    "watch_pps": "Watching probes",
}
# What is asked of a text, as regular expressions that Python and JavaScript read alike; the whole text has to match.
PATTERNS = {
    Kind.ID: rf"[a-z0-9-]{{1,{ID_LENGTH}}}",
    Kind.DEVICE: r"[!-.0-9;-~]{1,15}",
    Kind.INTERFACE: r"[A-Za-z0-9_.-]{1,64}",
    Kind.TABLE: r"[A-Za-z0-9_.-]{1,64}",
    Kind.MARK: r"0[xX][0-9a-fA-F]{1,8}|[1-9][0-9]{0,9}",
    Kind.PATH: r"/.*",
    Kind.PATHS: r"/.*",
    Kind.PROGRAM: r"/.*",
    Kind.TOPIC: r"(?!\$)[^+#/]+(/[^+#/]+)*",
    Kind.LISTEN: r"off|(\[[0-9a-fA-F:.]+\]|[0-9.]+|@[A-Za-z0-9_.-]{1,64}):[1-9][0-9]{0,4}|unix:/.{1,106}",
    Kind.INT: r"-?[0-9]+",
    Kind.FLOAT: r"-?[0-9]+([.][0-9]+)?",
}
# LuCI's own types, which know addresses.
DATATYPES = {Kind.HOST: "host", Kind.ADDRESS: 'ipaddr("nomask")', Kind.NETWORKS: 'or(cidr,ipaddr("nomask"))'}
LISTS = (Kind.LISTEN, Kind.NETWORKS, Kind.PATHS, Kind.EVENTS)
# Of a target these stand in its row; the others open with Edit.
IN_THE_ROW = ("host", "label", "method", "interval_s", "enabled", "interface", "device", "program", "event")

_SHARED = SECTIONS["defaults"]

_HEAD = """'use strict';
'require baseclass';

/* Made of the program's schema by `make luci`; not written by hand. */

function shared() {
	return [
%s
	];
}

return baseclass.extend({
	sections: function() {
		return [
"""
_TAIL = """		];
	}
});
"""


def script() -> str:
    """The LuCI class that lists all sections with their options; what targets and their defaults share stands there once."""
    return _HEAD % _options("target", _SHARED, 2) + ",\n".join(_section(name, options) for name, options in SECTIONS.items()) + "\n" + _TAIL


def title(section: str, option: str) -> str:
    """What people read beside an option's field."""
    return TITLES.get(f"{section}.{option}") or TITLES[option]


def _section(name: str, options: tuple[Option, ...]) -> str:
    said = [
        f"type: {_text(name)}",
        f"title: {_shown(SECTION_TITLES[name])}",
        f"help: {_shown(SECTION_HELP[name])}",
        f"single: {json.dumps(name in SINGLE)}",
        f"nameless: {json.dumps(name in NAMELESS)}",
    ]
    own = tuple(option for option in options if option not in _SHARED)
    parts = [f"[\n{_options(name, own, 5)}\n\t\t\t\t]"] if own else []
    parts += ["shared()"] if own != options else []
    return f"\t\t\t{{\n\t\t\t\t{', '.join(said[:2])},\n\t\t\t\t{', '.join(said[2:])},\n\t\t\t\toptions: {_joined(parts)}\n\t\t\t}}"


def _joined(lists: list[str]) -> str:
    return f"{lists[0]}.concat({lists[1]})" if len(lists) > 1 else lists[0]


def _options(section: str, options: tuple[Option, ...], depth: int) -> str:
    return ",\n".join(f"{chr(9) * depth}{{ {_option(section, option)} }}" for option in options)


def _option(section: str, option: Option) -> str:
    choices = [kind.value for kind in (*ChangeKind, *AgentKind)] if option.kind is Kind.EVENTS else option.choices
    said = {
        "name": _text(option.name),
        "title": _shown(title(section, option.name)),
        "help": _shown(option.help),
        "kind": _text(option.kind.name.lower()),
        "placeholder": _text(option.default) if option.default else None,
        "choices": json.dumps(list(choices)) if choices else None,
        "list": "true" if option.kind in LISTS else None,
        "required": "true" if option.required else None,
        "row": "true" if option.name in IN_THE_ROW else None,
        "unit": _unit(option.unit) if option.unit else None,
        "low": None if option.low is None else f"{option.low:g}",
        "high": None if option.high is None else str(int(option.high)),
        "zero": "true" if option.zero else None,
        "pattern": _text(PATTERNS[option.kind]) if option.kind in PATTERNS else None,
        "datatype": _text(DATATYPES[option.kind]) if option.kind in DATATYPES else None,
    }
    return ", ".join(f"{key}: {value}" for key, value in said.items() if value is not None)


def _unit(unit: str) -> str:
    """Words are said in the reader's language; SI's signs are everybody's."""
    return _shown(unit) if len(unit) > len("MB") else _text(unit)


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _shown(text: str) -> str:
    """A text in the reader's language."""
    return f"_({_text(text)})"
