"""For the tests from end to end: the standard laboratory, and the program as two users run it. A module's own `lab` goes first."""

from collections.abc import Iterator

import pytest

from equipment.agent import Runner, runners
from equipment.broker import Broker, Subscriber
from equipment.schemas import check_message
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


@pytest.fixture
def watch(broker: Broker) -> Iterator[Subscriber]:
    """What a module's own `broker` hears; there before the agent, whose first words nobody would have heard. All of it is as specified."""
    with broker.subscribe("pathwarden/#", "watch") as watch:
        yield watch
        for message in watch.messages():
            check_message(message.topic, message.payload)
