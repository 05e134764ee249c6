"""Team Cymru's answers: read byte by byte, believed only where they make sense, remembered by prefix, asked for beside everything else."""

import threading
from ipaddress import ip_address
from random import Random

import pytest

from equipment.cymru import asked_name, reply
from equipment.mmdb import asn, write
from pathwarden.enrich import cymru
from pathwarden.enrich.cymru import NoAnswer, Origin, Texts
from pathwarden.enrich.enricher import Enricher
from pathwarden.enrich.origins import Origins
from pathwarden.enrich.special import special
from pathwarden.model.network import UNKNOWN, Network, Source

DEADLINE_S = 30
ONE = "64500 | 5.1.0.0/16 | NL | ripencc | 2010-01-01"


def number(address):
    return int(ip_address(address))


def test_no_more_is_asked_than_the_network():
    assert cymru.origin_name(4, number("5.1.2.3")) == "0.2.1.5.origin.asn.cymru.com"
    name = cymru.origin_name(6, number("2a00:1:2:3:4:5:6:7"))
    assert name == ".".join("0" * 20) + ".2.0.0.0.1.0.0.0.0.0.a.2.origin6.asn.cymru.com"
    assert cymru.as_name(64500) == "AS64500.asn.cymru.com"
    assert asked_name(cymru.question(name, 7)) == name


def test_an_answer_is_read():
    asked = cymru.question("0.2.1.5.origin.asn.cymru.com", 4711)
    texts = [ONE, "x" * 600]
    assert cymru.answer(asked, reply(asked, texts)) == Texts(tuple(texts), 14400)
    assert cymru.answer(asked, reply(asked, [], flags=0x8183)) == Texts((), 0)
    assert cymru.answer(asked, reply(asked, [], flags=0x8380)).cut
    assert cymru.answer(asked, reply(asked, ["no text"], kind=99)) == Texts((), 0)


def test_what_is_no_answer_to_the_question_is_refused():
    asked = cymru.question("0.2.1.5.origin.asn.cymru.com", 4711)
    other = cymru.question("0.9.9.5.origin.asn.cymru.com", 4711)
    whole = reply(asked, [ONE])
    refused = [b"", asked, whole[:-1], whole[:30], reply(asked, [ONE], number=4712), reply(other, [ONE]), reply(asked, [ONE], flags=0x8182)]
    for data in refused:
        with pytest.raises(NoAnswer):
            cymru.answer(asked, data)


def test_any_bytes_give_a_value_or_no_answer(seed):
    random = Random(seed)
    asked = cymru.question("AS64500.asn.cymru.com", 4711)
    whole = reply(asked, [ONE, "64500 | NL | ripencc | 2010 | EXAMPLE, NL"])
    values = 0
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(random.randint(1, 6)):
            data[random.randrange(2, len(data))] = random.choice((0, 192, 255, random.randrange(256)))
        try:
            texts = cymru.answer(asked, bytes(data[: random.choice((len(data), random.randrange(len(data)))) :]))
        except NoAnswer:
            continue
        values += 1
        cymru.origin(4, number("5.1.2.3"), texts)
        cymru.name_of(texts)
    assert values, f"seed {seed}"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([ONE], Origin("5.1.0.0/16", 64500)),
        (["64501 64500 | 5.1.0.0/16 | NL"], Origin("5.1.0.0/16", 64500)),
        (["64500 | 5.0.0.0/8 | NL", "64502 | 5.1.2.0/24 | NL"], Origin("5.1.2.0/24", 64502)),
        (["64500 | 9.0.0.0/8 | NL"], None),
        (["64500 | 0.0.0.0/0 | NL"], None),
        (["64500 | 2a00::/12 | NL"], None),
        (["NA | 5.1.0.0/16 | NL"], None),
        (["0 | 5.1.0.0/16"], None),
        (["99999999999 | 5.1.0.0/16"], None),
        (["64500 | x/16", "64500", "", "|||||", "<script>"], None),
        ([], None),
    ],
)
def test_an_origin_must_be_of_a_prefix_that_holds_the_address(texts, found):
    assert cymru.origin(4, number("5.1.2.3"), Texts(tuple(texts), 0)) == found


