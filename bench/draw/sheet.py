"""The sheet that every figure is drawn on: its style, and its layout, which is settled once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from gradpareto.bench.draw.figure_files import DPI


@contextmanager
def sheet(width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure to draw on, in inches, and place everything once at the end."""
    own: Any = {"font.sans-serif": ["DejaVu Sans"], "legend.frameon": False}
    own |= {"grid.color": "#ebebeb", "axes.edgecolor": "#9a9a9a"}
    context = sns.plotting_context("notebook", font_scale=0.95)
    with sns.axes_style("whitegrid"), context, mpl.rc_context(own):
        figure = Figure((width, height), DPI, layout="constrained")
        yield figure
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
