"""Figures as files: PNG, SVG and PDF for papers, HTML that is interactive and works offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import holoviews as hv

import workbench.plots.style  # noqa: F401  loads the renderer
from workbench.core.entries import public
from workbench.core.errors import ExportError

#: Formats that Matplotlib writes, and the interactive page.
IMAGES, PAGES = (".png", ".svg", ".pdf"), (".html",)


@public
def save(
    figure: Any, path: str | Path, *, width: int = 640, height: int = 480, dpi: int = 200, title: str = ""
) -> Path:
    """Write a figure to a file whose ending is the format; returns its path.

    Parameters
    ----------
    figure : what a plot returns, another HoloViews object, or a figure of Bokeh or Matplotlib.
    path : file that ends in .png, .svg, .pdf (drawn by Matplotlib, without a browser) or .html.
    width, height : size of each plot in pixels, of which 96 make an inch; not of a figure of Matplotlib.
    dpi : pixels per inch of a PNG.
    title : title of an HTML page.

    Raises `ExportError` for another ending, for what is no figure, and where Matplotlib is not installed.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in IMAGES + PAGES:
        raise ExportError(
            f"The figure cannot be written to '{path.name}'",
            expected=f"a file that ends in {', '.join(IMAGES + PAGES)}",
            found=f"the ending '{ending}'",
        )
    if hasattr(figure, "savefig") and ending in IMAGES:
        figure.savefig(path, dpi=dpi, bbox_inches="tight")
        return path
    model = _bokeh_model(figure, width, height)
    if ending in PAGES:
        from bokeh.embed import file_html
        from bokeh.resources import INLINE

        path.write_text(file_html(model, INLINE, title=title or path.stem), encoding="utf-8")
        return path
    _write_image(model, path, width, height, dpi)
    return path


def _bokeh_model(figure: Any, width: int, height: int) -> Any:
    from bokeh.model import Model

    if isinstance(figure, Model):
        return figure
    if not isinstance(figure, hv.core.Dimensioned):
        raise ExportError(
            "This is no figure",
            expected="what a plot returns, such as plots.corner(draws)",
            found=type(figure).__name__,
        )
    model = hv.render(figure, backend="bokeh")
    for plot, _ in _plots(model):
        plot.update(sizing_mode="fixed", width=width, height=height)
    return model


def _plots(model: Any, place: tuple[int, int] = (0, 0)) -> Iterator[tuple[Any, tuple[int, int]]]:
    """Iterate over the plots in a layout of Bokeh, each with its (row, column)."""
    from bokeh.models import Column, GridPlot, Plot, Row, Tabs

    row, column = place
    if isinstance(model, Plot):
        yield model, place
    elif isinstance(model, GridPlot):
        for child, r, c, *_ in model.children:
            yield from _plots(child, (row + r, column + c))
    elif isinstance(model, (Row, Column, Tabs)):
        children = [tab.child for tab in model.tabs] if isinstance(model, Tabs) else model.children
        for i, child in enumerate(children):
            yield from _plots(child, (row, column + i) if isinstance(model, Row) else (row + i, column))


def _write_image(model: Any, path: Path, width: int, height: int, dpi: int) -> None:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ExportError(
            f"A {path.suffix[1:].upper()} file is drawn by Matplotlib",
            expected="an installed matplotlib",
            found="none",
            suggestion="install it with `pip install matplotlib`, or write an .html file",
        ) from error
    from workbench.plots.painter import paint

    plots = list(_plots(model))
    if not plots:
        raise ExportError("There is no plot to write", found=type(model).__name__)
    rows, columns = (1 + max(place[i] for _, place in plots) for i in (0, 1))
    sheet = Figure(figsize=(columns * width / 96, rows * height / 96), layout="constrained")
    FigureCanvasAgg(sheet)
    for plot, (row, column) in plots:
        paint(plot, sheet.add_subplot(rows, columns, row * columns + column + 1))
    # texts as texts, so that they can be searched and edited; no date, so that equal figures are equal files
    from matplotlib import rc_context

    no_date = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix.lower(), {})
    with rc_context({"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "workbench"}):
        sheet.savefig(path, dpi=dpi, metadata=no_date)
