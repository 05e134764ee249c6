"""A table of prefixes becomes a database in which every address finds its longest prefix."""

import gzip
import os
from ipaddress import ip_address, ip_network
from random import Random

import pytest

from pathwarden.enrich.databases import Databases
from pathwarden.enrich.table import make
from pathwarden.errors import ConfigError, OperatorError

MADE_S = 1_760_000_000


def made(tmp_path, text):
    (tmp_path / "table.dat").write_text(text)
    os.utime(tmp_path / "table.dat", (MADE_S, MADE_S))
    return make(tmp_path / "table.dat", tmp_path / "table.mmdb")


def found(databases, address):
    parsed = ip_address(address)
    network = databases.get(parsed.version, int(parsed))
    return network.asn or network.ixp or None


def test_networks_exchanges_comments_and_age(tmp_path):
    lines = "; IP-ASN32-DAT\n\n5.1.0.0/16\t64500\r\n5.1.2.0/24 64501\n2a00:1::/32\t64502\n# theirs\n5.9.0.0/21\tEXAMPLE-IX Delft\n"
    made_of = made(tmp_path, lines)
    assert (made_of.prefixes, made_of.networks, made_of.exchanges) == (4, 3, 1)
    databases = Databases([made_of.path])
    addresses = {"5.1.0.1": 64500, "5.1.2.1": 64501, "5.1.3.1": 64500, "2a00:1::7": 64502, "5.9.7.255": "EXAMPLE-IX Delft", "5.9.8.0": None}
    assert {address: found(databases, address) for address in addresses} == addresses
    [(_, about)] = databases.about()
    assert (about.kind, about.built_s) == ("Pathwarden-Prefixes", MADE_S)
    assert made_of.path.stat().st_mode & 0o777 == 0o644


def test_any_table_finds_what_a_search_through_all_of_it_finds(tmp_path, seed):
    random = Random(seed)
    table = {}
    for _ in range(250):
        version = random.choice((4, 6))
        bits = 32 if version == 4 else 128
        length = random.choice((0, 1, 8, 9, 16, 24, 24, 31, 32) if version == 4 else (1, 3, 16, 32, 48, 95, 96, 97, 104, 128))
        # Near to one another, so that they lie in one another; and at ::/96, where IPv4 stands in the tree.
        number = random.getrandbits(6) << random.choice((0, bits - 8, bits - 26))
        table[ip_network((number >> (bits - length) << (bits - length), length)) if version == 4 else _six(number, length)] = (
            random.randint(1, 2**32 - 1)
        )
    order = list(table.items())
    random.shuffle(order)
    databases = Databases([made(tmp_path, "".join(f"{prefix}\t{asn}\n" for prefix, asn in order)).path])
    for prefix in table:
        for place in (prefix[0], prefix[-1], prefix[0] + random.randrange(prefix.num_addresses)):
            if place.version == 6 and int(place) < 2**32:
                continue  # the tree holds IPv4 there
            within = [each for each in table if each.version == place.version and place in each]
            assert found(databases, str(place)) == table[max(within, key=lambda each: each.prefixlen)], f"seed {seed}: {place}"


def _six(number, length):
    high = number | 1 << 125  # 2000::/3, apart from IPv4's place
    return ip_network((high >> (128 - length) << (128 - length), length)) if length >= 3 else ip_network((1 << 125, 3))


def test_a_packed_table(tmp_path):
    (tmp_path / "table.gz").write_bytes(gzip.compress(b"5.1.0.0/16\t64500\n"))
    assert found(Databases([make(tmp_path / "table.gz", tmp_path / "a.mmdb").path]), "5.1.0.1") == 64500


@pytest.mark.parametrize(
    "line",
    ["5.1.0.0/16", "5.1.0.1/16\t64500", "5.1.0.0/33\t1", "x\t1", "::/0\t1", "5.1.0.0/16\t0", "5.1.0.0/16\t4294967296",
     "5.1.0.0/16\t" + "9" * 99,
     "5.1.0.0/16\tA\x1b[2J", "5.1.0.0/16\t" + "x" * 65, "\x00" * 2000],
)  # fmt: skip
def test_the_line_that_is_wrong_is_named_and_nothing_is_written(tmp_path, line):
    with pytest.raises(ConfigError, match=r"table.dat:2: this is no prefix with an AS number or an exchange's name; write lines like"):
        made(tmp_path, f"5.0.0.0/16\t1\n{line}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.dat"]


def test_what_cannot_be_read_or_written_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*none: No such file or directory; name a table of prefixes"):
        make(tmp_path / "none", tmp_path / "a.mmdb")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"5.1.0.0/16\t64500\n" * 99)[:-20])
    with pytest.raises(ConfigError, match=r"cannot read .*cut.gz: "):
        make(tmp_path / "cut.gz", tmp_path / "a.mmdb")
    with pytest.raises(ConfigError, match="holds no prefix"):
        made(tmp_path, "; nothing\n")
    (tmp_path / "table.dat").write_text("5.1.0.0/16\t64500\n")
    with pytest.raises(OperatorError, match=r"cannot write .*nowhere/a.mmdb: No such file or directory") as failed:
        make(tmp_path / "table.dat", tmp_path / "nowhere" / "a.mmdb")
    assert failed.value.exit_code == 1, "the command was right"
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"cannot read .*binary"):
        make(tmp_path / "binary", tmp_path / "a.mmdb")
