"""What `mute` and `accept` share: a wish told to the daemon over its own page."""

import argparse
import re
from urllib.parse import quote

from pathwarden.cli.page import daemon_info, post
from pathwarden.cli.past import SECONDS
from pathwarden.config.load import load_here
from pathwarden.errors import ConfigError, DaemonError, OperatorError

MOST_S = 2_592_000  # what the daemon takes: 30 days
_SPAN = re.compile(r"(\d{1,7})([smhdw])", re.ASCII)


def span_s(text: str) -> int:
    """Seconds of `90s`, `30m`, `1h`, `2d` or `1w`, for argparse."""
    found = _SPAN.fullmatch(text)
    seconds = int(found[1]) * SECONDS[found[2]] if found else 0
    if not 1 <= seconds <= MOST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 30m, 1h or 2d, 30d at most")
    return seconds


def tell(args: argparse.Namespace, verb: str, wish: dict[str, object]) -> None:
    """Ask the daemon. Raises `DaemonError` if none answers, `ConfigError` for what it does not know, `OperatorError` if it refuses."""
    found = daemon_info(load_here(args.config))
    if found is None:
        raise DaemonError("no daemon answers on its page", "start one with: pathwarden run, and see that web.listen is not off")
    status, answer = post(found[0], f"/api/v1/targets/{quote(args.target, safe='')}/{verb}", wish)
    detail = str(answer.get("detail", "it did not say why"))
    if status in (400, 404):
        raise ConfigError(detail, "see the targets with: pathwarden status")
    if status >= 300:
        raise OperatorError(f"the daemon refused: {detail}", "try again later")
