"""Taking traces of files into the imports.

Rules:
1. All is written to a copy beside the imports, which takes their place in one step at the end: whatever goes wrong before, nothing
   has changed. The imports themselves are never written to.
2. A trace that is there already, of the same origin and equal in all that the history keeps, is not taken again. So a second import
   of a file, or of one that overlaps it, adds nothing twice.
3. The traces of one origin are one target; another origin that would get the same id gets `-2` behind it, and so on.
4. Imports may be as large as the history. Nothing is trimmed: what does not fit is refused.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pathwarden.cli.importing.place import HYPHEN, NOTE, origins, place_of, schema_of
from pathwarden.errors import ConfigError, DaemonError, OperatorError
from pathwarden.export.origin import ATLAS, Origin
from pathwarden.export.reading.recorded import Recorded
from pathwarden.model.history import Record
from pathwarden.model.trace import Answer, Hop, Trace
from pathwarden.store import migrate
from pathwarden.store.codec import TICK_NS, ticks
from pathwarden.store.faults import unreachable
from pathwarden.store.lock import hold
from pathwarden.store.opening import journal, put_in_place
from pathwarden.store.reader import Reader
from pathwarden.store.writer import Writer

BATCH = 500  # traces of one transaction of the copy: a megabyte of memory
MOST_TARGETS = 10_000  # each takes a note in the file, and some hundred bytes of memory
MOST_AT_ONCE = 1000  # traces of a target that started in one instant; to find an equal one all are read
_NO_TRIM_MB = 4096  # the greatest limit that a history can have: the copy is measured here, and never trimmed
_BOOT = "imported"
_NAME = 45  # characters of a name in an id
_ODD = re.compile(r"[^A-Za-z0-9.:_]", re.ASCII)
_CHOOSE = "choose with --target, --from and --to"


class Taking:
    """What is being taken: `new` and `known` count the traces, `targets` how many new ones of each."""

    def __init__(self, staged: Path, writer: Writer, reader: Reader, most_bytes: int) -> None:
        self.new = self.known = 0
        self.targets: dict[str, int] = {}
        self._staged, self._writer, self._reader = staged, writer, reader
        self._most_bytes = most_bytes
        self._ids = {origin._replace(file=""): tid for tid, origin in origins(reader).items()}
        self._taken = set(self._ids.values())
        self._newest: dict[str, int] = {}
        self._batch: list[Record] = []
        self._waiting: dict[tuple[str, int], list[Trace]] = {}

    def take(self, recorded: Recorded, origin: Origin, file: str) -> None:
        """Take a trace if it is not there yet. Raises `OperatorError`."""
        tid = self._ids.get(origin) or self._add(origin, file)
        trace = _kept(recorded.trace, tid)
        if self._is_known(tid, trace):
            self.known += 1
            return
        self.new += 1
        self.targets[tid] = self.targets.get(tid, 0) + 1
        self._newest[tid] = max(self._newest[tid], trace.at)
        self._waiting.setdefault((tid, trace.at), []).append(trace)
        self._batch.append(Record(trace, None, ""))
        if len(self._batch) >= BATCH:
            self.write()

    def write(self) -> None:
        """Write what waits. Raises `OperatorError` if it does not fit."""
        self._writer.save(self._batch)
        self._batch, self._waiting = [], {}
        if self._staged.stat().st_size > self._most_bytes:
            problem = f"the imports would take more than {self._most_bytes / 1e6:g} MB (agent.db_max_mb)"
            raise OperatorError(problem, f"{_CHOOSE}, or allow more")

    def _add(self, origin: Origin, file: str) -> str:
        if len(self._ids) >= MOST_TARGETS:
            raise ConfigError(f"there are more than {MOST_TARGETS} origins of traces", _CHOOSE)
        base = _id(origin)
        tid, number = base, 1
        while tid in self._taken:
            number += 1
            tid = f"{base}-{number}"
        self._writer.meta_set(NOTE + tid, origin._replace(file=file).text)
        self._ids[origin] = tid
        self._taken.add(tid)
        return tid

    def _is_known(self, tid: str, trace: Trace) -> bool:
        newest = self._newest.get(tid)
        if newest is None:
            newest = next((stored.trace.at for stored in self._reader.traces(tid, limit=1)), -1)
            self._newest[tid] = newest
        if trace.at > newest:
            return False
        if trace in self._waiting.get((tid, trace.at), ()):
            return True
        then = self._reader.traces(tid, at_from=trace.at, at_to=trace.at, limit=MOST_AT_ONCE)
        if len(then) + len(self._waiting.get((tid, trace.at), ())) >= MOST_AT_ONCE:
            raise ConfigError(f"{tid} has more than {MOST_AT_ONCE} traces that started in one instant", _CHOOSE)
        return any(stored.trace == trace for stored in then)


@contextmanager
def taking(db: Path, most_bytes: int) -> Iterator[Taking]:
    """Take into the imports beside a history. If nothing is raised, and anything was new, it is there afterwards.

    Raises `DaemonError` while another import runs, `OperatorError` if the place cannot be used.
    """
    place = place_of(db)
    staged = place.with_name(f"{place.name}.new")
    with _alone(place):
        schema = schema_of(place)
        try:
            _remove(staged)
            if schema:
                shutil.copyfile(place, staged)
            with _writer(staged, place) as writer, Reader(staged) as reader:
                taken = Taking(staged, writer, reader, most_bytes)
                yield taken
                taken.write()
            if taken.new or 0 < schema < migrate.newest():
                put_in_place(staged, place)
        except OSError as error:
            raise unreachable(staged, error) from error
        finally:
            _remove(staged)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Not beside another import, which would not see what this one takes."""
    try:
        lock = hold(place)
    except DaemonError as error:
        raise DaemonError(f"another import is writing {place}", "try again when it has ended") from error
    with lock:
        yield


@contextmanager
def _writer(staged: Path, place: Path) -> Iterator[Writer]:
    with Writer(staged, max_mb=_NO_TRIM_MB, boot_id=_BOOT, aging=False) as writer:
        if writer.notice:  # the copy was set aside, and the writer began anew
            for aside in staged.parent.glob(f"{staged.name}.damaged-*"):
                aside.unlink()
            raise OperatorError(f"the imports {place} are damaged", "move that file away, and import again what they came from")
        yield writer


def _remove(staged: Path) -> None:
    for file in (staged, journal(staged)):
        file.unlink(missing_ok=True)


def _id(origin: Origin) -> str:
    """The id of an origin's target, if no other has it; see `place` for the hyphen."""
    if origin.form == ATLAS:
        return HYPHEN.join([ATLAS, str(origin.measurement), str(origin.observer)])
    return HYPHEN.join([origin.form, *(_ODD.sub("_", name)[:_NAME] for name in (origin.monitor, origin.name) if name)])


def _kept(trace: Trace, tid: str) -> Trace:
    """The trace as the history gives it back: RTTs in its steps."""
    return replace(trace, target=tid, hops=tuple(Hop(hop.ttl, tuple(map(_rounded, hop.answers))) for hop in trace.hops))


def _rounded(answer: Answer) -> Answer:
    return answer if answer.rtt_ns is None else answer._replace(rtt_ns=ticks(answer.rtt_ns) * TICK_NS)
