"""The closed loop of a problem in another library: its port, under its policy."""

from dataclasses import dataclass
from itertools import pairwise

from gradpareto.bench.peers.ports import PORTS, Library, Port
from gradpareto.bench.peers.ports.port import Matrix, Scalar, Vector
from gradpareto.systems import Problem

Layers = tuple[tuple[Matrix, Vector], ...]


@dataclass(frozen=True, eq=False)
class ClosedLoop:
    """A problem in a library; its constants, sizes and horizon are the problem's own.

    Raises ValueError if the problem's system has no port.
    """

    problem: Problem
    library: Library

    def __post_init__(self) -> None:
        kind = type(self.problem.system)
        if kind not in PORTS:
            known = ", ".join(ported.__name__ for ported in PORTS)
            raise ValueError(f"{kind.__name__} has no port; those that have one are {known}")

    @property
    def _port(self) -> Port:
        return PORTS[type(self.problem.system)]

    def layers(self, theta: Vector) -> Layers:
        """Return the weight and the bias of each layer of the policy, cut out of theta (P,).

        It is to be called once for a gradient: the derivative of each cut has P entries.
        """
        found, start = [], 0
        for n_in, n_out in pairwise(self.problem.policy.sizes):
            middle, end = start + n_out * n_in, start + n_out * (n_in + 1)
            weight = self.library.matrix(theta[start:middle], n_out, n_in)
            found.append((weight, theta[middle:end]))
            start = end
        return tuple(found)

    def flow(self, layers: Layers, x: Vector) -> tuple[Vector, Scalar]:
        """Return x' (d,) and the running cost of a state x (d,)."""
        system = self.problem.system
        u = self._control(layers, self._port.observe(self.library, system, x))
        return self._port.flow(self.library, system, x, u)

    def terminal(self, x: Vector) -> Scalar:
        """Return the terminal cost of a state x (d,)."""
        return self._port.terminal(self.library, self.problem.system, x)

    def _control(self, layers: Layers, o: Vector) -> Vector:
        activations, h = {"identity": lambda z: z, "tanh": self.library.tanh}, o
        for (weight, bias), name in zip(layers, self.problem.policy.activations, strict=True):
            h = activations[name](weight @ h + bias)
        return h
