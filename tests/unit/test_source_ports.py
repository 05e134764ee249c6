from itertools import islice

import pytest

from pathwarden.errors import CannotProbe
from pathwarden.net import ports


@pytest.fixture
def kernel_range(tmp_path, monkeypatch):
    setting = tmp_path / "range"
    monkeypatch.setattr(ports, "_KERNEL_RANGE", setting)
    return lambda low, high: setting.write_text(f"{low}\t{high}\n")


@pytest.mark.parametrize(
    ("low", "high", "first", "last"),
    [
        (32768, 60999, 61000, 65534),
        (32768, 65535, 10000, 32767),  # no room above
        (1024, 65535, 32768, 60998),  # no room at all
    ],
)
def test_ports_lie_outside_the_kernels_range_if_there_is_room(kernel_range, low, high, first, last):
    kernel_range(low, high)
    found = list(ports.candidates(0, 0))
    assert (found[0], found[-1], len(found)) == (first, last, last - first + 1)


def test_the_usual_range_stands_for_one_that_cannot_be_read(kernel_range):
    assert next(ports.candidates(0, 0)) == 61000
    kernel_range(32768, 60999)
    assert next(ports.candidates(0, 0)) == 61000


def test_the_seed_says_where_to_begin_and_the_wanted_port_comes_first(kernel_range):
    kernel_range(32768, 60999)
    assert list(islice(ports.candidates(0, 4533), 3)) == [65533, 65534, 61000]
    assert list(islice(ports.candidates(62000, 10**12), 2)) == [62000, 61000 + 10**12 % 4535]


def test_taken_ports_are_passed_over_and_other_errors_are_not(kernel_range):
    kernel_range(32768, 60999)
    tried = []

    def claim(port):
        tried.append(port)
        if len(tried) < 3:
            raise OSError(98, "Address already in use")
        return []

    assert ports.first_free(62000, 0, claim) == (61001, [])
    assert tried == [62000, 61000, 61001]

    def refuse(_port):
        raise PermissionError(1, "no")

    with pytest.raises(PermissionError):
        ports.first_free(0, 0, refuse)


def test_when_every_port_is_taken_the_operator_is_told(kernel_range):
    kernel_range(32768, 60999)

    def taken(_port):
        raise OSError(98, "Address already in use")

    with pytest.raises(CannotProbe, match="every source port is taken"):
        ports.first_free(0, 0, taken)
