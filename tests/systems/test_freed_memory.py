"""Memory that arrays free is there for the next ones."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from gradpareto.systems import TASKS

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

problem = TASKS["quadrotor"].problem("initial")
problem, x0 = problem.sample(np.random.default_rng(0), 256)
rows = np.arange(256), np.zeros(256), x0, np.ones_like(x0), np.ones(256)
for _ in range(20):
    problem.pullback(*rows)
before = faults()
for _ in range(100):
    problem.pullback(*rows)
print((faults() - before) / 100)
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back so soon"
)
def test_a_pullback_of_many_rows_takes_no_page_faults() -> None:
    """Truth: the kernel's count; without the setting there are more than a hundred a call."""
    found = subprocess.run(
        [sys.executable, "-c", FAULTS], check=True, capture_output=True, text=True
    )
    assert float(found.stdout) < 5
