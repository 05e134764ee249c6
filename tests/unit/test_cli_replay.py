"""`pathwarden replay`: what recorded traces would have told, in the order of time, each flow on its own."""

import gzip
import io
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from equipment.cli import FIRST as FIRST_PATH
from equipment.cli import Past
from equipment.fakes import hop
from equipment.recordings import SITE, START_S, atlas, scamper
from pathwarden.cli import progress
from pathwarden.cli.main import main
from pathwarden.cli.replaying import files
from pathwarden.cli.replaying.judging import Groups, Judging
from pathwarden.cli.terminal import local, width
from pathwarden.detect.detector import Detector, Verdict
from pathwarden.export.reading.forms import traces
from pathwarden.present.instants import rfc3339

CORPUS = Path(__file__).parents[1] / "corpus/recorded"
SECOND = 1_000_000_000
HOME, FIRST, OTHER = "192.168.1.1", "198.51.100.1", "203.0.113.1"
OLD, NEW = (HOME, FIRST, SITE), (HOME, OTHER, SITE)


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def run(capsys):
    """Run the command; exit code, output and remarks."""

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["replay", *map(str, words)])
        return code, *capsys.readouterr()

    return run


def when(at_s: int) -> str:
    return local((START_S + at_s) * SECOND)


def write(folder: Path, *items: dict[str, Any], name: str = "traces.json") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(each) + "\n" for each in items), encoding="utf-8")
    return path


def changing(count: int = 12, after: int = 8, **more: Any) -> list[dict[str, Any]]:
    """One flow, whose path changes."""
    return [atlas(*(OLD if n < after else NEW), at_s=900 * n, **more) for n in range(count)]


# what is told, and what is not


def test_a_change_of_the_path(run):
    code, out, err = run(CORPUS / "atlas-change.json")
    assert code == 0
    assert out.splitlines() == [
        f"{when(9000)}  notice    192.0.2.9  Path to 192.0.2.9 changed to B",
        "                     Hop 3 differs; before it was path A.",
        "                     probe-6012; measurement 5006, IPv4 UDP; flow 1; still",
        "                     learning",
    ]
    assert err == "14 traces in 1 flow: 1 event\n"


def test_a_balancer_under_rotating_paris_ids_is_no_change(run):
    assert run(CORPUS / "atlas-balancer.ndjson") == (0, "", "60 traces in 15 flows: 0 events\n")


def test_silence_and_rate_limits_are_no_change(run):
    assert run(CORPUS / "atlas-quiet.ndjson") == (0, "", "40 traces in 1 flow: 0 events\n")


def test_a_destination_that_goes_and_comes_back(run):
    _, out, _ = run("--no-learning", CORPUS / "atlas-lost.ndjson")
    assert [line for line in out.splitlines() if line.startswith("20")] == [
        f"{when(3600)}  critical  192.0.2.9  192.0.2.9 does not answer",
        f"{when(4500)}  notice    192.0.2.9  192.0.2.9 answers again",
    ]
    assert "The last hop that answers is 2." in out


def test_flows_that_see_one_change_within_ten_minutes_are_one_line(run):
    code, out, err = run("--no-learning", CORPUS / "atlas-flows.ndjson")
    assert code == 0
    assert out.splitlines() == [
        f"{when(1800)}  notice    192.0.2.9  Path to 192.0.2.9 changed to B",
        "                     Hop 2 differs; before it was path A.",
        "                     probe-6012; measurement 5006, IPv4 UDP; flows 1, 2, 3",
    ]
    assert err == "36 traces in 3 flows: 3 events\n"


def test_flows_further_apart_are_lines_of_their_own(run, tmp_path):
    late = [atlas(*(OLD if n < 8 else NEW), at_s=900 * n + 700, paris=2) for n in range(12)]
    _, out, _ = run("--no-learning", write(tmp_path, *changing(), *late))
    assert [line.split("; ")[-1] for line in out.splitlines() if "measurement" in line] == ["flow 1", "flow 2"]


