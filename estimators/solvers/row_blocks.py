"""Wide sums of many rows, made a few rows at a time, which stay in the cache."""

import numpy as np

from gradpareto.systems import Array, WeightedSums

BLOCK_BYTES = 800_000
"""Rows are worked on in blocks of this size."""


def neighbours(rows: Array) -> Array | slice:
    """Return sorted rows as a slice where they are contiguous: indexing then makes a view."""
    first, last = rows[0], rows[-1]
    return slice(first, last + 1) if last - first == len(rows) - 1 else rows


def rows_at_once(values: Array) -> int:
    """Return how many rows of values (B, m) a block has."""
    return min(len(values), max(1, BLOCK_BYTES // max(1, int(values[0].nbytes))))


def row_blocks(rows: int, at_once: int) -> list[slice]:
    """Cut a number of rows into blocks of up to `at_once`."""
    return [slice(start, min(start + at_once, rows)) for start in range(0, rows, at_once)]


def add_sums(value: Array, lanes: Array, write: WeightedSums) -> None:
    """Add to value (B, P), in the rows of some `lanes` (R,), the sum that `write` makes of each."""
    sums = np.empty((1, rows_at_once(value), value.shape[1]), value.dtype)
    for rows in row_blocks(len(lanes), sums.shape[1]):
        block = sums[:, : rows.stop - rows.start]
        write(rows, block)
        value[neighbours(lanes[rows])] += block[0]
