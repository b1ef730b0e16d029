"""The code that the cells of a sweep, and the histories of a learning run, depend on."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import chain
from pathlib import Path

from gradpareto.bench.plugins.measured_code import estimator_code, problem_code, system_code
from gradpareto.bench.plugins.plugin_notes import note_plugins
from gradpareto.bench.plugins.versions import (
    Part,
    move_files,
    note_code,
    say_what_is_not_known,
    set_aside_older,
)
from gradpareto.bench.store.cells import CellStore, Condition
from gradpareto.bench.store.file_names import file_stem, inside
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.records_csv import HEADER
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.systems import TASKS, Array, Policy, Problem, System
from gradpareto.whole_file import write_whole

Sampled = Callable[[str, str], tuple[Problem, Array]]
"""A function of a system and a preset that returns the problem and its initial states."""
Measured = Iterable[tuple[str, str, str]]
"""Cells: a system, a preset and an estimator each."""


class CellCode:
    """The code of the cells in a run folder, given the estimators and the problems of a sweep."""

    def __init__(
        self,
        folder: RunFolder,
        store: CellStore,
        estimators: Mapping[str, Estimator],
        sampled: Sampled,
    ) -> None:
        self.folder, self.store = folder, store

        codes: dict[int, str | None] = {}  # one estimator may have many names

        def of_estimator(name: str) -> str | None:
            estimator = estimators.get(name)
            if estimator is not None and id(estimator) not in codes:
                codes[id(estimator)] = estimator_code(estimator)
            return codes.get(id(estimator))

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
            Part("estimators", of_estimator, self._set_aside_estimator),
            Part("problems", of_problem, self._set_aside_problem),
        ]

    def set_aside_older(self, estimators: Iterable[str], systems: Iterable[str]) -> None:
        """Move the cells, limits and certificates whose code has changed to the folder `aside`.

        Raises UnusableFolder where one of the names that are asked for stands for something else in
        the folder.
        """
        gone = note_plugins(
            self.folder,
            (estimators, lambda: {estimator for _, _, estimator in self.store.measured()}),
            (systems, lambda: {system for system, _, _ in self.store.measured()}),
        )
        set_aside_older(self.folder, self.parts, gone)

    def note(self, cells: Measured) -> None:
        """Note the code of cells that are about to be measured."""
        note_code(self.folder, self.parts, _by_kind(cells))

    def say_what_is_not_known(self, cells: Measured) -> None:
        """Say on standard error whether cells are of code that the folder does not note."""
        say_what_is_not_known(self.folder, self.parts, _by_kind(cells))

    def _set_aside_estimator(self, name: str, aside: Path) -> int:
        return self._set_aside(("estimator = ?", (name,)), aside)

    def _set_aside_problem(self, name: str, aside: Path) -> int:
        system, _, theta = name.partition(" ")
        moved = self._set_aside(("system = ? AND theta = ?", (system, theta)), aside)
        own = self.folder.limit_path(system, theta), self.folder.certificate_path(system, theta)
        return moved + move_files([p for p in own if p.exists()], self.folder.path, aside)

    def _set_aside(self, where: Condition, aside: Path) -> int:
        """Move cells to a file of records; they leave the store when they are in it."""
        if not any(True for _ in self.store.index(where)):
            return 0
        aside.mkdir(parents=True, exist_ok=True)
        # The same cells make the same file, if this was cut off and is done again.
        path = aside / f"cells-{self.store.digest(where)[:12]}.csv"
        write_whole(path, chain([HEADER], (text for _, text in self.store.texts(where))))
        return self.store.remove(where)


def _by_kind(cells: Measured) -> dict[str, list[str]]:
    cells = list(cells)
    return {
        "estimators": list(dict.fromkeys(estimator for _, _, estimator in cells)),
        "problems": list(dict.fromkeys(f"{system} {theta}" for system, theta, _ in cells)),
    }


def history_path(folder: Path, estimator: str) -> Path:
    """Return the file in which a folder keeps an estimator's history of learning."""
    return inside(folder, f"{file_stem(estimator)}.npz")


def set_aside_older_histories(
    folder: RunFolder, estimators: Iterable[str], name: str, system: System, policy: Policy
) -> None:
    """Move the learning histories whose code has changed to the folder `aside`.

    All histories of the folder are of one system, which is called `name`, and one policy. The code
    of those that are new is noted. Raises UnusableFolder where a name stands for something else in
    the folder.
    """
    names = list(estimators)
    noted = folder.provenance().get("code", {}).get("estimators", {})

    def histories() -> dict[str, Path]:
        paths = {one: history_path(folder.path, one) for one in {*ESTIMATORS, *noted}}
        return {one: path for one, path in sorted(paths.items()) if path.is_file()}

    def of_system(noted: str) -> str | None:
        return system_code(system, policy) if noted == name else None

    def of_estimator(name: str) -> str | None:
        return estimator_code(ESTIMATORS[name]) if name in ESTIMATORS else None

    def set_aside_one(name: str, aside: Path) -> int:
        own = [path for one, path in histories().items() if one == name]
        return move_files(own, folder.path, aside)

    def set_aside_all(_: str, aside: Path) -> int:
        return move_files(histories().values(), folder.path, aside)

    parts = [
        Part("estimators", of_estimator, set_aside_one),
        Part("systems", of_system, set_aside_all),
    ]
    gone = note_plugins(folder, (names, histories), ([name], lambda: [name] if histories() else []))
    set_aside_older(folder, parts, gone)
    held = histories()
    old = [estimator for estimator in names if estimator in held]
    new = [estimator for estimator in names if estimator not in held]
    say_what_is_not_known(folder, parts, {"estimators": old, "systems": [name] * bool(old)})
    note_code(folder, parts, {"estimators": new, "systems": [name] * bool(new)})
