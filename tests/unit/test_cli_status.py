"""`pathwarden status` without a page: told by the history, whether a daemon runs or not."""

import os
from dataclasses import replace

import pytest

from equipment.cli import SECOND_PATH, Past
from equipment.fakes import make_info, make_settings, make_state
from pathwarden.cli import page, status
from pathwarden.cli import past as past_module
from pathwarden.cli.terminal import local, width
from pathwarden.model.history import Record, StoredIncident
from pathwarden.present.instants import parse_instant, rfc3339
from pathwarden.store.lock import hold
from pathwarden.store.writer import Writer

MQTT = {"enabled": True, "connected": True, "host": "broker.lan", "port": 1883, "outbox": 1, "detail": ""}
WIDE = "台北" + "ネットワーク監視対象" * 5
HOSTILE = "\x1b[2J\x07" + "\u202e" + WIDE


@pytest.fixture
def past(tmp_path, monkeypatch) -> Past:
    monkeypatch.setenv("COLUMNS", "80")
    return Past(tmp_path)


@pytest.fixture
def two(past) -> Past:
    past.configure(past.target("web", "Example"), past.target("odd", "Odd"), past.target("new", "New"))
    past.write("web", *(past.trace("web", age) for age in (620, 320, 20)), events=[past.event("web", 7200, "Path changed")])
    past.write("odd", past.trace("odd", 15, error="no_route: Network is unreachable"))
    return past


def test_neither_daemon_nor_history_is_4(past, capsys):
    result = past.run(capsys, "status")
    assert (result.code, result.out) == (4, "")
    assert result.err == f"pathwarden: there is neither a daemon nor a history at {past.db}; start the daemon with: pathwarden run\n"


def test_a_running_daemon_without_a_page(two, capsys):
    with hold(two.db):
        result = two.run(capsys, "status")
    assert result.code == 0
    assert f"daemon    runs as process {os.getpid()}\n" in result.out
    assert "told by   the history alone\n" in result.out
    assert result.out.startswith("Odd cannot be probed; another one answers.\n")


def test_without_a_daemon_the_sentence_says_how_old_it_is(two, capsys):
    result = two.run(capsys, "status")
    assert result.code == 0
    assert result.out.startswith("When last measured, 15 s ago: ")
    assert "daemon    does not run; start it with: pathwarden run\n" in result.out
    assert "probing   last with raw\n" in result.out
    assert "MQTT      off\n" in result.out


def test_a_line_for_every_target(two, capsys):
    lines = two.run(capsys, "status").out.splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("STATE"))
    assert lines[head].split() == ["STATE", "TARGET", "NAME", "RTT", "ms", "LOSS", "HOPS", "PATH", "24h", "AGO"]
    assert lines[head + 1].split() == ["ok", "web", "Example", "10.1", "0", "%", "4", "A", "10", "min", "1", "20", "s"]
    assert lines[head + 2].split() == ["error", "odd", "Odd", "-", "-", "-", "-", "0", "15", "s"]
    assert lines[head + 3].split() == ["unknown", "new", "New", "-", "-", "-", "-", "0", "-"]
    assert lines[head + 4] == "Odd: no route to the target: Network is unreachable"


def test_json_has_the_names_of_the_api(two, capsys):
    found = two.run(capsys, "status", "--json").json
    assert found["daemon"] == {"running": False, "pid": None}
    assert (found["told_by"], found["verdict"], found["agent"]) == ("history", "unknown", "home-rt")
    assert set(make_info()) <= set(found)
    assert [found[key] for key in ("uptime_s", "next_run_at", "counters")] == [None, None, None]
    assert [target["target"] for target in found["targets"]] == ["web", "odd", "new"]
    assert all(set(make_state("web")) <= set(target) for target in found["targets"])
    assert found["targets"][0]["path_label"] == "A"


def test_the_history_is_not_changed(two, capsys):
    before = two.db.read_bytes()
    two.run(capsys, "status")
    assert two.db.read_bytes() == before


def test_targets_that_the_daemon_chose_are_those_of_its_history(past, capsys):
    past.write("gateway", past.trace("gateway", 5))
    found = past.run(capsys, "status", "--json").json
    assert [(t["target"], t["name"], t["state"]) for t in found["targets"]] == [("gateway", "gateway", "ok")]


def test_eighty_columns_whatever_the_label_says(past, capsys):
    long6 = "2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa"
    past.configure(past.target("a" * 32, WIDE), past.target("six", "", long6))
    past.write("a" * 32, past.trace("a" * 32, 90_000), past.trace("a" * 32, 20, SECOND_PATH))
    past.write("six", past.trace("six", 9, error=f"send_failed: {long6} {long6}"))
    out = past.run(capsys, "status").out
    table = out[out.index("STATE") :].splitlines()
    assert max(map(width, table)) == 80
    assert max(width(line) for line in out.splitlines() if str(past.db) not in line) <= 80
    assert all(c.isprintable() or c == "\n" for c in out)
    assert "…" in table[1]


