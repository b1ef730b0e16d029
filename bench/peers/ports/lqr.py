"""The linear-quadratic regulator."""

from gradpareto.bench.peers.ports.port import Library, Port, Scalar, Vector
from gradpareto.systems import LQR


def _flow(library: Library, system: LQR, x: Vector, u: Vector) -> tuple[Vector, Scalar]:
    A, B, Q, R = map(library.constant, (system.A, system.B, system.Q, system.R))
    return A @ x + B @ u, library.dot(x, Q @ x) + library.dot(u, R @ u)


def _terminal(library: Library, system: LQR, x: Vector) -> Scalar:
    return library.dot(x, library.constant(system.Q_T) @ x)


PORT = Port(_flow, terminal=_terminal)
