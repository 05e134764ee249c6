import re

import pytest

from equipment.fakes import make_info, make_state
from pathwarden.present import metrics

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
ESCAPES = {r"\\": "\\", r"\n": "\n", r"\"": '"'}
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "info": ("_info",)}


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


def test_everything_that_is_known_is_there():
    state = make_state("cloudflare") | {"loss_pct": 33.3}
    samples = parse(metrics.render(make_info() | {"rounds": {"ok": 11, "failed": 1}}, [state]))
    assert one(samples, "pathwarden_agent_info", version="0.1.0", agent="home-rt") == 1
    assert one(samples, "pathwarden_probes_sent_total") == 300
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
    assert one(samples, "pathwarden_path_changes_total", target="cloudflare") == 4
    about = {"target": "cloudflare", "name": "Cloudflare", "address": "192.0.2.9", "af": "4", "proto": "udp", "method": "udp", "source": ""}
    assert one(samples, "pathwarden_target_info", **about) == 1


def test_what_is_unknown_is_left_out():
    state = make_state("t") | {
        "reached": None,
        "rtt_ms": None,
        "rtt_min_ms": None,
        "rtt_max_ms": None,
        "loss_pct": None,
        "address": None,
        "changes_total": None,
    }
    off = make_info() | {"mqtt": {"enabled": False, "connected": False, "outbox": 0, "detail": ""}, "counters": {}, "db": None}
    samples = parse(metrics.render(off, [state]))
    assert set(samples) == {"pathwarden_agent_info", "pathwarden_rounds_total", "pathwarden_target_info", "pathwarden_target_hops"}
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
