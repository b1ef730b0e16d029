"""revolve and online: forward, and forward again by the schedule; s pullbacks a step."""

from tests.estimators.by_hand.bptt_adaptive import not_reading_last
from tests.estimators.by_hand.counting import ByHand, Count, Log, N
from tests.estimators.by_hand.ctpg import reading_last


# 8 states hold the beginnings of all 7 steps. A checkpoint has the slope, and nothing reads
# f(t + h, x+) of a step that is reversed.
def revolve(stages: int) -> ByHand:
    return lambda log: Count(stages * N + (stages - 1) * N, stages * N)


# As often as it is tried again, rejected attempts and all.
def online_reading_last(stages: int) -> ByHand:
    def by_hand(log: Log) -> Count:
        first = reading_last(stages)(log).f
        return Count(first + stages * log.attempts_again, stages * log.accepted[0])

    return by_hand


# Steps that are not reversed pay for f(t + h, x+), those that are are as many as there are steps.
def online_not_reading_last(stages: int) -> ByHand:
    def by_hand(log: Log) -> Count:
        again = (stages - 1) * log.attempts_again + log.accepted_again - log.accepted[0]
        return Count(not_reading_last(stages)(log).f + again, stages * log.accepted[0])

    return by_hand


BY_HAND: dict[str, ByHand] = {
    "revolve-rk4": revolve(4),
    "revolve-dop853": revolve(12),
    "online-tsit5": online_reading_last(6),
    "online-dop853": online_not_reading_last(12),
}
