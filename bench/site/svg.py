"""Figures as SVG inside a page: without styles in attributes, and with data at each point.

matplotlib's SVG has `style` attributes, which the pages' Content-Security-Policy refuses, and
identifiers that are the same in every figure. Both are written anew here, and an artist that has
a `gid` becomes a series, whose points carry a title and data attributes for the script.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
LINKED = re.compile(r"url\(#([^)]+)\)")
FONT = re.compile(r"(?:(bold|[5-9]00)\s+)?([\d.]+)px")
DROPPED = {"metadata", "style"}
ElementTree.register_namespace("", SVG[1:-1])


@dataclass(frozen=True)
class Point:
    """A point of a series: its title, and its data attributes without the prefix `data-`."""

    title: str
    data: Mapping[str, str]


@dataclass(frozen=True)
class Series:
    """The changes to the artist with the identifier `gid`: its attributes, and its points.

    The points are those of its markers, in their order; there are none for a line.
    """

    gid: str
    attributes: Mapping[str, str]
    points: Sequence[Point] = field(default_factory=tuple)


def inline_svg(figure: Figure, prefix: str, label: str, series: Sequence[Series] = ()) -> Markup:
    """Return a figure as an `svg` element.

    `prefix` tells its identifiers from those of other figures of the page, and `label` says in
    words, to those who cannot see it, what it shows.
    """
    root = _drawn(figure)
    kept = {SVG + name for name in ("path", "clipPath")}
    found = {element.get("id", ""): element for element in root.iter()}
    for one in series:
        if one.gid in found:
            _mark(found[one.gid], one)
    _prune(root)
    for element in root.iter():
        _restyle(element)
        _relink(element, prefix)
        if "id" in element.attrib:
            if element.tag in kept:
                element.set("id", prefix + element.attrib["id"])
            else:
                del element.attrib["id"]
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"class": "plot", "role": "img", "aria-label": label}
    text = ElementTree.tostring(root, encoding="unicode")
    return Markup(text)  # ElementTree has escaped it


def _drawn(figure: Figure) -> ElementTree.Element:
    """Draw a figure, with its texts as texts, and parse what was drawn."""
    drawn, canvas = io.BytesIO(), None
    with mpl.rc_context({"svg.hashsalt": "gradpareto", "svg.fonttype": "none"}):
        canvas = FigureCanvasSVG(figure)
        write: Any = canvas.print_svg
        write(drawn, metadata={"Date": None})
    return ElementTree.fromstring(drawn.getvalue())


def _prune(root: ElementTree.Element) -> None:
    """Remove what a page has no use for."""
    for parent in root.iter():
        for child in list(parent):
            if child.tag.rpartition("}")[2] in DROPPED:
                parent.remove(child)


def _mark(group: ElementTree.Element, series: Series) -> None:
    """Give a series its attributes, and each of its markers its point's."""
    group.attrib |= dict(series.attributes)
    if not series.points:
        return
    markers = list(group.iter(f"{SVG}use"))
    for marker, point in zip(markers, series.points, strict=True):
        marker.attrib |= {f"data-{name}": value for name, value in point.data.items()}
        ElementTree.SubElement(marker, f"{SVG}title").text = point.title
    look = [marker.attrib.pop("style", "") for marker in markers]
    if look:  # all markers of a series look alike
        group.set("style", look[0])


def _restyle(element: ElementTree.Element) -> None:
    """Turn the `style` attribute of an element into attributes of their own."""
    for part in element.attrib.pop("style", "").split(";"):
        name, colon, value = (text.strip() for text in part.partition(":"))
        if not colon or name == "font-family":
            continue
        if name == "font":
            found = FONT.search(value)
            if found:
                element.set("font-size", found[2])
            if found and found[1]:
                element.set("font-weight", found[1])
        else:
            element.set(name, value)


def _relink(element: ElementTree.Element, prefix: str) -> None:
    """Let the references of an element name identifiers that begin with the prefix."""
    target = element.attrib.pop(f"{XLINK}href", None)
    if target is not None:
        element.set("href", f"#{prefix}{target.removeprefix('#')}")
    for name, value in element.attrib.items():
        if "url(#" in value:
            element.set(name, LINKED.sub(rf"url(#{prefix}\1)", value))
