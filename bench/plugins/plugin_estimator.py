"""Estimators from outside, in a form that holds data alone and can be sent to another process."""

import hashlib
import pickle
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

from gradpareto.bench.plugins.kinds import estimators_of
from gradpareto.bench.plugins.placed import placed
from gradpareto.bench.plugins.source import Source, Unusable, load, quiet
from gradpareto.estimators import ESTIMATORS, Declaration, Estimate, Estimator
from gradpareto.systems import Array, Problem


@dataclass(frozen=True)
class GuestEstimator(Estimator):
    """An estimator from outside the suite: what it declares, and how to load its code.

    The first call in a process loads the code. The processes that judge never call it.
    """

    declared: Declaration
    shift: int = field(default=0, kw_only=True)

    @property
    def declares(self) -> Declaration:
        return self.declared

    @abstractmethod
    def made(self) -> Estimator:
        """Load the estimator's code in this process. Raises Unusable."""

    def reseeded(self, by: int) -> Self:
        """Return a copy with another seed, if it is stochastic (a dataclass with a `seed`)."""
        return replace(self, shift=by)

    def shifted(self, made: Any) -> Estimator:
        """Return a loaded estimator with the seed of this copy."""
        found: Estimator = replace(made, seed=made.seed + self.shift) if self.shift else made
        return found

    def __call__(self, problem: Problem, x0: Array, setting: float) -> Estimate:
        made = self.made()
        with quiet():
            return made(problem, x0, setting)


@dataclass(frozen=True)
class PluginEstimator(GuestEstimator):
    """An estimator by its place: a class in a file or a function without a name is not pickled.

    `code` is the digest of its code, and `files` holds the digest of each file of that code.
    """

    plugin: Source
    name: str
    form: str
    code: str | None
    files: tuple[tuple[str, str], ...]

    def made(self) -> Estimator:
        """Load the estimator's code. Raises Unusable, also if the code was changed since."""
        return self.shifted(_unchanged(self.plugin, self.name, self.files)[self.form])

    def __repr__(self) -> str:
        return f"PluginEstimator({self.plugin}{'-' * bool(self.form)}{self.form})"


@dataclass(frozen=True)
class SentEstimator(GuestEstimator):
    """An estimator that a script has made, in pickled form."""

    packed: bytes

    def made(self) -> Estimator:
        return self.shifted(pickle.loads(self.packed))


_OF_THE_SUITE = tuple(ESTIMATORS.values())


def from_outside(estimator: Estimator) -> Estimator:
    """Return an estimator that is not the suite's own as a GuestEstimator, others as they are.

    Raises what pickling it raises.
    """
    if isinstance(estimator, GuestEstimator) or any(estimator is own for own in _OF_THE_SUITE):
        return estimator
    return SentEstimator(estimator.declares, pickle.dumps(estimator))


@cache
def _unchanged(
    source: Source, name: str, files: tuple[tuple[str, str], ...]
) -> dict[str, Estimator]:
    if not are_unchanged(files):
        raise Unusable(f"{source} was changed while it was being measured")
    return made_of(source, name)


@cache
def made_of(source: Source, name: str) -> dict[str, Estimator]:
    """Load the source's object and return its estimators by their forms. Raises Unusable."""
    return estimators_of(load(source), name)


def digests_of(files: Iterable[Path]) -> tuple[tuple[str, str], ...]:
    """Return the paths of files, each with the SHA-256 of its content in hexadecimal."""
    return tuple((str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files)


def are_unchanged(files: Iterable[tuple[str, str]]) -> bool:
    """Tell whether files have the digests that they are given with."""
    try:
        return all(digests_of([placed(path)])[0][1] == digest for path, digest in files)
    except OSError:
        return False
