"""Figures: what they show and hide, and that they are written alike twice."""

from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from gradpareto.bench.draw.figure_files import write, write_png
from gradpareto.bench.draw.figures import (
    draw_run,
    frontier_figure,
    headline,
    memory_figure,
    time_figure,
)
from gradpareto.bench.draw.highlights import highlighted
from gradpareto.bench.draw.lines import band, median_limit
from gradpareto.bench.draw.panel import WORST, drawn_floor
from gradpareto.bench.run.plan import DEFAULT_ESTIMATORS
from gradpareto.bench.store.record import COLUMNS, Record
from gradpareto.estimators import ESTIMATORS
from tests.bench.draw.test_styles import STYLES

UNCERTAINTY, NORM = 1e-12, 2.0
FLOOR = 10 * UNCERTAINTY / NORM
LIMIT = pd.DataFrame(
    [(s, v, 10.0 ** (-2 * v - s)) for s in range(3) for v in (1, 2, 4, 7)],
    columns=["sample", "vjps", "rel_error"],
)
KINDS = ("frontier", "memory", "time")


def record(**known: object) -> Record:
    """A record of `bptt` on `lqr` that did not fail, but for what is told."""
    blank: dict = dict.fromkeys(COLUMNS, 0)
    blank |= {"system": "lqr", "theta": "optimal", "estimator": "bptt", "knob": "step"}
    blank |= {"status": "ok", "reason": "", "setting": 1.0}
    blank |= {"reference_uncertainty": UNCERTAINTY, "stored_bytes": 1e4, "wall_ratio": 1.0}
    return Record(**(blank | known))


def table(records: list[Record]) -> pd.DataFrame:
    return pd.DataFrame([asdict(one) for one in records], columns=COLUMNS)


def sweep(
    estimators: tuple[str, ...] = ("bptt", "ctpg"), system: str = "lqr", order: float = 2.0
) -> pd.DataFrame:
    """Three samples of five settings each, the most expensive far below the floor."""
    return table(
        [
            record(
                system=system,
                estimator=name,
                setting=1.0 / steps,
                sample=sample,
                f_evals=steps * (k + 1),
                vjp_evals=steps,
                evals=steps * (k + 2),
                rel_error=(error := (1 + sample / 10) * (steps / 2.0) ** -order),
                abs_error=NORM * error,
                stored_bytes=100.0 * steps,
                wall_ratio=steps / 100,
                wall_ratio_spread=steps / 300,
            )
            for k, name in enumerate(estimators)
            for steps in (4, 32, 256, 2048, 10**7)
            for sample in range(3)
        ]
    )


def failure(**known: object) -> Record:
    lost = dict.fromkeys(("rel_error", "abs_error", "stored_bytes", "wall_ratio"), float("nan"))
    return record(status="timeout", reason="too slow", **(lost | known))


def figures(records: pd.DataFrame) -> list[Figure]:
    return [frontier_figure(records, LIMIT), memory_figure(records), time_figure(records)]


def data_points(axes: Axes) -> np.ndarray:
    """All that is plotted in the axes' data coordinates (K, 2), the floor's band aside."""
    lines = [
        np.column_stack(x.get_data()) for x in axes.lines if x.get_transform() == axes.transData
    ]
    shapes = [path.vertices for one in axes.collections for path in one.get_paths()]
    return np.vstack(lines + shapes).astype(float)


def ticks(axes: Axes, row: str = "failed") -> dict[str, list[float]]:
    """The costs of the ticks in a strip above a panel, by colour."""
    if not axes.child_axes:
        return {}
    (strip,) = axes.child_axes
    rows = [label.get_text() for label in strip.get_yticklabels()]
    found = {}
    for line in strip.lines:
        (height,) = set(np.asarray(line.get_ydata()).tolist())
        if rows[round(height)] == row:
            found[to_hex(line.get_color())] = [float(x) for x in np.asarray(line.get_xdata())]
    return found


