"""Cheats end as failures, or at their true price; honest plug-ins are measured as they were."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradpareto.bench.plugins import PLUGINS, resolve
from gradpareto.bench.plugins.kinds import estimators_of
from gradpareto.bench.plugins.source import Source, load
from gradpareto.bench.run.budget import Budget
from gradpareto.bench.run.measure import measure
from gradpareto.bench.run.plan import Plan
from gradpareto.bench.run.sweep import sweep
from gradpareto.bench.store.record import Cell
from gradpareto.bench.store.records import RunFolder
from gradpareto.estimators import ESTIMATORS, Estimator
from gradpareto.reference import load_or_certify
from gradpareto.systems import Problem

PROBLEM, SETTING, FINER, SAMPLES = ("lqr", "optimal"), 0.5, 4, 2
NOISY = ["wall_s", "wall_ratio", "wall_ratio_spread", "peak_bytes", "stored_bytes"]
CHEATS = """
import gc, importlib, os, subprocess, sys, time, tracemalloc
from pathlib import Path
import numpy as np
from gradpareto.estimators import ESTIMATORS, Estimate
from gradpareto.systems import Problem, System

RK4, CACHE = ESTIMATORS["bptt-rk4"], Path("THE CACHE")

def steps(function):
    function.knob, function.tight = "step", 0.01
    return function

def solve(problem, x0, setting):
    "The accurate gradient that every cheat wants for less."
    return RK4(problem, x0, setting / 4)

def like(kind, problem):
    return kind(problem.system, problem.policy, problem.theta, problem.horizon)

def paid(problem, x0):
    "A few calls that are counted, as a fig leaf."
    RK4(problem, x0, problem.horizon)

def of(reference, x0):
    given = reference["loss"], reference["grad_x0"], reference["grad_theta"]
    return Estimate(*given, np.ones(len(x0), dtype=int))

@steps
def own_problem(problem, x0, setting):
    return solve(like(Problem, problem), x0, setting)

class Bare(Problem):
    def flow(self, lane, t, x):
        return self.system.flow(t, x, self.policy.forward(self._layers, x)[-1])
    def pullback(self, lane, t, x, a, c):
        values = self.policy.forward(self._layers, x)
        gx, gu = self.system.pullback(t, x, values[-1], a, c)
        go, factors = self.policy.pullback(self._layers, values, gu)
        return gx + go, factors

@steps
def methods_of_the_system(problem, x0, setting):
    paid(problem, x0)
    return solve(like(Bare, problem), x0, setting)

@steps
def jacobians_of_a_linearisation(problem, x0, setting):
    paid(problem, x0)
    lane, zero = np.arange(len(x0)), np.zeros((1, len(x0)))
    problem.assembled(lane, zero, x0[None], zero)
    return RK4(problem, x0, setting)

@steps
def calls_of_the_base_class(problem, x0, setting):
    class Through(Problem):
        def flow(self, *given): return Problem.flow(problem, *given)
        def pullback(self, *given): return super().pullback(*given)
    return solve(like(Through, problem), x0, setting)

@steps
def zeroed_meter(problem, x0, setting):
    found = solve(problem, x0, setting)
    named = [one for one in gc.get_objects() if type(one).__name__ in ("Meter", "Tally")]
    for meter in filter(None, [getattr(problem, "meter", None), *named]):
        for name in ("f_evals", "vjp_evals", "jac_evals"):
            getattr(meter, name)[:] = 1
    return found

HELD = {}
@steps
def memo_across_settings(problem, x0, setting):
    if "best" in HELD and HELD["setting"] != setting:
        paid(problem, x0)
        return HELD["best"]
    HELD["setting"] = setting
    HELD["best"] = solve(problem, x0, setting)
    return HELD["best"]

@steps
def function_of_the_reference(problem, x0, setting):
    from gradpareto.reference.closed_form import closed_form
    paid(problem, x0)
    return of(vars(closed_form(problem, x0)), x0)

@steps
def function_found_in_memory(problem, x0, setting):
    paid(problem, x0)
    names = {"closed_form", "certify"}
    found = [one for one in gc.get_objects() if getattr(one, "__name__", "") in names]
    return of(vars(found[0](problem, x0)), x0)

