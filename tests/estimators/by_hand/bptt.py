"""bptt: s stages a step forward, as many pullbacks back."""

from tests.estimators.by_hand.counting import ByHand, Count, N


def fixed(stages: int) -> ByHand:
    return lambda log: Count(stages * N, stages * N)


BY_HAND: dict[str, ByHand] = {
    "bptt": fixed(1),
    "bptt-semi-implicit": fixed(1),
    "bptt-heun": fixed(2),
    "bptt-midpoint": fixed(2),
    "bptt-bs3": fixed(3),
    "bptt-rk4": fixed(4),
    "bptt-dopri5": fixed(6),
    "bptt-tsit5": fixed(6),
    "bptt-dop853": fixed(12),
    "bptt-vern9": fixed(15),
}
