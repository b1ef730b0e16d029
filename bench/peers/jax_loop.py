"""Closed loops in JAX, in float64 and on one thread, and gradients that are compiled ahead."""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

# XLA reads them once, when it is first used.
os.environ["XLA_FLAGS"] = " ".join(
    (
        os.environ.get("XLA_FLAGS", ""),
        "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    )
)

import jax
import jax.numpy as jnp

from gradpareto.bench.peers.closed_loop import ClosedLoop
from gradpareto.bench.peers.peer import Oracles
from gradpareto.bench.peers.ports import Library
from gradpareto.systems import Problem

jax.config.update("jax_enable_x64", True)

JAX = Library.like_numpy(jnp, jnp.asarray)

Flow = Callable[[Any, Any], tuple[Any, Any]]
"""A function of parameters and a state x (d,), which returns x' (d,) and the running cost ()."""


def dynamics(problem: Problem, oracles: Oracles | None = None) -> tuple[Callable[[Any], Any], Flow]:
    """Return the function that makes parameters of theta (P,), and the closed loop of a problem.

    The loop may call back `oracles` for its values. It evaluates what JAX would evaluate without,
    call by call: what JAX leaves out since nothing needs it is not called back either.
    """
    if oracles is None:
        loop = ClosedLoop(problem, JAX)
        return loop.layers, loop.flow
    of_x = jax.ShapeDtypeStruct((problem.system.state_dim,), float)
    of_w, of_theta = (jax.ShapeDtypeStruct(shape, float) for shape in ((), problem.theta.shape))

    def value(theta: Any, x: Any) -> Any:
        return jax.pure_callback(oracles.flow, (of_x, of_w), x)

    def pull(x: Any, a: Any, c: Any) -> Any:
        shapes = of_theta, of_x
        return jax.pure_callback(oracles.pullback, shapes, x, a, c, vmap_method="sequential")

    def tangent(primals: Any, tangents: Any) -> Any:  # backsolve asks for its shape, at a fixed x
        return pullback(*primals), pullback(primals[0], *tangents[1:])

    flow, pullback = jax.custom_vjp(value), jax.custom_jvp(pull)
    pullback.defjvp(tangent)
    flow.defvjp(lambda theta, x: (flow(theta, x), x), lambda x, given: pullback(x, *given))
    return (lambda theta: theta), flow


def compiled(function: Any, *shapes: tuple[int, ...]) -> tuple[Any, float, float]:
    """Compile a function of arrays of float64 of these shapes.

    Returns what calls it, the seconds that it took, and the bytes that a call holds at most beside
    its arguments.
    """
    started = time.perf_counter()
    arguments = [jax.ShapeDtypeStruct(shape, np.float64) for shape in shapes]
    call = jax.jit(function).lower(*arguments).compile()
    seconds, memory = time.perf_counter() - started, call.memory_analysis()
    return call, seconds, float(memory.temp_size_in_bytes + memory.output_size_in_bytes)
