"""The closed loop of a problem in another library: its port, under its policy."""

from dataclasses import dataclass

from gradpareto.bench.peers.ports import PORTS, Library, Port
from gradpareto.bench.peers.ports.port import Scalar, Vector
from gradpareto.systems import Problem


@dataclass(frozen=True, eq=False)
class ClosedLoop:
    """A problem in a library; its constants, sizes and horizon are the problem's own."""

    problem: Problem
    library: Library

    @property
    def _port(self) -> Port:
        return PORTS[type(self.problem.system)]

    def flow(self, theta: Vector, x: Vector) -> tuple[Vector, Scalar]:
        """Return x' (d,) and the running cost of a state x (d,) under parameters theta (P,)."""
        system = self.problem.system
        u = self._control(theta, self._port.observe(self.library, system, x))
        return self._port.flow(self.library, system, x, u)

    def terminal(self, x: Vector) -> Scalar:
        """Return the terminal cost of a state x (d,)."""
        return self._port.terminal(self.library, self.problem.system, x)

    def _control(self, theta: Vector, o: Vector) -> Vector:
        policy, h, start = self.problem.policy, o, 0
        activations = {"identity": lambda z: z, "tanh": self.library.tanh}
        shapes = zip(policy.sizes[:-1], policy.sizes[1:], policy.activations, strict=True)
        for n_in, n_out, activation in shapes:
            middle, end = start + n_out * n_in, start + n_out * (n_in + 1)
            weight = self.library.matrix(theta[start:middle], n_out, n_in)
            h = activations[activation](weight @ h + theta[middle:end])
            start = end
        return h
