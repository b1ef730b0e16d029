"""Collocation of a linear system: its one Jacobian makes the first correction exact."""

from tests.estimators.by_hand.counting import ByHand, Count, D, N


# The Jacobian at the start; each way and at each node, the first call and the one that finds that
# nothing is left to correct.
def collocation(nodes: int) -> ByHand:
    return lambda log: Count(2 * nodes, 2 * nodes, D)


BY_HAND: dict[str, ByHand] = {
    "gauss_legendre-2": collocation(2 * N),
    "gauss_legendre-4": collocation(4 * N),
    "radau-3": collocation(3 * N),
    "spectral": collocation(N),
    "spectral-segments": collocation(4 * 2),  # N / 4 nodes a segment, rounded up
    # Forward, 2 nodes of each window come first, and then its 6.
    "newton_picard": lambda log: Count(2 * (2 + 6) * N, 2 * 6 * N, D),
}
