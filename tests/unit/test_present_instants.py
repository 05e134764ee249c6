import pytest

from pathwarden.present.instants import parse_instant, rfc3339


def test_writes_utc_with_milliseconds_cut():
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1_795_250_700_123_999_999) == "2026-11-21T08:45:00.123Z"


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-21T08:45:00.123Z", 1_795_250_700_123_000_000),
        ("2026-11-21t08:45:00.123456789z", 1_795_250_700_123_456_789),
        ("2026-11-21T16:45:00.5+08:00", 1_795_250_700_500_000_000),
        ("2026-11-21T03:45:00-05:00", 1_795_250_700_000_000_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
    ],
)
def test_reads_any_offset_to_the_nanosecond(text, ns):
    assert parse_instant(text) == ns


def test_reads_what_it_writes():
    for ns in range(0, 9_200_000_000_000_000_000, 123_456_789_012_000_000):
        assert parse_instant(rfc3339(ns)) == ns - ns % 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1795250700",
        "2026-11-21",
        "2026-11-21T08:45:00",
        "2026-11-21 08:45:00Z",
        "2026-13-21T08:45:00Z",
        "2023-02-29T00:00:00Z",
        "2026-11-21T24:45:00Z",
        "2026-11-21T08:45:60Z",
        "2026-11-21T08:45:00.Z",
        "2026-11-21T08:45:00.1234567890Z",
        "2026-11-21T08:45:00+24:00",
        "2026-11-21T08:45:00-99:99",
        "２０２６-11-21T08:45:00Z",
        "1969-12-31T23:59:59Z",
        "2263-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:00",
        "2026-11-21T08:45:00Z\n",
    ],
)
def test_refuses_everything_else(text):
    with pytest.raises(
        ValueError, match=r"\A(not an RFC 3339 date and time such as 2026-11-21T08:45:00Z|outside the years 1970 to 2262)\Z"
    ):
        parse_instant(text)