@steps
def reference_in_the_frames(problem, x0, setting):
    paid(problem, x0)
    frame, seen = sys._getframe(), list(gc.get_objects())
    while frame:
        seen += list(frame.f_locals.values())
        frame = frame.f_back
    return of(vars(next(one for one in seen if type(one).__name__ == "Reference")), x0)

@steps
def reference_in_the_cache(problem, x0, setting):
    paid(problem, x0)
    with open(CACHE / os.environ.get("KEY", "any.npz"), "rb") as file:
        return of(np.load(file), x0)

@steps
def cache_under_another_name(problem, x0, setting):
    os.symlink(CACHE, Path(__file__).parent / "link")

@steps
def memory_of_the_worker(problem, x0, setting):
    open(f"/proc/{os.getppid()}/mem", "rb")

@steps
def traced(problem, x0, setting):
    return (RK4 if tracemalloc.is_tracing() else solve)(problem, x0, setting)

@steps
def patched_classes(problem, x0, setting):
    from gradpareto.bench.run import attempt, meter, tally, validation
    Problem.check_x0 = lambda self, x0: x0
    for kind in (meter.Meter, meter.MeteredProblem, tally.Tally):
        for name in ("see", "count", "flow", "pullback", "read", "finish"):
            setattr(kind, name, lambda *given: None)
    attempt.taken = lambda given, *_: (given, "ok", "")
    validation.EXPECTED = ()
    Estimate.gradient = property(lambda self: np.zeros((len(self.loss), 8)))
    return solve(problem, x0, setting)

AGAIN = []
@steps
def memo_between_the_runs(problem, x0, setting):
    AGAIN.append(solve(problem, x0, setting) if not AGAIN else paid(problem, x0))
    return AGAIN[0]

tick = time.perf_counter
@steps
def replaced_clock(problem, x0, setting):
    time.perf_counter = time.monotonic = time.process_time = lambda: tick() / 1e6
    return solve(problem, x0, setting)

@steps
def system_loaded_again(problem, x0, setting):
    paid(problem, x0)
    module = importlib.reload(sys.modules[type(problem.system).__module__])
    return solve(Problem(module.TASK.system, problem.policy, problem.theta, 10.0), x0, setting)

@steps
def suite_loaded_again(problem, x0, setting):
    for name in [name for name in sys.modules if name.startswith("gradpareto")]:
        del sys.modules[name]
    import gradpareto.systems

@steps
def one_row_for_many(problem, x0, setting):
    class Flat(Problem):
        def flow(self, lane, *given): return problem.flow(lane[:1], *given)
        def pullback(self, lane, *given): return problem.pullback(lane[:1], *given)
    return solve(like(Flat, problem), x0, setting)

@steps
def objects_for_numbers(problem, x0, setting):
    problem.flow(np.arange(len(x0)), np.zeros(len(x0)), x0.astype(object))
    return RK4(problem, x0, setting)

@steps
def another_lane(problem, x0, setting):
    class Elsewhere(Problem):
        def flow(self, lane, *given): return problem.flow(lane + len(x0), *given)
        def pullback(self, lane, *given): return problem.pullback(lane + len(x0), *given)
    return solve(like(Elsewhere, problem), x0, setting)

@steps
def reports_into_nothing(problem, x0, setting):
    for fd in range(3, 64):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("pipe"):
                os.dup2(os.open(os.devnull, os.O_WRONLY), fd)
        except OSError:
            pass
    return solve(problem, x0, setting)

@steps
def another_program(problem, x0, setting):
    subprocess.run([sys.executable, "-c", "1"], check=True)

@steps
def a_fork(problem, x0, setting):
    if not os.fork():
        time.sleep(60)

@steps
def nothing_evaluated(problem, x0, setting):
    zeros = np.zeros((len(x0), problem.policy.size))
    return Estimate(np.zeros(len(x0)), 2 * x0, zeros, np.ones(len(x0), dtype=int))

@steps
def in_the_baseline(problem, x0, setting):
    kind = type(ESTIMATORS["bptt"])
    if "raw" not in HELD:
        HELD["raw"], HELD["it"] = kind.__call__, solve(problem, x0, setting)
        def call(self, problem, x0, step):
            RK4_call = HELD["raw"]
            HELD["it"] = RK4_call(RK4, problem, x0, setting / 4)
            return RK4_call(self, problem, x0, step)
        kind.__call__ = call
    return HELD["it"]