def test_letters_that_differ_from_flow_to_flow_are_shown(run, tmp_path):
    wandering = [atlas(*(OLD if n < 8 else (HOME, "203.0.113.77", SITE) if n < 16 else NEW), at_s=900 * n + 60, paris=2) for n in range(24)]
    steady = [atlas(*(OLD if n < 16 else NEW), at_s=900 * n, paris=1) for n in range(24)]
    _, out, _ = run("--no-learning", write(tmp_path, *wandering, *steady))
    assert [line.split("; ")[-1] for line in out.splitlines() if "measurement" in line] == ["flow 2", "flows 1 (B), 2 (C)"]


def test_observers_and_measurements_are_apart(run, tmp_path):
    two_paths = [atlas(*path, at_s=60 * n, **more) for n in range(10) for path, more in ((OLD, {"probe": 1}), (NEW, {"probe": 2}))]
    two_ways = [atlas(*path, at_s=60 * n, **more) for n in range(10) for path, more in ((OLD, {"msm_id": 1}), (NEW, {"msm_id": 2}))]
    assert run(write(tmp_path, *two_paths, *two_ways)) == (0, "", "40 traces in 4 flows: 0 events\n")


def test_another_public_address_of_a_probe_is_another_line(run, tmp_path):
    moved = [atlas(*(OLD if n < 8 else NEW), at_s=900 * n, **{"from": "198.51.100.44" if n < 8 else "198.51.100.90"}) for n in range(20)]
    assert run(write(tmp_path, *moved)) == (0, "", "20 traces in 1 flow: 0 events\n")


def test_a_change_of_scampers(run):
    code, out, err = run(CORPUS / "scamper.json")
    assert (code, out.splitlines()[0]) == (0, f"{when(13200)}  notice    192.0.2.9  Path to 192.0.2.9 changed to B")
    assert out.splitlines()[-1] == "                     203.0.113.7; IPv4 udp-paris; flow 36054-33435"
    assert err.splitlines() == [
        "25 traces in 2 flows: 1 event",
        "flows that were traced once, so that nothing could be compared: 1",
        "left out, since no traceroute: 1 ping, 1 tracelb",
    ]


def test_all_that_a_real_scamper_wrote_is_read(run):
    code, out, err = run(CORPUS / "scamper-20211212.json")
    assert (code, out) == (0, "")
    assert err.splitlines()[0] == "13 traces in 13 flows: 0 events"
    assert err.splitlines()[2] == "left out, since no traceroute: 3 ping, 3 tracelb"


def test_what_our_own_history_prints_is_read(run, tmp_path, capsys):
    past = Past(tmp_path)
    past.configure(past.target("site"))
    ages = range(3600, 0, -300)
    second_path = (*FIRST_PATH[:2], hop(3, "203.0.113.7", 4.0, 4.1, 4.2), FIRST_PATH[3])
    past.write("site", *(past.trace("site", age, FIRST_PATH if age > 1500 else second_path) for age in ages))
    shown = "".join(past.run(capsys, "history", "site", "--at", f"-{age - 1}s", "--json").out for age in ages)
    path = tmp_path / "history.json"
    path.write_text(shown, encoding="utf-8")
    code, out, err = run("--no-learning", path)
    assert (code, err) == (0, "12 traces in 1 flow: 1 event\n")
    assert out.splitlines()[0].endswith("  site  Path to site changed to B")
    assert out.splitlines()[2:] == ["                     IPv4 udp"]
    path.write_text(past.run(capsys, "history", "site", "--json").out, encoding="utf-8")
    assert "item 1: it has no hops, as the lists of `pathwarden history` have none; --at TIME prints a whole trace;" in run(path)[2]


def test_a_change_that_lasts_for_two_traces_is_not_told(run, tmp_path):
    brief = [atlas(*(NEW if n in (8, 9) else OLD), at_s=900 * n) for n in range(16)]
    assert run(write(tmp_path, *brief)) == (0, "", "16 traces in 1 flow: 0 events\n")


# order and places


