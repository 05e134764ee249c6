"""The real daemon as a process in a node of a laboratory, and the other commands beside it; as root and without any privilege."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from netlab import Lab
from pathwarden.store.reader import Reader

T = TypeVar("T")

NOBODY = 65534
# Other tests may load the machine meanwhile: a wait for what must come at all is this long, and never decides what is right.
PATIENCE_S = 40.0
_PAUSE_S = 0.05  # between two looks; a look may be a request over HTTP
_UNPRIVILEGED = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
_LIBRARIES = ("bottle", "paho", "pyroute2", "waitress")
_CHECKOUT = Path(__file__).parents[2]
# No name server answers in a laboratory: what asks one shall learn that within a second.
_RESOLVER = {"RES_OPTIONS": "timeout:1 attempts:1"}


class Runner(NamedTuple):
    """Who runs the program and how. `folder` is a place where that user may write."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    uid: int
    folder: Path

    def place(self, name: str) -> Path:
        """A new folder that belongs to the user."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        os.chown(folder, self.uid, self.uid)
        return folder

    def options(self) -> dict[str, Any]:
        """Keywords for Popen: environment and working directory."""
        return {"env": {**os.environ, **_RESOLVER, **self.env}, "cwd": "/"}

    def run(self, lab: Lab, node: str, *words: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return lab.exec(node, [*self.command, *words], timeout=timeout_s, **self.options())


@contextmanager
def runners() -> Iterator[tuple[Runner, Runner]]:
    """The program run by root, and by a user without any privilege.

    Checkout and environment may lie where only root may read, so the latter runs a copy in a folder that everyone may read.
    """
    folder = Path(tempfile.mkdtemp(prefix="pathwarden-", dir="/tmp"))
    try:
        folder.chmod(0o755)
        library = folder / "library"
        _copy_program(library)
        env = {"PYTHONPATH": str(library), "HOME": "/nonexistent"}
        python = _python_for_all(env)
        yield (
            Runner("root", (sys.executable, "-m", "pathwarden"), {}, 0, folder),
            Runner("nobody", (*_UNPRIVILEGED, python, "-P", "-m", "pathwarden"), env, NOBODY, folder),
        )
    finally:
        shutil.rmtree(folder)


def _copy_program(library: Path) -> None:
    """The package as it would be installed, and its libraries, all of which are pure Python."""
    package = library / "pathwarden"
    shutil.copytree(_CHECKOUT / "agent/pathwarden", package)
    shutil.copytree(_CHECKOUT / "web", package / "static", dirs_exist_ok=True)
    for name in _LIBRARIES:
        spec = find_spec(name)
        assert spec and spec.origin, f"{name} is not installed"
        origin = Path(spec.origin)
        if spec.submodule_search_locations:
            shutil.copytree(origin.parent, library / name)
        else:
            shutil.copy2(origin, library)
    for path in (library, *library.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _python_for_all(env: Mapping[str, str]) -> str:
    """An interpreter that any user may run and that finds the copy."""
    candidates = dict.fromkeys([os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"])
    code = "import sys, pathwarden, bottle, waitress, paho.mqtt.client; assert sys.version_info >= (3, 11)"
    said = []
    for python in candidates:
        try:
            command = [*_UNPRIVILEGED, python, "-P", "-c", code]
            done = subprocess.run(command, env={**os.environ, **env}, cwd="/", capture_output=True, text=True, timeout=60)
        except OSError as error:
            said.append(f"{python}: {error}")
            continue
        if done.returncode == 0:
            return python
        said.append(f"{python}: {done.stderr.strip()}")
    raise RuntimeError("no Python from 3.11 on that every user may run: " + "; ".join(said))


def section(type_: str, name: str, /, **options: object) -> str:
    """A section of a configuration in UCI form."""
    lines = [f"config {type_} '{name}'"]
    for option, value in options.items():
        if isinstance(value, list | tuple):
            lines += [f"\tlist {option} '{item}'" for item in value]
        else:
            lines.append(f"\toption {option} '{value}'")
    return "\n".join(lines) + "\n"


def awaited(look: Callable[[], T], good: Callable[[T], object], what: str, timeout_s: float = PATIENCE_S) -> T:
    """What `look` returned when it was `good`; at the deadline a `TimeoutError` says what was awaited and what was seen last."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        seen = look()
        if good(seen):
            return seen
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s} s: {what}; seen: {str(seen)[:2000]}")
        pause.wait(_PAUSE_S)


