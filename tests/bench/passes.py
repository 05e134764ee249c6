"""One pass of each contestant: all targets traced once, its CPU and wall time, and the probes that the kernel counted."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple, Self

from bench.lab import AGENT, HOPS, TARGETS, BenchLab

TESTS = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TESTS)}
# 3 probes a hop, at most 16 in flight, no names: as people use it.
TRACEROUTE = ("traceroute", "-n", "-q", "3", "-f", "1", "-m", "30", "-N", "16")
# 3 probes a hop whatever answers. Its -N (hops in flight) is left at 1, since together with -Q it leaves probes out.
SCAMPER_TRACE = "trace -P udp-paris -q 3 -Q"


class Pass(NamedTuple):
    """What one pass cost."""

    cpu_s: float
    wall_s: float
    probes: int

    @property
    def us(self) -> float:
        """CPU per probe in microseconds."""
        return self.cpu_s * 1e6 / self.probes


def traceroute(lab: BenchLab) -> Pass:
    """traceroute(8), a process for each target, one after another."""
    return _processes(lab, ((*TRACEROUTE, target) for target in TARGETS))


def scamper(lab: BenchLab, rate_pps: int) -> Pass:
    """One process of scamper for all targets."""
    return _processes(lab, [("scamper", "-p", str(rate_pps), "-O", "json", "-c", SCAMPER_TRACE, "-i", *TARGETS)])


def engine_from_start(lab: BenchLab, rate_pps: float) -> Pass:
    """A fresh process of our engine: interpreter, imports and one pass."""
    return _processes(lab, [(sys.executable, "-m", "bench.engine", "raw", *TARGETS)], f"{rate_pps}\n")


def scapy(lab: BenchLab) -> Pass:
    """Scapy's traceroute(); its start and imports are left out."""
    before = lab.probes()
    with lab.enter(AGENT):
        done = subprocess.run(
            [sys.executable, "-m", "bench.scapy_peer", *TARGETS], env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=True
        )
    return Pass(**json.loads(done.stdout), probes=lab.probes() - before)


class Engine:
    """Our engine and transport in a process that stays warm: `run` times passes without the start of Python."""

    def __init__(self, lab: BenchLab, transport: str) -> None:
        self._lab = lab
        command = [sys.executable, "-m", "bench.engine", transport, *TARGETS]
        with lab.enter(AGENT):
            self._process = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, rate_pps: float) -> Pass:
        """One pass; an incomplete one is an error, since a cheap wrong figure is worse than none."""
        before = self._lab.probes()
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{rate_pps}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if answer["hops"] != HOPS * len(TARGETS):
            raise RuntimeError(f"the engine saw {answer['hops']} hops in all, not {HOPS * len(TARGETS)}")
        return Pass(answer["cpu_s"], answer["wall_s"], self._lab.probes() - before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate(timeout=10)


def _processes(lab: BenchLab, commands: Iterable[Sequence[str]], stdin: str = "") -> Pass:
    """Run programs one after another; user and system time of each, from its start, and of its children."""
    before, begun, cpu_s = lab.probes(), monotonic(), 0.0
    with lab.enter(AGENT):
        for command in commands:
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, env=ENVIRONMENT, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, text=True)
            assert process.stdin
            assert process.stderr
            with process.stdin, process.stderr:
                process.stdin.write(stdin)
                process.stdin.close()
                complaint = process.stderr.read()
                used = _reap(process)
            if process.returncode:
                raise RuntimeError(f"{' '.join(command)}: {complaint}")
            cpu_s += used.ru_utime + used.ru_stime
    wall_s = monotonic() - begun
    return Pass(cpu_s, wall_s, lab.probes() - before)


def _reap(process: "subprocess.Popen[str]") -> resource.struct_rusage:
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used
