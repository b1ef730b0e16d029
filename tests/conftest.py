"""One BLAS thread a process, set before NumPy is imported, and one folder of references.

The matrices here are small, and a second thread waits for the next of them in a loop: that doubled
the tests' processor time.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# A busy machine is no fault, and a test that passed passes again.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of references of the whole session, so that each is certified once.

    The workers of pytest-xdist have their folders side by side, and share this one. A reference is
    named by a hash of all that it depends on, and is written under a temporary name first.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "references"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def references(cache: Path) -> Iterator[None]:
    """Let every process that a test starts use that folder too, and never the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADPARETO_CACHE", str(cache))
        yield
