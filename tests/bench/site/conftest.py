"""Runs written by hand, with any names and outcomes, and the report of a published run."""

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from gradpareto.bench.site.report import write_site
from gradpareto.bench.store.gradient_times import SLOWER, GradientTime, write_times
from gradpareto.bench.store.record import COLUMNS, Record
from gradpareto.bench.store.records import RunFolder

ROOT = Path(__file__).parents[3]
UNCERTAINTY = 1e-15
Rows = list[Record]


def record(**known: object) -> Record:
    """A record of `bptt` on `lqr` that did not fail, but for what is told; its gradient has norm 1.

    `error` stands for all errors, and `calls` for evals.
    """
    blank: dict = dict.fromkeys(COLUMNS, 0)
    blank |= {"system": "lqr", "theta": "optimal", "estimator": "bptt", "knob": "step"}
    blank |= {"status": "ok", "reason": "", "setting": 0.5, "loss": 1.0}
    blank |= {"bias": float("nan"), "deviation": float("nan"), "wall_s": float("nan")}
    blank |= {"wall_ratio": float("nan"), "wall_ratio_spread": float("nan")}
    blank |= {"reference_uncertainty": UNCERTAINTY, "stored_bytes": 1000.0, "peak_bytes": 2000.0}
    error, calls = known.pop("error", 0.01), known.pop("calls", 100)
    if known.get("status", "ok") == "ok":
        blank |= dict.fromkeys(("abs_error", "rel_error", "abs_error_x0"), error)
        blank |= {"f_evals": calls, "evals": calls}
    else:
        missing = ("loss", "abs_error", "rel_error", "abs_error_x0", "abs_error_theta")
        blank |= dict.fromkeys(missing, float("nan"))
        blank |= {"reason": "it failed", "stored_bytes": float("nan"), "peak_bytes": float("nan")}
    return Record(**(blank | known))


def course(estimator: str, factor: float = 1.0, samples: int = 6, **known: object) -> Rows:
    """Eight settings of an estimator of order 4, which needs 10 * `factor` evaluations a step."""
    return [
        record(
            estimator=estimator,
            setting=2.0**-k,
            sample=sample,
            error=(1 + sample / 100) * 16.0**-k,
            calls=round(factor * 10 * 2**k),
            **known,
        )
        for k in range(8)
        for sample in range(samples)
    ]


def written(folder: Path, rows: Iterable[Record], samples: int = 6, **shared: object) -> RunFolder:
    """A run folder of these records, as schema 3 published it."""
    folder.mkdir()
    run = RunFolder(folder)
    values = {"samples": samples, "seed": 0, "x0": "drawn by each system"} | shared
    session = {"command": "gradpareto sweep", "commit": "0" * 40}
    run.write_provenance({"schema": 3, "shared": values, "sessions": [session]})
    table = pd.DataFrame([asdict(one) for one in rows], columns=COLUMNS)
    table.to_csv(run.records_path, index=False)
    return run


Reported = Callable[[RunFolder], Path]


@pytest.fixture
def reported(tmp_path: Path) -> Reported:
    """Make the report of a run, and return its folder."""

    def make(run: RunFolder) -> Path:
        write_site(run, tmp_path / "report")
        return tmp_path / "report"

    return make


@pytest.fixture(scope="session")
def published_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the published default run; tests read it and never write."""
    out = tmp_path_factory.mktemp("site") / "report"
    write_site(RunFolder(ROOT / "results" / "default"), out)
    return out


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def timed(folder: Path, *rows: GradientTime) -> None:
    """Give a run folder a table of times."""
    write_times(folder, rows)


def time_of(estimator: str, ms: float, **known: object) -> GradientTime:
    """A time of a gradient on `lqr`, or of one that was not timed where `ms` is NaN."""
    blank: dict = {"system": "lqr", "theta": "optimal", "error": 1e-4, "batch": 1}
    blank |= {"setting": 0.1, "evals": 100.0, "calls_ms": 1.0, "model_ms": 1.0}
    blank |= dict.fromkeys(("gradient_ms", "gradient_ms_low", "gradient_ms_high"), ms)
    blank |= {"reason": SLOWER if math.isnan(ms) else ""}
    return GradientTime(**(blank | {"estimator": estimator} | known))
