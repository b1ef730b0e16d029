"""The times of cells that were measured side by side: taken apart, and joined to the records."""

from collections.abc import Sequence
from dataclasses import replace

from gradpareto.bench.run.trace import ENDED
from gradpareto.bench.store.record import Record

ESTIMATED = ("ok", "zero", "diverged")
"""The statuses of samples whose estimator has returned, so that its time is known."""
TIMES = ("wall_s", "wall_ratio", "wall_ratio_spread")


def lacks_times(records: Sequence[Record]) -> bool:
    """Tell whether a cell that was measured without its times can have any."""
    return any(one.status in ESTIMATED for one in records)


def with_times(held: Sequence[Record], timed: Sequence[Record]) -> list[Record]:
    """Return a cell's records with the times of another run of it.

    Where that run failed, its records take their place, as those of a cell do which fails while it
    is timed. Where a limit ended it, the records stay as they are, without times.
    """
    if any(one.status in ENDED for one in timed):
        return list(held)
    if [one.status for one in timed] != [one.status for one in held]:
        return list(timed)
    return [
        replace(one, **{name: getattr(other, name) for name in TIMES})
        for one, other in zip(held, timed, strict=True)
    ]
