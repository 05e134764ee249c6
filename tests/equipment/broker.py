"""A real mosquitto on loopback or in a network namespace, and a subscriber that misses nothing."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from equipment.waiting import until

_INSTALL = "apt-get install mosquitto mosquitto-clients"
_AGAIN_S = 0.2  # a broker's restart takes longer
_NS_PORT = 1883  # nothing else listens in a namespace that a test made


class Broker:
    """mosquitto with its own configuration, data and log in `folder`.

    `ns` names a network namespace, `bind` the address to listen on there. `users` maps names to passwords (None: no password file).
    `persistent` keeps subscriptions and their queued messages over a restart. `extra` is further configuration text,
    `access` an access list. `quiet` logs no packets: of a thousand clients they would be its main work; it cannot `subscribe` then.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ns: str | None = None,
        bind: str = "127.0.0.1",
        port: int = 0,
        users: dict[str, str] | None = None,
        allow_anonymous: bool = True,
        persistent: bool = False,
        extra: str = "",
        access: str = "",
        quiet: bool = False,
    ) -> None:
        self.folder = folder
        self.ns = ns
        self.bind = bind
        self._kept = None if port or ns else keep_port(bind)
        self.port = self._kept.getsockname()[1] if self._kept else port or _NS_PORT
        self.password_file = folder / "broker.passwords" if users is not None else None
        self._program = _program("mosquitto")
        self._log = folder / "broker.log"
        self._config = folder / "broker.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        lines = [
            f"listener {self.port} {bind}",
            f"allow_anonymous {str(allow_anonymous).lower()}",
            f"log_dest file {self._log}",
            *(f"log_type {kind}" for kind in (("error", "warning", "notice", "information") if quiet else ("all",))),
            f"persistence {str(persistent).lower()}",
            f"persistence_location {folder}/",
            "max_queued_messages 100000",  # with 0 (no limit) mosquitto 2.0.11 hangs up after each refused message
            extra,
        ]
        if os.geteuid() == 0:
            lines.append("user root")
        if access:
            file = folder / "broker.access"
            file.write_text(access)
            file.chmod(0o600)
            lines.append(f"acl_file {file}")
        if users is not None:
            self.set_passwords(users)
            lines.append(f"password_file {self.password_file}")
        self._config.write_text("\n".join(lines) + "\n")

    def set_passwords(self, users: dict[str, str]) -> None:
        """Write the password file; takes effect at the next start."""
        assert self.password_file is not None
        self.password_file.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        self.password_file.chmod(0o600)
        subprocess.run([_program("mosquitto_passwd"), "-U", str(self.password_file)], check=True, timeout=30)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "the broker does not run"
        return self._process.pid

    def start(self) -> Self:
        """Start, and wait until it listens."""
        assert self._process is None, "the broker runs already"
        self._starts += 1
        with (self.folder / "broker.stderr").open("ab") as stderr:
            command = [*self._inside(), self._program, "-c", str(self._config)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)
        until(self._listens, f"mosquitto listens on {self.bind}:{self.port}: {self.log()[-500:]}")
        return self

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        """End it; SIGTERM lets it say so to its clients and save its data, SIGKILL does not."""
        if self._process is None:
            return
        process, self._process = self._process, None
        for _ in range(10):
            process.send_signal(sig)  # mosquitto 2.0 forgets one that comes between its word that it runs and its main loop
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
                return
        raise TimeoutError(f"mosquitto does not end: {self.log()[-500:]}")

    def restart(self, sig: signal.Signals = signal.SIGTERM) -> None:
        """Stop and start on the same port."""
        self.stop(sig)
        self.start()

    def pause(self) -> None:
        """Hold it still: connections stay, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        """What it has logged over all its starts."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def subscribe(self, topic: str, client_id: str, *options: str) -> "Subscriber":
        """A subscriber whose session outlives the connection; returns when the broker knows it."""
        before = self.log().count(f" {client_id} 1 {topic}")
        where = ["-h", self.bind, "-p", str(self.port)]
        command = [*self._inside(), _program("mosquitto_sub"), *where, "-i", client_id, "-c", "-q", "1", "-t", topic, "-F", "%j", *options]
        subscriber = Subscriber(command)
        until(lambda: self.log().count(f" {client_id} 1 {topic}") > before, f"{client_id} has subscribed: {self.log()[-500:]}")
        return subscriber

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.stop()
        if self._kept:
            self._kept.close()

    def _inside(self) -> list[str]:
        return ["ip", "netns", "exec", self.ns] if self.ns else []

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            stderr = (self.folder / "broker.stderr").read_text(errors="replace")
            raise RuntimeError(f"mosquitto ended with {self._process.returncode}: {stderr[-500:]} {self.log()[-500:]}")
        return self.log().count(" running\n") >= self._starts


class Message(NamedTuple):
    """One message as a subscriber got it."""

    topic: str
    retain: bool
    qos: int
    payload: str

    @property
    def json(self) -> Any:
        """The payload read as JSON."""
        return json.loads(self.payload)


class Subscriber:
    """mosquitto_sub, read by a thread; it connects again by itself, and is started again where a broker that went amid TLS ended it."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._closed = threading.Event()
        self._changing = threading.Lock()
        self._process = self._started()
        self._messages: list[Message] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def messages(self, ending: str = "") -> list[Message]:
        """Messages so far whose topic has this ending."""
        return [message for message in list(self._messages) if message.topic.endswith(ending)]

    def payloads(self, ending: str) -> list[str]:
        """Payloads so far of topics with this ending."""
        return [message.payload for message in self.messages(ending)]

    def close(self) -> None:
        """End it."""
        with self._changing:
            self._closed.set()
            self._process.kill()
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _started(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def _read(self) -> None:
        while True:
            with self._process as process:
                assert process.stdout is not None
                for line in process.stdout:
                    got = json.loads(line)
                    self._messages.append(Message(got["topic"], bool(got["retain"]), got["qos"], got["payload"] or ""))
            self._closed.wait(_AGAIN_S)
            with self._changing:
                if self._closed.is_set():
                    return
                self._process = self._started()


def keep_port(address: str = "127.0.0.1") -> socket.socket:
    """A TCP port of a loopback address on which nothing listens: while this socket is open, the kernel gives it to nobody else.

    Who asks for this very port with SO_REUSEADDR, as servers do, can listen there.
    """
    kept = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind((address, 0))
    return kept


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nothing listens."""
    with keep_port() as kept:
        yield int(kept.getsockname()[1])


def _program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise RuntimeError(f"{name} is missing: {_INSTALL}")
    return path
