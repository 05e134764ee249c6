"""`pathwarden mqtt test|asyncapi`: the way to the broker, step by step, and what is published there."""

import argparse
import sys

from pathwarden.cli.terminal import Screen, clean, say, say_json
from pathwarden.config.load import load_here
from pathwarden.daemon.publishing import password_of
from pathwarden.errors import ConfigError
from pathwarden.model.settings import Settings
from pathwarden.mqtt.topics import topics
from pathwarden.mqtt.walk import FAIL, OK, WARN, Step, walk
from pathwarden.present.asyncapi import document

STEP_S = 5.0
STATUS = 6  # columns of the status, as doctor prints it
COLORS = {OK: "green", WARN: "yellow", FAIL: "red"}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `mqtt` command with its verbs."""
    parser = subparsers.add_parser("mqtt", help="try the connection to the broker", description="Look at the connection to the broker.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="test|asyncapi")
    verbs.add_parser(
        "test",
        help="walk to the broker step by step",
        description="Walk name, TCP, TLS, sign-in, the right to publish and the right to subscribe, up to the first that fails, with what "
        "to do about it. A running daemon is not disturbed. Exit code 1 if a step fails.",
    )
    verbs.add_parser(
        "asyncapi",
        help="print the AsyncAPI document: every topic, and the JSON Schema of what it says",
        description="Print the AsyncAPI 3 document of the topics, with the JSON Schemas of everything that is published.",
    )


def run(args: argparse.Namespace) -> int:
    """Walk and print the steps, 1 if one fails; or print the document."""
    settings = load_here(args.config)
    if args.verb == "asyncapi":
        say_json(document(settings.mqtt.prefix))
        return 0
    return _test(args, settings)


def _test(args: argparse.Namespace, settings: Settings) -> int:
    mqtt = settings.mqtt
    if not mqtt.host:
        raise ConfigError("mqtt.host: is empty, so MQTT is off", "set it to the broker's name or address")
    screen, steps = Screen(args), []
    for step in walk(mqtt, password_of(mqtt), topics(mqtt.prefix, settings.agent.name), STEP_S):
        steps.append(step)
        if not args.json:
            _print(screen, step)
    if args.json:
        say_json([step._asdict() for step in steps])
    return int(any(step.status == FAIL for step in steps))


def _print(screen: Screen, step: Step) -> None:
    text = f"{step.what}: {step.detail}" + (f" -> {step.fix}" if step.fix else "")
    say(screen.paint(f"{step.status:{STATUS}}", COLORS[step.status]) + screen.wrapped(clean(text), STATUS))
    sys.stdout.flush()
