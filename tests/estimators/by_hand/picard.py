"""picard_ladder: sweeps over windows, each of them with all of its nodes in one call."""

from tests.estimators.by_hand.counting import ByHand, Count, Log

LADDER = 5 + 10
"""The nodes of the first two sweeps over a window; the others have 10."""


# The first slope and the probe of the first window; the way back is over the very windows that were
# accepted, and guesses nothing. There is one smooth segment.
def picard_ladder(log: Log) -> Count:
    f, vjp = (
        LADDER * attempts + 10 * sweeps
        for attempts, sweeps in zip(log.attempts, log.sweeps, strict=True)
    )
    return Count(2 + f, vjp)


BY_HAND: dict[str, ByHand] = {"picard_ladder": picard_ladder}
