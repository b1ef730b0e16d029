"""Reversible methods: what a step costs ahead, undone, and pulled back."""

from tests.estimators.by_hand.counting import ByHand, Count, N

BY_HAND: dict[str, ByHand] = {
    # Forward, the first velocity and a flow in each step; back, a flow and a vjp in each step, and
    # a vjp of the first velocity.
    "mali": lambda log: Count(1 + N + N, N + 1),
    # The same, but that the first slope is not evaluated again when the first step is undone.
    "reversible_heun": lambda log: Count(1 + N + N - 1, N + 1),
    # Two increments of s stages a step but one in the first, ahead and undone, and as many vjps.
    "reversible-rk4": lambda log: Count(2 * 4 * (2 * N - 1), 4 * (2 * N - 1)),
    "reversible-dop853": lambda log: Count(2 * 12 * (2 * N - 1), 12 * (2 * N - 1)),
}