def test_an_estimator_looks_the_same_in_every_figure_and_company() -> None:
    together, alone = sweep(("bptt", "ctpg", "neural_ode")), sweep(("neural_ode",))
    for figure in [*figures(together), headline(alone, {("lqr", "optimal"): LIMIT})]:
        own = STYLES["neural_ode"]
        marked = [x for x in figure.axes[0].lines if x.get_marker() == own.marker]
        assert [to_hex(line.get_color()) for line in marked] == [own.color]
    labels = {text.get_text(): x for text, x in legend_entries(figure)}
    assert to_hex(labels["neural_ode"].get_color()) == STYLES["neural_ode"].color


def legend_entries(figure: Figure) -> list[tuple]:
    (legend,) = figure.legends
    return list(zip(legend.get_texts(), legend.legend_handles, strict=True))


def test_files_are_written_for_each_problem_alike_on_two_calls(tmp_path: Path) -> None:
    records = pd.concat([sweep(), sweep(system="quadrotor", order=4.0)], ignore_index=True)
    limits = {("lqr", "optimal"): LIMIT, ("quadrotor", "optimal"): LIMIT}
    first = draw_run(records, limits, tmp_path / "deep" / "first")
    names = [f"{s}-optimal-{kind}" for s in ("lqr", "quadrotor") for kind in KINDS]
    expected = {f"{name}.{end}" for name in [*names, "headline"] for end in ("png", "svg", "pdf")}
    assert {path.name for path in first} == expected
    assert {path.name for path in (tmp_path / "deep" / "first").iterdir()} == expected
    for again in draw_run(records[records.system == "lqr"], limits, tmp_path / "second"):
        if again.stem != "headline":
            assert again.read_bytes() == (first[0].parent / again.name).read_bytes(), again.name


def test_a_figure_written_twice_is_the_same_twice(tmp_path: Path) -> None:
    figure = time_figure(sweep())
    before = [path.read_bytes() for path in write(figure, str(tmp_path / "a"))]
    assert before == [path.read_bytes() for path in write(figure, str(tmp_path / "b"))]


def test_a_png_is_small_and_its_colours_are_those_of_the_figure(tmp_path: Path) -> None:
    figure = frontier_figure(sweep(DEFAULT_ESTIMATORS), LIMIT)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    write_png(figure, tmp_path / "small.png")
    figure.savefig(tmp_path / "whole.png")
    kept = np.asarray(Image.open(tmp_path / "small.png").convert("RGB")).astype(int)
    assert kept.shape == drawn.shape
    away = np.abs(kept - drawn).max(axis=2)
    assert away.mean() < 0.5  # of 255
    assert (away > 24).mean() < 0.01  # some at the edges of lines
    assert 2 * (tmp_path / "small.png").stat().st_size < (tmp_path / "whole.png").stat().st_size


def test_failures_are_ticks_above_the_panel() -> None:
    failed = [failure(estimator="ctpg", evals=700, sample=s) for s in range(3)]
    lost = [failure(estimator=name, evals=0) for name in ("neural_ode", "ctpg-scipy")]
    records = pd.concat([sweep(), table(failed + lost)], ignore_index=True)
    (axes,) = frontier_figure(records, LIMIT).axes
    assert ticks(axes) == {STYLES["ctpg"].color: [700.0]}
    (strip,) = axes.child_axes
    assert strip.get_xlim() == axes.get_xlim()
    assert strip.get_xscale() == axes.get_xscale()
    assert "2 failures of unknown cost" in strip.get_title("right")
    assert strip.get_position().y0 >= axes.get_position().y1
    assert "lqr, optimal" in strip.get_title("left")


def medians_of(name: str, axes: Axes) -> Line2D:
    """The line through an estimator's medians, which alone has its dashes and its marker."""
    (drawn,) = (
        x for x in axes.lines
        if to_hex(x.get_color()) == STYLES[name].color and x.get_linestyle() != "None"
    )  # fmt: skip
    return drawn


