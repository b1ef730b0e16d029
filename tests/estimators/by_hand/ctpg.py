"""ctpg: a solve forward, a solve backward."""

from tests.estimators.by_hand.counting import ByHand, Count, Log, N


# Forward: the first slope; each step 3 more stages and f(t + h, x+), which is the next first slope
# and the end of the Hermite interpolant, on arrival too. Backward: the first slope; each step
# 3 more stages; f(t + h) of all steps but the last, where nothing reads it.
def ctpg_rk4(log: Log) -> Count:
    return Count(1 + 4 * N, 1 + 3 * N + (N - 1))


# Each way the first slope, the probe of the first step, and for each attempt the stages 2 to s and
# f(t + h, x+), which the error estimate reads: accepted, it is the next first slope.
def reading_last(stages: int) -> ByHand:
    def by_hand(log: Log) -> Count:
        forward, backward = log.attempts
        return Count(2 + stages * forward, 2 + stages * backward)

    return by_hand


# Stages 2 to s an attempt; the error estimate does not read f(t + h, x+), so only accepted steps
# pay for it. Forward each pays some more for the dense output; backward the last pays for nothing.
def not_reading_last(stages: int, extra: int) -> ByHand:
    def by_hand(log: Log) -> Count:
        forward, backward = log.attempts
        return Count(
            2 + (stages - 1) * forward + (1 + extra) * log.accepted[0],
            2 + (stages - 1) * backward + log.accepted[1] - 1,
        )

    return by_hand


BY_HAND: dict[str, ByHand] = {
    "ctpg": reading_last(6),
    "ctpg-seminorm": reading_last(6),
    "ctpg-sketched": reading_last(6),
    "ctpg-bs3": reading_last(3),
    "ctpg-dopri5": reading_last(6),
    "ctpg-dop853": not_reading_last(12, extra=3),
    "ctpg-vern9": not_reading_last(16, extra=4),
    "ctpg-rk4": ctpg_rk4,
}
