"""revolve and online: forward, and forward again by the schedule; s pullbacks a step."""

from gradpareto.estimators.solvers.reverse.schedules import OnlinePlacement
from tests.estimators.by_hand.bptt_adaptive import not_reading_last
from tests.estimators.by_hand.counting import ByHand, Count, Log, N
from tests.estimators.by_hand.ctpg import reading_last

STATES = 8


# 8 states hold the beginnings of all 7 steps. No other stage reads the last slope of a step that is
# reversed.
def revolve(stages: int) -> ByHand:
    return lambda log: Count(stages * N + (stages - 1) * N, stages * N)


# Steps that only lead on pay for the last slope too; attempts are judged in the first sweep alone.
def online(forward: ByHand, stages: int) -> ByHand:
    def by_hand(log: Log) -> Count:
        again = sum(led_on(steps) for steps in log.steps)
        reversed_ = log.accepted[0]
        f = forward(log).f + stages * again + (stages - 1) * reversed_
        return Count(f, stages * reversed_)

    return by_hand


def led_on(steps: int) -> int:
    """Count the steps that the schedule takes and does not reverse; see `test_schedules`."""
    return OnlinePlacement.whole(STATES, steps).taken_again()


BY_HAND: dict[str, ByHand] = {
    "revolve-rk4": revolve(4),
    "revolve-dop853": revolve(12),
    "online-tsit5": online(reading_last(6), 6),
    "online-dop853": online(not_reading_last(12), 12),
}
