"""Settings of all figures: colours for every kind of colour vision, print size, and file formats."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jsddpm_reports.outputs import MARK

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#9a9a9a"  # of Okabe and Ito, distinct without colour vision
BLUE_SOFT, ORANGE_SOFT, GREY_SOFT, INK, PAPER = "#8fc1e3", "#f2b98a", "#e4e4e4", "#000000", "#ffffff"
PATHOLOGY_STYLES = ((BLUE, "o"), (ORANGE, "s"))
"""Colour and marker of control and lesion."""

COLUMN_WIDTH, PAGE_WIDTH = 3.5, 7.2
"""Widths of one and of two columns of a journal, inches."""

CHARTS_ACROSS = 3

_STYLE: dict[Any, Any] = {
    "font.size": 8, "axes.labelsize": 8, "axes.titlesize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "lines.linewidth": 1.1,
    "lines.markersize": 3.5, "hatch.linewidth": 0.5, "axes.unicode_minus": True,
}  # fmt: skip
_SETTINGS: dict[Any, Any] = {
    key: value
    for key, value in mpl.rcParamsDefault.items()
    if not key.startswith(("backend", "interactive", "toolbar"))
} | _STYLE
"""Settings of figures and of their files: nothing of the caller's is left, such as LaTeX for text."""

_THEME = {
    INK: "currentColor", PAPER: "var(--bg)", BLUE: "var(--blue)", ORANGE: "var(--orange)", GREY: "var(--grey)",
    BLUE_SOFT: "var(--blue-soft)", ORANGE_SOFT: "var(--orange-soft)", GREY_SOFT: "var(--grey-soft)",
}  # fmt: skip
_LINK = "{http://www.w3.org/1999/xlink}href"
_Arguments = ParamSpec("_Arguments")


def styled(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    """Draw a figure in the print style, whatever the caller's settings are, and lay it out once for all its forms."""

    @wraps(draw)
    def inner(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
        with mpl.rc_context(_SETTINGS):
            figure = draw(*args, **kwargs)
            for axes in figure.axes:  # else the caller's size decides, outside the style, how many labels there are
                axes.tick_params(labelsize=_STYLE["xtick.labelsize"])
            if engine := figure.get_layout_engine():
                engine.execute(figure)
                figure.set_layout_engine("none")  # else each saving starts from where the one before left it
            return figure

    return inner


def small_charts(count: int, height: float, more: float, *, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure as wide as a page with so many charts, three to a row.

    Args:
        count: How many charts; the rest of the last row is empty.
        height: Height of a row, inches.
        more: Height beside the rows, as for a legend.
        sharey: Whether the vertical axes are the same.
    """
    down = -(-max(1, count) // CHARTS_ACROSS)
    figure = Figure(figsize=(PAGE_WIDTH, height * down + more), layout="constrained")
    grid = list(figure.subplots(down, CHARTS_ACROSS, squeeze=False, sharey=sharey).ravel())
    for axes in grid[count:]:
        axes.axis("off")
    return figure, grid[:count]


def png(figure: Figure, *, dpi: int = 150) -> bytes:
    """PNG bytes of a figure, the same for the same figure (no time stamp, no version)."""
    return _saved(figure, "png", {"Software": MARK}, dpi=dpi)


def pdf(figure: Figure) -> bytes:
    """PDF bytes with embedded fonts, the same for the same figure."""
    metadata = {"CreationDate": None, "Creator": MARK, "Producer": None}
    return _saved(figure, "pdf", metadata, {"pdf.fonttype": 42}, dpi=300)


def svg(figure: Figure, name: str, description: str) -> str:
    """The figure as inline SVG that takes the page's colours and font.

    It carries no style attribute, which a strict content security policy would ignore.

    Args:
        figure: The figure.
        name: What its ids begin with, unique on the page.
        description: Its text alternative.
    """
    settings = {"svg.fonttype": "none", "svg.hashsalt": name}
    text = _saved(figure, "svg", {"Date": None, "Creator": None}, settings, transparent=True)
    root = ElementTree.fromstring(text)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.partition("}")[2]
        if _LINK in element.attrib:
            element.set("href", element.attrib.pop(_LINK))
        _themed(element, name)
    for unused in ("width", "height", "version"):
        root.attrib.pop(unused, None)
    root.attrib |= {"class": "chart", "role": "img", "aria-label": description}
    return ElementTree.tostring(root, encoding="unicode")


def _saved(
    figure: Figure,
    form: str,
    metadata: dict[str, str | None],
    settings: dict[Any, Any] | None = None,
    **options: Any,
) -> bytes:
    stream = io.BytesIO()
    with mpl.rc_context(_SETTINGS | (settings or {})):
        figure.savefig(stream, format=form, metadata=metadata, **options)
    return stream.getvalue()


def _themed(element: ElementTree.Element, name: str) -> None:
    """Presentation attributes in the page's colours in place of a style attribute; short numbers."""
    style = element.attrib.pop("style", "")
    if element.tag == "text":
        element.set("fill", "currentColor")
    for part in filter(None, map(str.strip, style.split(";"))):
        key, _, value = part.partition(": ")
        if key != "font-family":
            element.set(key, _THEME.get(value, value))
    for key in {"d", "x", "y", "transform"} & set(element.attrib):
        element.set(key, re.sub(r"(\.\d\d)\d+", r"\1", " ".join(element.attrib[key].split())))
    _rename(element, name)


def _rename(element: ElementTree.Element, name: str) -> None:
    """Ids of this figure alone, and none that nothing refers to."""
    if "id" in element.attrib and element.tag in ("g", "svg", "text"):
        del element.attrib["id"]
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif "url(#" in value:
            element.set(key, value.replace("url(#", f"url(#{name}-"))
        elif key == "href" and value.startswith("#"):
            element.set(key, f"#{name}-{value[1:]}")