@pytest.mark.parametrize("packed", [False, True])
def test_the_order_of_the_file_does_not_matter(run, tmp_path, seed, packed):
    flows, lost = (
        [json.loads(line) for line in (CORPUS / name).read_text().splitlines()] for name in ("atlas-flows.ndjson", "atlas-lost.ndjson")
    )
    # Another probe, and at other instants: traces of one instant keep the order of the file.
    found = flows + [each | {"prb_id": 1, "timestamp": each["timestamp"] + 7} for each in lost]
    in_order = run("--json", write(tmp_path, *sorted(found, key=lambda each: each["timestamp"])))
    random.Random(seed).shuffle(found)
    path = write(tmp_path, *found, name="shuffled.json")
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert run("--json", path) == in_order
    assert len(in_order[1].splitlines()) == 5


def test_several_files_are_one_recording(run, tmp_path):
    found = changing()
    whole = run("--json", write(tmp_path, *found))
    parts = [write(tmp_path, *found[n::3], name=f"part{n}.json") for n in range(3)]
    assert run("--json", *parts[::-1]) == whole
    assert whole[1]


def test_standard_input_is_read(run, monkeypatch):
    data = gzip.compress((CORPUS / "atlas-change.json").read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    code, out, _ = run("-")
    assert (code, out.count("\n")) == (0, 4)


def test_a_pipe_is_read(run):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        end.write((CORPUS / "atlas-change.json").read_bytes())
    code, out, _ = run(f"/dev/fd/{reading}")
    os.close(reading)
    assert (code, out.count("\n")) == (0, 4)


# options


def test_events_as_json_are_those_of_the_topic_in_groups(run):
    code, out, _ = run("--json", "--no-learning", CORPUS / "atlas-flows.ndjson")
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [event["replay"] for event in events] == [
        {"vantage": "probe-6012", "series": "measurement 5006, IPv4 UDP", "flow": flow} for flow in ("1", "2", "3")
    ]
    assert [event["notify"] for event in events] == [True, False, False]
    assert {event["group_id"] for event in events} == {events[0]["event_id"]}
    assert len({event["event_id"] for event in events}) == 3
    assert [event["occurred_at"] for event in events] == [rfc3339((START_S + at) * SECOND) for at in (1800, 1860, 1920)]
    first = events[0]
    assert (first["event_type"], first["agent"], first["target"], first["proto"]) == ("path_changed", "probe-6012", SITE, "udp")
    assert (first["hops_added"], first["hops_removed"]) == (["198.51.100.130"], [FIRST])
    assert run("--json", "--no-learning", CORPUS / "atlas-flows.ndjson")[1] == out


def test_learning_holds_back_notices(run):
    for words, notify in ([], False), (["--no-learning"], True):
        _, out, _ = run("--json", *words, CORPUS / "atlas-change.json")
        assert json.loads(out)["notify"] is notify


def test_one_target(run, tmp_path):
    path = write(tmp_path, *changing(), *changing(dst_name="other.example"))
    assert run("--target", "other.example", path)[2] == "12 traces in 1 flow: 1 event\n"
    assert run("--target", SITE, path)[2] == "24 traces in 2 flows: 2 events\n"
    code, out, err = run("--target", "nobody", path)
    assert (code, out) == (2, "")
    assert err == "pathwarden: there is no trace to 'nobody'; known are 192.0.2.9, other.example\n"


def test_a_span_of_time(run):
    path = CORPUS / "atlas-change.json"
    bounds = rfc3339((START_S + 900) * SECOND), rfc3339((START_S + 2700) * SECOND)
    assert run("--from", bounds[0], "--to", bounds[1], path)[2] == "3 traces in 1 flow: 0 events\n"
    assert run("--from", "2030-01-01", path) == (0, "", "there is no such trace in that time\n")
    assert run("--to", "yesterday", path)[2].startswith("pathwarden: --to 'yesterday' is not a time; ")
    assert run("--from", "-2h", "--to", "-1h", path)[0] == 0


def test_a_summary(run):
    code, out, err = run("--summary", CORPUS / "atlas-lost.ndjson", CORPUS / "scamper.json")
    assert code == 0
    assert out.splitlines() == [
        "traces     43",
        f"span       {when(0)} to {when(15000)}",
        "observers  2",
        "targets    2",
        "flows      3, each with its own observer, measurement and target",
        "routes     4",
        "changes    1 path_changed, 1 target_reachable, 1 target_unreachable",
    ]
    assert err.splitlines()[-1] == "left out, since no traceroute: 1 ping, 1 tracelb"
    found = json.loads(run("--summary", "--json", CORPUS / "atlas-lost.ndjson", CORPUS / "scamper.json")[1])
    assert found == {
        "traces": 43,
        "targets": 2,
        "vantages": 2,
        "flows": 3,
        "routes": 4,
        "changes": {"path_changed": 1, "target_reachable": 1, "target_unreachable": 1},
        "first_at": rfc3339(START_S * SECOND),
        "last_at": rfc3339((START_S + 15000) * SECOND + 250_000_000),
        "ignored": {"ping": 1, "tracelb": 1},
        "bad": 0,
    }
    nothing = json.loads(run("--summary", "--json", "--from", "2030-01-01", CORPUS / "scamper.json")[1])
    assert nothing.keys() == found.keys()
    assert (nothing["traces"], nothing["first_at"]) == (0, None)


# what cannot be read


BAD = {"fw": 5080, "type": "traceroute", "prb_id": 1, "af": 4, "proto": "UDP", "dst_addr": "nowhere"}


def test_what_cannot_be_read_is_one_line_and_nothing_is_told(run, tmp_path):
    path = write(tmp_path, *changing(), BAD)
    code, out, err = run(path)
    assert (code, out) == (2, "")
    assert err == f"pathwarden: {path}, line 13, item 13: dst_addr is 'nowhere'; it must be an IPv4 address; --skip-bad leaves such out\n"


def test_what_cannot_be_read_may_be_left_out(run, tmp_path):
    path = write(tmp_path, BAD, *changing())
    with path.open("ab") as file:
        file.write(b'{"fw": 5080, "type"\xff}\n{"fw": 5080, "res\n')
        file.write(json.dumps(changing()[-1] | {"timestamp": START_S + 99999}).encode() + b"\n" + b'{"fw": [[')
    code, out, err = run("--skip-bad", path)
    assert (code, out.count("changed to B")) == (0, 1)
    assert err.splitlines() == [
        "13 traces in 1 flow: 1 event",
        f"left out, since unreadable: 4; the first is {path}, line 1, item 1: dst_addr is 'nowhere'; it must be an IPv4 address",
    ]
    assert json.loads(run("--skip-bad", "--summary", "--json", path)[1])["bad"] == 4


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "there is no trace in what was read"),
        (b"[]", "there is no trace in what was read"),
        (b"traceroute to 192.0.2.9\n", "{path}, line 1, item 1: no object begins with 'traceroute to 192.0.'; --skip-bad leaves such out"),
        (
            b"[{}",
            "{path}, line 1, item 1: it is no trace of RIPE Atlas, scamper or Pathwarden; its members are none; --skip-bad leaves such out",
        ),
        (b"BZh91AY&SY", "{path} is packed by bzip2; try: bzcat FILE | pathwarden replay -"),
        (b"\x12\x05\x00\x01\x00\x00", "{path} is scamper's warts format; try: sc_warts2json FILE | pathwarden replay -"),
        (gzip.compress(b"{}" * 9000)[:-12], "{path}: its gzip data is damaged or was cut off: "),
        (b"\x1f\x8bnonsense", "{path}: its gzip data is damaged or was cut off: "),
    ],
    ids=["empty", "empty list", "text", "foreign", "bzip2", "warts", "cut gzip", "no gzip"],
)
def test_files_that_are_none_of_ours(run, tmp_path, data, problem):
    path = tmp_path / "file"
    path.write_bytes(data)
    code, out, err = run(path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"pathwarden: {problem.format(path=path)}".rstrip()) or "item 1: it is no trace" in err


