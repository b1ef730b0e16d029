"""Writes figures to files, whole, and the same bytes for the same figure."""

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from gradpareto.whole_file import write_whole

DPI = 150


def write(figure: Figure, stem: str) -> list[Path]:
    """Write stem.png and stem.svg, and return the paths."""
    figure.set_dpi(DPI)  # print_svg changes it
    raster, vector = Path(f"{stem}.png"), Path(f"{stem}.svg")
    write_png(figure, raster)
    with mpl.rc_context({"svg.hashsalt": "gradpareto"}):
        canvas: Any = FigureCanvasSVG(figure)
        drawn = io.BytesIO()
        canvas.print_svg(drawn, metadata={"Date": None})
    write_whole(vector, drawn.getvalue())
    return [raster, vector]


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, at its own resolution."""
    canvas: Any = FigureCanvasAgg(figure)
    drawn = io.BytesIO()
    canvas.print_png(drawn)
    write_whole(path, drawn.getvalue())