def test_names_of_networks():
    assert cymru.name_of(Texts(("64500 | NL | ripencc | 2010-01-01 | EXAMPLE\x1b, NL",), 0)) == "EXAMPLE\ufffd, NL"
    assert cymru.name_of(Texts(("64500 | NL",), 0)) == cymru.name_of(Texts((), 0)) == ""


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("10.0.0.1", "private"), ("100.64.0.0", "shared"), ("100.127.255.255", "shared"), ("100.128.0.0", ""), ("127.0.0.1", "loopback"),
        ("169.254.1.1", "link-local"), ("192.0.2.1", "documentation"), ("198.51.100.255", "documentation"), ("198.51.101.0", ""),
        ("224.0.0.1", "multicast"), ("255.255.255.255", "reserved"), ("9.255.255.255", ""), ("8.8.8.8", ""), ("0.0.0.0", "this network"),
        ("::", "unspecified"), ("::1", "loopback"), ("::2", ""), ("fe80::1", "link-local"), ("fd00::1", "private"),
        ("2001:db8::1", "documentation"),
        ("2001:db9::", ""), ("2606:4700::1111", ""), ("ff02::1", "multicast"), ("2001::1", "Teredo"), ("2002::1", "6to4"),
    ],
)  # fmt: skip
def test_special_ranges(address, name):
    parsed = ip_address(address)
    assert special(parsed.version, int(parsed)) == name


class Server:
    """A name server that holds answers by name, and may be silent; `gate` lets each question through."""

    def __init__(self, **answers):
        self.answers = {name.replace("_", "."): texts for name, texts in answers.items()}
        self.asked = []
        self.dead = False
        self.gate = threading.Event()
        self.gate.set()

    def texts(self, name):
        assert self.gate.wait(DEADLINE_S)
        self.asked.append(name)
        if self.dead:
            raise NoAnswer("no answer in time")
        return Texts(tuple(self.answers.get(name.removesuffix(".asn.cymru.com"), ())), 14400)


class World:
    """Origins with a clock that the test sets."""

    def __init__(self, server, **more):
        self.mono_ns = 0
        self.news = threading.Semaphore(0)
        self.server = server
        self.origins = Origins(server, self.news.release, mono_ns=lambda: self.mono_ns, wall_ns=lambda: 77, apart_s=0, **more)

    def get(self, address):
        parsed = ip_address(address)
        return self.origins.get(parsed.version, int(parsed))

    def learns(self, address):
        assert self.get(address) is None
        self.origins.settle()
        return self.get(address)


@pytest.fixture
def server():
    return Server(**{"0_2_1_5_origin": [ONE], "AS64500": ["64500 | NL | ripencc | 2010-01-01 | EXAMPLE, NL"]})


@pytest.fixture
def world(server):
    world = World(server)
    yield world
    world.origins.close()


def test_an_answer_holds_for_its_whole_prefix(world, server):
    expected = Network(asn=64500, as_name="EXAMPLE, NL", prefix="5.1.0.0/16", sources=(Source("as", "cymru.com", 77),))
    assert world.learns("5.1.2.3") == expected
    assert world.get("5.1.255.1") == expected
    assert server.asked == ["0.2.1.5.origin.asn.cymru.com", "AS64500.asn.cymru.com"]
    assert world.learns("5.2.0.1") == Network()  # nobody announces it
    assert world.get("5.2.0.99") == Network()
    assert len(server.asked) == 3


def test_what_is_old_is_told_until_there_is_a_newer_answer(world, server):
    world.learns("5.1.2.3")
    world.mono_ns = 14400 * 10**9 - 1
    world.get("5.1.2.3")
    world.origins.settle()
    assert len(server.asked) == 2
    world.mono_ns += 1
    server.answers["0.2.1.5.origin"] = ["64501 | 5.1.2.0/24 | NL"]
    assert world.get("5.1.2.3").asn == 64500
    world.origins.settle()
    assert (world.get("5.1.2.3").asn, world.get("5.1.9.1").asn) == (64501, 64500)


