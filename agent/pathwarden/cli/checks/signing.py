"""Who gets in to the page."""

import os
from pathlib import Path

from pathwarden.api.passwords import PasswordFile
from pathwarden.cli.checks.finding import FAIL, OK, WARN, Finding, Place
from pathwarden.config.values import is_loopback
from pathwarden.daemon.sources import UBUS
from pathwarden.errors import OperatorError
from pathwarden.model.settings import WebSettings

WHAT = "sign-in"
SHADOW = Path("/etc/shadow")


def sign_in(place: Place) -> list[Finding]:
    """Whether everybody gets in who reaches the page; reads files alone."""
    web = place.settings.web
    if not web.listen:
        return []
    if web.auth == "password":
        return [_accounts(Path(web.password_file))]
    if web.auth == "auto" and UBUS.exists():
        return [_router()]
    return [_nobody_asks(web)]


def _accounts(path: Path) -> Finding:
    if os.path.lexists(path) and not os.access(path, os.R_OK):
        return Finding(WARN, WHAT, f"not looked at, since {path} cannot be read", "run this as the user of the daemon")
    try:
        PasswordFile(path).check()
    except OperatorError as error:
        detail, _, fix = str(error).partition("; ")
        return Finding(FAIL, WHAT, detail, fix)
    return Finding(OK, WHAT, f"with the accounts in {path}")


def _router() -> Finding:
    try:
        unguarded = _has_no_password(SHADOW.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return Finding(OK, WHAT, "with the router's accounts; whether root has a password this user may not know")
    if unguarded:
        words = "with the router's accounts, and root has no password: who reaches the page gets in"
        return Finding(WARN, WHAT, words, "set one with: passwd")
    return Finding(OK, WHAT, "with the router's accounts")


def _has_no_password(shadow: str) -> bool:
    """Whether root's entry (shadow(5)) holds nothing to compare a password with."""
    return any(line.startswith("root::") for line in shadow.splitlines())


def _nobody_asks(web: WebSettings) -> Finding:
    beyond = [listen for listen in web.listen if not is_loopback(listen)]
    if beyond:
        words = f"not asked for at {beyond[0]}: whoever reaches it may look and change things"
        return Finding(WARN, WHAT, words, "set web.auth to auto on OpenWrt, to password elsewhere")
    return Finding(OK, WHAT, "not needed: the page is for this machine alone")
