"""Adjoint-first estimators: what they pay beside, or instead of, what `ctpg` does."""

from tests.estimators.by_hand.counting import ByHand
from tests.estimators.by_hand.ctpg import reading_last

BY_HAND: dict[str, ByHand] = {
    "ctpg-linear": reading_last(6),
    "ctpg-spline": reading_last(6),
    "ctpg-hermite": reading_last(6),
}
