"""The cart-pole's closed form: conservation, and a balance of momentum that uses no mass matrix."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from gradpareto.systems.cartpole import CartPole

FREE = replace(CartPole(), slider_damping=0.0, hinge_damping=0.0)


def energy(system: CartPole, x: np.ndarray) -> float:
    """Kinetic and potential, by Koenig's theorem: of the centre of mass, and about it."""
    _, angle, speed, spin = x
    arm = 0.5 * system.pole_length
    velocity = np.array([speed + arm * np.cos(angle) * spin, -arm * np.sin(angle) * spin])
    about_centre = system.hinge_inertia - system.pole_mass * arm**2
    moving = system.cart_mass * speed**2 + system.pole_mass * velocity @ velocity
    return 0.5 * (moving + about_centre * spin**2) + (
        system.pole_mass * system.gravity * arm * np.cos(angle)
    )


def slope(system: CartPole, force: float = 0.0):  # type: ignore[no-untyped-def]
    u = np.array([[force / system.gear]])
    return lambda t, x: system.flow(np.array([t]), x[None], u)[0][0]


def test_energy_is_conserved() -> None:
    x0 = np.array([0.3, 2.0, -0.5, 4.0])
    path = solve_ivp(slope(FREE), (0, 3), x0, method="DOP853", rtol=1e-12, atol=1e-12)
    held = [energy(FREE, x) for x in path.y.T]
    assert np.ptp(path.y[1]) > np.pi
    np.testing.assert_allclose(held, held[0], rtol=1e-10)


def test_only_the_actuator_changes_the_momentum() -> None:
    """Nothing else pushes along the rail."""
    x0, force = np.array([0.3, 2.0, -0.5, 4.0]), 7.0

    def momentum(x: np.ndarray) -> float:
        own = (FREE.cart_mass + FREE.pole_mass) * x[2]
        return own + 0.5 * FREE.pole_mass * FREE.pole_length * np.cos(x[1]) * x[3]

    path = solve_ivp(slope(FREE, force), (0, 3), x0, method="DOP853", rtol=1e-12, atol=1e-12)
    gained = momentum(path.y[:, -1]) - momentum(x0)
    assert gained == pytest.approx(3 * force, rel=1e-10)


def test_damping_takes_what_it_should() -> None:
    """Its power is that of both dampers: -(slider v^2 + hinge omega^2)."""
    system = replace(CartPole(), slider_damping=0.4, hinge_damping=0.03)
    x, step = np.array([0.3, 2.0, -0.5, 4.0]), 1e-5
    along = slope(system)(0, x) * step
    power = (energy(system, x + along) - energy(system, x - along)) / (2 * step)
    assert power == pytest.approx(-(0.4 * 0.5**2 + 0.03 * 4.0**2), rel=1e-7)


def test_the_capsule_s_inertia_is_its_integral() -> None:
    """Slices across the axis: a disc of radius s at height z has inertia s^2/4 + z^2 about y."""
    system = CartPole()
    z, width = np.linspace(-0.045, 1.045, 2_000_001, retstep=True)
    beyond = np.maximum(np.maximum(-z, z - 1), 0)
    square = np.maximum(0.045**2 - beyond**2, 0)
    mass = square / (square.sum() * width)
    integral = (mass * (square / 4 + z**2)).sum() * width
    assert system.hinge_inertia == pytest.approx(system.pole_mass * integral, rel=1e-9)


def test_it_starts_hanging_at_rest() -> None:
    x0 = CartPole().sample_x0(np.random.default_rng(0), 1000)
    off = np.abs(x0 - [0, np.pi, 0, 0]).max(axis=0)
    assert (off[2:] == 0).all()
    assert ((off[:2] > 0.09) & (off[:2] <= 0.1)).all()
