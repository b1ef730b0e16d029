"""ctpg: a solve forward, a solve backward."""

from tests.estimators.by_hand.counting import ByHand, Count, Log, N


# Forward: the first slope; each step 3 more stages and f(t + h, x+), which is the next first slope
# and the end of the Hermite interpolant, on arrival too. Backward: the first slope; each step
# 3 more stages; f(t + h) of all steps but the last, where nothing reads it.
def ctpg_rk4(log: Log) -> Count:
    return Count(1 + 4 * N, 1 + 3 * N + (N - 1))


# Each way the first slope, the probe of the first step, and for each attempt the stages 2 to 6 and
# f(t + h, x+), which the error estimate reads: accepted, it is the next first slope.
def ctpg(log: Log) -> Count:
    forward, backward = log.attempts
    return Count(2 + 6 * forward, 2 + 6 * backward)


# Stages 2 to 12 an attempt; the error estimate does not read f(t + h, x+), so only accepted steps
# pay for it. Forward each pays 3 more for the dense output; backward the last pays for nothing.
def ctpg_dop853(log: Log) -> Count:
    forward, backward = log.attempts
    return Count(
        2 + 11 * forward + (1 + 3) * log.accepted[0],
        2 + 11 * backward + log.accepted[1] - 1,
    )


BY_HAND: dict[str, ByHand] = {
    "ctpg": ctpg,
    "ctpg-seminorm": ctpg,
    "ctpg-dop853": ctpg_dop853,
    "ctpg-rk4": ctpg_rk4,
}
