"""Certificates: a gradient, its uncertainty, and whether it may judge anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradpareto.reference.gradient import NotSolved
from gradpareto.reference.limit import QuadratureLimit
from gradpareto.systems import Array

CERTIFIED = 1e-9
"""The largest relative uncertainty of a certified gradient."""
USABLE = 1e-4
"""The largest relative uncertainty of a usable gradient, unless another bound is asked for."""
REST = 1e-12
"""A gradient of at most this part of what it is the sum of, and within ROUNDINGS uncertainties of
zero, is zero."""
ROUNDINGS = 10.0

Kind = Literal["certified", "usable", "not certified"]


@dataclass(frozen=True)
class Verdict:
    """The verdict on one sample's reference: its kind, and it in words."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Reference:
    """The certified gradients of B samples, in the units of the loss over those of x0 and theta.

    loss (B,), grad_x0 (B, state_dim), grad_theta (B, P). `uncertainty` (B,) is the largest of the
    `disagreements` (B,), 2-norms between the stacked gradients of two methods, or derivatives along
    a unit direction against the gradient's. `limit` is the quadrature limit of the samples.

    `refused` (B) says why a sample has no certificate, and is "" where it has one. A refused
    sample's uncertainty is infinite, and its numbers are NaN if a method could not solve it.
    `untested` (B) names a check that could say nothing, or is "". `zero` (B,) marks the samples
    whose true gradient is zero. A feature of the system that is shorter than `resolution`, in units
    of time, cannot be seen.
    """

    loss: Array
    grad_x0: Array
    grad_theta: Array
    uncertainty: Array
    disagreements: Mapping[str, Array]
    limit: QuadratureLimit
    refused: Sequence[str]
    untested: Sequence[str]
    zero: Array
    resolution: float

    @property
    def gradient(self) -> Array:
        """The stacked gradient (dL/dx0, dL/dtheta) (B, state_dim + P)."""
        return np.concatenate([self.grad_x0, self.grad_theta], axis=1)

    @property
    def rel_uncertainty(self) -> Array:
        """The uncertainty over the stacked gradient's norm (B,); 0 where the gradient is zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = self.uncertainty / np.linalg.norm(self.gradient, axis=1)
        return np.where(self.zero, 0.0, np.where(np.isnan(relative), np.inf, relative))

    def samples(self) -> list["Reference"]:
        """Return the reference of each sample by itself."""
        return [self._take(slice(k, k + 1)) for k in range(len(self.loss))]

    def usable(self, bound: float = USABLE) -> Array:
        """Tell which samples (B,) may judge: their relative uncertainty is at most `bound`."""
        return np.asarray(self.rel_uncertainty <= max(bound, CERTIFIED))

    def demanded(self, bound: float = USABLE) -> Array:
        """Return the stacked gradient. Raises NotSolved if a sample's is not usable."""
        for sample in np.flatnonzero(~self.usable(bound)).tolist():
            raise NotSolved(f"sample {sample}: {self.verdict(sample, bound).text}")
        return self.gradient

    def verdict(self, sample: int, bound: float = USABLE) -> Verdict:
        """Return the verdict on a sample: certified, usable to an error, or not certified."""
        relative = float(self.rel_uncertainty[sample])
        if self.refused[sample]:
            return Verdict("not certified", f"not certified: {self.refused[sample]}")
        if self.zero[sample]:
            return Verdict("certified", "certified: the gradient is zero")
        if relative <= CERTIFIED:
            return Verdict("certified", "certified")
        if relative <= bound:
            return Verdict("usable", f"usable to {relative:.1e}")
        worst = max(self.disagreements, key=lambda name: self.disagreements[name][sample])
        return Verdict(
            "not certified",
            f"not certified: {worst} disagree by {relative:.1e} of the gradient",
        )

    def _take(self, some: slice) -> "Reference":
        return Reference(
            self.loss[some],
            self.grad_x0[some],
            self.grad_theta[some],
            self.uncertainty[some],
            {name: value[some] for name, value in self.disagreements.items()},
            QuadratureLimit(self.limit.vjps, self.limit.abs_error[some]),
            self.refused[some],
            self.untested[some],
            self.zero[some],
            self.resolution,
        )


def joined(parts: Sequence[Reference]) -> Reference:
    """Join the references of samples in their order; a method that did not see one is NaN there."""
    names = list(dict.fromkeys(name for part in parts for name in part.disagreements))
    unseen = [np.full(len(part.loss), np.nan) for part in parts]
    return Reference(
        np.concatenate([part.loss for part in parts]),
        np.concatenate([part.grad_x0 for part in parts]),
        np.concatenate([part.grad_theta for part in parts]),
        np.concatenate([part.uncertainty for part in parts]),
        {
            name: np.concatenate(
                [part.disagreements.get(name, nan) for part, nan in zip(parts, unseen, strict=True)]
            )
            for name in names
        },
        QuadratureLimit(
            parts[0].limit.vjps, np.concatenate([part.limit.abs_error for part in parts])
        ),
        tuple(reason for part in parts for reason in part.refused),
        tuple(reason for part in parts for reason in part.untested),
        np.concatenate([part.zero for part in parts]),
        max((part.resolution for part in parts if np.isfinite(part.resolution)), default=np.inf),
    )
