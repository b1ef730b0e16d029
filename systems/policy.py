"""Policies u = pi_theta(o): multi-layer perceptrons, of which a linear policy is the smallest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradpareto.systems.system import Array

Layers = tuple[tuple[Array, Array], ...]
"""The weight (out, in) and bias (out,) of each layer; a leading axis holds one for each row."""

Factors = tuple[Array, ...]
"""The factors of a theta-cotangent of R rows, not yet multiplied.

For each layer they are the cotangent of its output (R, out) and its input (R, in). The cotangent of
the weight is their outer product; that of the bias is the first alone.
"""


WeightedSums = Callable[[slice, Array], None]
"""A function that writes K weighted sums (K, R, P) of theta-cotangents, of the rows in a slice."""


@dataclass(frozen=True)
class ThetaJacobian:
    """The derivative dx'/dtheta of R rows, not yet multiplied.

    It is `by_control` (R, state_dim, control_dim), the derivative of x' by the control, times that
    of the control by theta, whose `factors` have R * control_dim rows: those of one row's controls
    are neighbours.
    """

    by_control: Array
    factors: Factors


def _elu(z: Array) -> Array:
    positive = z.real > 0
    return np.where(positive, z, np.expm1(np.where(positive, 0, z)))


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "identity": (lambda z: z, np.ones_like),
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "elu": (_elu, lambda y: np.where(y.real > 0, 1, y + 1)),
}
"""The activations, each with its derivative as a function of the activation's value."""


@dataclass(frozen=True)
class Policy:
    """A perceptron of layers h <- activation(weight h + bias), from the observation to the control.

    `sizes` is (n_in, ..., n_out), and `activations` names one activation for each layer; a single
    "identity" makes the linear policy. The parameters are one flat vector theta (P,): each layer's
    weight (out, in), row by row, then its bias.

    Raises ValueError on an unknown activation, or a wrong number of them.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.activations) != len(self.sizes) - 1 or not self.activations:
            raise ValueError(
                f"a policy of sizes {self.sizes} needs {len(self.sizes) - 1} activations"
            )
        for name in self.activations:
            if name not in ACTIVATIONS:
                raise ValueError(f"unknown activation {name!r}; known: {', '.join(ACTIVATIONS)}")

    @property
    def size(self) -> int:
        """The number P of parameters."""
        return sum(n_out * (n_in + 1) for n_in, n_out in self._shapes())

    def layers(self, theta: Array) -> Layers:
        """Return views into theta: (P,) is shared by all rows, (R, P) has a vector for each."""
        views, start, lead = [], 0, theta.shape[:-1]
        for n_in, n_out in self._shapes():
            middle, end = start + n_out * n_in, start + n_out * (n_in + 1)
            weight = theta[..., start:middle].reshape(*lead, n_out, n_in)
            views.append((weight, theta[..., middle:end]))
            start = end
        return tuple(views)

    def glorot(self, rng: np.random.Generator, scale: float = 1.0) -> Array:
        """Draw theta (P,): Glorot-uniform weights times `scale`, and biases of zero."""
        theta = np.zeros(self.size)
        for weight, _ in self.layers(theta):
            bound = scale * np.sqrt(6 / sum(weight.shape))
            weight[...] = rng.uniform(-bound, bound, weight.shape)
        return theta

    def forward(self, layers: Layers, o: Array) -> list[Array]:
        """Return the values after each layer, from observation (R, n_in) to control (R, n_out)."""
        values = [o]
        for (weight, bias), name in zip(layers, self.activations, strict=True):
            h = values[-1]
            shared = weight.ndim == 2
            z = h @ weight.T if shared else (weight @ h[..., None])[..., 0]
            z += bias
            values.append(ACTIVATIONS[name][0](z))
        return values

    def pullback(self, layers: Layers, values: Sequence[Array], gu: Array) -> tuple[Array, Factors]:
        """Return the cotangents of o (R, n_in) and, in factors, of theta, for gu (R, n_out)."""
        factors: list[Array] = []
        g = gu
        for number in reversed(range(len(layers))):
            weight, name = layers[number][0], self.activations[number]
            delta = g if name == "identity" else g * ACTIVATIONS[name][1](values[number + 1])
            factors[:0] = (delta, values[number])
            g = delta @ weight if weight.ndim == 2 else (delta[:, None, :] @ weight)[:, 0]
        return g, tuple(factors)

    def contract(self, nodes: Sequence[Factors], weights: Array, out: Array | None = None) -> Array:
        """Make K weighted sums (K, R, P) of S theta-cotangents; weights are (K, S) or (K, S, R).

        A node is one cotangent, whose factors are (R, m), or all are several, of (s, R, m). Each
        layer takes one batched matrix product, whatever the number of nodes: (R, P) is formed once
        for each sum instead of once for each node.
        """
        if out is None:
            first = nodes[0][0]
            out = np.empty((len(weights), first.shape[-2], self.size), dtype=first.dtype)
        self.weighted_sums(nodes, weights)(slice(None), out)
        return out

    def weighted_sums(self, nodes: Sequence[Factors], weights: Array) -> WeightedSums:
        """Return a function that writes what `contract` makes, for a few rows at a time."""
        rows, precision = (weights.shape[1], nodes[0][0].shape[-2], -1), nodes[0][0].dtype
        scale = weights.reshape(*weights.shape[:2], -1, 1).astype(precision, copy=False)
        products = []
        parts = (np.concatenate(part).reshape(rows) for part in zip(*nodes, strict=True))
        for delta, inputs in zip(parts, parts, strict=True):
            scaled = scale * delta
            factors = scaled.transpose(0, 2, 3, 1), inputs.transpose(1, 0, 2)
            products.append((*factors, scaled.sum(axis=1)))

        def write(rows: slice, out: Array) -> None:
            for (weight, bias), (scaled, inputs, total) in zip(
                self.layers(out), products, strict=True
            ):
                np.matmul(scaled[:, rows], inputs[rows], out=weight)
                bias[...] = total[:, rows]

        return write

    def _shapes(self) -> list[tuple[int, int]]:
        return list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
