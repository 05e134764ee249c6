"""The whole agent on the simulated network: a week of history first, then live with the clock running fast.

Only the transport, the clock and the kernel's answers are simulated; schedule, detector, history, page and events are the real ones.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from pathwarden.config.targets import default_target
from pathwarden.daemon.board import Board
from pathwarden.daemon.drive import Driver
from pathwarden.daemon.keeper import Keeper
from pathwarden.daemon.once import trace_draft
from pathwarden.daemon.parts import counters
from pathwarden.daemon.prober import Prober
from pathwarden.daemon.reporting import Reporter, remembered
from pathwarden.daemon.restoring import restore_judges, restore_teller
from pathwarden.daemon.sources import DeviceNames, NoBus
from pathwarden.engine.correlator import Correlator
from pathwarden.engine.pacing import TokenBucket
from pathwarden.model.history import Record
from pathwarden.model.probe import Reply
from pathwarden.model.settings import AgentSettings, MqttSettings, Settings, Target, WebSettings
from pathwarden.mqtt.topics import Topics, topics
from pathwarden.sim.network import SimNetwork
from pathwarden.sim.scenario import Scenario
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer

SPEED = 60
WEEK_S = 7 * 86_400
BATCH = 200  # records a transaction while the week is written
PPS = 200.0  # the simulated routers bear it, and the week is written sooner
WATCH_PPS = 0.05  # in simulated time; live it is three a second
DB_MB = 64
PAGE = "127.0.0.1:8866"
TOGETHER_NS = 20_000_000  # replies so close are taken at once: fewer turns, and the week is written sooner
REAL_WAIT_NS = 200_000_000  # how long the live network may sleep at a time, so that a stop is noticed


class LiveNetwork(SimNetwork):
    """The simulated network; after `go_live` its clock is tied to the real one, `SPEED` times as fast."""

    def __init__(self, scenario: Scenario, seed: int, start_wall_ns: int) -> None:
        super().__init__(scenario, seed, start_wall_ns)
        self._live_since: tuple[int, int] | None = None  # virtual and real nanoseconds when it went live
        self._woken = threading.Event()

    def go_live(self) -> None:
        """From now on time passes by itself."""
        self._live_since = (self.now_ns, time.monotonic_ns())

    def mono_ns(self) -> int:
        """Virtual nanoseconds; when live they run smoothly, not in the jumps of `receive`."""
        if self._live_since is None:
            return self.now_ns
        virtual_ns, real_ns = self._live_since
        return virtual_ns + (time.monotonic_ns() - real_ns) * SPEED

    def wall_ns(self) -> int:
        """Virtual wall clock."""
        return self._start_wall_ns + self.mono_ns() - self._start_ns

    def receive(self, timeout_ns: int) -> list[Reply]:
        """Replies that come next, while the week is written with those right behind them; when live, sleeps until they come."""
        if self._live_since is None:
            replies = super().receive(timeout_ns)
            until_ns = self.now_ns + TOGETHER_NS
            while replies and (at_ns := self.next_arrival_ns()) is not None and at_ns <= until_ns:
                replies += super().receive(at_ns - self.now_ns)
            return replies
        until_ns = self.mono_ns() + min(timeout_ns, REAL_WAIT_NS * SPEED)
        self._sleep_until(min(self.next_arrival_ns() or until_ns, until_ns))
        return super().receive(0)

    def pause(self, timeout_ns: int) -> None:
        """Jump the clock; when live, sleep."""
        if self._live_since is None:
            super().pause(timeout_ns)
        else:
            self._sleep_until(self.mono_ns() + timeout_ns)

    def wake(self) -> None:
        """End a waiting `receive` or `pause`."""
        self._woken.set()

    def _sleep_until(self, mono_ns: int) -> None:
        if self._woken.wait(max(mono_ns - self.mono_ns(), 0) / SPEED / 1e9):
            self._woken.clear()
        self.now_ns = self.mono_ns()


class _Sink:
    """Where the prober's records go: first to the week's writer, later to the keeper."""

    def __init__(self, put: Callable[[Record], None]) -> None:
        self.put = put

    def __call__(self, record: Record) -> None:
        self.put(record)


def run(scenario: Scenario, folder: Path, seed: int, web_root: str, say: Callable[[str], None], progress: Callable[[int], None]) -> None:
    """Write a week of history into `folder`, then go live until interrupted; `say` prints a line, `progress` gets the days written."""
    settings = _settings(scenario, folder, web_root)
    network = LiveNetwork(scenario, seed, start_wall_ns=time.time_ns() - WEEK_S * 1_000_000_000)
    random = Random(seed)  # noqa: S311 - a simulation, no secret
    correlator = Correlator()
    driver = Driver(network, network, correlator, TokenBucket(PPS))
    path = Path(settings.agent.db)
    writer = Writer(path, max_mb=DB_MB, boot_id="demo")
    with Reader(path) as reader:
        kept = reader.tellings()
        judges = restore_judges(settings, reader, kept)
        waiting: list[Record] = []
        sink = _Sink(waiting.append)
        teller = restore_teller(settings, judges, reader, kept, Random(seed).randbytes)  # noqa: S311 - ids of a simulation
        reporter = Reporter(judges, teller, network, sink)
        prober = Prober(settings, network, network, network, DeviceNames(), _Names(), driver, judges, reporter, random)
        try:
            _write_week(prober, network, writer, waiting, progress)
        except BaseException:
            writer.close()
            raise
        keeper = Keeper(writer)
        named = topics(settings.mqtt.prefix, settings.agent.name)

        def keep(record: Record) -> None:
            keeper.put(record)
            _print_events(record, named, say)

        sink.put = keep

        def parts() -> Mapping[str, object]:
            stats = reader.stats()
            return {
                "transport": {"name": "sim", "detail": f"its clock runs {SPEED} times as fast"},
                "mqtt": {"enabled": False, "connected": False, "outbox": 0, "detail": "the demo prints its events instead"},
                "db": {"path": stats.path, "size_bytes": stats.size_bytes, "limit_bytes": stats.limit_bytes,
                       "traces": stats.traces, "events": stats.events, "waiting": keeper.waiting(), "notice": keeper.notice},
                "ubus": NoBus().snapshot(),
                "counters": counters(correlator, {}),
            }  # fmt: skip

        def notices() -> list[dict[str, str]]:
            return [{"level": "info", "text": f"This is the demo: a simulated network whose clock runs {SPEED} times as fast."}]

        board = Board(settings, network, reader, prober.trace, parts, notices)
        for tid, judge in judges.items():
            board.restored(tid, remembered(judge, reader.latest(tid), teller.heard(tid, network.wall_ns())))
        board.wishes, board.keep, reporter.board = prober, keeper.put, board
        board.once = partial(trace_draft, settings, prober.trace_once)
        _serve_until_interrupted(board, reader, settings, network, keeper, prober, say)


def _serve_until_interrupted(
    board: Board, reader: Reader, settings: Settings, network: LiveNetwork, keeper: Keeper, prober: Prober, say: Callable[[str], None]
) -> None:
    from pathwarden.api.app import make_app
    from pathwarden.api.server import Server
    from pathwarden.export.exporter import Exporter

    app = make_app(board, reader, settings, network, lambda: Exporter(reader, settings.agent.name))
    server = Server(app, settings.web.listen)
    server.start()
    network.go_live()
    keeper.start()
    for address in server.addresses:
        say(f"The page: http://{address}/   (Ctrl-C ends the demo)")
    try:
        prober.run()
    except KeyboardInterrupt:
        say("")
    finally:
        server.stop()
        keeper.stop(2.0)


def _write_week(prober: Prober, network: LiveNetwork, writer: Writer, waiting: list[Record], progress: Callable[[int], None]) -> None:
    start_ns, day = network.now_ns, 0
    while (passed_s := (network.now_ns - start_ns) // 1_000_000_000) < WEEK_S:
        prober.turn(60_000_000_000)
        if len(waiting) >= BATCH:
            writer.save(waiting)
            waiting.clear()
        if passed_s // 86_400 > day:
            day = passed_s // 86_400
            progress(day)
    writer.save(waiting)
    waiting.clear()
    progress(7)


def _print_events(record: Record, named: Topics, say: Callable[[str], None]) -> None:
    """As `mosquitto_sub -v` would show them."""
    from pathwarden.mqtt.payload import encode

    for event in record.events:
        say(f"{named.event(event.target)} {encode(event.body).decode()}")


def _settings(scenario: Scenario, folder: Path, web_root: str) -> Settings:
    agent = AgentSettings("demo", PPS, WATCH_PPS, 16, (), 24.0, str(folder / "history.db"), DB_MB)
    targets: list[Target] = [replace(default_target(d.name, d.address, d.label, 0), jitter_pct=5) for d in scenario.destinations]
    mqtt = MqttSettings("", 1883, "", "", "pathwarden")
    return Settings(agent, mqtt, WebSettings((_page(),), web_root), tuple(targets), (), default_targets=False)


def _page() -> str:
    """The usual address, or any free port when something else has it."""
    import socket

    host, _, port = PAGE.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return f"{host}:0"
    return PAGE


class _Names:
    """The demo's targets are addresses already."""

    def lookup(self, host: str, family: int) -> str | None:  # noqa: ARG002 - addresses have one family
        """The host itself."""
        return host
