"""The quadrotor of Sabatino (2015), Eq. 2.25."""

from gradpareto.bench.peers.ports.port import Library, Port, Scalar, Vector
from gradpareto.systems.quadrotor import ANGLES, POSITION, RATES, VELOCITY, Quadrotor


def _flow(library: Library, system: Quadrotor, x: Vector, u: Vector) -> tuple[Vector, Scalar]:
    p, q, r = (x[k] for k in range(9, 12))
    sin, cos = library.sin(x[ANGLES]), library.cos(x[ANGLES])
    (s_psi, s_theta, s_phi), (c_psi, c_theta, c_phi) = ((f[0], f[1], f[2]) for f in (sin, cos))
    ix, iy, iz = system.inertia
    lift = u[0] / system.mass
    yaw = (q * s_phi + r * c_phi) / c_theta
    slope = [
        x[VELOCITY],
        yaw,
        q * c_phi - r * s_phi,
        p + yaw * s_theta,
        -lift * (s_phi * s_psi + c_phi * c_psi * s_theta),
        -lift * (c_psi * s_phi - c_phi * s_psi * s_theta),
        system.gravity - lift * c_phi * c_theta,
        ((iy - iz) * q * r + u[1]) / ix,
        ((iz - ix) * p * r + u[2]) / iy,
        ((ix - iy) * p * q + u[3]) / iz,
    ]
    place, velocity = x[POSITION], x[VELOCITY]
    dot = library.dot
    cost = dot(place, place) + dot(velocity, velocity) + 0.01 * dot(u, u)
    return library.join(slope), cost


def _observe(library: Library, system: Quadrotor, x: Vector) -> Vector:
    turning = library.join([x[ANGLES], x[RATES]])
    sin, cos = library.sin(turning), library.cos(turning)
    squares = [library.dot(x[part], x[part]) for part in (POSITION, VELOCITY)]
    return library.join([sin, cos, sin / cos, *squares, x])


PORT = Port(_flow, _observe)
