"""The verb `times`: who is timed, what is kept, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from gradpareto.bench.plugins import PLUGINS
from gradpareto.bench.run.contest import BEHIND
from gradpareto.bench.store.gradient_times import SLOWER, read_times
from gradpareto.bench.store.records import RunFolder
from gradpareto.bench.store.unusable import UnusableFolder
from gradpareto.estimators import ESTIMATORS
from tests.bench.conftest import ROOT, assert_refused
from tests.bench.site.conftest import Rows, record, written

SLEEP_MS = 30.0
SLOW = f'''
import time
from gradpareto.estimators import ESTIMATORS

class Slow:
    """Kutta's method, which sleeps after each gradient."""
    knob = "step"
    def __call__(self, problem, x0, setting):
        found = ESTIMATORS["bptt-rk4"](problem, x0, setting)
        time.sleep({SLEEP_MS / 1e3})
        return found

class Endless(Slow):
    def __call__(self, problem, x0, setting):
        time.sleep(60)

class Faulty(Slow):
    def __call__(self, problem, x0, setting):
        raise ValueError("not today")
'''
STEPS = {"bptt-rk4": 0.5, "Slow": 0.5, "bptt": 1 / 512, "Endless": 0.5, "Faulty": 0.5}
"""Settings on a horizon of some seconds: `bptt`'s calls alone take longer than all of `Slow`."""


@pytest.fixture
def plug_in(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "slow.py"
    path.write_text(SLOW)
    names, plugins = set(ESTIMATORS), set(PLUGINS)
    yield path
    for name in set(ESTIMATORS) - names:
        del ESTIMATORS[name]
    for name in set(PLUGINS) - plugins:
        del PLUGINS[name]


def reached(*names: str, errors: tuple[float, ...] = (1e-3,), **known: object) -> Rows:
    """Records of estimators that reach an error with the settings of STEPS, and finer ones."""
    return [
        record(
            estimator=name,
            setting=STEPS.get(name, 0.5) / 2**place,
            sample=sample,
            error=error,
            calls=100 * 2**place,
            **known,
        )
        for name in names
        for place, error in enumerate(errors)
        for sample in range(6)
    ]


def rows(folder: Path) -> dict[tuple[str, int], pd.Series]:
    return {(row.estimator, row.batch): row for _, row in read_times(folder).iterrows()}


def test_who_sleeps_is_slower_and_whose_calls_take_longer_is_not_timed(
    call, tmp_path: Path, plug_in: Path
) -> None:  # type: ignore[no-untyped-def]
    """Truth: the time that the plug-in sleeps, and the number of calls of Euler's method."""
    run = written(tmp_path / "run", reached("bptt-rk4", "Slow", "bptt"))
    names = ("--estimator", f"{plug_in}:Slow", "--estimator", "bptt-rk4", "--estimator", "bptt")
    result = call("times", run.path, *names, "--json")
    assert result.returncode == 0, result.stderr
    found = rows(run.path)
    assert set(found) == {
        (name, batch) for name in ("bptt-rk4", "Slow", "bptt") for batch in (1, 32)
    }
    for batch in (1, 32):
        fast, slow, beaten = (found[name, batch] for name in ("bptt-rk4", "Slow", "bptt"))
        assert fast.gradient_ms < SLEEP_MS < slow.gradient_ms_low
        assert fast.gradient_ms_low <= fast.gradient_ms <= fast.gradient_ms_high
        assert slow.calls_ms < SLEEP_MS
        assert pd.isna(beaten.gradient_ms)
        assert beaten.reason == SLOWER
        assert (fast.setting, fast.evals, fast.error) == (0.5, 100.0, 1e-2)
        assert fast.model_ms > 0
    told = json.loads(result.stdout)["times"]
    assert len(told) == 6
    before = (run.path / "times.csv").read_text()
    assert call("times", run.path, "--estimator", "bptt-rk4").stdout.count("bptt-rk4") == 2
    assert (run.path / "times.csv").read_text() == before


def test_the_setting_is_the_run_s_cheapest_that_reaches_the_error(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    rows_ = reached("bptt-rk4", errors=(1e-1, 1e-3, 1e-5, 1e-7))
    run = written(tmp_path / "run", rows_)
    result = call("times", run.path, "--batch", "2", "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    table = read_times(tmp_path / "out").set_index("error")
    assert table.setting.to_dict() == {1e-2: 0.25, 1e-4: 0.125, 1e-6: 0.0625}
    assert table.evals.tolist() == [200, 400, 800]
    assert not (run.path / "times.csv").exists()


def test_failures_and_limits_are_told_and_nothing_else_is_lost(
    call, tmp_path: Path, plug_in: Path
) -> None:  # type: ignore[no-untyped-def]
    run = written(tmp_path / "run", reached("bptt-rk4", "Endless", "Faulty", "spsa", "gone"))
    named = [f"{plug_in}:Endless", f"{plug_in}:Faulty", "bptt-rk4", "spsa"]
    names = [part for name in named for part in ("--estimator", name)]
    result = call("times", run.path, *names, "--batch", "1", "--cell-seconds", "2")
    assert result.returncode == 0, result.stderr
    found = rows(run.path)
    assert found["bptt-rk4", 1].gradient_ms > 0
    assert found["Endless", 1].reason == "not finished within 2 s"
    assert found["Faulty", 1].reason == "ValueError: not today"
    assert "left out, since they are stochastic: spsa" in result.stderr
    result = call("times", run.path, "--batch", "1", "--error", "1e-2")
    assert "left out, since they are not registered: gone" in result.stderr


def test_a_killed_command_goes_on_where_it_stopped(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Truth: what was on the disk when the command was killed, to the last digit."""
    errors = (1e-3, 1e-5, 1e-7, 1e-10)
    run = written(tmp_path / "run", reached("bptt-rk4", "gauss_legendre-4", "ctpg", errors=errors))
    arguments = [sys.executable, "-m", "gradpareto", "times", str(run.path)]
    process = subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.DEVNULL)
    path = run.path / "times.csv"
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = path.read_text().splitlines()
    assert len(before) > 1
    assert call("times", run.path).returncode == 0
    after = path.read_text()
    assert len(before) < len(after.splitlines())
    assert set(before) <= set(after.splitlines())
    assert call("times", run.path).returncode == 0
    assert path.read_text() == after


def test_the_checksums_of_a_published_run_still_hold(
    call, small_run: RunFolder, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    published = tmp_path / "published"
    assert call("publish", small_run.path, published).returncode == 0
    result = call("times", published, "--error", "1e-2", "--batch", "1")
    assert result.returncode == 0, result.stderr
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=published, check=True)
    assert len(RunFolder(published).read_cells())


def test_the_help_has_the_constant_of_the_rule(call) -> None:  # type: ignore[no-untyped-def]
    told = " ".join(call("times", "--help").stdout.split())
    assert f"{BEHIND:g} times the second-fastest time" in told


def test_bad_input_is_one_line(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run = written(tmp_path / "run", reached("bptt-rk4", errors=(1e-1,))).path
    assert_refused(call("times", tmp_path / "nowhere"), "there is no run")
    assert_refused(call("times", run), "nothing to time", "reaches")
    assert_refused(call("times", run, "--error", "1e-3"), "1e-02, 1e-04", "1e-3")
    assert_refused(call("times", run, "--batch", "0"), "--batch")
    other = written(tmp_path / "other", reached("bptt-rk4"), x0="0" * 64).path
    assert_refused(call("times", other), "other initial states", "--x0")
    spoilt = written(tmp_path / "spoilt", reached("bptt-rk4")).path
    (spoilt / "times.csv").write_text("a,b\n1,2\n")
    assert_refused(call("times", spoilt), "times.csv", "no table of times")
    assert (spoilt / "times.csv").read_text() == "a,b\n1,2\n"


@pytest.mark.parametrize(
    ("column", "value"), [("gradient_ms", "-1.0"), ("batch", "0"), ("reason", "x")]
)
def test_a_value_that_no_time_has_is_refused(call, tmp_path: Path, column: str, value: str) -> None:  # type: ignore[no-untyped-def]
    run = written(tmp_path / "run", reached("bptt-rk4")).path
    assert call("times", run, "--batch", "1").returncode == 0
    table = pd.read_csv(run / "times.csv", dtype=str, keep_default_na=False)
    table.assign(**{column: value}).to_csv(run / "times.csv", index=False)
    with pytest.raises(UnusableFolder, match="row 2: it has a value that no time has"):
        read_times(run)
