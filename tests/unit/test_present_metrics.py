import re

import pytest

from equipment.fakes import make_info, make_state
from pathwarden.present import metrics
from pathwarden.present.schemas import STATES

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
ESCAPES = {r"\\": "\\", r"\n": "\n", r"\"": '"'}
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "info": ("_info",),
    "stateset": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
}


def parse(text):
    """A strict reader of the OpenMetrics that we write: {sample name: {labels: value}}."""
    assert text.endswith("# EOF\n")
    families, samples, current = {}, {}, None
    for line in text.removesuffix("# EOF\n").splitlines():
        if line.startswith("# "):
            keyword, name, value = re.fullmatch(rf"# (TYPE|UNIT|HELP) ({NAME}) (.*)", line).groups()
            if keyword == "TYPE":
                assert name not in families, "a family stands together"
                families[name] = {"TYPE": value}
                current = name
            assert name == current
            assert keyword == "TYPE" or keyword not in families[name]
            families[name][keyword] = value
            assert keyword != "UNIT" or name.endswith(f"_{value}")
            continue
        name, labels, value = re.fullmatch(rf"({NAME})(?:\{{(.*)\}})? (\S+)", line).groups()
        kind = families[current]["TYPE"]
        assert name in [current + suffix for suffix in SUFFIXES[kind]], f"{name} is no sample of the {kind} {current}"
        assert kind != "info" or value == "1"
        assert kind != "counter" or float(value) >= 0
        key = frozenset(read_labels(labels or "").items())
        assert key not in samples.setdefault(name, {}), "a series stands once"
        samples[name][key] = float(value)
    return samples


def read_labels(text):
    labels, place = {}, 0
    while place < len(text):
        match = LABEL.match(text, place)
        assert match, f"bad labels: {text[place:]}"
        assert match[1] not in labels
        labels[match[1]] = re.sub(r"\\.", lambda found: ESCAPES[found[0]], match[2])
        place = match.end()
    return labels


def one(samples, name, /, **labels):
    return samples[name][frozenset(labels.items())]


def test_what_the_history_costs_its_disk():
    db = make_info()["db"] | {"live": 7, "written_bytes": 1_234_567, "budget_24h_bytes": 2_000_000}
    samples = parse(metrics.render(make_info() | {"db": db}, []))
    assert one(samples, "pathwarden_db_unflushed_traces") == 7
    assert one(samples, "pathwarden_db_written_bytes_total") == 1_234_567
    assert one(samples, "pathwarden_db_write_budget_bytes") == 2_000_000


def test_everything_that_is_known_is_there():
    state = make_state("cloudflare") | {"loss_pct": 33.3}
    samples = parse(metrics.render(make_info() | {"rounds": {"ok": 11, "failed": 1}}, [state]))
    assert one(samples, "pathwarden_agent_info", version="0.1.0", agent="home-rt") == 1
    assert one(samples, "pathwarden_probes_sent_total", kind="udp") == 300
    assert one(samples, "pathwarden_replies_total", kind="time_exceeded") == 250
    assert one(samples, "pathwarden_rounds_total", result="failed") == 1
    assert one(samples, "pathwarden_mqtt_connected") == 1
    assert one(samples, "pathwarden_mqtt_outbox_messages") == 0
    assert one(samples, "pathwarden_db_size_bytes") == 4096
    assert one(samples, "pathwarden_target_up", target="cloudflare") == 1
    assert one(samples, "pathwarden_target_rtt_seconds", target="cloudflare", stat="median") == 0.009877
    assert one(samples, "pathwarden_target_rtt_seconds", target="cloudflare", stat="max") == 0.01225
    assert one(samples, "pathwarden_target_loss_ratio", target="cloudflare") == 0.333
    assert one(samples, "pathwarden_target_hops", target="cloudflare") == 3
    about = {"target": "cloudflare", "name": "Cloudflare", "address": "192.0.2.9", "af": "4", "proto": "udp", "method": "udp", "source": ""}
    assert one(samples, "pathwarden_target_info", **about) == 1


