"""Prometheus's own promtool reads what the agent tells at /metrics, and the alert rules that come along."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from equipment.fakes import make_info, make_state
from pathwarden.mqtt.commands import CODES
from pathwarden.present import metrics

TOP = Path(__file__).parents[2]
RULES = TOP / "packaging" / "monitoring" / "alerts.yml"
AT_S = 1_795_250_700
MINUTES = 90
WHERE = 'job="pathwarden",instance="router"'
TARGET = f'{{{WHERE},target="office"}}'
WELL = {
    f"up{{{WHERE}}}": "1x90",
    f'pathwarden_target_state{{{WHERE},target="office",pathwarden_target_state="unreachable"}}': "0x90",
    f'pathwarden_target_state{{{WHERE},target="office",pathwarden_target_state="unstable"}}': "0x90",
    f'pathwarden_path_changes_total{{{WHERE},target="office",event_type="path_changed"}}': "3x90",
    f"pathwarden_target_loss_ratio{TARGET}": "0.01x90",
    f"pathwarden_mqtt_connected{{{WHERE}}}": "1x90",
    f"pathwarden_mqtt_outbox_dropped_total{{{WHERE}}}": "0x90",
}
ILL = dict(zip(WELL, ("0x90", "1x90", "1x90", "3x85 4x4", "0.3x90", "0x90", "0x85 7x4"), strict=True))
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())


@pytest.fixture(scope="module")
def promtool() -> str:
    return subprocess.run([TOP / "packaging/dev/promtool.sh"], capture_output=True, text=True, check=True, timeout=100).stdout.strip()


@pytest.fixture(scope="module")
def told() -> str:
    mqtt = {"enabled": True, "connected": True, "outbox": 1, "failed": {"quota_exceeded": 1}, "commands": dict.fromkeys(CODES, 0)}
    counters = {"probes_sent": 1, "replies": {"echo": 1}, "outbox_dropped": 0, "hooks_run": 0, "hooks_failed": 0}
    states = [make_state(tid) | {"name": 'a "quoted" \\ name', "last_change_at": "2026-01-01T00:00:00.000Z"} for tid in ("dns", "office")]
    return metrics.render({**make_info(), "mqtt": mqtt, "counters": counters}, states)


def run(promtool: str, *words: object, said: str | None = None) -> None:
    done = subprocess.run([promtool, *map(str, words)], input=said, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_reads_our_openmetrics(promtool: str, told: str, tmp_path: Path) -> None:
    """Its only way to read OpenMetrics is to load them as history, for which each sample needs its time."""
    text = re.sub(r"^([^#\n].*)$", rf"\1 {AT_S}", told, flags=re.MULTILINE)
    (tmp_path / "metrics").write_text(text)
    run(promtool, "tsdb", "create-blocks-from", "openmetrics", tmp_path / "metrics", tmp_path / "blocks")
    (block,) = (tmp_path / "blocks").glob("*/meta.json")
    samples = [line for line in told.splitlines() if line and not line.startswith("#")]
    assert json.loads(block.read_text())["stats"]["numSamples"] == len(samples) > 30


def test_its_lint_minds_nothing(promtool: str, told: str) -> None:
    """It lints the older text form, which has no infos and statesets, and in which a counter's family is called as its samples are."""
    old = {"counter": ("_total", "counter"), "info": ("_info", "gauge"), "stateset": ("", "gauge")}
    lines, suffix = [], ""
    for line in told.splitlines():
        if typed := re.fullmatch(r"# TYPE (\w+) (\w+)", line):
            suffix, kind = old.get(typed[2], ("", typed[2]))
            lines.append(f"# TYPE {typed[1]}{suffix} {kind}")
        elif line.startswith("# HELP "):
            lines.append(re.sub(r"^# HELP (\w+)", rf"# HELP \1{suffix}", line))
        elif not line.startswith("#"):
            lines.append(line)
    run(promtool, "check", "metrics", said="\n".join(lines) + "\n")


def test_it_takes_the_rules(promtool: str) -> None:
    run(promtool, "check", "rules", RULES)


def test_each_rule_alerts_when_it_should_and_no_other(promtool: str, tmp_path: Path) -> None:
    assert len(ALERTS) == len(WELL)
    cases: list[dict[str, Any]] = [case(WELL, None)]
    cases += [case(WELL | {name: ILL[name]}, alert) for name, alert in zip(WELL, ALERTS, strict=True)]
    made = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": cases}
    (tmp_path / "cases.yml").write_text(json.dumps(made))  # JSON is YAML
    run(promtool, "test", "rules", tmp_path / "cases.yml")


def case(series: dict[str, str], alert: str | None) -> dict[str, Any]:
    """These series, and the only alert that is on at the end; None for none."""
    expression = 'count(ALERTS{alertstate="firing"}) by (alertname) or vector(0) unless on() ALERTS{alertstate="firing"}'
    firing = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if alert else [{"labels": "{}", "value": 0}]
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": f"{MINUTES - 1}m", "exp_samples": firing}],
    }