@pytest.mark.parametrize("kind", ["failed", "no estimate"])
def test_no_line_is_drawn_beneath_a_setting_that_is_no_estimate(kind: str) -> None:
    """Truth: which of the settings are neighbours."""
    records = sweep().query("setting > 1e-5")
    lost = records.setting == 1 / 256
    if kind == "failed":
        records.loc[lost, ["rel_error", "abs_error"]] = np.nan
        records.loc[lost, "status"] = "timeout"
    else:
        records.loc[lost, "rel_error"] = 3.0
    for figure, steps in zip(figures(records), (2.0, 100.0, 0.01), strict=True):
        drawn = medians_of("bptt", figure.axes[0])
        x, y = np.asarray(drawn.get_xdata()), np.asarray(drawn.get_ydata())
        np.testing.assert_allclose(x, steps * np.array([4, 32, np.nan, 2048]))
        assert np.isnan(y[2])
    unbroken = frontier_figure(sweep().query("setting > 1e-5"), LIMIT)
    drawn = medians_of("bptt", unbroken.axes[0])
    np.testing.assert_allclose(np.asarray(drawn.get_xdata()), 2.0 * np.array([4, 32, 256, 2048]))


def test_the_grey_lines_of_the_others_are_broken_as_well() -> None:
    records = sweep(tuple(ESTIMATORS)).query("setting > 1e-5")
    records.loc[records.setting == 1 / 256, "rel_error"] = 3.0
    grey = [x for x in frontier_figure(records, LIMIT).axes[0].lines if x.get_color() == "#bdbdbd"]
    drawn = [np.asarray(x.get_xdata()) for x in grey if len(x.get_xdata())]
    assert len(drawn) > 20
    assert all(list(np.isnan(x)) == [False, False, True, False] for x in drawn)


def test_samples_whose_gradient_is_zero_are_in_no_figure(tmp_path: Path) -> None:
    zero = replace(failure(evals=9, sample=7), status="zero", reason="the true gradient is zero")
    records = pd.concat([sweep(), table([zero])], ignore_index=True)
    for figure, alone in zip(figures(records), figures(sweep()), strict=True):
        assert ticks(figure.axes[0]) == {}
        assert figure.axes[0].get_title("left") == alone.axes[0].get_title("left")
    elsewhere = pd.concat([sweep(), table([replace(zero, system="heat")])], ignore_index=True)
    paths = draw_run(elsewhere, {("lqr", "optimal"): LIMIT}, tmp_path)
    assert {path.stem for path in paths} == {f"lqr-optimal-{kind}" for kind in KINDS} | {"headline"}
    assert draw_run(table([zero]), {}, tmp_path) == []


def test_a_figure_of_errors_that_are_exactly_zero() -> None:
    exact = sweep().assign(rel_error=0.0, abs_error=0.0, reference_uncertainty=0.0)
    for figure in [*figures(exact), frontier_figure(exact, LIMIT[:0])]:
        assert np.isfinite([*figure.axes[0].get_xlim(), *figure.axes[0].get_ylim()]).all()


def test_a_failure_more_expensive_than_all_else_is_in_sight() -> None:
    records = pd.concat([sweep(), table([failure(evals=10**9)])], ignore_index=True)
    (axes,) = frontier_figure(records, LIMIT).axes
    ((place,),) = ticks(axes).values()
    assert 0.9 * axes.get_xlim()[1] < place < axes.get_xlim()[1]


def test_without_failures_there_is_no_strip() -> None:
    for figure in figures(sweep()):
        assert figure.axes[0].child_axes == []
        assert "lqr, optimal" in figure.axes[0].get_title("left")


