"""The alert rules and the dashboard that come along: whole, and about metrics that there are."""

import json
import re
from pathlib import Path

from equipment.fakes import make_info, make_state
from pathwarden.mqtt.commands import CODES
from pathwarden.present import metrics

FOLDER = Path(__file__).parents[2] / "packaging" / "monitoring"
RULES, DASHBOARD = FOLDER / "alerts.yml", FOLDER / "dashboard.json"


def known() -> set[str]:
    """Every sample that an agent can tell, and each label of the stateset."""
    mqtt = {"enabled": True, "connected": True, "outbox": 1, "failed": {"quota_exceeded": 1}, "commands": dict.fromkeys(CODES, 0)}
    counters = {"probes": {"udp": 1}, "replies": {"echo": 1}, "outbox_dropped": 0, "hooks_run": 0, "hooks_failed": 0}
    of_target = metrics.OfTarget((1,) * (len(metrics.BOUNDS_NS) + 1), 1, dict.fromkeys(metrics.CHANGES, 0), 1, (metrics.OfHop(1, 1, 0.0),))
    figures = metrics.Figures({"dns": of_target}, 1, 1, 0)
    text = metrics.render({**make_info(), "mqtt": mqtt, "counters": counters}, [make_state("dns")], figures)
    return set(re.findall(r"^(pathwarden_\w+)", text, re.MULTILINE))


def named(text: str) -> set[str]:
    return set(re.findall(r"\bpathwarden_\w+", text))


def test_the_rules_are_about_metrics_that_there_are() -> None:
    lines = RULES.read_text().splitlines()
    expressions = [line.partition("expr: ")[2] for line in lines if line.lstrip().startswith("expr: ")]
    alerts = [line.partition("alert: ")[2] for line in lines if "- alert: " in line]
    assert len(expressions) == len(alerts) == len(set(alerts)) > 5
    assert all(named(expression) <= known() for expression in expressions)
    assert sum("severity: " in line for line in lines) == sum("summary: " in line for line in lines) == len(alerts)
    assert all(expression.count(each) == expression.count(other) for expression in expressions for each, other in ("()", "{}", "[]"))


def test_the_dashboard_is_about_metrics_that_there_are() -> None:
    made = json.loads(DASHBOARD.read_text())
    panels = made["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert all(named(expression) <= known() for expression in expressions)
    assert all(expression.count(each) == expression.count(other) for expression in expressions for each, other in ("()", "{}", "[]"))
    variables = {variable["name"] for variable in made["templating"]["list"]}
    used = {name for expression in expressions for name in re.findall(r"\$(\w+)", expression)}
    assert used <= variables
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
