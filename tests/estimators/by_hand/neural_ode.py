"""neural_ode: going back, a call of the right-hand side is one of f and one vjp."""

from tests.estimators.by_hand.counting import ByHand, Count, Log


# A first slope behind each of the stops, one probe each way, 6 an attempt as for `ctpg`.
def neural_ode(segments: int) -> ByHand:
    def by_hand(log: Log) -> Count:
        forward, backward = (segments + 1 + 6 * attempts for attempts in log.attempts)
        return Count(forward + backward, backward)

    return by_hand


BY_HAND: dict[str, ByHand] = {
    "neural_ode": neural_ode(1),
    "neural_ode-checkpointed": neural_ode(10),
}