def test_a_stateset_has_a_series_for_each_state():
    samples = parse(metrics.render({}, [make_state("t") | {"state": "unstable"}]))
    states = {dict(labels)["pathwarden_target_state"]: value for labels, value in samples["pathwarden_target_state"].items()}
    assert states.keys() == set(STATES)
    assert [state for state, value in states.items() if value] == ["unstable"]


def test_the_path_and_its_times():
    state = make_state("t") | {"path_since": "2026-01-01T00:00:00.000Z", "ts": "2026-01-01T01:00:00.500Z"}
    samples = parse(metrics.render({}, [state]))
    assert one(samples, "pathwarden_path_info", target="t", path_id="r1", path_label="A", usual_path="A") == 1
    assert one(samples, "pathwarden_path_age_seconds", target="t") == 3600.5
    assert "pathwarden_path_last_change_timestamp_seconds" not in samples
    of_target = metrics.OfTarget((0,) * 12, 0, {}, 1767225601_250_000_000, ())
    samples = parse(metrics.render({}, [state], metrics.Figures({"t": of_target}, None, None, 0)))
    assert one(samples, "pathwarden_path_last_change_timestamp_seconds", target="t") == 1767225601.25


def test_what_the_broker_refused_and_what_was_commanded():
    mqtt = {"enabled": True, "failed": {"not_authorized": 3}, "commands": {"ok": 2, "bad_json": 0}}
    samples = parse(metrics.render({"mqtt": mqtt, "counters": {"outbox_dropped": 1, "hooks_run": 5, "hooks_failed": 2}}, []))
    assert one(samples, "pathwarden_mqtt_publish_failures_total", reason="not_authorized") == 3
    assert one(samples, "pathwarden_mqtt_commands_total", code="ok") == 2
    assert one(samples, "pathwarden_mqtt_outbox_dropped_total") == 1
    assert (one(samples, "pathwarden_hook_runs_total"), one(samples, "pathwarden_hook_failures_total")) == (5, 2)


def test_what_is_unknown_is_left_out():
    state = make_state("t") | {
        "reached": None,
        "rtt_ms": None,
        "rtt_min_ms": None,
        "rtt_max_ms": None,
        "loss_pct": None,
        "address": None,
        "path_id": None,
        "path_since": None,
    }
    off = make_info() | {"mqtt": {"enabled": False, "connected": False, "outbox": 0, "detail": ""}, "counters": {}, "db": None}
    samples = parse(metrics.render(off, [state]))
    of_target = {"pathwarden_target_info", "pathwarden_target_hops", "pathwarden_target_state"}
    assert set(samples) == {"pathwarden_agent_info", "pathwarden_rounds_total", *of_target}
    assert "address" not in dict(next(iter(samples["pathwarden_target_info"])))


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", 'x"} 1\n# EOF\n', "台北 🏠", r"\n", '\\"', "a\\\nb"])
def test_names_of_strangers_stay_names(name):
    samples = parse(metrics.render(make_info(), [make_state("t") | {"name": name}]))
    assert dict(next(iter(samples["pathwarden_target_info"])))["name"] == name


def test_nothing_is_still_a_text():
    assert metrics.expose([]) == "# EOF\n"
    assert metrics.expose([metrics.gauge("a", "A.", [({}, None)])]) == "# EOF\n"


def test_the_text_is_laid_out_as_the_specification_says():
    families = [metrics.gauge("a_bytes", 'Size\nof "a".', [({"x": "y"}, 1.5), ({}, True)], "bytes"), metrics.counter("b", "B.", [({}, 2)])]
    assert metrics.expose(families).splitlines() == [
        "# TYPE a_bytes gauge",
        "# UNIT a_bytes bytes",
        r"# HELP a_bytes Size\nof \"a\".",
        'a_bytes{x="y"} 1.5',
        "a_bytes 1",
        "# TYPE b counter",
        "# HELP b B.",
        "b_total 2",
        "# EOF",
    ]
