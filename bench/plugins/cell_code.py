"""The code that the cells of a sweep, and the histories of a learning run, depend on."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from gradpareto.bench.plugins.measured_code import estimator_code, problem_code, system_code
from gradpareto.bench.plugins.plugin_notes import note_plugins
from gradpareto.bench.plugins.versions import (
    Part,
    note_code,
    say_what_is_not_known,
    set_aside_older,
)
from gradpareto.bench.store.records import RunFolder, cell_key
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.systems import TASKS, Array, Policy, Problem, System

Sampled = Callable[[str, str], tuple[Problem, Array]]
"""A function of a system and a preset that returns the problem and its initial states."""
Measured = Iterable[tuple[str, str, str]]
"""Cells: a system, a preset and an estimator each."""


class CellCode:
    """The code of the cells in a run folder, given the estimators and the problems of a sweep."""

    def __init__(
        self, folder: RunFolder, estimators: Mapping[str, Estimator], sampled: Sampled
    ) -> None:
        self.folder, self.key = folder, cache(cell_key)

        @cache
        def of_estimator(name: str) -> str | None:
            return estimator_code(estimators[name]) if name in estimators else None

        @cache
        def of_problem(name: str) -> str | None:
            system, _, theta = name.partition(" ")
            if system not in TASKS or theta not in TASKS[system].presets:
                return None
            try:
                return problem_code(*sampled(system, theta))
            except ValueError:  # these initial states are of another system
                return None

        self.parts = [
            Part("estimators", of_estimator, self._files_of_estimator),
            Part("problems", of_problem, self._files_of_problem),
        ]

    def set_aside_older(self, estimators: Iterable[str], systems: Iterable[str]) -> None:
        """Move the cells, limits and certificates whose code has changed to the folder `aside`.

        Raises UnusableFolder where one of the names that are asked for stands for something else in
        the folder.
        """
        gone = note_plugins(
            self.folder,
            (estimators, lambda: {key[2] for key in self._keys().values()}),
            (systems, lambda: {key[0] for key in self._keys().values()}),
        )
        set_aside_older(self.folder, self.parts, gone, self._gather)

    def note(self, cells: Measured) -> None:
        """Note the code of cells that are about to be measured."""
        note_code(self.folder, self.parts, _by_kind(cells))

    def say_what_is_not_known(self, cells: Measured) -> None:
        """Say on standard error whether cells are of code that the folder does not note."""
        say_what_is_not_known(self.folder, self.parts, _by_kind(cells))

    def _gather(self) -> None:
        if self.folder.records_path.is_file():
            self.folder.write_records()

    def _keys(self) -> dict[Path, tuple[str, str, str]]:
        """The cells' files, each with its system, preset and estimator, as its records say."""
        self.folder.unpack()
        return {path: self.key(path) for path in (self.folder.path / "cells").glob("*.csv")}

    def _files_of_estimator(self, name: str) -> list[Path]:
        return sorted(path for path, key in self._keys().items() if key[2] == name)

    def _files_of_problem(self, name: str) -> list[Path]:
        system, _, theta = name.partition(" ")
        cells = sorted(path for path, key in self._keys().items() if key[:2] == (system, theta))
        own = self.folder.limit_path(system, theta), self.folder.certificate_path(system, theta)
        return [*cells, *(path for path in own if path.is_file())]


def _by_kind(cells: Measured) -> dict[str, list[str]]:
    cells = list(cells)
    return {
        "estimators": list(dict.fromkeys(estimator for _, _, estimator in cells)),
        "problems": list(dict.fromkeys(f"{system} {theta}" for system, theta, _ in cells)),
    }


def set_aside_older_histories(
    folder: RunFolder, estimators: Iterable[str], name: str, system: System, policy: Policy
) -> None:
    """Move the learning histories whose code has changed to the folder `aside`.

    All histories of the folder are of one system, which is called `name`, and one policy. The code
    of those that are new is noted. Raises UnusableFolder where a name stands for something else in
    the folder.
    """
    names = list(estimators)

    def histories() -> dict[str, Path]:
        return {path.stem: path for path in sorted(folder.path.glob("*.npz"))}

    def of_system(noted: str) -> str | None:
        return system_code(system, policy) if noted == name else None

    def of_estimator(name: str) -> str | None:
        return estimator_code(ESTIMATORS[name]) if name in ESTIMATORS else None

    def of_one(name: str) -> list[Path]:
        return [path for stem, path in histories().items() if stem == name]

    parts = [
        Part("estimators", of_estimator, of_one),
        Part("systems", of_system, lambda _: [*histories().values()]),
    ]
    gone = note_plugins(folder, (names, histories), ([name], lambda: [name] if histories() else []))
    set_aside_older(folder, parts, gone, lambda: None)
    held = histories()
    old = [estimator for estimator in names if estimator in held]
    new = [estimator for estimator in names if estimator not in held]
    say_what_is_not_known(folder, parts, {"estimators": old, "systems": [name] * bool(old)})
    note_code(folder, parts, {"estimators": new, "systems": [name] * bool(new)})
