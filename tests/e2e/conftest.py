"""For the tests from end to end: the standard laboratory, and the program as two users run it. A module's own `lab` goes first."""

from collections.abc import Iterator

import pytest

from equipment.agent import Runner, runners
from netlab import StandardLab, standard_lab


@pytest.fixture(scope="module")
def lab() -> Iterator[StandardLab]:
    """Eight hops, a diamond, a silent hop, a limited one and a second uplink."""
    with standard_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Runner, Runner]]:
    """Run by root, and by a user without any privilege."""
    with runners() as both:
        yield both