@pytest.mark.parametrize("backwards", [False, True])
def test_a_gzip_that_was_cut_off_gives_what_is_whole(run, tmp_path, seed, backwards):
    noise = random.Random(seed)
    padded = [each | {"pad": noise.randbytes(9000).hex()} for each in changing()]
    path = write(tmp_path, *(padded[::-1] if backwards else padded))
    path.write_bytes(gzip.compress(path.read_bytes())[:-3000])
    code, _, err = run("--skip-bad", path)
    assert code == 0
    assert "left out, since unreadable: " in err
    assert "its gzip data is damaged or was cut off" in err
    assert int(err.split()[0]) >= 8


def test_a_file_that_changes_while_it_is_read_is_told(run, tmp_path, monkeypatch):
    path = write(tmp_path, *changing())
    fill = files.Index.fill

    def fill_and_cut(*words: Any) -> None:
        fill(*words)
        path.write_bytes(path.read_bytes()[:-100])

    monkeypatch.setattr(files.Index, "fill", fill_and_cut)
    assert run("--quiet", path)[::2] == (2, f"pathwarden: {path} changed while it was read; copy it first\n")


def test_files_that_cannot_be_opened(run, tmp_path):
    remedy = "name a file that is there and may be read"
    assert run(tmp_path / "none") == (2, "", f"pathwarden: {tmp_path}/none: No such file or directory; {remedy}\n")
    assert run(tmp_path) == (2, "", f"pathwarden: {tmp_path}: Is a directory; {remedy}\n")
    assert run("-", "-")[0] == 2


