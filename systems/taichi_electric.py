"""The electric task in Taichi itself: its kernels, its differentiation, and its float32."""

import os
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from gradpareto.systems import electric
from gradpareto.systems.electric import ELECTRODES, Electric
from gradpareto.systems.system import Array

ROWS = 1024
"""The rows that the simulator's fields hold; more rows go through them in parts."""
INPUTS, OUTPUTS = 14, 5
"""The columns of the fields: state, charges and goal; slope and running cost."""


@dataclass(frozen=True, eq=False)
class TaichiElectric(Electric):
    """The electric task with flow and pullback by Taichi (Hu et al. 2020), on one CPU thread.

    Arrays come and go in the caller's precision and are float32 inside. The derivatives are those
    of Taichi's own reverse mode, exact but for that rounding. They are not analytic, so a complex
    step raises TypeError. The first call in a process starts Taichi, which forgets what else was
    done with it there, and takes a second to compile. Nothing is written to disk, or asked of the
    network.
    """

    truth = Electric()

    def flow(self, t: Array, x: Array, u: Array) -> tuple[Array, Array]:
        found = _simulator()([x, u, self.goal(t)[0]], self._constants, False)
        return found[:, :4].astype(x.dtype), found[:, 4].astype(x.dtype)

    def pullback(self, t: Array, x: Array, u: Array, a: Array, c: Array) -> tuple[Array, Array]:
        found = _simulator()([x, u, self.goal(t)[0], a, c[:, None]], self._constants, True)
        return found[:, :4].astype(x.dtype), found[:, 4:12].astype(x.dtype)

    @property
    def _constants(self) -> tuple[float, float, float]:
        return self.strength, self.nearest, self.damping


@cache
def _simulator() -> Callable[[list[Array], tuple[float, ...], bool], Array]:
    """Start Taichi and compile, once in a process: nothing of it can be pickled."""
    ti = _started()
    inputs = ti.field(ti.f32, (ROWS, INPUTS), needs_grad=True)
    outputs = ti.field(ti.f32, (ROWS, OUTPUTS), needs_grad=True)
    advance = _advance(ti, inputs, outputs)

    @ti.kernel  # type: ignore[untyped-decorator]
    def put(values: ti.types.ndarray(ti.f32, 2)):  # type: ignore[no-untyped-def, valid-type]
        for row in range(values.shape[0]):
            for k in range(values.shape[1]):
                if k < INPUTS:
                    inputs[row, k], inputs.grad[row, k] = values[row, k], 0
                else:
                    outputs.grad[row, k - INPUTS] = values[row, k]

    @ti.kernel  # type: ignore[untyped-decorator]
    def get(field: ti.template(), values: ti.types.ndarray(ti.f32, 2)):  # type: ignore
        for row in range(values.shape[0]):
            for k in range(values.shape[1]):
                values[row, k] = field[row, k]

    def run(given: list[Array], constants: tuple[float, ...], reverse: bool) -> Array:
        """Return the outputs (R, 5), or in reverse the cotangents of the inputs (R, 14)."""
        kernel, field = (advance.grad, inputs.grad) if reverse else (advance, outputs)
        values = np.concatenate(given, axis=1, dtype=np.float32)
        found = np.empty((len(values), field.shape[1]), np.float32)
        for start in range(0, len(values), ROWS):
            part = slice(start, start + ROWS)
            put(values[part])
            kernel(len(values[part]), *constants)
            get(field, found[part])
        return found

    return run


def _started() -> Any:
    """Initialise the module taichi so that it prints nothing, and return it."""
    os.environ |= {
        "ENABLE_TAICHI_HEADER_PRINT": "False",
        "TI_LOG_LEVEL": "error",
        "TI_SKIP_VERSION_CHECK": "ON",
    }
    import taichi as ti  # noqa: PLC0415

    with redirect_stdout(None):  # it prints its architecture at any log level
        # Fast mathematics may make a finite number of one that is not.
        ti.init(ti.cpu, ti.f32, fast_math=False, cpu_max_num_threads=1, offline_cache=False)
    return ti


def _advance(ti: Any, inputs: Any, outputs: Any) -> Any:
    """Make the kernel from inputs to outputs."""
    electrodes = ELECTRODES.tolist()

    @ti.kernel  # type: ignore[untyped-decorator]
    def advance(count: ti.i32, strength: ti.f32, nearest: ti.f32, damping: ti.f32):  # type: ignore[no-untyped-def]
        for row in range(count):
            place = ti.Vector([inputs[row, 0], inputs[row, 1]])
            velocity = ti.Vector([inputs[row, 2], inputs[row, 3]])
            pushed = -damping * velocity
            for k in ti.static(range(8)):
                away = place - ti.Vector(electrodes[k])
                # Clamped before the root, whose derivative at 0 is infinite.
                square = ti.max(away.norm_sqr(), nearest * nearest)
                pushed += strength * inputs[row, 4 + k] / (square * ti.sqrt(square)) * away
            for k in ti.static(range(2)):
                outputs[row, k], outputs[row, 2 + k] = velocity[k], pushed[k]
            goal = ti.Vector([inputs[row, 12], inputs[row, 13]])
            outputs[row, 4] = (place - goal).norm_sqr()

    return advance


TASK = replace(electric.TASK, system=TaichiElectric())
