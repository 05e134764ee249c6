"""What several files of this directory share."""

from collections.abc import Iterator

import pytest

from equipment.story import Net, story


@pytest.fixture(scope="session")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    """The daemons of `test_acceptance_change`. They need a minute of quiet rounds: files that run before it start them, and go on."""
    with story(tmp_path_factory.mktemp("story")) as net:
        yield net
