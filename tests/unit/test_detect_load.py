"""When a line is full, and when nobody can know."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathwarden.detect.load import Full, Load, sentence
from pathwarden.net.counters import Counters

S = 1_000_000_000
LINE = 12_500_000  # bytes a second: 100 Mbit/s


class House:
    """A household: rates over time, sampled every 10 s."""

    def __init__(self, load: Load | None = None) -> None:
        self.load = load or Load()
        self.now_ns = 1000 * S
        self.rx = self.tx = 0

    def run(self, seconds: int, down: float, up: float = 10_000, every_s: int = 10) -> "House":
        for _ in range(seconds // every_s):
            self.now_ns += every_s * S
            self.rx += round(down * every_s)
            self.tx += round(up * every_s)
            self.load.on_counters("wan", self.rx, self.tx, self.now_ns)
        return self

    def full(self) -> Full | None:
        return self.load.full("wan", self.now_ns)

    def bursts(self, count: int, rate: float = LINE) -> "House":
        for _ in range(count):
            self.run(120, 50_000).run(30, rate)
        return self


def test_an_unknown_line_is_never_full() -> None:
    assert House().run(600, 50_000).full() is None
    assert House().run(600, 50_000).run(60, LINE).full() is None
    assert Load().full("wan", S) is None


def test_a_ceiling_is_what_was_met_three_times() -> None:
    assert House().bursts(2).full() is None
    assert House().bursts(3).full() == Full("wan", "down", LINE, LINE)
    assert House().bursts(3).run(60, LINE * 0.5).full() is None


def test_one_long_burst_is_one_burst() -> None:
    assert House().run(3600, LINE).full() is None


def test_a_higher_rate_than_ever_is_a_new_ceiling() -> None:
    house = House().bursts(3, LINE / 3)
    assert house.full()
    assert house.run(120, 50_000).run(30, LINE).full() is None


def test_idle_chatter_is_no_ceiling() -> None:
    assert House().bursts(5, 20_000).full() is None


def known_line() -> House:
    """A household, begun anew, whose line is known to carry `LINE` down and a tenth of it up."""
    return House(Load.restore({"wan": [LINE, 3, LINE / 10, 3]}, 1000 * S))


def test_a_known_line_is_full_at_once_in_each_direction() -> None:
    house = known_line()
    assert house.run(10, LINE).full() is None  # a rate needs two samples
    assert house.run(10, LINE * 0.95).full() == Full("wan", "down", LINE * 0.95, LINE)
    assert house.run(30, 50_000, LINE / 10).full() == Full("wan", "up", LINE / 10, LINE / 10)
    assert house.run(30, LINE * 0.85).full() is None


def test_a_rate_is_the_mean_over_five_seconds() -> None:
    house = known_line().run(60, 1000)
    assert house.run(4, LINE, every_s=1).full() is None
    assert house.run(1, LINE, every_s=1).full() is not None


def test_only_what_was_near_counts() -> None:
    house = known_line().run(30, LINE).run(20, 1000)
    assert house.full()
    assert house.run(10, 1000).full() is None


def test_counters_that_begin_anew_make_no_rate() -> None:
    house = known_line().run(30, LINE)
    house.now_ns += 10 * S
    house.load.on_counters("wan", 0, 0, house.now_ns)
    assert house.full() is None
    house.load.on_counters("wan", 5, 5, house.now_ns)  # the same instant again
    assert house.full() is None


def test_a_ceiling_that_is_not_met_for_a_week_is_forgotten() -> None:
    house = House().bursts(3)
    house.run(8 * 86400, LINE / 2, every_s=3600)
    assert house.run(120, 50_000).run(30, LINE).full() is None


def test_ceilings_survive_a_restart() -> None:
    values = json.loads(json.dumps(House().bursts(3).load.export()))
    assert values == {"wan": [LINE, 3, 0.0, 0]}
    assert House(Load.restore(values, 1000 * S)).run(60, LINE).full() == Full("wan", "down", LINE, LINE)


@pytest.mark.parametrize("value", [None, 1, [1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, -1], [1, True, 1, 1]])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no ceilings"):
        Load.restore({"wan": value}, 0)


@given(st.lists(st.tuples(st.integers(1, 60 * S), st.integers(0, 1 << 40), st.integers(0, 1 << 40)), max_size=60))
def test_any_counters_are_borne(samples: list[tuple[int, int, int]]) -> None:
    load, now_ns = Load.restore({"wan": [1e6, 3, 1e6, 3]}, 0), 0
    for step_ns, rx, tx in samples:
        now_ns += step_ns
        load.on_counters("wan", rx, tx, now_ns)
        found = load.full("wan", now_ns)
        assert found is None or found.rate >= 0.9 * found.ceiling
    assert Load.restore(load.export(), now_ns).export() == load.export()


def test_devices_are_bounded() -> None:
    load = Load()
    for number in range(1000):
        load.on_counters(f"veth{number}", 1, 1, S)
    assert len(load._lines) <= 64


def test_the_sentence() -> None:
    assert sentence(Full("pppoe-wan", "up", 5_000_000, 5_125_000)) == "your line was full: 40.0 of 41.0 Mbit/s up on pppoe-wan"


def test_the_counters_are_the_kernels(tmp_path: Path) -> None:
    folder = tmp_path / "wan" / "statistics"
    folder.mkdir(parents=True)
    (folder / "rx_bytes").write_text("18446744073709551615\n", encoding="ascii")
    (folder / "tx_bytes").write_text("7\n", encoding="ascii")
    (tmp_path / "odd" / "statistics").mkdir(parents=True)
    (tmp_path / "odd" / "statistics" / "rx_bytes").write_text("x", encoding="ascii")
    counters = Counters(tmp_path)
    assert counters.read("wan") == (18446744073709551615, 7)
    assert [counters.read(name) for name in ("odd", "absent", "", "../wan")] == [None] * 4
