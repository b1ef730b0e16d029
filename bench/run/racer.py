"""An estimator in a race: the settings that it has tried, and the next one."""

from dataclasses import dataclass, replace

import numpy as np

from gradpareto.bench.judge.frontier import NO_ESTIMATE
from gradpareto.bench.run.tried_setting import Tried

USUAL_GROWTH, MOST_GROWTH = 2.0, 4.0
"""A rung is expected to multiply the evaluations by as much as the last one did: by USUAL_GROWTH
before two were tried, and by MOST_GROWTH at most."""
STRIDE, MOST_RUNGS, QUARTER = 2.0, 2.0, 0.25
"""The next setting may be expected to take STRIDE times the evaluations, and is at most MOST_RUNGS
of the ladder away. Rungs have quarters between them: the last that is likely to have a place may be
on one, and the loosest that reaches the error."""
ROUGH, WRONG, ROUGH_STRIDES = 0.5, 10.0, 2.0
"""An error between ROUGH and WRONG is that of a gradient of about the right size, and tells
nothing: on a chaotic system it stays there until a setting is fine enough. While no error is below
ROUGH, a stride is as long as ROUGH_STRIDES of them."""


@dataclass(frozen=True)
class Racer:
    """An estimator in the race: what it has tried, in order, and where it reached the error.

    `rungs` are those of the ladder on which the settings stand: the loosest is 0, and a quarter
    between two of them counts as a quarter.
    """

    name: str
    tried: tuple[Tried, ...] = ()
    rungs: tuple[float, ...] = ()
    reached: Tried | None = None
    refined: bool = False
    """Whether it was asked if a looser setting reaches the error, too."""
    out: bool = False
    """Whether it was given up, or has no finer setting."""

    @property
    def going(self) -> bool:
        return not self.reached and not self.out

    @property
    def spent(self) -> float:
        """The evaluations at the latest setting."""
        return self.tried[-1].evals if self.tried else 0.0

    @property
    def seconds(self) -> float:
        """The time that its settings have taken: a guess of what the next takes."""
        return sum(one.seconds for one in self.tried)

    @property
    def tells_nothing(self) -> bool:
        """Whether the latest error lies where those of unrelated gradients do."""
        return bool(self.tried) and ROUGH < self.tried[-1].rel_error < WRONG

    @property
    def at_least(self) -> float:
        """The evaluations at the last setting that missed the error: to reach it took more."""
        missed = self.tried[-2:-1]
        return missed[0].evals if missed else 0.0

    def needs(self, error: float) -> float:
        """Return the evaluations with which it reaches an error, if that falls as it last did."""
        if len(self.tried) < 2 or self.tells_nothing:
            return np.inf
        before, after = self.tried[-2:]
        falls = after.rel_error < min(before.rel_error, NO_ESTIMATE)
        if not (falls and np.isfinite(before.rel_error) and after.evals > before.evals):
            return np.inf
        power = np.log(before.rel_error / after.rel_error) / np.log(after.evals / before.evals)
        with np.errstate(over="ignore"):
            return float(after.evals * np.power(after.rel_error / error, 1 / power))

    def expected(self, rung: float) -> float:
        """Return the evaluations that a finer setting is likely to take."""
        if not self.tried:
            return 0.0
        growth = USUAL_GROWTH
        if len(self.tried) > 1:
            apart = self.rungs[-1] - self.rungs[-2]
            ratio = self.spent / max(self.tried[-2].evals, 1.0)
            growth = float(np.clip(ratio ** (1 / apart), 1.0, MOST_GROWTH))
        return float(self.spent * growth ** (rung - self.rungs[-1]))

    def next_rung(self, bound: float, iterative: bool) -> float | None:
        """Return the next rung, as far on as a stride may go, or None if all are beyond a bound.

        A stride may take STRIDE times the evaluations, or a rung if that takes more. An iterative
        estimator goes on rung by rung.
        """
        if not self.rungs:
            return 0.0
        strides = ROUGH_STRIDES if self.closest > ROUGH else 1.0
        last, most = self.rungs[-1], STRIDE**strides * self.spent
        # The work of an iteration beside its evaluations may grow with a power of the nodes.
        most_rungs = 1.0 if iterative else strides * MOST_RUNGS
        ahead = np.arange(last + most_rungs, last, -QUARTER).tolist()
        within = (rung for rung in ahead if self.expected(rung) <= bound)
        return next((at for at in within if at <= last + 1 or self.expected(at) <= most), None)

    def tries(self, rung: float, found: Tried) -> "Racer":
        """Return the racer after another setting."""
        return replace(self, tried=(*self.tried, found), rungs=(*self.rungs, rung))

    @property
    def closest(self) -> float:
        return min((one.rel_error for one in self.tried), default=np.inf)
