import pytest

from pathwarden.errors import ConfigError
from pathwarden.mqtt.topics import topics


def test_names() -> None:
    names = topics("site/7", "home-rt")
    assert names.status == "site/7/home-rt/status"
    assert names.info == "site/7/home-rt/info"
    assert names.state("dns") == "site/7/home-rt/target/dns/state"
    assert names.path("dns") == "site/7/home-rt/target/dns/path"
    assert names.event("dns") == "site/7/home-rt/target/dns/event"
    assert names.event("") == "site/7/home-rt/event"


@pytest.mark.parametrize("prefix", ["pathwarden", "a/b/c", "家/路由器", "with space", "x" * 128])
def test_prefixes_that_work(prefix: str) -> None:
    assert topics(prefix, "a").status == f"{prefix}/a/status"


@pytest.mark.parametrize(
    ("prefix", "problem"),
    [
        ("", "is empty"),
        ("a/#", "has a wildcard (+ or #)"),
        ("+", "has a wildcard (+ or #)"),
        ("$SYS", "begins with $, which brokers keep for themselves"),
        ("/a", "has an empty level"),
        ("a/", "has an empty level"),
        ("a//b", "has an empty level"),
        ("a\0b", "has a character that cannot be printed"),
        ("a\nb", "has a character that cannot be printed"),
        ("\udc80", "has a character that cannot be printed"),
        ("路" * 43, "is longer than 128 bytes"),
    ],
)
def test_prefixes_that_do_not(prefix: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        topics(prefix, "a")
    assert str(caught.value) == f"mqtt.prefix: {prefix!r} {problem}; use words with '/' between them, such as pathwarden"
