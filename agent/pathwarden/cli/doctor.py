"""`pathwarden doctor`: what this machine can do, in a line each, with remedies."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from pathwarden.cli.bounded import bounded
from pathwarden.cli.checks import keeping, machine, probing, reaching, signing, sources
from pathwarden.cli.checks.finding import FAIL, OK, WARN, Finding, Place
from pathwarden.cli.terminal import Screen, clean, counted, say, say_json
from pathwarden.config.load import find, load_here
from pathwarden.errors import ConfigError, ProbeError
from pathwarden.model.probe import Binding
from pathwarden.model.settings import Settings
from pathwarden.net.netlink import KernelRoutes

CHECK_S = 2.0
ALL_S = 9.0
STATUS = 6  # columns of the status
COLORS = {OK: "green", WARN: "yellow", FAIL: "red"}
Check = Callable[[], list[Finding]]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `doctor` command."""
    subparsers.add_parser(
        "doctor",
        help="check what this machine can do, with remedies",
        description="Check this machine: a line for each finding, with what to do about it. Sends at most three probes towards the "
        "first target, asks for one host name, and signs in at the broker. Takes less than ten seconds. Exit code 1 if there is a FAIL.",
    )


def run(args: argparse.Namespace) -> int:
    """Print the findings as they come; 1 if one of them is a failure."""
    screen = Screen(args)
    findings = []
    oracle = KernelRoutes()
    try:
        for finding in _findings(args, oracle):
            findings.append(finding)
            if not args.json:
                _print(screen, finding)
    finally:
        oracle.close()
    if args.json:
        say_json([finding.as_json() for finding in findings])
    return int(any(finding.status == FAIL for finding in findings))


def _findings(args: argparse.Namespace, oracle: KernelRoutes) -> Iterator[Finding]:
    until = time.monotonic() + ALL_S
    try:
        settings = load_here(args.config)
    except ConfigError as error:
        yield from _bad_configuration(args, error)
        checks = _machine(oracle)
    else:
        yield _good_configuration(args, settings)
        checks = _machine(oracle) | _configured(Place(settings, oracle))
    _wake(oracle)
    for what, check in checks.items():
        yield from _bounded(what, check, min(CHECK_S, until - time.monotonic()))


def _wake(oracle: KernelRoutes) -> None:
    """Load the netlink library before the first check's time runs: on a small router that takes seconds."""
    try:
        oracle.lookup("127.0.0.1", Binding())
    except ProbeError:  # even loopback is down; the checks will say what is wrong
        return


def _bounded(what: str, check: Check, seconds: float) -> list[Finding]:
    if seconds > 0:
        try:
            return bounded(check, seconds)
        except TimeoutError:
            pass
    return [Finding(WARN, what, "not found out in time", "run this again when the machine is less busy")]


def _machine(oracle: KernelRoutes) -> dict[str, Check]:
    checks = {"probing": machine.methods, "clock": machine.clock, "default routes": machine.routes, "connections": machine.conntrack}
    return {what: partial(check, oracle) for what, check in checks.items()}


def _configured(place: Place) -> dict[str, Check]:
    checks = {
        "DNS": machine.names,
        "ICMP errors": probing.probes,
        "gateway": machine.gateway,  # the probes have just made the kernel look for it
        "ubus": lambda _place: sources.bus(),
        "sources": sources.sources,
        "history": keeping.history,
        "MQTT": reaching.broker,
        "sign-in": signing.sign_in,
        "daemon": reaching.daemon,
    }
    return {what: partial(check, place) for what, check in checks.items()}


def _bad_configuration(args: argparse.Namespace, error: ConfigError) -> list[Finding]:
    file = find(args.config)
    found = []
    for line in str(error).splitlines():
        problem, _, remedy = line.partition("; ")
        # Without a file, what is wrong names what to set.
        found.append(Finding(FAIL, "configuration", problem, remedy or (f"correct it in {file}" if file else None)))
    return found


def _good_configuration(args: argparse.Namespace, settings: Settings) -> Finding:
    file = find(args.config)
    if settings.default_targets:
        return Finding(OK, "configuration", f"{file or 'no file'}: the agent chooses its targets itself")
    return Finding(OK, "configuration", f"{file}: {counted(len(settings.targets), 'target')}, {counted(len(settings.sources), 'source')}")


def _print(screen: Screen, finding: Finding) -> None:
    text = f"{finding.what}: {finding.detail}" + (f" -> {finding.fix}" if finding.fix else "")
    status = screen.paint(f"{finding.status:{STATUS}}", COLORS[finding.status])
    say(status + screen.wrapped(clean(text), STATUS))
    sys.stdout.flush()
