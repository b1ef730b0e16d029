"""A sweep of very many cells, a twentieth of a million: the bounds of the whole, by its share."""

from pathlib import Path

from tests.benchmarks.million import (
    CELL_SECONDS,
    MOST_BYTES,
    MOST_OF_THE_TIME,
    MOST_SECONDS,
    simulate,
)


def test_a_sweep_of_many_cells_is_bounded(tmp_path: Path) -> None:
    """A few seconds are there for what does not depend on the number of cells.

    Other tests run beside this one, and share a core with it: a yardstick says how slow that is.
    """
    few, many = (simulate(tmp_path / str(cells), cells, 1000) for cells in (10_000, 50_000))
    share = (many["resume_processor_s"] - few["resume_processor_s"]) / 40_000
    slowness = max(1.0, few["slowness"], many["slowness"])
    assert few["resume_processor_s"] + 1e6 * share < MOST_SECONDS * slowness
    assert many["peak_bytes"] < few["peak_bytes"] + 40_000 * 100
    assert many["peak_bytes"] < MOST_BYTES
    assert many["write_s"] < MOST_OF_THE_TIME * CELL_SECONDS
    assert many["files"] == few["files"] < 50