def test_a_dead_resolver_costs_one_question_and_delays_nothing(server):
    server.dead = True
    world = World(server, pause_s=3600)
    assert world.learns("5.1.2.3") is None
    assert [world.get(f"6.{each}.0.1") for each in range(200)] == [None] * 200
    assert (len(server.asked), world.origins.silent) == (1, 1)
    world.origins.close()


def test_what_waits_is_bounded_and_asked_for_once(world, server):
    server.gate.clear()
    for _ in range(3):
        for each in range(400):
            world.get(f"6.{each // 200}.{each % 200}.1")
    server.gate.set()
    world.origins.settle()
    assert len(server.asked) == len(set(server.asked)) == 256


def test_a_name_that_does_not_come_costs_no_origin(world, server):
    server.answers.pop("AS64500")
    assert (world.learns("5.1.2.3").asn, world.get("5.1.2.3").as_name) == (64500, "")


def awaits(condition):
    """Until a thread of the product has done its work."""
    done = threading.Event()
    for _ in range(DEADLINE_S * 100):
        if condition():
            return
        done.wait(0.01)
    raise AssertionError("it did not come about in time")


def test_the_prober_never_waits_and_is_told_at_the_next_look(tmp_path, server):
    path = write(tmp_path / "a.mmdb", {"6.0.0.0/8": asn(64999, "LOCAL"), "198.51.100.0/24": asn(64998, "LAB")})
    server.gate.clear()
    enricher = Enricher([path], server)
    assert enricher.of("6.1.1.1") == UNKNOWN
    awaits(lambda: enricher.of("6.1.1.1").asn == 64999)
    assert enricher.now("5.1.2.3") == UNKNOWN  # the name server is asked meanwhile
    server.gate.set()
    awaits(lambda: enricher.of("5.1.2.3").as_name == "EXAMPLE, NL")
    assert enricher.of("10.0.0.1") == UNKNOWN
    awaits(lambda: enricher.of("10.0.0.1").special == "private")
    for no_address in ("", "x", "1.2.3", "example.net", "5.1.2.3/24", "\x00"):
        assert enricher.now(no_address) == UNKNOWN
    assert enricher.now("fe80::1%wan").special == "link-local"
    own = enricher.now("198.51.100.1")
    assert (own.special, own.asn, [source.name for source in own.sources]) == ("documentation", 64998, ["IANA", "a.mmdb"])
    assert [name for name in server.asked if "10." in name] == []
    enricher.close()


def test_databases_come_before_the_name_server_and_a_new_one_is_noticed(tmp_path, server):
    path = tmp_path / "a.mmdb"
    enricher = Enricher([path], server)
    assert enricher.notices() == [f"{path}: No such file or directory"]
    enricher.now("5.1.2.3")
    awaits(lambda: enricher.now("5.1.2.3").asn == 64500)
    write(path, {"5.1.0.0/16": asn(64777, "MINE")})
    enricher.now("9.9.9.9")  # any look-up notices it
    assert (enricher.now("5.1.2.3").asn, enricher.notices()) == (64777, [])
    enricher.close()


def test_what_is_remembered_is_looked_up_again_after_an_hour(tmp_path):
    clock = [0]
    path = write(tmp_path / "a.mmdb", {"5.1.0.0/16": asn(64500, "ONE")})
    enricher = Enricher([path], None, mono_ns=lambda: clock[0])
    assert enricher.now("5.1.2.3").asn == 64500
    write(tmp_path / "b", {"5.1.0.0/16": asn(64501, "TWO")}).replace(path)
    clock[0] = 3600 * 10**9 - 1
    assert enricher.now("5.1.2.3").asn == 64500
    clock[0] += 1
    assert enricher.now("5.1.2.3").asn == 64501
    enricher.close()
