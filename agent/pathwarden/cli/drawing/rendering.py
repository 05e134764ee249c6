"""What is drawn, and its file: SVG as it is, PNG by a program that renders it."""

import argparse
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pathwarden.cli.filing import write
from pathwarden.errors import ConfigError, OperatorError

RENDERER = "rsvg-convert"
_RENDER_S = 120


def add_options(parser: argparse.ArgumentParser, forms: str) -> None:
    """What every command that draws takes; `forms` are the endings besides PNG's."""
    parser.add_argument("targets", metavar="TARGET", nargs="*", help="ids of targets; default: all that are watched now")
    parser.add_argument("--at", metavar="TIME", help="the ways at TIME: 2026-11-21T08:45:00Z, '2026-11-21 08:45', -2h; default: the newest")
    parser.add_argument("--dark", action="store_true", help="for a dark ground")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=f"a file ending in {forms} or .png (with {RENDERER}); default: SVG to standard output",
    )


def check(option: str, file: Path, endings: Sequence[str]) -> None:
    """Whether this file's form is known, and can be made here. Raises ConfigError, OperatorError."""
    if file.suffix.lower() not in endings:
        raise ConfigError(f"{option} {file}: the ending says the form", f"choose {', '.join(endings)}")
    if file.suffix.lower() == ".png" and shutil.which(RENDERER) is None:
        raise OperatorError(f"{RENDERER} is not installed, which makes PNG of SVG", "install librsvg2-bin, or write an .svg")


def save(file: Path, picture: str) -> None:
    """The SVG picture as a file of the form that its ending says (see `check`). Raises OperatorError."""
    if file.suffix.lower() == ".svg":
        write(file, [picture])
        return
    try:
        command = [RENDERER, "-f", "png", "-o", str(file)]
        subprocess.run(command, input=picture.encode(), check=True, capture_output=True, timeout=_RENDER_S, umask=0o077)  # noqa: S603 - no shell
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise OperatorError(f"{RENDERER} failed: {said[0] if said else error.returncode}", "write an .svg") from error
    except subprocess.TimeoutExpired as error:
        raise OperatorError(f"{RENDERER} takes longer than {_RENDER_S} s", "write an .svg, or of fewer targets") from error
