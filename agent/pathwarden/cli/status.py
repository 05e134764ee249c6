"""`pathwarden status`: the verdict, the daemon, and every target in a line."""

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pathwarden.cli.page import NotLetIn, daemon_info, get
from pathwarden.cli.past import open_history, with_targets_of
from pathwarden.cli.terminal import Screen, clean, counted, figure, line_of, local, remark, rows, say, say_json, span
from pathwarden.config.load import load_here
from pathwarden.errors import DaemonError, OperatorError
from pathwarden.model.settings import Settings
from pathwarden.present.instants import parse_instant
from pathwarden.store.lock import holder
from pathwarden.store.reader import Reader

COLORS = {"ok": "green", "degraded": "yellow", "unstable": "yellow", "unreachable": "red", "error": "red"}
HEAD = ("STATE", "TARGET", "NAME", "RTT ms", "LOSS", "HOPS", "PATH", "24h", "AGO")
FIGURES = (3, 4, 5, 7, 8)
ELASTIC = (2, 1)
ONLY_THE_DAEMON_KNOWS = ("started_at", "uptime_s", "rounds", "next_run_at", "counters")
MOST_INCIDENTS = 100  # those told last: more are not open at once
LABEL = 10  # columns before what is said

Json = dict[str, Any]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `status` command."""
    subparsers.add_parser(
        "status",
        help="what the agent watches, and how it is",
        description="The verdict, the daemon, open incidents and every target: as the running daemon says on its page, else as the "
        "history has it. "
        "24h counts path changes; AGO tells when it was last measured. Exit code 4 if there is neither daemon nor history.",
    )


def run(args: argparse.Namespace) -> int:
    """Print the status; 0 if there was one to tell."""
    settings = load_here(args.config)
    found = _status(settings)
    if args.config is not None and found["db"]["path"] != settings.agent.db:
        remark(args, f"pathwarden: this daemon keeps another history, {clean(found['db']['path'])}; there is none at {settings.agent.db}")
    if args.json:
        say_json(found)
    else:
        _print(Screen(args), found)
    return 0


def _status(settings: Settings) -> Json:
    """The `info` object with `daemon`, `told_by`, open `incidents` and all `state` objects as `targets`. Raises `OperatorError`."""
    path = Path(settings.agent.db)
    running, pid = _daemon(path)
    absent = running is False and not _exists(path)
    if running is not False or absent:
        # An ordinary user has no history of his own, yet may read what the system's daemon says.
        told = _from_page(settings, path, of_any_history=absent)
        if told is not None:
            return {**told, "daemon": {"running": True, "pid": pid}, "told_by": "daemon"}
    if absent:
        raise DaemonError(f"there is neither a daemon nor a history at {path}", "start the daemon with: pathwarden run")
    with open_history(settings) as reader:
        return {**_from_history(settings, reader, running), "daemon": {"running": running, "pid": pid}, "told_by": "history"}


def _daemon(path: Path) -> tuple[bool | None, int | None]:
    """Whether a daemon keeps this history, and its process; None where that may not be known."""
    try:
        pid = holder(path)
    except OperatorError:
        return None, None
    return pid is not None, pid or None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that this user may not enter
        return True


def _from_page(settings: Settings, path: Path, *, of_any_history: bool) -> Json | None:
    try:
        found = daemon_info(settings)
    except NotLetIn:
        if of_any_history:  # there is nothing else to tell
            raise
        return None
    if found is None:
        return None
    door, info = found
    if info["db"].get("path") != str(path) and not of_any_history:
        return None
    answer, told = (get(door, f"/api/v1/{what}") for what in ("targets", f"incidents?limit={MOST_INCIDENTS}"))
    if answer is None or told is None:
        return None
    return {**info, "incidents": _open(told["incidents"]), "targets": answer["targets"]}


def _open(incidents: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Those that are not over, the newest last."""
    return [dict(incident) for incident in incidents if incident["closed_at"] is None][::-1]


def _from_history(settings: Settings, reader: Reader, running: bool | None) -> Json:
    """The same objects as a daemon would make them of its history at its start."""
    # Late: a daemon that answers makes them itself.
    from pathwarden.daemon.board import Board
    from pathwarden.daemon.reporting import remembered
    from pathwarden.daemon.restoring import restore_judges, restore_teller
    from pathwarden.net.clock import SystemClock

    settings = with_targets_of(settings, reader)
    latest = {target.tid: reader.latest(target.tid) for target in settings.targets}
    newest = max((stored.trace.at for stored in latest.values() if stored), default=None)
    transport = next((stored.trace.transport for stored in latest.values() if stored and stored.trace.at == newest), None)
    mqtt, stats = settings.mqtt, reader.stats()
    parts: Json = {
        "transport": {"name": transport, "detail": None},
        "mqtt": {
            "enabled": bool(mqtt.host),
            "connected": None,
            "host": mqtt.host,
            "port": mqtt.port,
            "outbox": stats.outbox,
            "failed": reader.failed(),
            "detail": None,
        },
        "db": {key: getattr(stats, key) for key in ("path", "size_bytes", "limit_bytes", "traces", "events", "live", "days")},
        "ubus": {"connected": None, "detail": None},
    }
    board = Board(settings, SystemClock(), reader, lambda _tid: "", lambda: parts)
    kept = reader.tellings()
    judges = restore_judges(settings, reader, kept)
    teller = restore_teller(settings, judges, reader, kept)
    for tid, judge in judges.items():
        board.restored(tid, remembered(judge, latest[tid], teller.heard(tid, time.time_ns())))
    info = board.info() | dict.fromkeys(ONLY_THE_DAEMON_KNOWS)
    if running is False:
        # What was measured before the daemon ended says nothing about now.
        info["verdict"] = "unknown"
        if newest is not None:
            info["sentence"] = f"When last measured, {span((time.time_ns() - newest) / 1e9)} ago: {info['sentence']}"
        elif settings.targets:
            info["sentence"] = "Nothing was measured yet."
    return {**info, "incidents": _open(each.body for each in reader.incidents(MOST_INCIDENTS)), "targets": board.target_states()}


