"""Writes figures to files, whole, and the same bytes for the same figure."""

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from gradpareto.whole_file import write_whole

DPI = 150
COLORS = 256


def write(figure: Figure, stem: str) -> list[Path]:
    """Write stem.png, stem.svg and stem.pdf, and return the paths."""
    figure.set_dpi(DPI)  # print_svg and print_pdf change it
    raster, vector, paper = (Path(f"{stem}.{end}") for end in ("png", "svg", "pdf"))
    write_png(figure, raster)
    with mpl.rc_context({"svg.hashsalt": "gradpareto", "pdf.fonttype": 42}):
        svg: Any = FigureCanvasSVG(figure)
        svg.print_svg(drawn := io.BytesIO(), metadata={"Date": None})
        write_whole(vector, drawn.getvalue())
        pdf: Any = FigureCanvasPdf(figure)
        pdf.print_pdf(drawn := io.BytesIO(), metadata={"CreationDate": None})
        write_whole(paper, drawn.getvalue())
    return [raster, vector, paper]


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, at its own resolution.

    A palette of 256 colours takes a third of the bytes, and nobody sees the difference in a figure
    of lines.
    """
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    palette = drawn.quantize(COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(packed := io.BytesIO(), "PNG", optimize=True, dpi=(figure.dpi, figure.dpi))
    write_whole(path, packed.getvalue())
