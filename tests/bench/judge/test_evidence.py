"""Simultaneous evidence: against brute force, by its symmetries, and by its rates of error."""

from collections import Counter
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gradpareto.bench.judge.evidence import (
    ALPHA,
    LEAST_SAMPLES,
    MARGIN,
    critical_value,
    evidence,
    flips,
    ranks,
    signs,
    upper_bounds,
)
from gradpareto.systems import Array

MIRROR = {"dominates": "is dominated", "is dominated": "dominates"}
VALUES = st.sampled_from([-np.inf, -0.5, -0.1, -0.01, 0.0, 0.01, 0.1, 0.5, np.inf, np.nan])
RATIOS = st.tuples(st.integers(1, 9), st.integers(1, 4)).flatmap(
    lambda shape: arrays(float, shape, elements=VALUES)
)


@pytest.mark.parametrize("samples", range(1, 40))
def test_the_rank_is_that_of_the_sign_test(samples: int) -> None:
    """Truth: tails of the binomial distribution, by counting subsets."""
    below = [sum(comb(samples, j) for j in range(k)) / 2**samples for k in range(samples + 1)]
    assert ranks(ALPHA)[samples] == max(k for k in range(samples + 1) if below[k] <= ALPHA)


def test_six_samples_are_the_least() -> None:
    assert ranks(ALPHA)[[4, 5, 6, 8, 16, 32]].tolist() == [0, 1, 1, 2, 5, 11]
    assert LEAST_SAMPLES == 6


@settings(max_examples=150, deadline=None)
@given(RATIOS)
def test_bounds_and_critical_values_are_those_of_brute_force(log_ratios: Array) -> None:
    edge = np.log1p(MARGIN)
    for target, bound in enumerate(upper_bounds(log_ratios, ALPHA)):
        known = sorted(d for d in log_ratios[:, target] if not np.isnan(d))
        k = ranks(ALPHA)[len(known)]
        assert bound == (known[len(known) - k] if k else np.inf)
    own = [[0 if np.isnan(d) or abs(d) <= edge else np.sign(d) for d in row] for row in log_ratios]
    assert signs(log_ratios, edge).tolist() == own
    largest = sorted(
        max(
            abs(sum(g * row[t] for g, row in zip(flip, own, strict=True)))
            for t in range(len(own[0]))
        )
        for flip in product((-1, 1), repeat=len(own))
    )
    at = int(np.ceil((1 - ALPHA) * len(largest))) - 1
    assert critical_value(np.array(own), ALPHA) == largest[at]


@settings(max_examples=150, deadline=None)
@given(RATIOS, st.randoms(use_true_random=False))
def test_it_is_antisymmetric_and_blind_to_the_order_of_samples(log_ratios: Array, random) -> None:  # type: ignore[no-untyped-def]
    found, mirror = evidence(log_ratios), evidence(-log_ratios)
    assert mirror.answer == MIRROR.get(found.answer, found.answer)
    np.testing.assert_array_equal(found.upper, -mirror.lower)
    np.testing.assert_array_equal(found.ahead, mirror.behind)
    order = list(range(len(log_ratios)))
    random.shuffle(order)
    again = evidence(log_ratios[order])
    assert (again.answer, again.targets) == (found.answer, found.targets)
    np.testing.assert_array_equal(again.upper, found.upper)


DRAWS = 150


def draws(samples: int, shift: float, slope: float = 0.0, spread: float = 0.3) -> Array:
    """Log ratios at ten targets: deviations that a sample has at all of them, and at each."""
    rng = np.random.default_rng((samples, int(1e3 * abs(shift)), int(1e3 * abs(slope))))
    targets = np.linspace(-1, 1, 10)
    common = spread * rng.standard_normal((DRAWS, samples, 1))
    own = 0.3 * spread * rng.standard_normal((DRAWS, samples, 10))
    return np.asarray(shift + slope * targets + common + own)


def share(log_ratios: Array, answer: str) -> float:
    return float(np.mean([evidence(one).answer == answer for one in log_ratios]))


@pytest.mark.parametrize("samples", [8, 16, 32])
def test_equal_estimators_are_seldom_told_apart(samples: int) -> None:
    """Truth: alpha for either, plus three standard errors of the draws."""
    equal = draws(samples, 0.0)
    allowed = ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / len(equal))
    told = Counter(evidence(one).answer for one in equal)
    assert all(told[answer] <= allowed * len(equal) for answer in (*MIRROR, "neither"))


def test_a_difference_is_found_with_enough_samples() -> None:
    assert share(draws(32, np.log(0.7)), "dominates") > 0.95
    assert share(draws(32, -np.log(0.7)), "is dominated") > 0.95
    assert share(draws(32, np.log(0.9), spread=0.05), "dominates") > 0.95
    assert share(draws(6, np.log(0.7)), "dominates") < share(draws(32, np.log(0.7)), "dominates")
    assert share(draws(32, 0.0, slope=1.0), "neither") > 0.95


def test_what_is_alike_within_the_margin_is_tied() -> None:
    alike = np.random.default_rng(0).uniform(-0.01, 0.01, (16, 5))
    assert evidence(alike).answer == "tied"
    assert evidence(alike + 0.5).answer == "is dominated"


def test_a_sample_that_is_lost_counts_against_an_estimator() -> None:
    better = np.full((32, 5), -0.5)
    assert evidence(better).answer == "dominates"
    better[:3] = np.inf
    few = evidence(better)
    assert (few.answer, few.lost) == ("dominates", (0, 1, 2))
    better[:4] = np.inf
    assert evidence(better).answer != "dominates"


def test_the_range_ends_where_fewer_than_six_samples_are_known() -> None:
    log_ratios = np.full((8, 4), -0.5)
    log_ratios[:3, 2:] = np.nan
    assert evidence(log_ratios).targets == 2
    none = evidence(np.full((5, 4), -0.5))
    assert (none.answer, none.targets, none.samples_needed) == ("not enough evidence", 0, 6)


def test_it_says_how_many_samples_would_do() -> None:
    """Truth: by drawing that many of the same kind."""
    few = [one for one in draws(8, np.log(0.75)) if evidence(one).answer == "not enough evidence"]
    needed = [found for one in few if (found := evidence(one).samples_needed)]
    assert len(needed) > 10
    typical = int(np.median(needed))
    assert 8 < typical < 100
    assert share(draws(typical, np.log(0.75)), "dominates") > 0.5


def test_more_comparisons_have_a_higher_critical_value() -> None:
    """Truth: the maximum over more columns is no smaller, and over independent ones larger."""
    many = np.sign(np.random.default_rng(3).standard_normal((20, 300)))
    alone, together = critical_value(many[:, :1], ALPHA), critical_value(many, ALPHA)
    assert alone < critical_value(many[:, :10], ALPHA) < together <= 20


def test_flips_of_up_to_sixteen_samples_are_all_of_them() -> None:
    assert len(np.unique(flips(5), axis=0)) == 16
    assert flips(17).shape == (10_000, 17)
    np.testing.assert_array_equal(flips(17), flips(17))
