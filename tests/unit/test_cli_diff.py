"""`pathwarden diff`: two of a target's paths side by side."""

import json

import pytest

from equipment.cli import SECOND_PATH, Past
from equipment.fakes import hop
from equipment.recordings import SITE, START_S, atlas
from pathwarden.cli import terminal
from pathwarden.cli.terminal import local, width

SECOND = 1_000_000_000
NOBODY = dict.fromkeys(("asn", "as_name", "country", "city", "ixp"))
SHORT = (hop(1, "10.0.0.1", 0.5), hop(2, "198.51.100.6", 4.0), hop(3, "192.0.2.9", 9.0))
LONGER = (*SHORT[:2], hop(3, "203.0.113.1", 7.0), hop(4, "192.0.2.9", 12.0))


@pytest.fixture
def past(tmp_path, monkeypatch) -> Past:
    """Path A, from 40 minutes ago to 20, then path B."""
    monkeypatch.setenv("COLUMNS", "80")
    past = Past(tmp_path)
    past.configure(past.target("site", "Example", "www.example"))
    old = [past.trace("site", age) for age in (2400, 2100, 1800, 1500)]
    past.write("site", *old, *(past.trace("site", age, SECOND_PATH) for age in (900, 890, 880, 580)))
    return past


def when(past: Past, age_s: int) -> str:
    return local(past.now - age_s * SECOND)


def test_the_newest_path_and_the_one_before_it(past, capsys):
    result = past.run(capsys, "diff", "site")
    assert (result.code, result.err) == (6, "")
    assert result.out.splitlines() == [
        f"--- path A, traced {when(past, 1500)}, 4 hops, 10.1 ms",
        f"+++ path B, traced {when(past, 580)}, 4 hops, 20.1 ms",
        "    1   1 10.0.0.1                                             0.6 ms     0.6 ms",
        "    2   2 *",
        "-   3     198.51.100.6                                         4.1 ms",
        "+       3 198.51.100.7                                                    4.1 ms",
        "    4   4 192.0.2.9                                           10.1 ms    20.1 ms",
        "The paths differ: 1 hop replaced.",
    ]


@pytest.mark.parametrize("sides", [("A", "B"), ("-25m", "B"), ("-25m", "-1m"), ("A",), ("-25m",)])
def test_paths_and_instants(past, capsys, sides):
    found = past.run(capsys, "diff", "site", *sides, "--json").json
    assert (found["target"], found["same"], found["old"]["label"], found["new"]["label"]) == ("site", False, "A", "B")
    assert [row["op"] for row in found["rows"]] == ["same", "unknown", "replaced", "same"]
    assert found["rows"][2] == {
        "op": "replaced", "old_ttl": 3, "new_ttl": 3, "old": ["198.51.100.6"], "new": ["198.51.100.7"],
        "old_network": NOBODY, "new_network": NOBODY, "old_rtt_ms": 4.1, "new_rtt_ms": 4.1,
    }  # fmt: skip


def test_by_the_ids_of_paths(past, capsys):
    ids = [path["path_id"] for path in past.run(capsys, "history", "site", "--paths", "--json").json]
    assert past.run(capsys, "diff", "site", *ids, "--json").json["new"]["path_id"] == ids[1]
    assert past.run(capsys, "diff", "site", ids[0], ids[0]).code == 0


def test_the_same_path_is_0(past, capsys):
    result = past.run(capsys, "diff", "site", "-35m", "-25m")
    assert result.code == 0
    assert result.out.splitlines()[-1] == "The same path."
    assert "198.51.100.6" in result.out


def test_hops_that_came_and_went(past, capsys):
    past.write("new", past.trace("new", 300, SHORT), past.trace("new", 200, LONGER))
    shown = past.run(capsys, "diff", "new", "-290s", "-199s").out
    assert "+       3 203.0.113.1" in shown and "    3   4 192.0.2.9" in shown
    assert shown.endswith("The paths differ: 1 hop added.\n")
    assert past.run(capsys, "diff", "new", "-199s", "-290s").out.endswith("The paths differ: 1 hop removed.\n")


def test_colours_on_a_terminal_alone(past, capsys, monkeypatch):
    assert "\x1b" not in past.run(capsys, "diff", "site").out
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    lines = past.run(capsys, "diff", "site").out.splitlines()
    assert lines[4].startswith("\x1b[31m-   3") and lines[5].startswith("\x1b[32m+       3")
    assert "\x1b" not in past.run(capsys, "diff", "site", "--no-color").out


def test_imported_targets_are_compared_by_instants(past, capsys):
    file = past.db.with_name("a.json")
    file.write_text(
        "".join(json.dumps(atlas("10.0.0.1", who, SITE, at_s=n)) + "\n" for n, who in ((0, "198.51.100.1"), (900, "203.0.113.1")))
    )
    past.run(capsys, "import", str(file))
    result = past.run(capsys, "diff", "atlas-5006-6012", str(START_S), str(START_S + 900))
    assert (result.code, result.err) == (6, "imported: RIPE Atlas, measurement 5006, probe 6012, to 192.0.2.9\n")
    assert result.out.startswith("--- a path without a letter, traced ")
    result = past.run(capsys, "diff", "atlas-5006-6012")
    assert (result.code, result.err.partition("; ")[0]) == (
        1,
        "pathwarden: atlas-5006-6012 has 0 paths with a letter, so there is nothing to compare",
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sight"], 2, "there is no target 'sight'; known are site"),
        (["site", "C"], 2, "'C' is neither a path of site nor a time; known are A, B"),
        (["site", "A", "B", "C"], 2, "A B: these are 3; give two"),
        (["site", "2026-01-01 10:00"], 1, "the history holds no trace of site from before 2026-01-01 10:00:00; ask for a later time"),
    ],
)
def test_mistakes_are_one_line(past, capsys, words, code, said):
    assert past.run(capsys, "diff", *words) == (code, "", f"pathwarden: {said}\n")


def test_eighty_columns_with_long_addresses_and_balancers(past, capsys):
    long6 = [f"2001:db8:ffff:eeee:dddd:cccc:bbbb:{n}" for n in range(1000, 1006)]
    one = [hop(1, long6[0], 1000.5)._replace(answers=tuple(hop(1, who, 1234.5).answers[0] for who in long6[:3])), hop(2, long6[3], 3.0)]
    other = [one[0], hop(2, long6[4], 3.0), hop(3, long6[5], 99.0)]
    past.write("six", past.trace("six", 50, one), past.trace("six", 40, other))
    out = past.run(capsys, "diff", "six", "-45s", "-1s").out
    assert out.count(long6[1]) == out.count(long6[2]) == 1
    assert max(map(width, out.splitlines())) <= 80
    assert terminal.COLUMNS == 80