class Agent:
    """The daemon in a node, with its own folder for configuration, history and output; may be started again and again."""

    def __init__(self, lab: Lab, runner: Runner, name: str, *, node: str = "agent", port: int = 8866) -> None:
        self.lab = lab
        self.runner = runner
        self.node = node
        self.name = name
        self.folder = runner.place(name)
        self.db = self.folder / "history.db"
        self.config = self.folder / "pathwarden.conf"
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def configure(self, *sections: str, **options: object) -> None:
        """Write the configuration: these sections, and agent and page; `options` are of the agent."""
        own = {"name": self.name, "db": self.db, "live_dir": self.folder / "live", "max_pps": 100} | options
        text = [section("agent", "agent", **own), section("web", "web", listen=[f"127.0.0.1:{self.port}"]), *sections]
        self.config.write_text("\n".join(text), encoding="utf-8")
        self.config.chmod(0o644)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "the daemon was not started"
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative if a signal ended it; None while it runs."""
        assert self._process is not None, "the daemon was not started"
        return self._process.poll()

    def launch(self) -> Self:
        """Start it, and do not wait."""
        assert self._process is None or self.returncode is not None, "the daemon runs already"
        self._starts += 1
        command = [*self.runner.command, "--config", str(self.config), "run"]
        with (self.folder / "stdout").open("ab") as stdout, (self.folder / "stderr").open("ab") as stderr:
            self._process = self.lab.popen(
                self.node, command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, **self.runner.options()
            )
        return self

    def await_page(self) -> None:
        """Wait until it says where the page is."""
        self.awaits(lambda: self.output().count("The page: "), lambda count: count >= self._starts, "the daemon says where its page is")

    def start(self) -> Self:
        """Start it, and wait until it says where the page is."""
        self.launch().await_page()
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None, "the daemon was not started"
        self._process.send_signal(number)

    def ended(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for its end; its exit code."""
        assert self._process is not None, "the daemon was not started"
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the daemon {self.name} did not end within {timeout_s} s; its log: {self.log()[-2000:]}") from None

    def stop(self) -> int:
        """Ask it to end, and wait; its exit code."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        """End it with no chance to say or write anything."""
        self.signal(signal.SIGKILL)
        self.ended()

    def output(self) -> str:
        """All that it wrote to standard output, over all its starts."""
        return self._text("stdout")

    def log(self) -> str:
        """All that it wrote to standard error, over all its starts."""
        return self._text("stderr")

    def get(self, path: str) -> Any:
        """The JSON answer to a GET request to its page, asked from inside the node."""
        status, body = self.ask("GET", path)
        assert status == 200, f"GET {path}: {status} {body[:500]!r}"
        return json.loads(body)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Status and body of its page's answer."""
        with self.lab.enter(self.node):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            connection.connect()
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def state(self, tid: str) -> dict[str, Any]:
        """The `state` object of a target, by HTTP."""
        return next(state for state in self.get("/api/v1/targets")["targets"] if state["target"] == tid)

    def rounds(self) -> int:
        """How many rounds it has made since its start."""
        return sum(self.get("/api/v1/status")["rounds"].values())

    def await_rounds(self, number: int, timeout_s: float) -> None:
        """Wait until it has made so many rounds since its start."""
        self.awaits(self.rounds, lambda seen: seen >= number, f"{number} rounds", timeout_s)

    def reader(self) -> Reader:
        """Its history, open for reading."""
        return Reader(self.db)

    def awaits(self, look: Callable[[], T], good: Callable[[T], object], what: str, timeout_s: float = PATIENCE_S) -> T:
        """As `awaited`, but fails at once when the daemon ends, and tells its log."""

        def alive() -> T:
            assert self.returncode is None, (
                f"the daemon {self.name} ended with {self.returncode} before {what}; its log: {self.log()[-3000:]}"
            )
            return look()

        try:
            return awaited(alive, good, f"{self.name}: {what}", timeout_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; the daemon's log: {self.log()[-2000:]}") from None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        if self._process is not None and self.returncode is None:
            self.kill()

    def _text(self, name: str) -> str:
        file = self.folder / name
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
