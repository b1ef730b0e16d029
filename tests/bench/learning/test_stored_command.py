"""The command that is kept beside a stored policy asks for the training that made it."""

import shlex

import pytest

from gradpareto.bench.verbs.learn import Training, verb


def asked(*arguments: str) -> Training:
    """Return what `learn` is asked for by these arguments on the LQR."""
    given = verb.make_context("learn", ["lqr", *arguments]).params
    return Training(**{name: given[name] for name in Training.__dataclass_fields__})


@pytest.mark.parametrize(
    "options",
    [
        "--estimator ctpg",
        "--estimator ctpg=1e-4 --estimator bptt=0.1 --budget seconds",
        "--estimator bptt-rk4 --adam 0.01 --clip-norm 3 --horizon 4 --growth 1 0.5 --decay",
        "--no-decay --precision float32 --sample-evals 5000",
        "--trials 3 --iterations 7 --seed 5 --on-divergence stop",
    ],
)
def test_it_asks_for_the_same_comparison(options: str) -> None:
    first = asked(*options.split(), "--reference-every", "2")
    program, name, system, *again = shlex.split(first.command(first.comparison("lqr")))
    assert (program, name, system) == ("gradpareto", "learn", "lqr")
    second = asked(*again, "--reference-every", "2")
    assert second.store_trained
    assert second.comparison("lqr") == first.comparison("lqr")
