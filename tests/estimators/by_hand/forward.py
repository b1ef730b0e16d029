"""Differences: solves of 4 stages a step; sensitivities: a Jacobian and a vjp a stage."""

from tests.estimators.by_hand.counting import ByHand, Count, D, N, P


# One solve for the loss, which forward differences use again.
def differences(an_entry: int) -> ByHand:
    return lambda log: Count((an_entry * (D + P) + 1) * 4 * N, 0)


def sensitivity(stages: int) -> ByHand:
    return lambda log: Count(stages * N, stages * N, D * stages * N)


# Of the 5 rollouts that the setting allows, pairs take 4; 64 steps of 4 stages each.
def rollouts(taken: int) -> ByHand:
    return lambda log: Count(taken * 64 * 4, 0)


BY_HAND: dict[str, ByHand] = {
    "finite_difference": differences(2),
    "finite_difference-extrapolated": differences(4),
    "forward_difference": differences(1),
    "complex_step": differences(1),
    "spsa": rollouts(4),
    "evolution_strategies": rollouts(4),
    "score_function": rollouts(5),
    "sensitivity-rk4": sensitivity(4),
    "sensitivity-tsit5": sensitivity(6),
}
