"""Systems to be broken: one a file, healed by itself after each fault, checked after each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import Work
from tests.support.system import System, running


@pytest.fixture(scope="module")
def perdure(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """One Perdure for the tests of a file, with the settings `VARIABLES` of that file."""
    variables: dict[str, str] = request.module.VARIABLES
    with running(tmp_path_factory.mktemp("perdure"), variables) as system:
        yield system


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    """Work with a gate; whatever still waits there is let through in the end."""
    work = Work(tmp_path / "work")
    yield work
    work.open_gate()
