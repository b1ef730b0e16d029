"""What the command line prints: tables for people, JSON for programs."""

import json
import math
from collections.abc import Mapping
from typing import Any

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from gradpareto.bench.judge.describe import number
from gradpareto.bench.judge.table import TARGETS
from gradpareto.reference import Reference

WIDTH = 140
"""Columns of the tables where the output is no terminal."""


def print_json(result: Any) -> None:
    """Numbers that JSON has no word for (NaN, infinity) become null."""
    click.echo(json.dumps(_plain(result), indent=2))


def print_summary(table: pd.DataFrame, sentences: list[str]) -> None:
    """The table of `bench.judge.table.summarise`, a block a problem, and its sentence under it."""
    console = _console()
    problems = table.groupby(["system", "theta"], sort=True)
    for ((system, theta), rows), sentence in zip(problems, sentences, strict=True):
        shown = Table(
            title=f"{system} ({theta}): evaluations for a relative error of", expand=False
        )
        shown.add_column("estimator", no_wrap=True)
        heads = [f"{target:.0e}" for target in TARGETS]
        for head in (*heads, "floor", "x limit", "order", "bytes", "samples"):
            shown.add_column(head, justify="right", no_wrap=True)
        for _, row in rows.iterrows():
            shown.add_row(*_cells(row))
        console.print(shown)
        console.print(sentence, highlight=False, soft_wrap=True)
        console.print()
    console.print(
        "floor: the smallest median error measured. x limit: evaluations at 1e-4 over the fewest "
        "vjps that any quadrature needs. order: of the error in the evaluations. bytes: peak, a "
        "sample, at 1e-4. '-': not reached or not measured.",
        highlight=False,
        soft_wrap=True,
    )


def print_learning(rows: list[dict[str, Any]]) -> None:
    """What each estimator learned, a line an estimator."""
    shown = Table(title="medians over the trials", expand=False)
    for head in ("estimator", "setting", "iterations", "evals", "seconds"):
        shown.add_column(head, justify="right")
    for head in ("held-out before", "after", "skipped", "samples lost", "diverged"):
        shown.add_column(head, justify="right")
    for row in rows:
        shown.add_row(
            row["estimator"],
            f"{row['setting']:g}",
            *(f"{row[name]:,.0f}" for name in ("iterations", "evals", "seconds")),
            *(f"{row[name]:.5g}" for name in ("heldout_before", "heldout_after")),
            *(f"{row[name]:,}" for name in ("skipped", "failures", "diverged")),
        )
    _console().print(shown)


def print_certificate(
    certificates: Mapping[tuple[str, str], Reference], as_json: bool = False
) -> None:
    """For each problem, how far the methods disagree, relative to the gradient's norm."""
    found = [
        {
            "system": system,
            "theta": theta,
            "samples": len(reference.loss),
            "rel_uncertainty": float(np.max(reference.rel_uncertainty)),
            "disagreements": {
                name: float(np.max(value / np.linalg.norm(reference.gradient, axis=1)))
                for name, value in reference.disagreements.items()
            },
        }
        for (system, theta), reference in certificates.items()
    ]
    if as_json:
        print_json(found)
        return
    for row in found:
        click.echo(
            f"{row['system']} ({row['theta']}): certified to {row['rel_uncertainty']:.1e} "
            f"relative, the worst of {row['samples']} samples"
        )
        disagreements: dict[str, float] = row["disagreements"]  # type: ignore[assignment]
        for name, value in disagreements.items():
            click.echo(f"  {value:.1e}  {name}")


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _cells(row: pd.Series) -> list[str]:
    needed = [number(row[f"evals_{target:.0e}"], ",.0f") for target in TARGETS]
    return [
        row["estimator"],
        *needed,
        number(row["floor"], ".1e"),
        number(row["limit_ratio_1e-04"], ".1f"),
        number(row["order"], ".1f"),
        number(row["peak_bytes"], ",.0f"),
        str(row["samples"]),
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
