"""bptt-adaptive: ctpg's forward solve without dense output, s pullbacks an accepted step."""

from tests.estimators.by_hand.counting import ByHand, Count, Log
from tests.estimators.by_hand.ctpg import reading_last


def stored(forward: ByHand, stages: int) -> ByHand:
    return lambda log: Count(forward(log).f, stages * log.accepted[0])


# The slope at the last stage is read by no other: a replay leaves it out.
def replayed(forward: ByHand, stages: int) -> ByHand:
    def by_hand(log: Log) -> Count:
        again = (stages - 1) * log.accepted[0]
        return Count(forward(log).f + again, stages * log.accepted[0])

    return by_hand


# On arrival nothing reads f(t + h, x+).
def not_reading_last(stages: int) -> ByHand:
    return lambda log: Count(2 + (stages - 1) * log.attempts[0] + log.accepted[0] - 1, 0)


BY_HAND: dict[str, ByHand] = {
    "bptt-adaptive-bs3": stored(reading_last(3), 3),
    "bptt-adaptive-dopri5": stored(reading_last(6), 6),
    "bptt-adaptive-tsit5": stored(reading_last(6), 6),
    "bptt-adaptive-dop853": stored(not_reading_last(12), 12),
    "bptt-adaptive-vern9": stored(not_reading_last(16), 15),
    "aca-tsit5": replayed(reading_last(6), 6),
    "aca-dop853": replayed(not_reading_last(12), 12),
    "symplectic-tsit5": replayed(reading_last(6), 6),
    "symplectic-dop853": replayed(not_reading_last(12), 12),
}
