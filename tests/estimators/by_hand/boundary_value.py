"""forward_backward_sweep: four stages a step each way. (solve_bvp: see test_solve_bvp.)"""

from tests.estimators.by_hand.counting import ByHand, Count, N

BY_HAND: dict[str, ByHand] = {"forward_backward_sweep": lambda log: Count(4 * N, 4 * N)}
