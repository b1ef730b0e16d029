"""The look of each estimator in every figure: its family's hue, with its own marker and dashes."""

import zlib
from dataclasses import dataclass
from itertools import product, starmap
from typing import Any

import seaborn as sns
from matplotlib.colors import to_hex

from gradpareto.bench.draw.families import UNKNOWN, family_of
from gradpareto.estimators import ESTIMATORS

SOLID: tuple[float, ...] = ()
DASHED, DOTTED, MIXED = (5, 1.5), (1.2, 1.2), (6, 1.5, 1.2, 1.5)


@dataclass(frozen=True)
class Style:
    """The look of an estimator in every figure."""

    color: str
    marker: str | tuple[int, int, int]
    dash: tuple[float, ...]

    def median(self) -> dict[str, Any]:
        """The look of its line."""
        large = self.marker in ("*", "P", "d") or isinstance(self.marker, tuple)
        look = {"color": self.color, "marker": self.marker, "linestyle": (0, self.dash), "lw": 1.8}
        return look | {"ms": 8 if large else 6.5, "mec": "white", "mew": 0.5}


CHOSEN: dict[str, Style] = {
    "bptt": Style("#10286e", "o", SOLID),
    "bptt-rk4": Style("#2300fa", "s", DOTTED),
    "bptt-dop853": Style("#8b92a6", "D", MIXED),
    "bptt-adaptive-dop853": Style("#664a74", "v", DASHED),
    "gauss_legendre-4": Style("#8b0abc", "X", DOTTED),
    "revolve-rk4": Style("#1179ff", "<", MIXED),
    "ctpg": Style("#b0180a", "^", SOLID),
    "ctpg-dop853": Style("#441208", "d", DASHED),
    "multistep_adjoint": Style("#c9780a", "*", SOLID),
    "neural_ode": Style("#00a65d", "P", SOLID),
    "neural_ode-checkpointed": Style("#086749", ">", DASHED),
    "finite_difference": Style("#1d0920", "h", DOTTED),
}
"""Those of the default plan, chosen by hand: they stay apart with any colour blindness."""

HUES = {
    "discretise first": (258, 0.85),
    "discretise first, implicit": (285, 0.75),
    "discretise first, less memory": (225, 0.9),
    "adjoint first": (14, 0.9),
    "adjoint first, implicit": (60, 0.9),
    "adjoint first, less memory": (145, 0.85),
    "forward": (80, 0.12),
    "stochastic": (330, 0.8),
    UNKNOWN: (0, 0.0),
}
"""The hue in degrees and the saturation of each family, in the colour space HSLuv."""
GOLDEN = 0.6180339887
DARKEST, LIGHTEST = 0.2, 0.59
"""The range of lightness: a lighter colour has less than three times the contrast of white."""
_MARKERS = ("o", "s", "D", "^", "v", "<", ">", "p", "h", "P", "X", "d", "H", "*")
_DASHES = (SOLID, DASHED, DOTTED, MIXED)

_SPARE_COLORS = ("#b0308f", "#e889c6", "#6f1d5c", "#9a6bff", "#000000")
_SPARE_MARKERS = ("8", (3, 1, 0), (5, 1, 180), (8, 1, 0), (3, 0, 180), (7, 0, 0))
SPARE = list(starmap(Style, product(_SPARE_COLORS, _SPARE_MARKERS, (SOLID, DASHED, DOTTED, MIXED))))


def family_color(family: str, lightness: float = 0.45, turn: float = 0.0) -> str:
    """The family's hue at a lightness between 0 and 1, turned by an angle in degrees."""
    hue, saturation = HUES[family]
    (color,) = sns.husl_palette(1, h=(hue + turn) % 360 / 360, s=saturation, l=lightness)
    return str(to_hex(color))


def style_of(estimator: str) -> Style:
    """Return the estimator's look: its place among those registered by now decides it.

    An estimator that is not registered has a look that its name alone decides.
    """
    if estimator in CHOSEN:
        return CHOSEN[estimator]
    if estimator not in ESTIMATORS:
        return SPARE[zlib.crc32(estimator.encode()) % len(SPARE)]
    before, family = list(ESTIMATORS).index(estimator), family_of(estimator)
    relatives = [name for name in list(ESTIMATORS)[:before] if family_of(name) == family]
    place = sum(name not in CHOSEN for name in relatives)
    # Neighbours differ most: the golden section spreads any number of them over the range.
    spread = (0.5 + GOLDEN * place) % 1
    color = family_color(family, DARKEST + spread * (LIGHTEST - DARKEST), _turned(spread))
    taken = {style.marker for name, style in CHOSEN.items() if family_of(name) == family}
    markers = [marker for marker in _MARKERS if marker not in taken]
    around, at = divmod(place, len(markers))
    return Style(color, markers[at], _DASHES[(at + around) % len(_DASHES)])


def _turned(spread: float) -> float:
    """Return the angle in degrees by which a hue is turned, between -12 and 12."""
    return 24 * ((GOLDEN * spread * 7) % 1 - 0.5)


def by_family(names: set[str]) -> list[str]:
    """Sort names for a legend: families together, and each in the order of registration."""
    families = list(HUES)
    place = {name: (families.index(family_of(name)), k) for k, name in enumerate(ESTIMATORS)}
    return sorted(names, key=lambda name: (place.get(name, (len(families), 0)), name))
