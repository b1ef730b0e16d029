"""The figure of profiles over problems: performance profiles, and runtime distributions."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, PercentFormatter

from gradpareto.bench.draw.highlights import ALWAYS
from gradpareto.bench.draw.panel import OTHER
from gradpareto.bench.draw.sheet import sheet
from gradpareto.bench.draw.styles import style_of
from gradpareto.bench.judge.profiles import Profile

NAMED = 6
"""The estimators with the largest areas, which are named beside those of the paper."""


def profile_figure(factors: Mapping[str, Profile], evals: Mapping[str, Profile]) -> Figure:
    """Draw two panels: shares by the factor of the best's evaluations, and by evaluations.

    The bands hold 95 % of draws of the systems: those of the first and of the paper's estimators,
    since more would cover each other. Estimators go by their areas.
    """
    with sheet(12.5, 6.4) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        _draw(left, factors)
        left.set(xlabel="factor of the fewest evaluations", title="within a factor of the best")
        left.set_ylabel("share of problems and target errors")
        left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        _draw(right, evals)
        right.set(xlabel="evaluations of a sample", title="reached within a number of evaluations")
        right.set_ylabel("share of samples and target errors")
        right.yaxis.set_tick_params(labelleft=True)
        note = "bands: 95 % of draws of the systems, for the first and for the paper's estimators"
        figure.supxlabel(note, x=0.01, ha="left", size="small", color="0.3")
        right.xaxis.set_major_formatter(EngFormatter(sep=""))
        left.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def _draw(axes: Axes, profiles: Mapping[str, Profile]) -> None:
    """Draw the profiles, in grey but for the named ones, and a legend in the order of areas."""
    named = [*list(profiles)[:NAMED], *(name for name in ALWAYS if name in profiles)]
    banded = (named[0], *ALWAYS)
    for name, profile in profiles.items():
        if name not in named:
            axes.plot(profile.at, profile.share, zorder=2, **OTHER)
            continue
        style = style_of(name)
        look: dict[str, Any] = style.median() | {"markevery": 0.12}
        if name in banded:
            ends = profile.low, profile.high
            axes.fill_between(profile.at, *ends, color=style.color, alpha=0.12, lw=0)
        axes.plot(profile.at, profile.share, label=name, zorder=5, **look)
    axes.set(xscale="log", ylim=(0, 1))
    first = next(iter(profiles.values()))
    axes.set_xlim(first.at[0], first.at[-1])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, fontsize=8.5)