class Lying(np.ndarray):
    "Its shape and its values depend on who asks."
    shape = property(lambda self: (2,))
    def __array_finalize__(self, other): ...

@steps
def lying_arrays(problem, x0, setting):
    found = RK4(problem, x0, setting)
    wide = np.hstack([found.grad_x0, found.grad_x0]).view(Lying)
    return Estimate(found.loss, wide, found.grad_theta, found.steps)

@steps
def odd_failures(problem, x0, setting):
    found = RK4(problem, x0, setting)
    failed = {"0": "x" * 10**6, object(): 3}
    return Estimate(found.loss, found.grad_x0, found.grad_theta, found.steps, failed)
"""
COUNTED = "rows of the dynamics"
FAIL = {
    "methods_of_the_system": ("uncounted", COUNTED),
    "function_of_the_reference": ("raised", "closed_form is closed to what is measured"),
    "function_found_in_memory": ("raised", "IndexError"),
    "reference_in_the_frames": ("raised", "StopIteration"),
    "reference_in_the_cache": ("raised", "the references are closed"),
    "cache_under_another_name": ("raised", "the references are closed"),
    "memory_of_the_worker": ("raised", "other processes are closed"),
    "traced": ("unrepeatable", "f_evals of sample 0 are"),
    "memo_between_the_runs": ("unrepeatable", "f_evals of sample 0 are"),
    "jacobians_of_a_linearisation": ("uncounted", COUNTED),
    "system_loaded_again": ("raised", "lqr.py is loaded once"),
    "suite_loaded_again": ("raised", "is loaded once"),
    "one_row_for_many": ("uncounted", COUNTED),
    "objects_for_numbers": ("uncounted", "do not hold numbers"),
    "another_lane": ("uncounted", "for a lane 2, of 2"),
    "reports_into_nothing": ("uncounted", "not all of its calls were reported"),
    "another_program": ("raised", "starts no process"),
    "a_fork": ("raised", "starts no process"),
    "nothing_evaluated": ("uncounted", "sample 0 without an evaluation"),
    "in_the_baseline": ("uncounted", "in the baseline's time"),
    "lying_arrays": ("shape", "grad_x0 is (2, 4), not (2, 2)"),
    "odd_failures": ("shape", "failed has a key that is not the number of a lane"),
}
"""Cheats that fail, each with its status and what the reason says."""
PRICED = (
    "own_problem",
    "calls_of_the_base_class",
    "zeroed_meter",
    "memo_across_settings",
    "patched_classes",
    "replaced_clock",
)
"""Cheats that are measured as what they do: FINER times as many steps as they are asked for."""
HONEST = """
from gradpareto.estimators import ESTIMATORS
from gradpareto.estimators.bptt import Bptt
from gradpareto.estimators.solvers.explicit.tableaus import RK4
from scipy.integrate import RK45, solve_ivp

class Subclass(Bptt):
    def __init__(self): super().__init__(RK4)

def function(problem, x0, setting):
    return ESTIMATORS["bptt-rk4"](problem, x0, setting)
function.knob, function.tight = "step", 0.01

def solver(rhs, span, y0, tolerance):
    return solve_ivp(rhs, span, y0, rtol=tolerance, atol=1e-9, dense_output=True).sol

class Scipys(RK45):
    pass

class tableau:
    a, b, c, order = [[0, 0], [1, 0]], [1/2, 1/2], [0, 1], 2
