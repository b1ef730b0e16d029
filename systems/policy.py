"""Policies u = pi_theta(o): linear, and the multi-layer perceptron it is the smallest case of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradpareto.systems.system import Array

Layers = tuple[tuple[Array, Array], ...]
"""(weight, bias) of each layer: (out, in) and (out,), or with a leading axis, one for each row."""

Factors = tuple[Array, ...]
"""A theta-cotangent of R rows, unmultiplied: for each layer its output's cotangent (R, out) and its
input (R, in). The cotangent of the weight is their outer product, of the bias the first alone."""


def _elu(z: Array) -> Array:
    positive = z.real > 0
    return np.where(positive, z, np.expm1(np.where(positive, 0, z)))


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "identity": (lambda z: z, np.ones_like),
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "elu": (_elu, lambda y: np.where(y.real > 0, 1, y + 1)),
}
"""Each activation with its derivative, written as a function of the activation's value."""


@dataclass(frozen=True)
class Policy:
    """A perceptron of the given layer sizes, activations[l] applied after layer l.

    `sizes` = (n_in, ..., n_out) and a single "identity" activation is the linear policy. Parameters
    are one flat vector theta (P,): each layer's weight (out, in), row by row, then its bias.
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
        """P, the number of parameters."""
        return sum(n_out * (n_in + 1) for n_in, n_out in self._shapes())

    def layers(self, theta: Array) -> Layers:
        """Views into theta, (P,) shared by all rows or (R, P) one for each row."""
        views, start, lead = [], 0, theta.shape[:-1]
        for n_in, n_out in self._shapes():
            middle, end = start + n_out * n_in, start + n_out * (n_in + 1)
            weight = theta[..., start:middle].reshape(*lead, n_out, n_in)
            views.append((weight, theta[..., middle:end]))
            start = end
        return tuple(views)

    def views(self, theta: Array) -> dict[str, Array]:
        """The same views by name: W1, b1, W2, b2, ..."""
        return {
            f"{kind}{number}": view
            for number, layer in enumerate(self.layers(theta), 1)
            for kind, view in zip("Wb", layer, strict=True)
        }

    def glorot(self, rng: np.random.Generator, scale: float = 1.0) -> Array:
        """Glorot-uniform weights times `scale`, biases zero: theta (P,)."""
        theta = np.zeros(self.size)
        for weight, _ in self.layers(theta):
            bound = scale * np.sqrt(6 / sum(weight.shape))
            weight[...] = rng.uniform(-bound, bound, weight.shape)
        return theta

    def forward(self, layers: Layers, o: Array) -> list[Array]:
        """Values after each layer, the observation (R, n_in) first, the control (R, n_out) last."""
        values = [o]
        for (weight, bias), name in zip(layers, self.activations, strict=True):
            h = values[-1]
            shared = weight.ndim == 2
            z = (h @ weight.T if shared else (weight @ h[..., None])[..., 0]) + bias
            values.append(ACTIVATIONS[name][0](z))
        return values

    def pullback(self, layers: Layers, values: list[Array], gu: Array) -> tuple[Array, Factors]:
        """Cotangent of the observation (R, n_in) and the factors of theta's, for gu (R, n_out)."""
        factors: list[Array] = []
        g = gu
        for number in reversed(range(len(layers))):
            weight, name = layers[number][0], self.activations[number]
            delta = g if name == "identity" else g * ACTIVATIONS[name][1](values[number + 1])
            factors[:0] = (delta, values[number])
            g = delta @ weight if weight.ndim == 2 else (delta[:, None, :] @ weight)[:, 0]
        return g, tuple(factors)

    def contract(self, nodes: Sequence[Factors], weights: Array, out: Array | None = None) -> Array:
        """Weighted sums of S theta-cotangents: weights (K, S) or (K, S, R) -> (K, R, P).

        One batched matrix product a layer, whatever the number of nodes: (R, P) is formed once a
        sum instead of once a node.
        """
        if out is None:
            out = np.empty((len(weights), len(nodes[0][0]), self.size), dtype=nodes[0][0].dtype)
        rows = len(nodes), len(nodes[0][0]), -1
        scale = weights.reshape(*weights.shape[:2], -1, 1).astype(out.dtype, copy=False)
        for number, (weight, bias) in enumerate(self.layers(out)):
            delta, inputs = (
                np.concatenate([node[2 * number + side] for node in nodes]).reshape(rows)
                for side in (0, 1)
            )
            scaled = scale * delta
            np.matmul(scaled.transpose(0, 2, 3, 1), inputs.transpose(1, 0, 2), out=weight)
            np.sum(scaled, axis=1, out=bias)
        return out

    def _shapes(self) -> list[tuple[int, int]]:
        return list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
