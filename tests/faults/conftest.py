"""Faults that take minutes to inject: `make test` leaves them out, `.ci/run` does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.injection import Forker, forker

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as slow."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def forking(tmp_path_factory: pytest.TempPathFactory, references: None) -> Iterator[Forker]:
    """One process for all command lines of the session, so that imports are paid once."""
    with forker(tmp_path_factory.mktemp("forking")) as process:
        yield process
