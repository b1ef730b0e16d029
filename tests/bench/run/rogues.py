"""Estimators that misbehave, in a module that imports little: each cell's process loads it anew."""

import os
import sys
import time
from dataclasses import dataclass, replace

import numpy as np

from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator
from gradpareto.systems import Array, Problem

RETURNED: list[Array] = []


@dataclass(frozen=True)
class Misbehaving(Estimator):
    """Does one wrong thing."""

    how: str
    declares = Declaration(knob="step", tight=0.1)

    def __call__(  # noqa: PLR0911, PLR0912
        self, problem: Problem, x0: Array, setting: float
    ) -> Estimate:
        good = ESTIMATORS["bptt"](problem, x0, 0.5)
        match self.how:
            case "raises":
                raise RuntimeError("two lines\nof trouble")
            case "nan":
                good.grad_theta[1] = np.nan
            case "shape":
                return replace(good, grad_x0=good.grad_x0[:, :1])
            case "complex":
                return replace(good, loss=good.loss + 0j)
            case "nothing":
                return None  # type: ignore[return-value]
            case "hangs":
                time.sleep(60)
            case "allocates":
                np.ones(2**30 // 8 * 3)
            case "hoards":
                np.ones(40_000_000 // 8)
            case "dies":
                os._exit(3)
            case "changes x0":
                x0 += 1.0
            case "changes theta":
                problem.theta[0] += 1.0
            case "leaves":
                sys.exit(0)
            case "interrupts":
                raise KeyboardInterrupt
            case "has a strange loss":
                good.loss[:] = np.inf
            case "counts backwards":
                return replace(good, steps=-good.steps)
            case "gives up in silence":
                return replace(good, failed={0: "", 1: ""})
            case "fails oddly":
                return replace(good, failed=["lane 0"])
            case "reuses":
                # What it returned before is its own again, once it is called anew.
                for earlier in RETURNED:
                    earlier[...] = 1e9
                RETURNED.append(good.grad_theta)
        return good
