"""What connection tracking could not place, and when doctor speaks of it."""

import pytest

from pathwarden.cli.checks import tracking

COUNTS = """entries  clashres found new invalid ignore delete icmp_error  expect_new
00000002  00000000 00000000 00000000 0000000a 00000000 00000000 00000005  00000000
00000002  00000000 00000000 00000000 00000001 00000000 00000000 00000010  00000000
"""


@pytest.mark.parametrize(("text", "count"), [(COUNTS, 10 + 5 + 1 + 16), ("", 0), ("entries\n1\n", 0), ("entries invalid\n00000001\n", 0)])
def test_the_kernels_counts(tmp_path, monkeypatch, text, count):
    monkeypatch.setattr(tracking, "COUNTS", tmp_path / "nf_conntrack")
    assert tracking.invalid() == 0  # without connection tracking there is no such file
    (tmp_path / "nf_conntrack").write_text(text)
    assert tracking.invalid() == count


@pytest.mark.parametrize(("probes", "answered", "invalid", "told"), [(3, 3, 9, False), (3, 2, 0, False), (3, 2, 1, True), (3, 0, 2, False)])
def test_it_speaks_when_as_many_were_invalid_as_stayed_silent(probes, answered, invalid, told):
    assert [each.status for each in tracking.dropped(probes, answered, invalid)] == ["warn"] * told
