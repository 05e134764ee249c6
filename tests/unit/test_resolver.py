import itertools
import queue
import socket
import threading
import time

import pytest

from pathwarden.net.names import ReverseNames
from pathwarden.net.resolver import NameServers, ThreadResolver, resolve_now

S = 1_000_000_000


class NameServer:
    """A name server that answers when the test lets it."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.gate = threading.Event()
        self.gate.set()

    def getaddrinfo(self, host, port, *, family, type):  # noqa: A002 - the name that socket.getaddrinfo gives it
        assert port is None
        assert type is socket.SOCK_DGRAM
        assert self.gate.wait(5)
        self.asked.append((host, family))
        answer = self.answers.get((host, family), self.answers.get(host))
        if answer is None:
            raise socket.gaierror(-2, "Name or service not known")
        if isinstance(answer, Exception):
            raise answer
        return [(family, type, 17, "", (address, 0)) for address in answer]


class World:
    def __init__(self):
        self.server = NameServer()
        self.now_ns = S
        self.changed = queue.SimpleQueue()
        self.serial = itertools.count()
        self.tick = threading.Event()
        self.resolver = ThreadResolver(self.changed.put, refresh_s=900, getaddrinfo=self.server.getaddrinfo, mono_ns=lambda: self.now_ns)

    def asked(self, count):
        """Wait until the thread is idle, which a last question shows; that many were asked before."""
        last = (f"idle{next(self.serial)}.invalid", 0)
        self.resolver._questions.put(last)
        deadline = time.monotonic() + 5
        while last not in self.resolver._due_ns:
            assert time.monotonic() < deadline
            self.tick.wait(0.001)
        found = [one for one in self.server.asked if not one[0].endswith(".invalid")]
        assert len(found) == count, found


@pytest.fixture
def world():
    made = World()
    yield made
    made.server.gate.set()
    made.resolver.close()


def first(world, host="a.example", family=0):
    world.server.gate.clear()
    assert world.resolver.lookup(host, family) is None
    world.server.gate.set()
    assert world.changed.get(timeout=5) == host
    return world.resolver.lookup(host, family)


@pytest.mark.parametrize(
    ("host", "family", "address"),
    [
        ("192.0.2.1", 0, "192.0.2.1"),
        ("192.0.2.1", 4, "192.0.2.1"),
        ("192.0.2.1", 6, None),
        ("2001:DB8:0::1", 0, "2001:db8::1"),
        ("2001:db8::1", 6, "2001:db8::1"),
        ("2001:db8::1", 4, None),
    ],
)
def test_addresses_are_answered_at_once_without_a_thread(world, host, family, address):
    assert world.resolver.lookup(host, family) == address
    assert world.resolver._thread is None
    assert resolve_now(host, family, world.server.getaddrinfo) == address
    assert world.server.asked == []


def test_a_name_is_unknown_until_the_thread_has_asked(world):
    world.server.answers["a.example"] = ["192.0.2.1", "192.0.2.2"]
    world.server.gate.clear()
    assert [world.resolver.lookup("a.example", 0) for _ in range(5)] == [None] * 5
    world.server.gate.set()
    assert world.changed.get(timeout=5) == "a.example"
    assert world.resolver.lookup("a.example", 0) == "192.0.2.1"
    world.asked(1)


def test_families_are_separate_questions(world):
    world.server.answers["a.example", socket.AF_INET] = ["192.0.2.1"]
    world.server.answers["a.example", socket.AF_INET6] = ["2001:db8::1"]
    world.server.answers["a.example", socket.AF_UNSPEC] = ["2001:db8::9"]
    assert [first(world, family=family) for family in (4, 6, 0)] == ["192.0.2.1", "2001:db8::1", "2001:db8::9"]


def test_a_name_is_asked_again_only_when_it_is_due(world):
    world.server.answers["a.example"] = ["192.0.2.1"]
    assert first(world) == "192.0.2.1"
    world.now_ns += 899 * S
    assert world.resolver.lookup("a.example", 0) == "192.0.2.1"
    world.asked(1)
    world.now_ns += S
    assert world.resolver.lookup("a.example", 0) == "192.0.2.1"
    world.asked(2)


def test_a_shuffled_list_moves_no_target(world):
    world.server.answers["a.example"] = ["192.0.2.1", "192.0.2.2"]
    assert first(world) == "192.0.2.1"
    world.server.answers["a.example"] = ["192.0.2.2", "192.0.2.1"]
    world.now_ns += 900 * S
    world.resolver.lookup("a.example", 0)
    world.asked(2)
    assert world.resolver.lookup("a.example", 0) == "192.0.2.1"
    assert world.changed.empty()


def test_a_name_that_moved_is_told(world):
    world.server.answers["a.example"] = ["192.0.2.1"]
    assert first(world) == "192.0.2.1"
    world.server.answers["a.example"] = ["198.51.100.1"]
    world.now_ns += 900 * S
    assert world.resolver.lookup("a.example", 0) == "192.0.2.1"
    assert world.changed.get(timeout=5) == "a.example"
    assert world.resolver.lookup("a.example", 0) == "198.51.100.1"


@pytest.mark.parametrize("error", [None, UnicodeError("label too long"), ValueError("embedded null character"), []])
def test_a_name_that_does_not_resolve_is_asked_again_after_half_a_minute(world, error):
    world.server.answers["a.example"] = error
    assert world.resolver.lookup("a.example", 0) is None
    world.asked(1)
    world.now_ns += 29 * S
    assert world.resolver.lookup("a.example", 0) is None
    world.asked(1)
    world.now_ns += S
    world.server.answers["a.example"] = ["192.0.2.1"]
    assert first(world) == "192.0.2.1"


def test_a_failing_name_server_takes_no_address_away(world):
    world.server.answers["a.example"] = ["192.0.2.1"]
    assert first(world) == "192.0.2.1"
    del world.server.answers["a.example"]
    world.now_ns += 900 * S
    world.resolver.lookup("a.example", 0)
    world.asked(2)
    assert world.resolver.lookup("a.example", 0) == "192.0.2.1"
    world.now_ns += 30 * S
    world.resolver.lookup("a.example", 0)
    world.asked(3)
    assert world.changed.empty()


def test_the_oldest_names_are_forgotten(world, monkeypatch):
    monkeypatch.setattr("pathwarden.net.resolver._REMEMBERED", 3)
    for number in range(5):
        world.server.answers[f"n{number}.example"] = [f"192.0.2.{number}"]
        assert first(world, f"n{number}.example") == f"192.0.2.{number}"
    assert len(world.resolver._addresses) == len(world.resolver._due_ns) == 3


def test_resolving_for_the_command_line_waits(world):
    world.server.answers["a.example"] = ["2001:db8::1", "192.0.2.1"]
    assert resolve_now("a.example", 0, world.server.getaddrinfo) == "2001:db8::1"
    assert resolve_now("a.example", 4, world.server.getaddrinfo) == "192.0.2.1"
    assert resolve_now("b.example", 0, world.server.getaddrinfo) is None
    assert resolve_now("a\0b", 0, world.server.getaddrinfo) is None


SILENCE = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
NO_SUCH_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def judged(*questions):
    """What becomes of questions: (host, seconds it took), or None for an answer."""
    servers = NameServers()
    for number, question in enumerate(questions):
        if question is None:
            servers.on_answer()
        else:
            host, took_s = question
            servers.on_silence(host, number * S, round(took_s * S))
    return servers


@pytest.mark.parametrize(
    ("questions", "since_ns"),
    [
        ([], None),
        ([("a.example.org", 10)], None),
        ([("a.example.org", 10), ("b.example.net", 10)], 0),
        ([("a.example.org", 0), ("b.example.net", 0)], 0),
        ([("a.example.org", 0), ("b.example.org", 0), ("c.example.org.", 0)] * 9, None),
        ([("a.example.org", 5), ("B.EXAMPLE.org", 5), ("a.example.org", 5)], 0),
        ([("a.example.org", 10), None, ("b.example.net", 10)], None),
        ([("a.example.org", 10), None, ("b.example.net", 10), ("a.example.org", 10)], 2 * S),
        ([("a.example.org", 10), ("b.example.net", 10), None], None),
    ],
)
def test_when_the_name_servers_are_silent(questions, since_ns):
    assert judged(*questions).silent_since_ns == since_ns


def until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)


def idle(resolver):
    until(lambda: None not in resolver._due_ns.values())


def test_silence_is_noticed_within_a_minute_and_its_end_within_ten_seconds(world):
    for number, host in enumerate(("a.example.org", "b.example.net", "c.example.com")):
        world.server.answers[host] = [f"192.0.2.{number}"]
        assert first(world, host) == f"192.0.2.{number}"
    idle(world.resolver)
    for host in world.server.answers:
        world.server.answers[host] = SILENCE
    begun_ns = world.now_ns
    while world.resolver.silent_since_ns is None:
        assert world.now_ns - begun_ns <= 70 * S
        world.now_ns += S
        world.resolver.check()
        idle(world.resolver)
    assert world.resolver.silent_since_ns == begun_ns + 60 * S
    assert world.resolver.lookup("a.example.org", 0) == "192.0.2.0"
    world.server.answers = dict.fromkeys(world.server.answers, NO_SUCH_NAME)
    world.now_ns += 10 * S
    world.resolver.check()
    until(lambda: world.resolver.silent_since_ns is None)


def test_a_check_asks_for_each_name_in_turn_once_a_minute(world):
    hosts = ("a.example.org", "b.example.net")
    for host in hosts:
        world.server.answers[host] = ["192.0.2.1"]
        first(world, host)
    idle(world.resolver)
    world.server.asked.clear()
    for _ in range(240):
        world.now_ns += S
        world.resolver.check()
        idle(world.resolver)
    assert [host for host, _ in world.server.asked] == [*hosts, *hosts]


def test_without_names_nobody_is_asked(world):
    world.resolver.lookup("192.0.2.1", 0)
    world.now_ns += 3600 * S
    world.resolver.check()
    assert world.resolver._thread is None
    assert world.resolver.silent_since_ns is None


@pytest.mark.parametrize(
    "told",
    [
        lambda _: ("evil\udcff.example", [], []),
        lambda _: ("<script>alert(1)</script>", [], []),
        lambda _: b"\xff.example".decode(),  # so Python fails over what musl hands over as an alias
    ],
)
def test_what_is_no_host_name_is_not_shown(monkeypatch, told):
    monkeypatch.setattr(socket, "gethostbyaddr", told)
    names = ReverseNames()
    names.ask("192.0.2.1")
    assert names.get(("192.0.2.1",), 30) == {"192.0.2.1": ""}
    assert not names.pending(("192.0.2.1",))
