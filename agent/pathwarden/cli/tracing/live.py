"""`pathwarden trace --live`: round after round, as a table that rolls on in the terminal, or as a report of so many rounds."""

import argparse
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from pathwarden.cli.terminal import Screen, remark, say, say_json
from pathwarden.cli.tracing import matrix
from pathwarden.cli.tracing.lines import NAME_WAIT_S, ORIGIN_WAIT_S
from pathwarden.cli.tracing.probing import STEP_NS, Bench, Rules, Running, finish, in_words
from pathwarden.cli.tracing.rolling import Table, as_json
from pathwarden.cli.tracing.rolling_view import View, lines, signs
from pathwarden.cli.tracing.values import LEAST_ROUND_S
from pathwarden.cli.tracing.window import Window
from pathwarden.config.load import load_here
from pathwarden.daemon.networks import open_networks
from pathwarden.detect import loss
from pathwarden.engine.correlator import Session
from pathwarden.engine.session import TraceSession
from pathwarden.errors import CannotProbe, ConfigError, ProbeError, explain
from pathwarden.net.names import ReverseNames
from pathwarden.net.whois import Origins

INTERVAL_S = 1.0
_DRAW_NS = 1_000_000_000  # names and networks come in between rounds


class _Lookups:
    """What stands beside addresses, looked up beside the rounds."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._names = None if args.numeric else ReverseNames()
        self._origins = Origins(os.environ.get("RA_SERVER", ""), os.environ.get("RA_SERVICE", "")) if args.origins else None
        self._asked: tuple[str, ...] = ()
        self.whose = open_networks(load_here(args.config).agent, lookups=False).now

    def ask(self, table: Table) -> None:
        """Ask for all responders that are new."""
        seen = dict.fromkeys(responder for _, row in table.rows() for responder in row.responders)
        for responder in [each for each in seen if each not in self._asked]:
            self._asked += (responder,)
            if self._names is not None:
                self._names.ask(responder)
            if self._origins is not None and self.whose(responder).asn is None:
                self._origins.ask(responder)

    def names(self, wait_s: float = 0) -> dict[str, str]:
        """The names that are known."""
        return self._names.get(self._asked, wait_s) if self._names is not None else {}

    def as_of(self, wait_s: float = 0) -> dict[str, str]:
        """The AS numbers that the registry told."""
        if self._origins is None:
            return {}
        found = self._origins.get(tuple(each for each in self._asked if self.whose(each).asn is None), wait_s)
        return {each: number for each, number in found.items() if number.startswith("AS")}  # other signs say that there is none

    @property
    def problem(self) -> str:
        """Why AS numbers could not be looked up, '' if they could or were not asked for."""
        return self._origins.problem if self._origins is not None else ""


@dataclass(slots=True)
class _Lane:
    """One target: its next round begins at `due_ns` at the soonest."""

    running: Running
    title: str
    table: Table
    rules: Rules
    due_ns: int = 0
    session: TraceSession | None = None
    begun: int = 0


def interval_s(args: argparse.Namespace, targets: int) -> float:
    """The seconds between rounds. Raises ConfigError if so many targets want more."""
    least = LEAST_ROUND_S * targets
    if args.interval is None:
        return max(INTERVAL_S, least)
    if args.interval < least:
        raise ConfigError(f"--interval {args.interval:g}: too short for {targets} at once", f"give each router time: at least {least:g}")
    return float(args.interval)


class Live:
    """Runs rounds until `count` of them are done (0: until somebody says so), and draws them where there is a terminal."""

    def __init__(self, args: argparse.Namespace, bench: Bench, all_running: Sequence[Running], rules: Rules) -> None:
        self._args = args
        self._bench = bench
        self._interval_ns = round(interval_s(args, len(all_running)) * 1e9)
        self._count = args.count or 0
        self._screen = Screen(args)
        self._lookups = _Lookups(args)
        # Targets share the routers near here, so their rounds never begin together.
        self._apart_ns = self._interval_ns // len(all_running)
        self._turn_ns = 0
        once = replace(rules, queries=1)
        self._lanes = [_lane(each, once) for each in all_running]
        self._shown = 0
        self._detail = self._paused = False
        self._drawn: tuple[object, ...] = ()

    @property
    def reached(self) -> bool:
        """Whether every destination answered."""
        return all(lane.table.reached for lane in self._lanes)

    def run(self, window: Window | None) -> None:
        """Go on until the rounds are done or `q` is pressed. Raises CannotProbe if the first round could not send."""
        while not self._done():
            now_ns = self._bench.clock.mono_ns()
            self._begin(now_ns)
            if window is not None and self._heed(window, now_ns):
                return
            self._bench.driver.step(max(min(STEP_NS, self._next_ns() - now_ns), 0))

    def report(self, *, waiting: bool) -> None:
        """Print the tables as they are; `waiting`: names and AS numbers that are still looked up are waited for."""
        if self._args.json:
            shown = [(lane, loss.shown([row.count for _, row in lane.table.rows()])) for lane in self._lanes]
            rows = [{"host": lane.running.wish.host, **as_json(lane.table, persisting)} for lane, persisting in shown]
            say_json({"targets": rows}, indent=None)
            return
        if waiting:
            self._lookups.names(NAME_WAIT_S)
            self._lookups.as_of(ORIGIN_WAIT_S)
        for place, lane in enumerate(self._lanes):
            if place:
                say("")
            for line in lines(lane.title, lane.table, self._view(self._screen.columns, 0)):
                say(line)
        if self._lookups.problem:
            remark(self._args, f"pathwarden: no AS numbers: {self._lookups.problem}")

    def _done(self) -> bool:
        return bool(self._count) and all(lane.begun >= self._count and lane.session is None for lane in self._lanes)

    def _next_ns(self) -> int:
        waiting = [lane.due_ns for lane in self._lanes if lane.session is None and not self._ended(lane)]
        return max(min(waiting), self._turn_ns) if waiting else self._bench.clock.mono_ns() + STEP_NS

    def _ended(self, lane: _Lane) -> bool:
        return self._paused or (bool(self._count) and lane.begun >= self._count)

    def _begin(self, now_ns: int) -> None:
        for lane in self._lanes:
            flow = lane.running.flow
            if lane.session is not None or now_ns < max(lane.due_ns, self._turn_ns) or flow is None or self._ended(lane):
                continue
            lane.due_ns = now_ns + self._interval_ns
            self._turn_ns = now_ns + self._apart_ns
            lane.begun += 1
            spec = lane.rules.spec(flow, self._bench.transport, lane.running.wish)
            # One wait for all, so that a probe's time does not depend on who else answered; see `engine.session`.
            spec = replace(spec, by_hop=False, waits=None, expected_ttl=lane.table.length or 0)
            if not lane.table.searching and lane.table.length:
                spec = replace(spec, max_ttl=lane.table.length)
            session = TraceSession(spec, self._bench.correlator, random.Random())  # noqa: S311 - order, no secret
            lane.session = lane.running.session = session
            self._bench.run(session, lane.running.binding, partial(self._book, lane))

    def _book(self, lane: _Lane, _session: Session) -> None:
        lane.session = None
        finish(lane.running)
        outcome = lane.running.outcome
        if outcome is None:
            return
        if outcome.error and not lane.table.rounds:
            raise CannotProbe(f"{lane.running.wish.host}: {explain(outcome.error)}", "no probe could leave")
        lane.table.book(replace(outcome, error=explain(outcome.error) if outcome.error else ""), self._bench.clock.wall_ns())
        self._lookups.ask(lane.table)

    def _heed(self, window: Window, now_ns: int) -> bool:
        """Do what the keys say, and draw if anything is new; whether to end."""
        for key in window.pressed():
            if key == "q":
                return True
            self._press(key)
        columns, height = window.size()
        lane = self._lanes[self._shown]
        seen = (now_ns // _DRAW_NS, columns, height, lane.table.rounds, self._shown, self._detail, self._paused)
        if seen != self._drawn:
            self._drawn = seen
            window.draw(lines(lane.title, lane.table, self._view(columns, height)), height)
        return False

    def _press(self, key: str) -> None:
        if key == "p":
            self._paused = not self._paused
        elif key == "d":
            self._detail = not self._detail
        elif key == "n":
            self._shown = (self._shown + 1) % len(self._lanes)
        elif key == "r":
            for lane in self._lanes:
                lane.table.reset()

    def _view(self, columns: int, height: int) -> View:
        return View(
            columns,
            height,
            self._screen.paint,
            signs(sys.stdout.encoding),
            self._lookups.names(),
            self._lookups.as_of(),
            self._lookups.whose,
            self._detail,
            self._paused,
            (self._shown + 1, len(self._lanes)) if height else (1, 1),
        )


def watch(args: argparse.Namespace, bench: Bench, all_running: Sequence[Running], rules: Rules) -> tuple[Live, bool]:
    """Make rounds, then print the report; the second value tells whether they were interrupted. Raises CannotProbe, ConfigError."""
    live = Live(args, bench, all_running, rules)
    interrupted = False
    try:
        if args.json or not sys.stdout.isatty():
            live.run(None)
        else:
            with Window() as window:
                live.run(window)
    except KeyboardInterrupt:
        interrupted = True
    live.report(waiting=not interrupted)
    return live, interrupted


def check(args: argparse.Namespace, targets: int) -> None:
    """Whether there is a terminal to draw on, or an end to wait for, and time enough for so many. Raises ConfigError."""
    interval_s(args, targets)
    if args.count is None and (args.json or not sys.stdout.isatty()):
        why = "--json prints a report" if args.json else "standard output is no terminal"
        raise ConfigError(f"--live: {why}", "add --count N for a report after N rounds")


def _lane(running: Running, rules: Rules) -> _Lane:
    if running.error is not None or running.flow is None:
        raise in_words(running.error or ProbeError("no_route"), running.wish)
    wish = running.wish
    title = f"{wish.host} ({wish.address})  {matrix.way(running, numbered=bool(wish.number))}"
    return _Lane(running, title, Table(wish.address, wish.af, rules.first_ttl), rules)
