"""The page: who may see it, and where it listens, also when an interface's addresses change."""

import logging
import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from pathwarden.api.access import Gate, Known
from pathwarden.api.app import WsgiApp
from pathwarden.api.guard import HostRule
from pathwarden.api.listen import at_addresses, split_interface, split_listen, split_socket
from pathwarden.api.server import Server
from pathwarden.errors import OperatorError, ProbeError
from pathwarden.model.access import KEY_FILE, Accounts
from pathwarden.model.protocols import Clock
from pathwarden.model.settings import Settings

_KEY_BYTES = 32
_ROOT, _ADMIN = "root", "admin"

log = logging.getLogger(__name__)

Addresses = Callable[[str], Iterable[str]]


def make_gate(settings: Settings, clock: Clock, router: Accounts | None, known: Known | None = None) -> Gate:
    """The gate as `web.auth` has it; `router` holds OpenWrt's accounts, None elsewhere; `known` is of the gate before.

    Raises `OperatorError` for a bad password file.
    """
    web = settings.web
    if web.auth == "password":
        accounts = _password_file(Path(web.password_file))
        return Gate(clock, accounts, home=False, guests=web.guests, key=_new_key(settings), suggested=_ADMIN, known=known)
    if web.auth == "none" or router is None:
        return Gate(clock)
    return Gate(clock, router, guests=web.guests, key=_new_key(settings), suggested=_ROOT, known=known)


class Page:
    """The page's servers: for addresses, which never change, for interfaces, and for sockets. `addresses(name)` gives an interface's."""

    def __init__(self, settings: Settings, app: WsgiApp, hosts: HostRule, addresses: Addresses) -> None:
        self._app = app
        self._hosts = hosts
        self._addresses = addresses
        self._listen = settings.web.listen
        self._fixed = Server(app, [each for each in self._listen if not split_interface(each) and not split_socket(each)])
        self._sockets = Server(app, [each for each in self._listen if split_socket(each)])
        self._moving = Server(app, ())
        self._at: tuple[str, ...] | None = None
        self._said = ""

    @property
    def urls(self) -> tuple[str, ...]:
        """Where it is."""
        pages = tuple(f"http://{address}/" for address in (*self._fixed.addresses, *self._moving.addresses))
        return (*pages, *self._sockets.addresses)

    def start(self) -> None:
        """Listen. Raises `OperatorError` if a fixed address or a socket cannot be had; an interface may get its addresses later."""
        self._fixed.start()
        self._sockets.start()
        self.follow()

    def follow(self) -> None:
        """Listen where the interfaces are now; to be called now and then."""
        wanted = at_addresses(self._listen, self._now)
        if wanted == self._at and (self._moving.addresses or not wanted):
            return
        self._moving.stop()
        self._moving, self._at = Server(self._app, wanted), wanted
        trouble = ""
        try:
            self._moving.start()
        except OperatorError as error:
            trouble = str(error)
        if trouble and trouble != self._said:  # a taken port stays taken: said once
            log.warning("%s", trouble)
        self._said = trouble
        addresses = (*self._fixed.addresses, *self._moving.addresses)
        self._hosts.listen_on(split_listen(each)[0] for each in addresses)

    def stop(self) -> None:
        """Listen no more."""
        self._moving.stop()
        self._sockets.stop()
        self._fixed.stop()

    def _now(self, name: str) -> Iterable[str]:
        try:
            return self._addresses(name)
        except ProbeError:  # there is no such device now
            return ()


def _password_file(path: Path) -> Accounts:
    """The accounts of a file, by what lies in the package with the tools: a router has accounts of its own. Raises `OperatorError`."""
    name = "pathwarden.api.passwords"
    try:
        accounts = import_module(name).PasswordFile(path)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise OperatorError("web.auth: password is not installed", "install the package pathwarden-tools, or set auth to auto") from None
    accounts.check()
    kept: Accounts = accounts
    return kept


def _new_key(settings: Settings) -> str:
    """What local programs show that may read the daemon's own files; '' where there is no folder for it."""
    if not settings.agent.live_dir:
        return ""
    path, key = Path(settings.agent.live_dir) / KEY_FILE, secrets.token_urlsafe(_KEY_BYTES)
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(key)
    except OSError as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        log.warning("%s cannot be written (%s): pathwarden's commands cannot ask the page", path, error.strerror)
        return ""
    return key
