"""What `mute`, `accept`, `pause` and `note` share: a wish told to the daemon over its own page."""

import argparse
import re
from typing import Any
from urllib.parse import quote

from pathwarden.cli.page import Door, daemon_info, post
from pathwarden.cli.past import SECONDS
from pathwarden.config.load import load_here
from pathwarden.errors import ConfigError, DaemonError, OperatorError
from pathwarden.model.commands import MOST_MUTED_S

_SPAN = re.compile(r"(\d{1,7})([smhdw])", re.ASCII)


def span_s(text: str) -> int:
    """Seconds of `90s`, `30m`, `1h`, `2d` or `1w`, for argparse."""
    found = _SPAN.fullmatch(text)
    seconds = int(found[1]) * SECONDS[found[2]] if found else 0
    if not 1 <= seconds <= MOST_MUTED_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 30m, 1h or 2d, 30d at most")
    return seconds


def find(args: argparse.Namespace) -> Door:
    """The running daemon's page. Raises `DaemonError` if none answers, or not to this user."""
    found = daemon_info(load_here(args.config))
    if found is None:
        raise DaemonError("no daemon answers on its page", "start one with: pathwarden run, and see that web.listen is not off")
    return found[0]


def tell(args: argparse.Namespace, verb: str, wish: dict[str, object]) -> None:
    """Ask the daemon something of `args.target`. Raises what `find` and `send` raise."""
    send(find(args), f"/api/v1/targets/{quote(args.target, safe='')}/{verb}", wish, "see the targets with: pathwarden status")


def send(door: Door, path: str, wish: dict[str, object], known: str) -> dict[str, Any]:
    """What the daemon answers to a wish.

    Raises `DaemonError` without an answer, `ConfigError` for what it does not know, where `known` is the remedy, `OperatorError` if it
    refuses.
    """
    status, answer = post(door, path, wish)
    detail = str(answer.get("detail", "it did not say why"))
    if status in (400, 404):
        raise ConfigError(detail, known)
    if status >= 300:
        raise OperatorError(f"the daemon refused: {detail}", "try again later")
    return answer
