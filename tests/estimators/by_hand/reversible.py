"""Reversible methods: what a step costs ahead, undone, and pulled back."""

from tests.estimators.by_hand.counting import ByHand, Count, N

BY_HAND: dict[str, ByHand] = {
    # The first velocity and a flow per step; back, both per step, and a vjp for it.
    "mali": lambda log: Count(1 + N + N, N + 1),
    # The same, but that the first slope is not evaluated again when the first step is undone.
    "reversible_heun": lambda log: Count(1 + N + N - 1, N + 1),
    # Two increments of s stages a step but one in the first, ahead and undone, and as many vjps.
    "reversible-rk4": lambda log: Count(2 * 4 * (2 * N - 1), 4 * (2 * N - 1)),
    "reversible-dop853": lambda log: Count(2 * 12 * (2 * N - 1), 12 * (2 * N - 1)),
}
