"""Everything that runs for one configuration, wired together; a reload makes a new one."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pathwarden.config.targets import default_target
from pathwarden.daemon.adding import ADDED, Additions, read_added, with_all
from pathwarden.daemon.board import Board
from pathwarden.daemon.dice import Dice
from pathwarden.daemon.drive import Driver
from pathwarden.daemon.eventlog import EventLog
from pathwarden.daemon.keeper import Keeper, noting
from pathwarden.daemon.networks import open_networks
from pathwarden.daemon.once import trace_draft
from pathwarden.daemon.parts import Parts
from pathwarden.daemon.prober import Prober
from pathwarden.daemon.reporting import Reporter, remembered
from pathwarden.daemon.restoring import restore_judges, restore_load, restore_teller
from pathwarden.daemon.sources import OpenBus, by_interface, open_bus
from pathwarden.daemon.surroundings import Surroundings
from pathwarden.daemon.tools import drawer, exporter
from pathwarden.engine.correlator import LAST_IDENT, Correlator
from pathwarden.engine.pacing import thrifty
from pathwarden.errors import OperatorError
from pathwarden.model.instants import since_boot
from pathwarden.model.protocols import Pictures
from pathwarden.model.settings import Settings, Target
from pathwarden.net.choose import open_transport
from pathwarden.net.clock import SystemClock
from pathwarden.net.counters import Counters
from pathwarden.net.netlink import KernelRoutes
from pathwarden.net.raw import RawTransport
from pathwarden.net.resolver import ThreadResolver
from pathwarden.store.budget import Budget
from pathwarden.store.lock import hold
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer

if TYPE_CHECKING:  # a daemon without a page, a broker and hooks needs none of these
    from pathwarden.api.access import Gate
    from pathwarden.daemon.hooks import Hooks
    from pathwarden.daemon.page import Page
    from pathwarden.model.access import SettingsBook
    from pathwarden.mqtt.publisher import MqttPublisher
    from pathwarden.net.rootless import RootlessTransport

log = logging.getLogger(__name__)

SOURCE_PORT_KEY = "source_port"  # kept in the history: flows stay the same over restarts
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
STOP_S = 2.0
IPV6_TARGET = "2606:4700:4700::1111"


class Runtime:
    """The agent with one configuration. `start` raises `OperatorError` and leaves nothing behind; `stop` writes what waits.

    `settings` are those `configured`, with the targets that the agent chose itself and those that subscribers added.
    The one of a process that has none `before` it tells that the agent has started.
    """

    def __init__(self, settings: Settings, before: "Runtime | None" = None) -> None:
        self.configured = self.settings = settings
        self.gate: Gate | None = None
        self.budget: Budget | None = None
        self.place: Path | None = None
        self._before = before
        self._page: Page | None = None
        self.tend: Callable[[], None] = lambda: None  # to be called now and then, by the thread that called `start`
        self.refused = ""  # why a newer configuration was not taken
        self.renew: Callable[[], None] = lambda: None  # called by any thread when another runtime of the same configuration is wanted
        self._prober: Prober | None = None
        self._probing: threading.Thread | None = None
        self._undo: list[tuple[str, Callable[[], object]]] = []

    def start(self) -> None:
        """Open everything and begin to probe."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def finish(self) -> None:
        """Begin no new trace; `probing` tells when the last one has ended."""
        if self._prober is not None:
            self._prober.finish()

    def probing(self) -> bool:
        """Whether the prober still runs."""
        return self._probing is not None and self._probing.is_alive()

    def stop(self) -> None:
        """End every part, in the order that loses nothing: no new traces, farewell to the broker, then the disk."""
        while self._undo:
            name, close = self._undo.pop()
            try:
                close()
            except OperatorError as error:
                log.error("%s: %s", name, error)

    def _start(self) -> None:
        clock = SystemClock()
        writer, reader = self._open_history()
        oracle = KernelRoutes()
        self._undo.append(("netlink", oracle.close))
        if self.settings.default_targets:
            self.settings = _with_default_targets(self.settings, oracle)
        kept = reader.tellings()
        added = read_added(kept.get(ADDED) if self.settings.mqtt.allow_add else None)
        self.settings = with_all(self.settings, added)
        bus = open_bus(oracle)
        self._undo.append(("ubus", bus.close))
        transport, how = self._open_transport(writer)
        resolver = ThreadResolver(lambda _host: transport.wake())
        self._undo.append(("resolver", resolver.close))
        random = Dice()
        correlator = Correlator(random.randint(1, LAST_IDENT))
        driver = Driver(transport, clock, correlator, thrifty(self.settings.agent.max_pps))
        judges = restore_judges(self.settings, reader, kept)
        keeper = Keeper(writer, self.settings.agent.flush_s)
        if clock.synced():
            keeper.correct(since_boot(clock.wall_ns() - clock.mono_ns()))
        networks = open_networks(self.settings.agent, lookups=True)
        self._undo.append(("networks", networks.close))
        for judge in judges.values():
            judge.detector.whose = networks.of
        teller = restore_teller(self.settings, judges, reader, kept)
        load = restore_load(kept, clock)
        surroundings = Surroundings(clock, oracle, bus.sources, self.settings.sources, Counters(), resolver, load, teller.down)
        reporter = Reporter(judges, teller, clock, keeper.put, surroundings)
        prober = Prober(self.settings, transport, clock, oracle, bus.sources, resolver, driver, judges, reporter, random, surroundings)
        parts = Parts(transport, how, correlator, keeper, writer, reader, networks, bus, surroundings)
        board = Board(self.settings, clock, reader, prober.trace, parts, parts.notices)
        for tid, judge in judges.items():
            heard = teller.heard(tid, clock.wall_ns())
            board.restored(tid, remembered(judge, reader.latest(tid), heard))
            if heard.paused:
                prober.hold(tid)
        board.wishes, board.keep, reporter.board = prober, keeper.put, board
        board.once = partial(trace_draft, self.settings, prober.trace_once)
        board.whose, reporter.whose = networks.now, networks.of
        board.resolver_silent = lambda: surroundings.resolver_silent
        parts.hooks = hooks = self._make_hooks(reader, kept, keeper, clock)
        additions = Additions(self.settings, added, noting(keeper, clock, ADDED), self.renew)
        parts.publisher = publisher = self._make_publisher(board, reader, kept, keeper, clock, additions)
        self.gate = self._make_gate(bus, clock, self._before)
        pictures = partial(drawer, reader, board.whose)
        bus.start(board, reader, self.settings, clock, self.gate.code if self.gate and self.gate.signs_in else None, pictures)
        self._serve(board, reader, clock, bus, pictures)
        self._begin(keeper, publisher, hooks, EventLog(reader), prober, reporter)
        self._follow(clock, oracle, transport, prober, keeper, surroundings)
        bus.on_happening(surroundings.note)
        self._follow_interfaces(bus, oracle, transport, prober)

    def _open_history(self) -> tuple[Writer, Reader]:
        path = Path(self.settings.agent.db)
        self._undo.append(("lock", hold(path).release))
        agent = self.settings.agent
        live_dir = Path(agent.live_dir) if agent.live_dir else None
        before = self._before
        budget = before.budget if before and before.settings.agent.db == agent.db else None
        writer = Writer(path, max_mb=agent.db_max_mb, boot_id=_boot_id(), live_dir=live_dir, budget=budget)
        self.budget = writer.budget
        self._undo.append(("history", writer.close))
        if writer.notice:
            log.warning("%s", writer.notice)
        if writer.remark:
            log.info("%s", writer.remark)
        reader = Reader(path)
        self._undo.append(("reader", reader.close))
        return writer, reader

    def _make_hooks(self, reader: Reader, kept: Mapping[str, str], keeper: Keeper, clock: SystemClock) -> "Hooks | None":
        """What runs programs on events; None if there are none."""
        if not self.settings.hooks:
            return None
        from pathwarden.daemon.hooks import MARK, Hooks

        return Hooks(self.settings.hooks, reader, clock, kept.get(MARK), noting(keeper, clock, MARK))

    def _make_publisher(
        self, board: Board, reader: Reader, kept: Mapping[str, str], keeper: Keeper, clock: SystemClock, additions: Additions
    ) -> "MqttPublisher | None":
        """What tells a broker; None without one."""
        if not self.settings.mqtt.host:
            return None
        from pathwarden.daemon.publishing import make_publisher

        return make_publisher(self.settings, board, reader, kept, keeper, clock, additions)

    def _open_transport(self, writer: Writer) -> "tuple[RawTransport | RootlessTransport, str]":
        """The transport, with the source port that this history's flows have had so far."""
        port = writer.meta_get(SOURCE_PORT_KEY)
        transport, how = open_transport(int(port or 0), seed=int(_seed(writer), 16))
        self._undo.append(("transport", transport.close))
        if port != str(transport.source_port):
            writer.meta_set(SOURCE_PORT_KEY, str(transport.source_port))
        return transport, how

    def _make_gate(self, bus: OpenBus, clock: SystemClock, before: "Runtime | None") -> "Gate | None":
        """Who may see the page; None without a page. Who signed in before a reload stays so."""
        if not self.settings.web.listen:
            return None
        from pathwarden.daemon.page import make_gate

        return make_gate(self.settings, clock, bus.accounts(), before.gate.known if before and before.gate else None)

    def _serve(self, board: Board, reader: Reader, clock: SystemClock, bus: OpenBus, pictures: Callable[[], Pictures | None]) -> None:
        if not self.gate:
            return
        from pathwarden.api.app import make_app
        from pathwarden.api.guard import HostRule
        from pathwarden.daemon.page import Page

        hosts = HostRule((), os.uname().nodename.partition(".")[0])
        app = make_app(
            board,
            reader,
            self.settings,
            clock,
            lambda: exporter(reader, self.settings.agent.name, board.whose),
            self.gate,
            hosts,
            self._book(bus),
            pictures,
        )
        self._page = Page(self.settings, app, hosts, bus.addresses)
        self._undo.append(("page", self._page.stop))
        self._page.start()

    def _book(self, bus: OpenBus) -> "SettingsBook | str":
        """The file that the page may change, or why there is none: on OpenWrt the daemon reads a copy that it may not write."""
        if bus.accounts():
            return "set_in_luci"
        if self.place is None:
            return "no_file"
        from pathwarden.config.book import Book
        from pathwarden.config.load import load_here

        # As whoever changes the file by hand does.
        return Book(self.place, load_here, lambda: os.kill(os.getpid(), signal.SIGHUP), self.configured, lambda: self.refused)

    @property
    def pages(self) -> tuple[str, ...]:
        """Where the page is."""
        return self._page.urls if self._page else ()

    def _begin(
        self,
        keeper: Keeper,
        publisher: "MqttPublisher | None",
        hooks: "Hooks | None",
        event_log: EventLog,
        prober: Prober,
        reporter: Reporter,
    ) -> None:
        """Start the threads; from here on the keeper closes the history."""
        keeper.publisher = publisher
        if publisher is None:
            keeper.forget_outbox()
        keeper.start()
        self._undo = [(name, close) for name, close in self._undo if name != "history"]
        self._undo.append(("store", lambda: keeper.stop(STOP_S)))
        keeper.on_events = (event_log.event_stored,)
        if hooks is not None:
            keeper.on_events = (event_log.event_stored, hooks.event_stored)
            hooks.start()
            self._undo.append(("hooks", lambda: hooks.stop(STOP_S)))
        if publisher is not None:
            publisher.start()
            self._undo.append(("mqtt", publisher.stop))
        if self._before is None:
            reporter.begin()
        self._before = None
        thread = threading.Thread(target=prober.run, name="prober", daemon=True)
        thread.start()

        self._prober, self._probing = prober, thread

        def stop_prober() -> None:
            prober.stop()
            thread.join(STOP_S)

        self._undo.append(("prober", stop_prober))

    def _follow_interfaces(self, bus: OpenBus, oracle: KernelRoutes, transport: "RawTransport | RootlessTransport", prober: Prober) -> None:
        """Trace at once what leaves by an interface that changed: it is back, or it is to say why not."""

        def interface_changed(name: str) -> None:
            oracle.forget()
            transport.forget()
            for tid in by_interface(self.settings, name):
                prober.ask(tid)

        bus.on_change(interface_changed)
        self._undo.append(("interfaces", bus.close))  # before the prober ends, which it asks

    def _follow(
        self,
        clock: SystemClock,
        oracle: KernelRoutes,
        transport: "RawTransport | RootlessTransport",
        prober: Prober,
        keeper: Keeper,
        surroundings: Surroundings,
    ) -> None:
        """Follow what changes around us: the kernel's routes and addresses, and the clock's becoming right."""

        def kernel_changed(_kind: str) -> None:
            transport.wake()

        def tend() -> None:
            if self._page:
                self._page.follow()
            if clock.synced() and (shift := clock.take_shift()):
                log.info("the clock is right now; it was wrong by %.1f s", shift.by_ns / 1e9)
                prober.clock_right(shift, keeper.correct)

        oracle.watch(kernel_changed, surroundings.note, transport.forget)
        self.tend = tend


def _with_default_targets(settings: Settings, oracle: KernelRoutes) -> Settings:
    """The agent's own choice for an owner who named none: the way out, two well-known resolvers, and IPv6 if there is a route."""
    from dataclasses import replace

    chosen: list[Target] = []
    gateway = oracle.default_gateway(4) or oracle.default_gateway(6)
    if gateway:
        chosen.append(default_target("gateway", gateway, "Gateway", 0))
    chosen.append(default_target("cloudflare", "1.1.1.1", "Cloudflare DNS", 4))
    chosen.append(default_target("quad9", "9.9.9.9", "Quad9 DNS", 4))
    if oracle.has_route(IPV6_TARGET):
        chosen.append(default_target("cloudflare6", IPV6_TARGET, "Cloudflare DNS (IPv6)", 6))
    return replace(settings, targets=tuple(chosen))


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _seed(writer: Writer) -> str:
    """Where the search for a source port starts: different for each history, the same for one."""
    return (writer.meta_get("database_id") or "0").replace("-", "")[:8]
