"""Adjoint-first estimators: what they pay beside, or instead of, what `ctpg` does."""

from tests.estimators.by_hand.counting import ByHand, Count, Log, N
from tests.estimators.by_hand.ctpg import not_reading_last, reading_last


# `ctpg` with Hermite interpolants both ways, so that f(t + h) is paid for on arrival too; 2 nodes.
def gauss_rk4(log: Log) -> Count:
    return Count(1 + 4 * N, 1 + 4 * N + 2 * N)


# The slope at the end is there already; what is added are the nodes of each accepted step.
def gauss(nodes: int) -> ByHand:
    def by_hand(log: Log) -> Count:
        both = reading_last(6)(log)
        return Count(both.f, both.vjp + nodes * log.accepted[1])

    return by_hand


# The adjoint's dense output needs f(t + h) on arrival and 3 stages more of each step; 4 nodes.
def gauss_dop853(log: Log) -> Count:
    both = not_reading_last(12, extra=3)(log)
    return Count(both.f, both.vjp + 1 + (3 + 4) * log.accepted[1])


def quadrature(log: Log) -> Count:
    both = reading_last(6)(log)
    return Count(both.f, both.vjp + 15 * log.intervals)


# `ctpg` stopped 9 times on the way, each time another first slope. Forward again, the first slope
# of each of 10 stretches and no probe, and the very attempts of the first time.
def checkpointed(log: Log) -> Count:
    both = reading_last(6)(log)
    return Count(both.f + 9 + 10 + 6 * log.attempts[0], both.vjp + 9)


BY_HAND: dict[str, ByHand] = {
    "ctpg-linear": reading_last(6),
    "ctpg-spline": reading_last(6),
    "ctpg-hermite": reading_last(6),
    "ctpg-checkpointed": checkpointed,
    "gauss_adjoint": gauss(3),
    # At this tolerance, calls with few parameters are so cheap that one lane is many.
    "lanes_or_time": gauss(3),
    "gauss_adjoint-5": gauss(5),
    "gauss_adjoint-uneven": gauss(5),
    "gauss_adjoint-dop853": gauss_dop853,
    "gauss_adjoint-rk4": gauss_rk4,
    "quadrature_adjoint": quadrature,
}