def test_streams_have_a_bound_that_is_told(run, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_STREAMS", 3)
    path = write(tmp_path, *(atlas(*OLD, paris=n) for n in range(5)))
    for words in [], ["--skip-bad"]:
        code, out, err = run(*words, path)
        assert (code, out) == (2, "")
        assert err == "pathwarden: there are more than 3 streams of traces; choose with --target, --from and --to\n"


def test_names_from_a_file_cannot_steer_the_terminal(run, tmp_path):
    hostile = "\x1b]0;owned\x07\u202e" + "経路" * 40
    _, out, _ = run("--no-learning", write(tmp_path, *changing(dst_name=hostile)))
    assert out
    assert all(c.isprintable() or c == "\n" for c in out)


def test_lines_fit_on_the_screen(run):
    for path in sorted(CORPUS.iterdir()):
        for line in run(path)[1].splitlines():
            assert width(line) <= 80


def test_progress_is_for_terminals_alone(run, monkeypatch):
    monkeypatch.setattr(progress, "LONG_S", 0.0)
    monkeypatch.setattr(progress, "PROGRESS_S", 0.0)
    path = CORPUS / "atlas-change.json"
    assert "\r" not in run(path)[2]
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _: True, raising=False)
    assert f"\r\x1b[Kreading {path}: 100 %" in run(path)[2]
    assert "\r\x1b[Kreplaying: 50 %" in run(path)[2]
    assert "\r" not in run("--quiet", path)[2]


# the seam


def test_any_judge_with_on_trace_will_do():
    seen = []

    class Silent:
        def on_trace(self, trace):
            seen.append(trace.at)
            return Verdict(None, (), 1)

    def make(target: str, learn_s: int) -> Silent:
        assert (target, learn_s) == (SITE, 7)
        return Silent()

    judging = Judging(7, make)
    for item in changing(3, paris=4):
        (recorded,) = traces(json.dumps(item).encode())
        assert list(judging.take(recorded)) == []
    assert seen == [(START_S + 900 * n) * SECOND for n in range(3)]
    assert judging.routes == 0


def test_a_flow_that_tells_the_same_again_begins_a_group():
    judging, groups = Judging(0, Detector), Groups()
    paths = [OLD] * 10 + [NEW] * 4 + [(HOME, "203.0.113.77", SITE)] * 6
    told = [each for n, path in enumerate(paths) for each in judging.take(traces(json.dumps(atlas(*path, at_s=20 * n)).encode())[0])]
    made = [groups.add(each) for each in told]
    assert len(told) == 2
    assert made[0] is not made[1]
    assert list(groups.ended(made[1].first.event.at)) == []
    assert list(groups.ended(10**19)) == made
    assert list(groups.ended(10**19)) == []


def test_scamper_and_atlas_may_stand_in_one_file(run, tmp_path):
    both = [each for n in range(12) for each in (changing()[n], scamper(*OLD, at_s=900 * n))]
    assert run(write(tmp_path, *both))[2] == "24 traces in 2 flows: 1 event\n"
