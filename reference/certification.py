"""Certification: the methods' gradients, and every reason to doubt them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradpareto.reference.agreement import agree
from gradpareto.reference.certificate import REST, ROUNDINGS, Reference, joined
from gradpareto.reference.continuous import Trajectory, continuous
from gradpareto.reference.gradient import LossAndGradient, NotSolved
from gradpareto.reference.jumps import find_jump
from gradpareto.reference.limit import QuadratureLimit, quadrature_limit
from gradpareto.reference.loss_differences import check_losses
from gradpareto.reference.oracles import ROWS, check_oracles, near, takes_complex
from gradpareto.reference.probe import Probe, cells_of, probe
from gradpareto.systems import Array, Problem
from gradpareto.systems.faults import Unsound

MISSED = 1e-8
"""The part of an integral that the methods may miss on a step before they look there again."""
ROUNDS, MOST_WINDOWS = 4, 16
"""The methods look again at most this often, and in this many places of a trajectory at once."""
FAR = 1e-2
"""A probe is in a window if it is off by this part of the most that its step is off."""
_SEED = 20215


@dataclass(frozen=True)
class _Asked:
    """A request to certify; its `cells` are 0 if the methods are only to be compared."""

    problem: Problem
    x0: Array
    complex_step: bool
    cells: int


@dataclass(frozen=True)
class _Look:
    """A look between the steps that solvers took along a trajectory.

    `windows` are the ends of the places where the methods miss something, `objection` says what no
    method can take, such as a jump with the state, and `size` is the size of what the gradient is a
    sum of.
    """

    windows: tuple[float, ...]
    objection: str
    size: float

    @property
    def reason(self) -> str:
        """Say why the sample is refused, if nothing looks again; "" if nothing was seen."""
        if self.objection or not self.windows:
            return self.objection
        return f"at t = {self.windows[0]:.6g} something is shorter than the methods' steps"


def certify(problem: Problem, x0: Array, thorough: bool = True) -> Reference:
    """Certify the gradients of initial states x0 (B, state_dim), each sample by itself.

    A sample that cannot be certified is `refused` with its reason, and takes no other with it. A
    system that is not its own `truth` gets the gradient of its truth. If it is not `thorough`, the
    methods are only compared with each other, and the quadrature limit is not known, as for one of
    very many gradients of a system.

    Raises ValueError on an x0 or a theta of the wrong shape or not finite.
    """
    problem, x0 = problem.exact, problem.check_x0(x0)
    if problem.theta.ndim != 1 or not np.isfinite(problem.theta).all():
        raise ValueError("a reference needs one theta (P,) of finite numbers")
    lanes, rows = np.arange(len(x0)), near(problem, x0)
    try:
        if thorough:
            check_oracles(problem, *rows)
        asked = _Asked(
            problem, x0, takes_complex(problem, *rows), cells_of(*x0.shape) if thorough else 0
        )
    except Unsound as fault:
        return refuse(problem, lanes, str(fault))
    return joined([piece for _, piece in sorted(_pieces(asked, lanes), key=lambda p: p[0])])


def _pieces(
    asked: _Asked, lanes: Array, stops: tuple[float, ...] = (), rounds: int = ROUNDS
) -> Iterator[tuple[int, Reference]]:
    """Certify some lanes, with further stops of the solvers; give each lane with its reference."""
    problem, x0 = replace(asked.problem.take(lanes), stops=stops), asked.x0[lanes]
    try:
        solution, paths = continuous(problem, x0)
        looks = [_look(*pair, asked.cells) for pair in zip(paths, solution.gradient, strict=True)]
    except (NotSolved, Unsound) as error:
        yield from _split(asked, lanes, stops, rounds, error)
        return
    kept = []
    for k, look in enumerate(looks):
        if look.windows and not look.objection and rounds:
            yield from _pieces(asked, lanes[[k]], (*stops, *look.windows), rounds - 1)
        elif look.reason:
            yield int(lanes[k]), refuse(problem, lanes[[k]], look.reason)
        else:
            kept.append(k)
    if not kept:
        return
    try:
        found = _judged(
            asked,
            problem.take(np.array(kept)),
            x0[kept],
            solution.take(np.array(kept)),
            [paths[k] for k in kept],
            REST * np.array([looks[k].size for k in kept]),
        )
    except (NotSolved, Unsound) as error:
        yield from _split(asked, lanes[kept], stops, 0, error)
        return
    yield from zip(lanes[kept].tolist(), found.samples(), strict=True)


def _split(
    asked: _Asked, lanes: Array, stops: tuple[float, ...], rounds: int, error: NotSolved | Unsound
) -> Iterator[tuple[int, Reference]]:
    """Refuse the lanes that a method cannot solve, and certify the others without them."""
    known = error.lanes if isinstance(error, NotSolved) else ()
    unsolved = np.array(known if len(lanes) > 1 else [0], dtype=int)
    for reference, lane in zip(
        refuse(asked.problem, unsolved, str(error)).samples(), lanes[unsolved], strict=True
    ):
        yield int(lane), reference
    others = np.delete(lanes, unsolved)
    # Where it is not known which lanes to blame, half of them are tried without the others.
    parts = [others] if len(unsolved) else np.array_split(others, 2)
    for part in parts:
        if len(part):
            yield from _pieces(asked, part, stops, rounds)


def _rows(paths: Sequence[Trajectory]) -> tuple[Array, Array, Array]:
    """Return lanes, times and states of a few rows along the trajectories."""
    rng = np.random.default_rng(_SEED)
    lane = np.arange(ROWS) % len(paths)
    t = paths[0].problem.horizon * (np.arange(ROWS) + rng.random(ROWS)) / ROWS
    states = [paths[k].x(time[None]) for k, time in zip(lane.tolist(), t, strict=True)]
    return lane, t, np.concatenate(states)


def _look(path: Trajectory, gradient: Array, cells: int) -> _Look:
    """Look along a trajectory, whose gradient (state_dim + P,) is known, for what was not seen."""
    if not cells:
        return _Look((), "", 0.0)
    if not np.isfinite(gradient).all():
        return _Look((), "its running cost or its pullback is not finite on the way", 0.0)
    theta, rng = gradient[path.problem.system.state_dim :], np.random.default_rng(_SEED)
    directions = np.stack([theta, rng.standard_normal(len(theta))])
    norms = np.linalg.norm(directions, axis=1, keepdims=True)
    found = probe(path, directions / np.where(norms > 0, norms, 1), cells, rng)
    costates = np.linalg.norm(path.alpha(found.t[:: max(1, len(found.t) // 100)]), axis=1)
    integrals = (found.widths[:, None] * np.abs(found.values)).sum(axis=0)
    size = float(costates.max() + integrals[-2:].max())
    return _Look(_windows(found), find_jump(path, found), size)


def _windows(found: Probe) -> tuple[float, ...]:
    """Return the ends of the windows in which more than MISSED of an integral is missed."""
    missed = found.missed.max(axis=1)
    ends: list[float] = []
    for step in np.argsort(-missed)[:MOST_WINDOWS]:
        if missed[step] <= MISSED:
            break
        inside = np.flatnonzero(found.step == step)
        off = np.abs(found.off[inside])
        large = inside[(off > FAR * off.max(axis=0)).any(axis=1)]
        width = found.widths[inside[0]]
        ends += [float(found.t[large[0]] - 2 * width), float(found.t[large[-1]] + 2 * width)]
    return tuple(ends)


def _judged(
    asked: _Asked,
    problem: Problem,
    x0: Array,
    solution: LossAndGradient,
    paths: Sequence[Trajectory],
    rest: Array,
) -> Reference:
    """Return the references of samples that were solved, unless differences of the loss object.

    A gradient whose norm is at most `rest` (B,) is zero. Raises Unsound and NotSolved.
    """
    if asked.cells:
        check_oracles(problem, *_rows(paths))
    agreement = agree(problem, x0, solution, paths, rest, asked.complex_step)
    solution, uncertainty = agreement.solution, agreement.uncertainty
    norm = np.linalg.norm(solution.gradient, axis=1)
    zero = (norm <= ROUNDINGS * uncertainty) & (norm <= rest) if asked.cells else norm == 0
    refused, untested = [""] * len(x0), [""] * len(x0)
    if asked.cells:
        refused, untested = check_losses(problem, x0, solution, paths)
    refused = ["" if rests else reason for rests, reason in zip(zero, refused, strict=True)]
    return Reference(
        loss=solution.loss,
        grad_x0=solution.grad_x0,
        grad_theta=solution.grad_theta,
        uncertainty=np.where(np.array(refused) == "", uncertainty, np.inf),
        disagreements=agreement.disagreements,
        limit=quadrature_limit(paths) if asked.cells else QuadratureLimit.unknown(len(x0)),
        refused=tuple(refused),
        untested=tuple(untested),
        zero=zero,
        resolution=problem.horizon / asked.cells if asked.cells else np.inf,
    )


def refuse(problem: Problem, lanes: Array, reason: str) -> Reference:
    """Return the references of lanes (B,) of which nothing is known, with the reason."""
    nothing = np.full(len(lanes), np.nan)
    return Reference(
        loss=nothing,
        grad_x0=np.full((len(lanes), problem.system.state_dim), np.nan),
        grad_theta=np.full((len(lanes), problem.policy.size), np.nan),
        uncertainty=np.full(len(lanes), np.inf),
        disagreements={},
        limit=QuadratureLimit.unknown(len(lanes)),
        refused=(reason,) * len(lanes),
        untested=("",) * len(lanes),
        zero=np.zeros(len(lanes), dtype=bool),
        resolution=np.inf,
    )
