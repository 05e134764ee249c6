"""Where a benchmark ran, and how its figures get into the documents."""

import os
import platform
import sys
from pathlib import Path

TOP = Path(__file__).parents[2]


def machine() -> dict[str, str]:
    """Processors, kernel, Python, and the load of others."""
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    cpu = models[0] if models else platform.machine()
    load = f"{os.getloadavg()[0]:.1f}"  # before we begin: what others do here at the same time blurs every figure
    return {"cpu": f"{os.cpu_count()} x {cpu}", "kernel": platform.release(), "python": platform.python_version(), "load": load}


def described(on: dict[str, str]) -> str:
    """The machine in a line."""
    return f"{on['cpu']}, Linux {on['kernel']}, Python {on['python']}, load of others {on['load']}"


def write_table(document: str, heading: str, figures: str, markers: tuple[str, str]) -> None:
    """Put a table with its heading between two marks of a document, e.g. "README.md"."""
    text = (TOP / document).read_text(encoding="utf-8")
    head, _, rest = text.partition(markers[0])
    _, _, tail = rest.partition(markers[1])
    if not rest or not tail:
        sys.exit(f"{document} has no lines {markers[0]} and {markers[1]}")
    (TOP / document).write_text(f"{head}{markers[0]}\n{heading}\n\n{figures}\n{markers[1]}{tail}", encoding="utf-8")
