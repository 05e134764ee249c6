"""For all tests: the run's seed, and programs that must be there.

Directories decide what a test may do: unit/ opens no socket, sim/ has virtual time, e2e/ is root in namespaces of its
own, and so on; there are no markers. Helpers shared by several directories are packages in tests/, as netlab is.
"""

import os
import random
import shutil
from collections.abc import Callable

import hypothesis
import pytest

# In the environment, so that all processes of a run share it.
SEED = int(os.environ.get("PATHWARDEN_SEED") or random.SystemRandom().randrange(2**32))
os.environ["PATHWARDEN_SEED"] = str(SEED)
collect_ignore = ["homeassistant"]  # it has a Python of its own: `make homeassistant`
_SBIN = "/usr/sbin:/sbin"  # where Debian puts ip, nft and mosquitto; not in every user's PATH

# A slow machine is no failure, so hypothesis measures no deadline; nor does it keep examples between runs.
# `make test` makes do with fewer, `make soak` does not; other versions of libraries need still fewer of what does not touch them.
EXAMPLES = int(os.environ.get("PATHWARDEN_EXAMPLES", "100"))
hypothesis.settings.register_profile("pathwarden", deadline=None, database=None, max_examples=EXAMPLES)


def pytest_configure(config: pytest.Config) -> None:
    """Give hypothesis the run's seed too, unless its own option names one."""
    hypothesis.settings.load_profile("pathwarden")
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = SEED


def pytest_report_header() -> str:
    """Say how to repeat this run."""
    return _how_to_repeat()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Say it again beside the failures, since a quiet run has no header."""
    if exitstatus:
        terminalreporter.write_line(_how_to_repeat())


def _how_to_repeat() -> str:
    return f"seed {SEED} (the same again: PATHWARDEN_SEED={SEED})"


@pytest.fixture
def seed() -> int:
    """The run's seed, for `random.Random(seed)`: from PATHWARDEN_SEED or drawn, printed in the header and with failures."""
    return SEED


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """Give the path of a program that the test needs; its absence fails the test and says what to install."""

    def path_of(program: str) -> str:
        path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_SBIN}")
        if path is None:
            pytest.fail(f"this test needs the program {program}, which is not installed (make test installs it)", pytrace=False)
        return path

    return path_of
