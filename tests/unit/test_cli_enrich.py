"""`pathwarden enrich`, and the databases in the commands that show hops."""

import csv
import json
import subprocess
import sys

import pytest

from equipment.cli import Past
from equipment.fakes import hop
from equipment.mmdb import asn, city, write
from pathwarden.cli.main import main

MADE = 1_700_000_000
UNKNOWN = {
    "special", "asn", "as_name", "prefix", "country", "city", "latitude", "longitude", "accuracy_km", "ixp",
}  # fmt: skip


@pytest.fixture
def run(tmp_path, capsys):
    """Runs a verb with the databases of a folder; gives the exit code and what was printed."""

    def go(*words, mmdb=()):
        config = tmp_path / "config"
        lines = [f"\tlist mmdb '{name}'\n" for name in mmdb]
        config.write_text(f"config agent 'agent'\n\toption db '{tmp_path}/history.db'\n{''.join(lines)}")
        code = main(["--config", str(config), "enrich", *words])
        return code, *capsys.readouterr()

    return go


def test_lookup_tells_what_is_known_and_who_says_so(tmp_path, run):
    write(tmp_path / "asn.mmdb", {"5.1.0.0/16": asn(64500, "EXAMPLE")}, built_s=MADE)
    write(tmp_path / "city.mmdb", {"5.1.0.0/16": city("NL", "Delft", 52.0116, 4.3571)}, built_s=MADE + 86_400)
    code, out, err = run("lookup", "5.1.2.3", "192.168.1.1", "9.9.9.9", "fe80::1%wan")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "5.1.2.3  AS64500 EXAMPLE; Delft, NL; about 52.01 4.36 (20 km)  [asn.mmdb 2023-11-14, city.mmdb 2023-11-15]",
        "192.168.1.1  private  [IANA]",
        "9.9.9.9  unknown",
        "fe80::1%wan  link-local  [IANA]",
    ]
    _, out, _ = run("--json", "lookup", "5.1.2.3", "9.9.9.9")
    known, unknown = json.loads(out)
    assert (known["asn"], known["city"], known["accuracy_km"], known["special"]) == (64500, "Delft", 20, None)
    assert known["sources"][0] == {"gives": "as", "name": "asn.mmdb", "at": "2023-11-14T22:13:20.000Z"}
    assert unknown == {"address": "9.9.9.9", **dict.fromkeys(UNKNOWN), "sources": []}


def test_lookup_wants_addresses(run):
    code, out, err = run("lookup", "example.net")
    assert (code, out) == (2, "")
    assert err == "pathwarden: ADDRESS: example.net is no IP address; write one like 192.0.2.1 or 2001:db8::1\n"


def test_update_makes_a_database_that_is_found_at_once(tmp_path, run):
    (tmp_path / "table.dat").write_text("5.1.0.0/16\t64500\n5.9.0.0/21\tEXAMPLE-IX\n")
    code, out, err = run("update", str(tmp_path / "table.dat"))
    assert (code, err) == (0, "")
    assert out == f"{tmp_path}/table.mmdb: 2 prefixes, 1 network, 1 exchange, 0.0 MB\n"
    assert run("lookup", "5.9.1.1")[1].startswith("5.9.1.1  EXAMPLE-IX  [table.mmdb ")
    _, out, _ = run("--json", "update", str(tmp_path / "table.dat"), "-o", str(tmp_path / "other"))
    made = json.loads(out)
    assert (made["path"], made["prefixes"], made["networks"], made["exchanges"]) == (f"{tmp_path}/other", 2, 1, 1)
    code, _, err = run("update", str(tmp_path / "none"))
    assert (code, err) == (2, f"pathwarden: cannot read {tmp_path}/none: No such file or directory; name a table of prefixes\n")