def test_nothing_is_drawn_below_the_floor() -> None:
    # sample 2 has a floor of its own, far below the others', and ctpg has no other sample
    records = sweep(("bptt", "ctpg", "neural_ode"))
    records.loc[records["sample"] == 2, "reference_uncertainty"] = UNCERTAINTY / 1e6
    records = records[(records.estimator != "ctpg") | (records["sample"] == 2)]
    assert (records.rel_error < FLOOR).any()
    assert drawn_floor(records) == pytest.approx(FLOOR)
    for figure in figures(records):
        (axes,) = figure.axes
        points = data_points(axes)
        assert len(points) > 20
        assert points[:, 1].min() >= FLOOR * (1 - 1e-12)
        shaded = [x for x in axes.patches if isinstance(x, Rectangle)]  # others are names' arrows
        (floor,) = shaded
        assert floor.get_y() + floor.get_height() == pytest.approx(FLOOR)
        assert axes.get_ylim()[0] == pytest.approx(floor.get_y())


def test_the_median_limit_is_no_interpolation_and_ends_at_the_floor() -> None:
    curve = median_limit(LIMIT, 1e-7)
    assert curve.to_dict() == pytest.approx({1: 1e-3, 2: 1e-5, 4: 1e-7})
    staggered = pd.DataFrame(
        [(0, 1, 1e-1), (0, 5, 1e-9), (1, 1, 1e-1), (1, 3, 1e-2), (2, 1, 1e-1), (2, 2, 1e-3)],
        columns=["sample", "vjps", "rel_error"],
    )
    assert median_limit(staggered, 0.0).to_dict() == pytest.approx(
        {1: 1e-1, 2: 1e-1, 3: 1e-2, 5: 1e-3}
    )


def test_errors_beyond_the_axis_are_ticks_above_the_panel() -> None:
    far = record(evals=10, setting=9.0, rel_error=1e6, abs_error=NORM * 1e6)
    (axes,) = frontier_figure(pd.concat([sweep(), table([far])]), LIMIT).axes
    assert axes.get_ylim()[1] <= WORST
    assert ticks(axes, "above 10") == {STYLES["bptt"].color: [10.0]}
    assert ticks(axes) == {}


def test_the_band_holds_the_middle_half_of_the_samples() -> None:
    """Truth: the quartiles of twenty errors at each setting, and a break at no estimate."""
    rng = np.random.default_rng(0)
    errors = {1.0: rng.uniform(1e-2, 1e-1, 20), 0.5: np.full(20, 5.0), 0.25: rng.uniform(0, 1, 20)}
    errors[0.25][3] = np.nan
    rows = [
        record(setting=s, sample=k, evals=round(8 / s), rel_error=e, abs_error=NORM * e)
        if np.isfinite(e)
        else failure(setting=s, sample=k, evals=round(8 / s))
        for s, own in errors.items()
        for k, e in enumerate(own)
    ]
    x, low, high = band(table(rows), "evals", 0.0)
    np.testing.assert_allclose(x, [8, np.nan, 32])
    for place, setting in ((0, 1.0), (2, 0.25)):
        own = np.sort(np.where(np.isnan(errors[setting]), np.inf, errors[setting]))
        assert own[4] <= low[place] <= own[5]
        assert own[14] <= high[place] <= own[15]


def test_a_curve_that_goes_on_behind_the_panel_is_told() -> None:
    """One of twelve costs a thousand times as much: it does not take most of the axis."""
    far = sweep(("finite_difference",))
    far = far.assign(evals=1000 * far.evals, rel_error=far.rel_error.clip(lower=1e-3))
    others = sweep(tuple(name for name in DEFAULT_ESTIMATORS if name != "finite_difference"))
    records = pd.concat([others, far], ignore_index=True).query("setting > 1e-5")
    (axes,) = frontier_figure(records, LIMIT).axes
    assert axes.get_xlim()[1] < far.evals.max()
    (told,) = [text.get_text() for text in axes.texts if "→" in text.get_text()]
    assert told.startswith("finite_difference: 1e-03 at")