# -- for people


def _print(screen: Screen, found: Json) -> None:
    say(screen.paint(screen.wrapped(clean(found["sentence"])), "bold"))
    say("")
    for label, text in (
        ("daemon", _daemon_words(found)),
        ("told by", "the daemon" if found["told_by"] == "daemon" else "the history alone"),
        ("probing", _transport_words(found["transport"])),
        ("history", _history_words(found["db"])),
        ("MQTT", _mqtt_words(found["mqtt"], found["told_by"])),
        *(("incident", _incident_words(incident)) for incident in found["incidents"]),
        *((notice["level"], notice["text"]) for notice in found["notices"] if notice["level"] != "info"),
    ):
        say(f"{label:{LABEL}}{screen.wrapped(clean(text), LABEL)}")
    if found["targets"]:
        say("")
        _print_targets(screen, found["targets"])


def _daemon_words(found: Json) -> str:
    running, pid = found["daemon"]["running"], found["daemon"]["pid"]
    if running is None:
        return "this user may not know whether it runs"
    if not running:
        return "does not run; start it with: pathwarden run"
    words = ["runs" if pid is None else f"runs as process {pid}"]
    if found["uptime_s"] is not None:
        words.append(f"for {span(found['uptime_s'])}")
    if found["next_run_at"]:
        words.append(f"next trace in {span(-_age_s(found['next_run_at']))}")
    return ", ".join(words)


def _transport_words(transport: Json) -> str:
    if transport["detail"]:
        return str(transport["detail"])
    return f"last with {transport['name']}" if transport["name"] else "not yet"


def _history_words(db: Json) -> str:
    words = (
        f"{db['path']}: {db['size_bytes'] / 1e6:.1f} of {db['limit_bytes'] / 1e6:.0f} MB, "
        f"{counted(db['traces'], 'trace')}, {counted(db['events'], 'event')}"
    )
    if db.get("written_24h_bytes") is None:  # only the daemon knows
        return words
    return f"{words}; written in 24 hours: {db['written_24h_bytes'] / 1e6:.1f} of {db['budget_24h_bytes'] / 1e6:.0f} MB"


def _mqtt_words(mqtt: Json, told_by: str) -> str:
    if not mqtt["enabled"]:
        return "off"
    if mqtt["connected"]:
        link = "connected to"
    else:
        link = "not connected to" if told_by == "daemon" else "only the daemon knows whether it is connected to"
    words = f"{link} {mqtt['host']}:{mqtt['port']}, {counted(mqtt['outbox'], 'event')} waiting"
    return f"{words}; {mqtt['detail']}" if mqtt["detail"] else words


def _incident_words(incident: Json) -> str:
    return f"{incident['severity']}, for {span(_age_s(incident['opened_at']))}: {incident['sentence']}"


def _print_targets(screen: Screen, states: list[Json]) -> None:
    table = rows([HEAD, *map(_row, states)], FIGURES, ELASTIC, screen.columns)
    say(screen.paint(line_of(table[0]), "dim"))
    for cells, state in zip(table[1:], states, strict=True):
        say(line_of([screen.paint(cells[0], COLORS.get(state["state"], "")), *cells[1:]]))
    names = Counter(state["name"] for state in states)
    for state in states:
        # Targets of one host are told apart by their ids.
        name = clean(state["name"] if names[state["name"]] == 1 else state["target"])
        if state["error_detail"]:
            say(screen.wrapped(f"{name}: {clean(state['error_detail'])}", LABEL, 0))
        remarks = ["added over MQTT"] if state["added_by"] else []
        remarks += [f"muted until {local(parse_instant(state['muted_until']))}"] if state["muted_until"] else []
        remarks += [f"going between {one} and {other} notifies nobody" for one, other in state["muted_pairs"]]
        for text in remarks:
            say(screen.wrapped(f"{name}: {text}", LABEL, 0))


def _row(state: Mapping[str, Any]) -> tuple[str, ...]:
    loss = state["loss_pct"]
    return (
        clean(state["state"]),
        clean(state["target"]),
        clean(state["name"]),
        figure(state["rtt_ms"], 1),
        "-" if loss is None else f"{loss:.0f} %",
        figure(state["hop_count"] or None, 0),
        f"{state['path_label']} {span(_age_s(state['path_since']))}" if state["path_label"] else "-",
        figure(state["changes_24h"], 0),
        span(_age_s(state["measured_at"])) if state["measured_at"] else "-",
    )


def _age_s(instant: str) -> float:
    return (time.time_ns() - parse_instant(instant)) / 1e9
