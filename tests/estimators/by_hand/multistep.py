"""bptt-adams, ctpg-adams, multistep_adjoint: one evaluation a step each way."""

from tests.estimators.by_hand.counting import ByHand, Count, Log


# Each way the first slope and the probe of the first step; an attempt is the slope where it
# predicts the state, which is the next step's history if accepted. There is one smooth segment.
# `halved` are the nodes that the quadrature asks for beside the steps.
def multistep(log: Log) -> Count:
    forward, backward = log.attempts
    return Count(2 + forward, 2 + backward + log.halved)


# A second evaluation of each accepted step, at the corrected state.
def corrected(log: Log) -> Count:
    f, vjp, _ = multistep(log)
    return Count(f + log.accepted[0], vjp + log.accepted[1])


# A pullback of each slope that a step reads: that of each step, and the first.
def transposed(log: Log) -> Count:
    return Count(2 + log.attempts[0], 1 + log.accepted[0])


BY_HAND: dict[str, ByHand] = {
    "bptt-adams": transposed,
    "ctpg-adams": corrected,
    "multistep_adjoint": multistep,
    "multistep_adjoint-corrected": corrected,
}
