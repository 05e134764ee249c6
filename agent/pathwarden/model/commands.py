"""Commands of subscribers: the limits that they keep, and the codes of their answers, which keep their meaning for ever."""

MOST_BYTES = 1024  # the longest sensible command has some 150
MOST_MUTED_S = 2_592_000  # 30 days, as over HTTP: what is muted for longer is better not watched
ID_LENGTH = 64
MOST_ADDED = 20  # as many as the budget of probes is made for
OPTION_LENGTH = 253  # of a value of a target that is added: the longest host name (RFC 1035)

OK = "ok"
CODES = {
    OK: "done, or begun",
    "retained": "a retained command is not obeyed",
    "rate_limited": "too many commands; wait a few seconds",
    "too_large": f"a command has at most {MOST_BYTES} bytes",
    "bad_encoding": "a command is UTF-8 text",
    "bad_json": "a command is a JSON object",
    "bad_parameter": "a member of the object is unknown, or has a value that it cannot have",
    "unknown_verb": "there is no such command",
    "unknown_target": "there is no such target",
    "not_watched": "the target is switched off in the configuration",
    "no_path": "no path to the target is known yet",
    "not_allowed": "the owner does not allow it (mqtt.allow_add)",
    "target_exists": "there is a target of this name",
    "too_many_targets": f"at most {MOST_ADDED} targets can be added",
    "not_added": "the target stands in the configuration, and can only be removed there",
}
