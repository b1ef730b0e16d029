"""The look of an estimator in a legend that is text: a piece of its line with its marker."""

from functools import cache

from markupsafe import Markup
from matplotlib.markers import MarkerStyle
from matplotlib.transforms import Affine2D

from gradpareto.bench.draw.styles import style_of

LETTERS = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}
"""The letters of SVG for the codes of a path of matplotlib's."""
SIZE = 8.0


@cache
def swatch(estimator: str) -> Markup:
    """Return an `svg` element, which screen readers pass over."""
    style = style_of(estimator)
    marker = MarkerStyle(style.marker)
    scaled = Affine2D().scale(SIZE, -SIZE)
    path = marker.get_path().transformed(marker.get_transform() + scaled)
    parts = [
        LETTERS[int(code)] + ("" if code == 79 else " ".join(f"{v:.2f}" for v in values))
        for values, code in path.iter_segments(curves=True, simplify=False)
    ]
    dashes = " ".join(f"{2 * part:g}" for part in style.dash) or "none"
    return Markup(
        '<svg class="swatch" viewBox="-16 -8 32 16" aria-hidden="true">'
        '<path d="M-16 0H16" fill="none" stroke="{color}" stroke-width="2" '
        'stroke-dasharray="{dashes}"/>'
        '<path d="{marker}" fill="{color}" stroke="#ffffff" stroke-width="0.8"/></svg>'
    ).format(color=style.color, dashes=dashes, marker=" ".join(parts))