@pytest.mark.parametrize("name", ["bptt", "ctpg"])
def test_a_name_stands_at_the_end_of_its_curve(name: str) -> None:
    figure = frontier_figure(sweep().query("setting > 1e-5"), LIMIT)
    (axes,) = figure.axes
    (text,) = [text for text in axes.texts if text.get_text() == name]
    curve = np.column_stack(medians_of(name, axes).get_data()).astype(float)
    end = axes.transData.transform(curve[-1])
    box = text.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    away = np.maximum(np.maximum([box.x0, box.y0] - end, end - [box.x1, box.y1]), 0)
    assert np.hypot(*away) < 0.5 * figure.dpi
    assert to_hex(text.get_color()) == STYLES[name].color


@pytest.mark.parametrize("count", [1, 4])
def test_legends_and_titles_cover_no_data_and_fit_the_page(count: int) -> None:
    systems = ("lqr", "quadrotor", "differential_drive", "another")[:count]
    everything = [sweep(tuple(ESTIMATORS), system=s) for s in systems]
    limits = {(s, "optimal"): LIMIT for s in systems}
    # The figures of one problem are the same, however many there are.
    own = figures(everything[0]) if count == 1 else []
    drawn = [*own, headline(pd.concat(everything), limits)]
    columns = (*("evals", "stored_bytes", "wall_ratio")[: len(own)], "evals")
    for figure, column in zip(drawn, columns, strict=True):
        named = len(highlighted(everything[0], column))
        renderer = FigureCanvasAgg(figure).get_renderer()
        (legend,) = figure.legends
        taken = legend.get_window_extent(renderer)
        told = f"{len(ESTIMATORS) - named} other estimators"
        assert any(text.get_text().startswith(told) for text in legend.get_texts())
        for axes in figure.axes:
            assert not taken.overlaps(axes.get_tightbbox(renderer))
        page = figure.bbox
        assert taken.x0 >= 0
        assert taken.y0 >= 0
        assert taken.x1 <= page.x1
        assert taken.y1 <= page.y1
    assert len(drawn[-1].axes) == count


def test_a_legend_of_many_entries_fits_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradpareto.bench.draw.highlights.MOST_NAMED", len(ESTIMATORS))
    figure = headline(sweep(tuple(ESTIMATORS)[:40]), {("lqr", "optimal"): LIMIT})
    (legend,) = figure.legends
    assert len(legend.get_texts()) > 40
    taken = legend.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    assert taken.y0 >= 0
    assert taken.y1 <= figure.bbox.y1


def test_tick_labels_do_not_overlap() -> None:
    for figure in figures(sweep()) + figures(sweep().query("setting > 0.003")):
        renderer = FigureCanvasAgg(figure).get_renderer()
        (axes,) = figure.axes
        for axis in (axes.xaxis, axes.yaxis):
            labels = [x for x in axis.get_ticklabels() if x.get_text()]
            assert len(labels) >= 3
            boxes = [label.get_window_extent(renderer) for label in labels]
            assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_what_was_not_measured_is_said() -> None:
    figure = memory_figure(sweep().assign(stored_bytes=float("nan")))
    assert "not measured" in {text.get_text() for text in figure.axes[0].texts}


def test_figures_of_failures_alone() -> None:
    records = table([failure(evals=n, sample=s) for s, n in enumerate((0, 40))])
    for figure in figures(records):
        (strip,) = figure.axes[0].child_axes
        assert "of unknown cost" in strip.get_title("right")
        assert "not measured" in {text.get_text() for text in figure.axes[0].texts}


def test_fewer_samples_are_said_beside_the_name() -> None:
    records = sweep()
    records = records[(records.estimator == "bptt") | (records["sample"] == 0)]
    names = {text.get_text() for text in time_figure(records).axes[0].texts}
    assert {"bptt", "ctpg (1 sample)"} <= names