def test_status_lists_databases_and_what_is_wrong_with_others(tmp_path, run):
    good = write(tmp_path / "good.mmdb", {"5.1.0.0/16": asn(64500, "EXAMPLE")}, kind="GeoLite2-ASN", built_s=MADE)
    (tmp_path / "bad.mmdb").write_bytes(good.read_bytes()[:-40])
    code, out, _ = run("status")
    assert code == 1
    assert out.splitlines() == [
        f"{good}: GeoLite2-ASN, made 2023-11-14, 112 nodes, 0.0 MB",
        f"left out: {tmp_path}/bad.mmdb: it was cut off, or a record leads out of it",
        "Team Cymru over DNS: never asked (agent.dns_lookups is off)",
    ]
    code, out, _ = run("--json", "status", mmdb=[good])
    found = json.loads(out)
    assert (code, found["problems"], found["dns_lookups"]) == (0, [], False)
    [row] = found["databases"]
    assert (row["kind"], row["built_at"], row["nodes"]) == ("GeoLite2-ASN", "2023-11-14T22:13:20.000Z", 112)


@pytest.fixture
def past(tmp_path, monkeypatch):
    """Two paths through known networks, a minute ago the second one: AS 64500 and its neighbour, by an exchange or by AS 64502."""
    monkeypatch.setenv("COLUMNS", "80")
    past = Past(tmp_path)
    past.configure(past.target("site"))

    def hops(*middle):
        return tuple(hop(ttl, who, *[1.0 * ttl] * 3) for ttl, who in enumerate(("10.0.0.1", "5.1.0.1", "5.1.0.2", *middle, "192.0.2.9"), 1))

    old = [past.trace("site", age, hops("7.0.0.1", "6.1.0.1", "6.1.0.2")) for age in (2400, 2100, 1800, 1500)]
    past.write("site", *old, *(past.trace("site", age, hops("8.1.0.1", "8.1.0.2", "6.1.0.2")) for age in (900, 890, 880, 580)))
    return past


NETWORKS = {
    "5.0.0.0/8": asn(64500, "ONE"),
    "6.0.0.0/8": asn(64501, "TWO"),
    "8.0.0.0/8": asn(64502, "THREE"),
    "7.0.0.0/24": {"ixp": "EXAMPLE-IX"},
}


def test_without_a_database_nothing_is_different(past, capsys):
    assert "[" not in past.run(capsys, "history", "site", "--at", "-1m").out
    assert past.run(capsys, "history", "site", "--paths", "--json").json[0]["as_path"] == []
    assert "pathwarden.enrich.enricher" not in modules_of(past)


def modules_of(past):
    """What a fresh interpreter has loaded when `history` has run."""
    code = "import sys; from pathwarden.cli.main import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", code, "--config", str(past.config), "history", "site"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr.split()


def test_history_diff_and_export_show_networks_where_a_database_knows_them(tmp_path, past, capsys):
    write(tmp_path / "asn.mmdb", NETWORKS)
    shown = past.run(capsys, "history", "site", "--at", "-1m").out.splitlines()
    assert shown[2].startswith(" 2  5.1.0.1 [AS64500]  ")
    assert shown[1].startswith(" 1  10.0.0.1 [*]  ")
    full = past.run(capsys, "history", "site", "--at", "-25m", "--json").json
    assert [each["asn"] for each in full["hops"]] == [None, 64500, 64500, None, 64501, 64501, None]
    assert (full["hops"][3]["ixp"], full["hops"][1]["as_name"]) == ("EXAMPLE-IX", "ONE")
    paths = past.run(capsys, "history", "site", "--paths", "--json").json
    assert {path["label"]: path["as_path"] for path in paths} == {"A": [64500, 64501], "B": [64500, 64502, 64501]}
    assert "    AS64500 AS64502 AS64501" in past.run(capsys, "history", "site", "--paths").out.splitlines()
    compared = past.run(capsys, "diff", "site", "A", "B", "--json").json
    assert (compared["old"]["as_path"], compared["new"]["as_path"]) == ([64500, 64501], [64500, 64502, 64501])
    assert compared["rows"][4]["new_network"]["as_name"] == "THREE"
    assert "8.1.0.1 [AS64502]" in past.run(capsys, "diff", "site", "A", "B").out
    assert "5.1.0.1 [AS64500]" in past.run(capsys, "export", "--format", "text").out
    [report, *_] = map(json.loads, past.run(capsys, "export", "--format", "mtr").out.splitlines())
    assert [hub.get("ASN") for hub in report["report"]["hubs"]][:3] == [None, "AS64500", "AS64500"]
    rows = list(csv.DictReader(past.run(capsys, "export", "--format", "csv").out.splitlines()))
    assert {row["responder"]: row["asn"] for row in rows}["6.1.0.2"] == "64501"
