"""Richardson extrapolation of discrete adjoints over several steps.

g = sum_k w_k g(h / 2^k), with weights that cancel the leading terms of the error (Richardson 1911;
Hairer, Norsett and Wanner 1993, II.8 and II.9).
"""

from dataclasses import dataclass, replace

import numpy as np

from gradpareto.estimators.bptt import Bptt
from gradpareto.estimators.declaration import Declaration
from gradpareto.estimators.estimate import Estimate, Estimator
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class Richardson(Estimator):
    """The weighted sum of the losses and gradients of BPTT at steps h, h/2, ...

    The error of a one-step method of order p over a smooth flow is an expansion in h^p, h^(p + 1),
    ..., with the same coefficients at all steps, and so is that of its gradient. Each of `levels`
    but the first cancels one term. The result is the exact gradient of the extrapolated loss.
    """

    base: Bptt
    levels: int = 2
    tight: float = 0.02

    @property
    def declares(self) -> Declaration:
        return Declaration(
            knob="step",
            tight=self.tight,
            calls_per_step=self.base.declares.calls_per_step * (2**self.levels - 1),
            order=self.base.tableau.order + self.levels - 1,
            exact=True,
            source="Richardson 1911; Hairer, Norsett and Wanner 1993, II.8 and II.9",
        )

    @property
    def weights(self) -> Array:
        """The weights (levels,) of the steps h / 2^k; they sum to one and cancel leading terms."""
        powers = self.base.tableau.order + np.arange(self.levels - 1)
        terms = np.concatenate([[0], powers])[:, None]
        return np.linalg.solve(0.5 ** (terms * np.arange(self.levels)), np.eye(self.levels)[0])

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        # The finest first: what is stored for the backward pass is then seen at its largest.
        found = [
            (float(weight), self._divided(2**k)(problem, x0, setting))
            for k, weight in reversed(list(enumerate(self.weights)))
        ]
        loss, grad_x0, grad_theta = (
            sum(weight * getattr(estimate, part) for weight, estimate in found)
            for part in ("loss", "grad_x0", "grad_theta")
        )
        steps = np.sum([estimate.steps << k for k, (_, estimate) in enumerate(found[::-1])], axis=0)
        return Estimate(np.asarray(loss), np.asarray(grad_x0), np.asarray(grad_theta), steps)

    def _divided(self, parts: int) -> Bptt:
        """Return the base estimator with each step of its mesh divided into `parts`."""
        return replace(self.base, tableau=self.base.tableau.repeated(parts))
