"""finite_difference: 2 (d + P) solves of 4 stages a step, and one for the loss."""

from tests.estimators.by_hand.counting import ByHand, Count, D, Log, N, P


def differences(log: Log) -> Count:
    return Count((2 * (D + P) + 1) * 4 * N, 0)


BY_HAND: dict[str, ByHand] = {"finite_difference": differences}
