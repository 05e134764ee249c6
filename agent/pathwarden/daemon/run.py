"""The daemon's life: start, reload, stop."""

import gc
import logging
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from pathwarden import __version__
from pathwarden.daemon.notify import ALIVE, READY, STOPPING, Notifier
from pathwarden.daemon.runtime import Runtime
from pathwarden.errors import OperatorError
from pathwarden.model.settings import Settings

log = logging.getLogger("pathwarden")

TEND_S = 30.0  # how long the clock may have become right unnoticed
FINISH_S = 20.0  # a trace at the usual pace takes a few seconds; one that nothing answers somewhat longer
FINISH_LOOK_S = 0.1
# Traces refer to themselves nowhere, and the page's answers leave nothing behind: the collector finds next to nothing. It looks when there
# are so many objects more than when it looked before, some 5 MB if all were waste; its second and third stage at every other time.
COLLECT = (50_000, 2, 2)
# A target that a subscriber adds is watched soon, with those that are added at the same time; and nobody restarts us all the time.
RENEW_S, RENEW_APART_S = 2.0, 30.0
EXIT_FAULT = 70  # EX_SOFTWARE of sysexits.h: a fault of ours; the supervisor starts the agent again


class _Life:
    """What signals and dying threads ask of the main thread.

    The kernel may hand a signal to any thread, and a lock that the main thread waits for does not notice: Python's wake-up descriptor does.
    """

    def __init__(self) -> None:
        self._ear, self._mouth = socket.socketpair()
        self._mouth.setblocking(False)
        signal.set_wakeup_fd(self._mouth.fileno())
        self.place: Path | None = None
        self.stop = False
        self.reload = False
        self.fault: threading.ExceptHookArgs | None = None
        self._renew_at: float | None = None
        self._renewed_at = -RENEW_APART_S

    def on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True

    def on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reload = True

    def on_renew(self) -> None:
        """Another runtime of the same configuration is wanted; any thread may say so."""
        self._renew_at = max(time.monotonic() + RENEW_S, self._renewed_at + RENEW_APART_S)
        with suppress(BlockingIOError):  # the main thread has enough to wake up for
            self._mouth.send(b"!")

    def renews(self) -> bool:
        """Whether it is time for that now; true once."""
        if self._renew_at is None or time.monotonic() < self._renew_at:
            return False
        self._renew_at, self._renewed_at = None, time.monotonic()
        return True

    def on_fault(self, args: threading.ExceptHookArgs) -> None:
        self.fault = args
        self._mouth.send(b"!")

    def wait(self, longest_s: float) -> None:
        """Sleep until something is asked, or this long."""
        if self._renew_at is not None:
            longest_s = max(min(longest_s, self._renew_at - time.monotonic()), 0)
        if select.select([self._ear], [], [], longest_s)[0]:
            self._ear.recv(4096)

    def close(self) -> None:
        """Hear no more."""
        signal.set_wakeup_fd(-1)
        self._ear.close()
        self._mouth.close()


def run(load: Callable[[], Settings], place: Path | None = None) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP calls `load` again. `place` is the file that the page may change.

    Returns the exit code; raises `OperatorError` if it cannot start.
    """
    life = _Life()
    life.place = place
    signal.signal(signal.SIGTERM, life.on_stop)
    signal.signal(signal.SIGINT, life.on_stop)
    signal.signal(signal.SIGHUP, life.on_reload)
    threading.excepthook = life.on_fault
    runtime = _made(load(), life)
    runtime.start()
    _settle()
    _say(runtime)
    supervisor = Notifier()
    supervisor.tell(READY)
    while True:
        life.wait(min(supervisor.every_s or TEND_S, TEND_S))
        supervisor.tell(ALIVE)
        runtime.tend()
        if life.fault is not None or life.stop:
            break
        if life.reload:
            life.reload = False
            runtime = _reload(runtime, load, life)
        elif life.renews():
            runtime = _renewed(runtime, runtime.configured, life)
    supervisor.tell(STOPPING)
    runtime.stop()
    life.close()
    if life.fault is not None:
        fault = life.fault
        if isinstance(fault.exc_value, OperatorError):
            log.error("%s", fault.exc_value)
            return fault.exc_value.exit_code
        log.critical("a thread died", exc_info=(fault.exc_type, fault.exc_value or fault.exc_type(), fault.exc_traceback))
        return EXIT_FAULT
    log.info("stopped")
    return 0


def _made(settings: Settings, life: _Life, before: Runtime | None = None) -> Runtime:
    runtime = Runtime(settings, before)
    runtime.place = life.place
    runtime.renew = life.on_renew
    return runtime


def _reload(old: Runtime, load: Callable[[], Settings], life: _Life) -> Runtime:
    """The runtime of the new configuration; if it cannot be, that of the old one goes on. Traces that run are ended first."""
    try:
        settings = load()
    except OperatorError as error:
        log.error("reload: the old configuration stays: %s", error)
        old.refused = str(error)
        return old
    return _renewed(old, settings, life)


def _renewed(old: Runtime, settings: Settings, life: _Life) -> Runtime:
    """The runtime of these settings, as `_reload` says."""
    old.finish()
    deadline = time.monotonic() + FINISH_S
    while old.probing() and not life.stop and time.monotonic() < deadline:
        life.wait(FINISH_LOOK_S)
    if life.stop:
        return old
    old.stop()
    new = _made(settings, life, old)
    try:
        new.start()
    except OperatorError as error:
        log.error("reload: back to the old configuration: %s", error)
        new = _made(old.configured, life, old)
        new.refused = str(error)
        new.start()
    else:
        log.info("reloaded")
    _settle()
    _say(new)
    return new


def _settle() -> None:
    """What is there now is there to stay: keep the collector from looking through all of it again and again."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


def _say(runtime: Runtime) -> None:
    settings = runtime.settings
    count = len(settings.targets)
    log.info("pathwarden %s watches %d target%s, history in %s", __version__, count, "" if count == 1 else "s", settings.agent.db)
    mqtt = settings.mqtt
    log.info("events: %s", f"mqtt://{mqtt.host}:{mqtt.port}/{mqtt.prefix}" if mqtt.host else "MQTT is off; set mqtt.host to switch it on")
    for page in runtime.pages:
        sys.stdout.write(f"The page: {page}\n")
    sys.stdout.flush()
