"""Styles: every estimator has one of its own, and eyes of any kind tell those of a plan apart."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from gradpareto.bench.draw.families import family_of
from gradpareto.bench.draw.styles import SPARE, by_family, style_of
from gradpareto.bench.run.plan import DEFAULT_ESTIMATORS
from gradpareto.estimators import ESTIMATORS

STYLES = {name: style_of(name) for name in ESTIMATORS}


def seen_by(kind: str, color: str) -> np.ndarray:
    """CIELAB of a colour as seen with a colour blindness (Machado et al. 2009, full severity)."""
    kinds = {
        "full colour": np.eye(3),
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "tritanopia": [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    }
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
         [0.0193339, 0.1191920, 0.9503041]]
    )  # fmt: skip
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = to_xyz @ np.clip(np.array(kinds[kind]) @ linear, 0, 1) / [0.95047, 1.0, 1.08883]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_every_registered_estimator_has_a_style_of_its_own() -> None:
    assert not set(STYLES.values()) & set(SPARE)
    assert len({style.color for style in STYLES.values()}) == len(STYLES)
    assert len({STYLES[name].marker for name in DEFAULT_ESTIMATORS}) == len(DEFAULT_ESTIMATORS)


@pytest.mark.parametrize("kind", ["full colour", "deuteranopia", "protanopia", "tritanopia"])
def test_colours_of_the_default_plan_stay_apart(kind: str) -> None:
    for one, other in combinations(DEFAULT_ESTIMATORS, 2):
        between = seen_by(kind, STYLES[one].color) - seen_by(kind, STYLES[other].color)
        assert np.linalg.norm(between) > 20, (one, other)


def test_an_unknown_estimator_keeps_its_style_and_borrows_none() -> None:
    names = [f"solver-{k}" for k in range(50)]
    styles = [style_of(name) for name in names]
    assert styles == [style_of(name) for name in reversed(names)][::-1]
    assert len(set(styles)) > 20
    assert not {style.color for style in styles} & {style.color for style in STYLES.values()}


def test_an_estimator_that_is_registered_late_is_drawn_with_its_family(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A plug-in arrives when figures are imported; the looks of the others stay."""
    before = style_of("late")
    assert before in SPARE
    monkeypatch.setitem(ESTIMATORS, "late", replace(ESTIMATORS["bptt-rk4"], tight=0.02))
    late = style_of("late")
    assert late not in SPARE
    assert late not in STYLES.values()
    assert {name: style_of(name) for name in STYLES} == STYLES
    own = [name for name in STYLES if family_of(name) == family_of("bptt-rk4")]
    assert by_family({*own, "late", "ctpg"})[len(own) :] == ["late", "ctpg"]


def test_every_colour_has_three_times_the_contrast_of_white() -> None:
    """WCAG 2.2, 1.4.11, for what a figure needs to be understood."""
    for name, style in STYLES.items():
        rgb = np.array(to_rgb(style.color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) >= 3, name


def test_relatives_of_alike_colours_have_other_markers_or_dashes() -> None:
    for one, other in combinations(ESTIMATORS, 2):
        if family_of(one) == family_of(other):
            a, b = STYLES[one], STYLES[other]
            assert (a.marker, a.dash) != (b.marker, b.dash), (one, other)
