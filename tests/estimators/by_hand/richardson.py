"""richardson: BPTT at steps h, h/2, ...: 1 + 2 + ... times its stages."""

from tests.estimators.by_hand.counting import ByHand, Count, N

BY_HAND: dict[str, ByHand] = {
    "richardson-euler": lambda log: Count((1 + 2 + 4) * N, (1 + 2 + 4) * N),
    "richardson-rk4": lambda log: Count((1 + 2) * 4 * N, (1 + 2) * 4 * N),
}
