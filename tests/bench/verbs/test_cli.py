"""The command line: most of it in this process, its exit status as a person meets it."""

import io
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.plan import FIELD_CALLS
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.verbs import cli
from gradpareto.bench.verbs.cli import VERBS
from gradpareto.estimators import ESTIMATORS
from gradpareto.systems import TASKS
from tests.bench.conftest import ROOT, SMALL, assert_refused

FIELD = ("--system", "lqr", "--theta", "optimal", "--plan", "field")
"""The plan of the whole field takes no times."""


@pytest.fixture
def folder(small_run: RunFolder, tmp_path: Path) -> Path:
    """A copy of the small run that a test may spoil."""
    return Path(shutil.copytree(small_run.path, tmp_path / "run"))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A run of two estimators that holds all that a verdict by FIELD needs."""
    path = tmp_path_factory.mktemp("judged") / "run"
    plan = replace(SMALL, samples=6, settings=(), calls=FIELD_CALLS, timed=False)
    sweep(plan, RunFolder(path), cache, Budget(jobs=1))
    return path


@pytest.fixture
def whole(judged: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return Path(shutil.copytree(judged, tmp_path / "whole"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compare", "ctgp", "bptt"), ("'ctgp'", "'ctpg'")),
        (("compare", "ctpg", "btpt"), ("'btpt'", "'bptt'")),
        (("compare", "ctpg", "ctpg"), ("itself",)),
        (("compare", "ctpg", "bptt", "--from", "1e-6", "--to", "1e-2"), ("looser",)),
        (("sweep", "--system", "quadroter"), ("'quadrotor'",)),
        (
            ("sweep", "--problem", "lqr", "optimal", "--estimator", "bptt-dop853", "--calls", "1"),
            ("as little as 1 evaluations", "--calls"),
        ),
        (("sweep", "--theta", "optimul"), ("'optimal'",)),
        (("sweep", "--system", "quadrotor", "--theta", "optimal"), ("quadrotor", "optimal")),
        (("sweep", "--setting", "0"), ("--setting", "positive")),
        (("sweep", "--setting", "-1e-3"), ("--setting", "positive")),
        (("sweep", "--setting", "nan"), ("--setting", "positive")),
        (("sweep", "--setting", "small"), ("--setting", "positive")),
        (("sweep", "--samples", "0"), ("--samples",)),
        (("sweep", "--samples", "1.5"), ("--samples", "whole")),
        (("sweep", "--cell-seconds", "0"), ("--cell-seconds",)),
        (("sweep", "--x0", "nowhere.csv", "--system", "lqr"), ("nowhere.csv",)),
        (("sweep", "--x0", ROOT / "README.md"), ("--system",)),
        (("reference", "lqq"), ("'lqr'",)),
        (("sweeep",), ("sweep",)),
        (("sweep", "--sampels", "3"), ("--samples",)),
        (("compare", "foo", "bptt"), ("unknown estimator 'foo'; see gradpareto list",)),
        (("compare", "my_solver", "bptt"), ("unknown estimator 'my_solver'; see gradpareto list",)),
        (("compare", "ctpg", "bptt", "--system", "foo"), ("'foo'; see gradpareto list",)),
        (("comapre",), ("did you mean 'compare'?",)),
        (("draw",), ("no verb 'draw'; see gradpareto --help",)),
        (("list", "systms"), ("systms", "; see gradpareto list --help")),
        (("matrix", "results/x"), ("results/x", "; see gradpareto matrix --help")),
        (("overhead", "bptx"), ("bptx", "; see gradpareto overhead --help")),
        (("learn", "--system", "lqr"), ("--system", "; see gradpareto learn --help")),
        (("learn", "lqr", "--estimator", "bptt=x"), ("the setting in bptt=x must be a positive",)),
        (("learn", "lqr", "--seed", "x"), ("'x' is not a whole number from 0 to 9",)),
        (("sweep", "--seed", str(2**63)), (f"'{2**63}' is not a whole number from 0 to",)),
        (("reproduce", "figure4"), ("'figure4' is not a whole number from 2 to 7",)),
        (("reproduce", "8"), ("'8' is not a whole number from 2 to 7",)),
        (("overhead", "--system", "lqr", "--theta", "initial"), ("optimal, perturbed",)),
        (("overhead", "--setting", "1", "--error", "1e-3"), ("--setting and --error",)),
        (("overhead", "--batch", "0"), ("--batch", "positive")),
    ],
)
def test_bad_input_is_one_line_and_status_2(  # type: ignore[no-untyped-def]
    call, arguments: tuple, words: tuple, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The checkout may hold a run of `make pareto`, which the verb would go on with.
    monkeypatch.chdir(tmp_path)
    assert_refused(call(*arguments), *words)


@pytest.mark.parametrize(
    ("x0", "word"),
    [
        ([[1.0, np.nan]], "finite"),
        ([[1.0, 2.0, 3.0]], "(1, 3)"),
        ([[1.0 + 0j, 2.0]], "complex128"),
        ([["1", "2"]], "<U1"),
        ([[True, False]], "bool"),
        (np.array([["2026-01-01", "2026-01-02"]], "datetime64[D]"), "datetime64[D]"),
    ],
)
def test_unusable_initial_states(call, tmp_path: Path, x0: list, word: str) -> None:  # type: ignore[no-untyped-def]
    np.save(tmp_path / "x0.npy", np.array(x0))
    out = tmp_path / "run"
    result = call("sweep", "--system", "lqr", "--x0", tmp_path / "x0.npy", "--out", out)
    assert_refused(result, word)
    assert not out.exists()


def bomb(path: Path) -> None:
    """A header of 1e11 states, with none behind it."""
    content = io.BytesIO()
    np.save(content, np.empty((0, 2)))
    states = b"(99999999999, 2), }"
    path.write_bytes(content.getvalue().replace(b"(0, 2), }" + 10 * b" ", states))
    assert states in path.read_bytes()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (os.mkfifo, "it is no file"),
        (Path.mkdir, "it is no file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is no file"),
        (lambda path: path.symlink_to(path), "symbolic links"),
        (lambda path: path.write_bytes(b"") and os.truncate(path, 2**40), "cannot read"),
        (lambda path: path.write_bytes(bytes(100)), "cannot read"),
        (lambda path: np.savez(path.open("wb"), np.ones((1, 2))), "cannot read"),
        (bomb, "cannot read"),
    ],
)
@pytest.mark.parametrize("name", ["x0.npy", "x0.csv"])
def test_what_holds_no_initial_states_is_refused_and_waits_for_nothing(
    call: Callable[..., Any], tmp_path: Path, make: Callable[[Path], object], told: str, name: str
) -> None:
    make(tmp_path / name)
    asked = ("--system", "lqr", "--x0", tmp_path / name, "--out", tmp_path / "run")
    assert_refused(
        call("sweep", *asked), f"cannot read initial states from {tmp_path / name}", told
    )


def test_initial_states_of_one_s_own(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "x0.csv").write_text("1,2\n3,4\n5,6\n")
    out = tmp_path / "run"
    options = ("--system", "lqr", "--theta", "optimal", "--x0", tmp_path / "x0.csv", "--out", out)
    result = call("sweep", *options, "--estimator", "ctpg", "--setting", "1e-9", "--json")
    assert result.returncode == 0, result.stderr
    records = RunFolder(out).read_cells()
    # L = |x0|^2 at the optimal gain, up to exp(-2 T).
    np.testing.assert_allclose(records.loss, [5, 25, 61], rtol=1e-6)
    assert json.loads(result.stdout)["rows"] == 3


def test_an_unwritable_folder(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_text("")
    assert_refused(call("sweep", "--out", tmp_path / "file" / "run"), "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("precious")
    assert_refused(call("sweep", "--out", tmp_path / "other"), "no provenance.json")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.tex"]


def test_a_tampered_reference(call, folder: Path, cache: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    own = tmp_path / "cache"
    shutil.copytree(cache, own, ignore=shutil.ignore_patterns("*.tmp"))
    for path in own.glob("*.npz"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    before = {path: path.read_bytes() for path in own.iterdir()}
    options = ("--system", "lqr", "--theta", "optimal", "--samples", 2, "--out", tmp_path / "new")
    assert_refused(call("sweep", *options, "--cache", own), ".npz", "delete")
    assert {path: path.read_bytes() for path in own.iterdir()} == before


def test_compare_judges_from_the_records_that_are_there(call, whole: Path) -> None:  # type: ignore[no-untyped-def]
    options = (*FIELD, "--out", whole)
    result = call("compare", "ctpg", "bptt", *options, "--json")
    assert result.returncode == 0, result.stderr
    verdicts = json.loads(result.stdout)
    assert [verdict["weight"] for verdict in verdicts] == [1.0, 2.0, 3.0]
    assert verdicts[0]["answer"] == "dominates"
    assert verdicts[0]["samples"] == 6
    again = call("compare", "bptt", "ctpg", *options)
    assert again.returncode == 1
    assert "bptt is dominated by ctpg" in again.stdout
    assert again.stderr == ""  # nothing was left to measure


def test_a_published_run_is_read_and_never_cut_down(call, folder: Path) -> None:  # type: ignore[no-untyped-def]
    """Published runs have records, but no store of cells."""
    options = ("--system", "lqr", "--theta", "optimal", "--estimator", "ctpg", "--out", folder)
    (folder / "cells.sqlite").unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert call("sweep", *options, "--setting", 0.5).returncode == 0  # nothing is missing
    assert {path: path.read_bytes() for path in before} == before
    rows = (folder / "records.csv").read_text().splitlines()
    assert call("sweep", *options, "--setting", 0.125).returncode == 0
    assert set(rows) < set((folder / "records.csv").read_text().splitlines())


def test_pareto_prints_the_table_and_draws(call, whole: Path) -> None:  # type: ignore[no-untyped-def]
    options = (*FIELD, "--samples", 6, "--out", whole)
    result = call("pareto", "--estimator", "bptt", "--estimator", "ctpg", *options)
    assert result.returncode == 0, result.stderr
    assert "lqr (optimal), dominated by nobody: ctpg dominates" in result.stdout
    assert {path.suffix for path in (whole / "figures").iterdir()} == {".pdf", ".png", ".svg"}
    assert (whole / "table.csv").is_file()


def test_reference_prints_the_certificate(call) -> None:  # type: ignore[no-untyped-def]
    result = call("reference", "lqr", "--samples", 2, "--json")
    assert result.returncode == 0, result.stderr
    for certificate in json.loads(result.stdout):
        assert certificate["rel_uncertainty"] <= 1e-13
        assert "closed form / continuous adjoint" in certificate["disagreements"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(call, verb: str) -> None:  # type: ignore[no-untyped-def]
    result = call(verb, "--help")
    assert result.returncode == 0
    assert f"Example: gradpareto {verb}" in result.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_s_help_is_in_plain_english(verb: str) -> None:
    """Its first sentence is the one in the list of verbs, and every option tells what it is."""
    with click.Context(cli.cli) as context:
        command = cli.cli.get_command(context, verb)
    assert command.name == verb
    assert (command.help or "").splitlines()[0] == VERBS[verb]
    options = [part for part in command.params if isinstance(part, click.Option)]
    assert "--json" in {name for option in options for name in option.opts}
    for option in options:
        assert option.help, option.opts
        assert option.help[0].isupper(), option.help
        assert not option.help.startswith(("Of ", "The same", "For a ")), option.help


def test_the_help_of_the_whole_lists_the_verbs(call) -> None:  # type: ignore[no-untyped-def]
    shown = call("--help").stdout
    found = re.findall(r"^  ([a-z]+)  +[A-Z]", shown.partition("Verbs:")[2], re.MULTILINE)
    assert found == list(VERBS)
    assert {path.stem for path in Path(cli.__file__).parent.glob("*.py")} >= set(VERBS)


def test_the_program_itself_ends_with_its_status(run, whole: Path) -> None:  # type: ignore[no-untyped-def]
    """As everywhere else in this module, but as a process of its own."""
    options = (*FIELD, "--out", whole)
    assert run("compare", "ctpg", "bptt", *options).returncode == 0
    assert run("compare", "bptt", "ctpg", *options).returncode == 1
    assert_refused(run("compare", "ctgp", "bptt"), "'ctgp'", "'ctpg'")


def test_list_names_everything_registered(call) -> None:  # type: ignore[no-untyped-def]
    found = json.loads(call("list", "--json").stdout)
    assert set(found["systems"]) == set(TASKS)
    assert set(found["estimators"]) == set(ESTIMATORS)
    shown = call("list").stdout
    assert all(name in shown for name in [*TASKS, *ESTIMATORS])
