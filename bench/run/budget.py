"""The bounds of a sweep: the time and memory of a cell, and the workers that measure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """The time and memory that a cell may take, and where cells are measured side by side.

    They are in `jobs` processes of this machine, or on the Dask cluster of a `scheduler`: the
    address of one that runs, or `local:N` for one of N workers on this machine.
    """

    cell_seconds: float = 120.0
    cell_bytes: int = 4 * 2**30
    jobs: int = 2
    scheduler: str | None = None


DEFAULT = Budget()