def test_a_daemon_that_answers_is_believed(two, capsys, monkeypatch):
    info = make_info() | {
        "mqtt": MQTT,
        "db": make_info()["db"] | {"path": str(two.db)},
        "transport": {"name": "raw", "detail": "raw sockets"},
    }
    info["notices"] = [{"level": "warning", "text": "mqtt.port: nothing listens"}, {"level": "info", "text": "not for here"}]
    muted = {"muted_until": "2026-11-21T08:45:00Z", "muted_pairs": [["A", "B"]]}
    states = [make_state("web") | {"name": HOSTILE, "error_detail": None} | muted]
    monkeypatch.setattr(status, "daemon_info", lambda _settings: ("127.0.0.1:8866", info))
    monkeypatch.setattr(status, "get", lambda _listen, _path: {"targets": states, "incidents": []})
    with hold(two.db):
        result = two.run(capsys, "status")
        found = two.run(capsys, "status", "--json").json
    assert result.out.startswith("All is well.\n")
    assert "for 1 h, next trace in " in result.out
    assert "told by   the daemon\n" in result.out
    assert "MQTT      connected to broker.lan:1883, 1 event waiting\n" in result.out
    assert "warning   mqtt.port: nothing listens\n" in result.out
    assert "not for here" not in result.out
    said = " ".join(result.out.split())
    assert f": muted until {local(parse_instant('2026-11-21T08:45:00Z'))} " in said
    assert said.endswith(": going between A and B notifies nobody")
    assert all(c.isprintable() or c == "\n" for c in result.out)
    assert found["targets"] == states
    assert found["daemon"] == {"running": True, "pid": os.getpid()}


def test_incidents_that_are_open_are_told(two, capsys):
    def told(number: int, sentence: str, closed_at: str | None = None) -> StoredIncident:
        at = two.now - number * 60 * 10**9
        body = {"opened_at": rfc3339(at), "closed_at": closed_at, "severity": "critical", "sentence": sentence}
        return StoredIncident(f"I{number}", at, None, body)

    long = "2 targets do not answer; the fault is probably in a network on the way, neither your ISP's nor the destination's."
    incidents = (told(90, "It was long ago.", "2026-11-21T08:00:00.000Z"), told(70, long), told(3, "The uplink wan is down."))
    with Writer(two.db, max_mb=16, boot_id="boot") as writer:
        writer.save([Record(None, None, "", incidents=incidents)])
    out = two.run(capsys, "status").out
    assert "It was long ago." not in out
    assert out.index("incident  critical, for 1 h: 2 targets") < out.index("incident  critical, for 3 min: The uplink wan is down.\n")
    assert max(width(line) for line in out.splitlines() if str(two.db) not in line) <= 80
    assert [incident["sentence"] for incident in two.run(capsys, "status", "--json").json["incidents"]] == [long, "The uplink wan is down."]


def test_a_daemon_of_another_history_is_not(two, capsys, monkeypatch):
    monkeypatch.setattr(status, "daemon_info", lambda _settings: ("127.0.0.1:8866", make_info()))
    with hold(two.db):
        assert two.run(capsys, "status", "--json").json["told_by"] == "history"


def test_who_has_no_history_reads_what_the_systems_daemon_says(past, capsys, monkeypatch):
    info = make_info() | {"mqtt": MQTT, "db": make_info()["db"] | {"path": "/var/lib/pathwarden/history.db"}}
    monkeypatch.setattr(status, "daemon_info", lambda _settings: ("127.0.0.1:8866", info))
    monkeypatch.setattr(status, "get", lambda _listen, _path: {"targets": [], "incidents": []})
    result = past.run(capsys, "status")
    assert result.code == 0
    assert "history   /var/lib/pathwarden/history.db: " in result.out
    said = f"pathwarden: this daemon keeps another history, /var/lib/pathwarden/history.db; there is none at {past.db}\n"
    assert result.err == said


def test_colours_never_carry_the_meaning_alone(two, capsys, monkeypatch):
    plain = two.run(capsys, "status").out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    painted = two.run(capsys, "status").out
    assert "\x1b[32mok" in painted
    for code in ("\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[0m"):
        painted = painted.replace(code, "")
    assert painted == plain


def test_a_page_that_is_off_or_anywhere_is_not_asked():
    assert page.get(page.Door("127.0.0.1:0", ""), "/") is None


def test_nothing_measured_and_no_daemon_promises_nothing(past, capsys):
    past.configure(past.target("web"))
    Writer(past.db, max_mb=16, boot_id="boot").close()
    assert past.run(capsys, "status").out.startswith("Nothing was measured yet.\n")


def test_targets_of_one_name_are_told_apart_by_their_ids(past, capsys):
    past.configure(*(past.target(tid, "Web") for tid in ("one", "two")), past.target("odd", "Odd"))
    for tid in ("one", "odd"):
        past.write(tid, past.trace(tid, 15, error="device_absent"))
    out = past.run(capsys, "status").out
    assert "\none: the source's device does not exist\n" in out
    assert "\nOdd: the source's device does not exist\n" in out


@pytest.fixture
def refused(monkeypatch):
    monkeypatch.setattr(page, "_ask", lambda *_words: (401, {"code": "sign_in_required"}))
    settings = make_settings()
    return replace(settings, web=replace(settings.web, listen=("127.0.0.1:8866",)))


def test_a_page_that_wants_a_sign_in_is_no_silent_one(refused):
    with pytest.raises(page.NotLetIn) as caught:
        page.daemon_info(refused)
    assert str(caught.value) == "the daemon's page at 127.0.0.1:8866 wants a sign-in; run this as root or the daemon's user"
    assert caught.value.exit_code == 4


def test_another_programs_refusal_is_no_daemon(refused, monkeypatch):
    monkeypatch.setattr(page, "_ask", lambda *_words: (401, {"detail": "not ours"}))
    assert page.daemon_info(refused) is None


def test_a_history_of_another_user_is_not_to_be_written_but_read_as_him(two, capsys, monkeypatch):
    monkeypatch.setattr(past_module.os, "access", lambda _path, _mode: False)
    result = two.run(capsys, "events")
    assert (result.code, result.err) == (
        1,
        f"pathwarden: the history {two.db} is not for this user to read; run this as root or the daemon's user\n",
    )