"""
KINDS = {
    "Subclass": "",
    "function": "",
    "solver": "ctpg",
    "Scipys": "gauss_adjoint",
    "tableau": "bptt",
}


def named(name: str, form: str) -> str:
    return f"{name}-{form}" if form else name


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[pd.DataFrame]:
    """All cheats and all honest estimators, beside each other in one worker."""
    folder, before = tmp_path_factory.mktemp("cheats"), dict(ESTIMATORS)
    (folder / "cheats.py").write_text(CHEATS.replace("THE CACHE", str(cache)))
    (folder / "honest.py").write_text(HONEST)
    for name in (*FAIL, *PRICED):
        resolve(f"{folder / 'cheats.py'}:{name}")
    names = [
        found
        for name, form in KINDS.items()
        for found in resolve(f"{folder / 'honest.py'}:{named(name, form)}")
    ]
    every = (*FAIL, *PRICED, "bptt-rk4", *names)
    plan = Plan((PROBLEM,), every, samples=SAMPLES, settings=(SETTING,))
    budget = Budget(jobs=1, cell_seconds=60)
    found = sweep(plan, RunFolder(folder / "run"), cache, budget)
    yield found.set_index("estimator")
    ESTIMATORS.clear()
    ESTIMATORS.update(before)
    PLUGINS.clear()


@pytest.mark.parametrize("cheat", FAIL)
def test_a_cheat_fails_and_is_told_why(measured: pd.DataFrame, cheat: str) -> None:
    rows, (status, words) = measured.loc[cheat], FAIL[cheat]
    assert [(row.status, words in row.reason) for row in rows.itertuples()] == [
        (status, True)
    ] * SAMPLES, rows.reason.iloc[0]
    assert rows.rel_error.isna().all()


@pytest.mark.parametrize("cheat", PRICED)
def test_a_cheat_pays_for_what_it_does(measured: pd.DataFrame, cheat: str) -> None:
    """Truth: RK4 takes 4 calls of each kind in each of its FINER steps."""
    rows = measured.loc[cheat]
    calls = 4 * FINER * 10.0 / SETTING
    assert list(rows.status) == ["ok"] * SAMPLES, rows.reason.iloc[0]
    assert list(rows.f_evals) == list(rows.vjp_evals) == [calls] * SAMPLES
    assert (rows.rel_error < 1e-4).all()


def test_what_was_remembered_in_a_cell_is_gone_in_the_next(
    measured: pd.DataFrame, tmp_path: Path, cache: Path
) -> None:
    """The two cells have one worker, and the first of them has what the second could use."""
    name, settings = "memo_across_settings", (SETTING, 2 * SETTING)
    plan = Plan((PROBLEM,), (name,), samples=1, settings=settings, timed=False)
    rows = sweep(plan, RunFolder(tmp_path / "run"), cache, Budget(jobs=1))
    counts = rows.set_index("setting").f_evals
    assert counts[SETTING] == 2 * counts[2 * SETTING] == 4 * FINER * 10.0 / SETTING


def test_a_replaced_clock_tells_no_other_time(measured: pd.DataFrame) -> None:
    """Truth: the same calls with a clock that nobody replaced; a busy machine is slower."""
    replaced, right = (measured.loc[name].wall_s.iloc[0] for name in (PRICED[-1], PRICED[0]))
    assert replaced > right / 100


def here(estimator: Estimator, name: str, cache: Path, setting: float) -> pd.DataFrame:
    """Measure an estimator in this process, as the suite's own ones are."""
    problem, x0 = Plan((PROBLEM,), (name,), samples=SAMPLES).sampled(*PROBLEM)
    reference = load_or_certify(problem, x0, cache)
    cell = Cell(*PROBLEM, name, setting, SAMPLES)
    records = measure(cell, estimator, problem, x0, reference, 0, 2**32)
    return pd.DataFrame([asdict(record) for record in records])


@pytest.mark.parametrize("kind", [*KINDS, "bptt-rk4"])
def test_an_honest_estimator_beside_them_is_measured_as_in_this_process(
    measured: pd.DataFrame,
    kind: str,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A plug-in's process evaluates no Jacobians in advance, and so neither does this one here."""
    if kind in KINDS:
        monkeypatch.setattr(Problem, "stages_at_once", lambda problem, rows: 0)
    (tmp_path / "honest.py").write_text(HONEST)
    form = KINDS.get(kind, "")
    if kind in KINDS:
        given = load(Source(str(tmp_path / "honest.py"), kind))
        estimator = estimators_of(given, kind)[form]
    else:
        estimator = ESTIMATORS[kind]
    name = named(kind, form)
    expected = here(estimator, name, cache, SETTING)
    found = measured.loc[name].reset_index()[expected.columns]
    assert set(found.status) == {"ok"}, found.reason.iloc[0]
    pd.testing.assert_frame_equal(
        found.drop(columns=NOISY), expected.drop(columns=NOISY), check_exact=True, check_dtype=False
    )
    # Reports and the caller's copies come and go, a few hundred bytes; and SciPy's solvers, which
    # refer to themselves, until the collector finds them.
    if kind not in ("Scipys", "solver"):
        for column in ("peak_bytes", "stored_bytes"):
            np.testing.assert_allclose(found[column], expected[column], rtol=0.05, atol=2000)
