"""What a routing registry's answer says about an address."""

import pytest

from pathwarden.net.whois import origins

HERE = "192.0.2.5"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("", ""),
        ("route:      192.0.2.0/24\ndescr:  x\norigin:     AS64500\n", "AS64500"),
        ("route: 192.0.0.0/16\norigin: AS1\n\nroute: 192.0.2.0/24\norigin: AS2\n\nroute: 192.0.0.0/8\norigin: AS3\n", "AS2"),
        ("route: 192.0.2.0/24\norigin: AS2\n\nroute: 192.0.2.0/24\norigin: as7\norigin: AS2\n", "AS2/AS7"),
        ("route: 198.51.100.0/24\norigin: AS1\n", ""),
        ("route6: 2001:db8::/32\norigin: AS1\n", ""),
        ("origin: AS1\nroute: 192.0.2.0/24\n", ""),
        ("route: 192.0.2.0/24\norigin: AS1\x1b[2J\n", ""),
        ("route: 192.0.2.0/24\norigin: <script>\n", ""),
        ("route: 192.0.2.0/24\norigin: AS99999999999\n", ""),
        ("route: 192.0.2.0/99\norigin: AS1\n", ""),
        ("route: \norigin: AS1\n", ""),
        ("route: 192.0.2.0/24 # theirs\norigin: AS1 # mine\n", "AS1"),
        ("\x00\xff" * 9999, ""),
    ],
)
def test_the_longest_prefix_that_holds_the_address_counts(answer: str, found: str) -> None:
    assert origins(HERE, answer) == found


def test_ipv6_and_a_zone() -> None:
    assert origins("2001:db8::1", "route6: 2001:db8::/32\norigin: AS64500\n") == "AS64500"
    assert origins("fe80::1%wan", "route6: 2001:db8::/32\norigin: AS64500\n") == ""


def test_an_endless_answer_shows_a_few() -> None:
    answer = "".join(f"route: 192.0.2.0/24\norigin: AS{number}\n" for number in range(1, 100))
    assert origins(HERE, answer) == "AS1/AS2/AS3/AS4/AS5/AS6/AS7/AS8"
