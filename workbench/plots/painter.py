"""Figures of Bokeh drawn with Matplotlib, glyph by glyph, for files without a browser.

HoloViews draws with Bokeh, which needs a browser to write an image. The plots use a dozen kinds of glyphs;
this module draws each of them with its colours, on the same axes, with the same ticks and legend entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from bokeh.core.property.vectorization import Field, Value
from bokeh.models import (
    CategoricalColorMapper,
    GlyphRenderer,
    Legend,
    LogColorMapper,
    Span,
    Whisker,
)

from workbench.core.errors import ExportError
from workbench.plots import frame
from workbench.plots.frame import plain, rgba

#: Points of a typographer for each pixel of a screen.
POINTS = 0.75
MARKERS = {
    "circle": "o",
    "dot": ".",
    "cross": "+",
    "plus": "+",
    "x": "x",
    "square": "s",
    "diamond": "D",
    "triangle": "^",
    "inverted_triangle": "v",
    "star": "*",
    "hex": "h",
    "dash": "_",
    "asterisk": "x",
}
DASHES = {"dashed": [6], "dotted": [2, 4], "dotdash": [2, 4, 6, 4], "dashdot": [6, 4, 2, 4], "solid": []}
_OPEN_MARKERS = "+x_"


def paint(figure: Any, axes: Any) -> None:
    """Draw a Bokeh figure into Matplotlib's ``axes``. Raises `ExportError` for a glyph that is not known."""
    frame.set_axes(figure, axes)
    for renderer in figure.renderers:
        if renderer.visible and isinstance(renderer, GlyphRenderer):
            Glyph(renderer, axes).draw()
    for part in (*figure.center, *figure.renderers):
        if isinstance(part, Span):
            _draw_span(part, axes)
        elif isinstance(part, Whisker):
            _draw_whisker(part, axes)
    frame.limit(figure, axes)
    _add_legend(figure, axes)
    frame.add_colour_bars(figure, axes)


class Glyph:
    """One glyph of a Bokeh figure with its columns."""

    def __init__(self, renderer: GlyphRenderer, axes: Any) -> None:
        self.renderer, self.axes, self.glyph = renderer, axes, renderer.glyph
        self.columns = renderer.data_source.data
        self.order = 2.0

    def draw(self) -> None:
        """Draw the glyph with the function for its kind."""
        kind = type(self.glyph).__name__
        if kind not in PAINTERS:
            raise ExportError(
                "The figure cannot be written to this kind of file",
                expected=f"glyphs of the kinds {', '.join(PAINTERS)}",
                found=kind,
                suggestion="write an .html file",
            )
        if any(len(np.atleast_1d(v)) for v in self.columns.values()) or not self.columns:
            PAINTERS[kind](self)

    def get(self, name: str) -> Any:
        """Return a property: one value, or an array with one value for each row."""
        spec = getattr(self.glyph, name, None)
        descriptor = self.glyph.lookup(name, raises=False)
        if hasattr(descriptor, "get_value"):  # a constant, or the name of a column
            spec = descriptor.get_value(self.glyph)
        if isinstance(spec, Field):
            values = self.columns[spec.field]
            mapper = getattr(spec, "transform", None)
            return _mapped(values, mapper) if mapper is not None and hasattr(mapper, "palette") else values
        return spec.value if isinstance(spec, Value) else spec

    def numbers(self, name: str) -> np.ndarray:
        """Return a coordinate as an array of floats."""
        values = np.atleast_1d(np.asarray(self.get(name)))
        return values.astype(float) if values.dtype != object else _places(values, self.axes)

    def colour(self, part: str) -> Any:
        """Return colour and transparency of ``line``, ``fill`` or ``text``, as Matplotlib takes them."""
        colour, alpha = self.get(f"{part}_color"), self.get(f"{part}_alpha")
        alphas = np.nan_to_num(np.asarray(1.0 if alpha is None else alpha, dtype=float))
        if colour is None:
            return (0, 0, 0, 0)
        if isinstance(colour, str) and alphas.ndim == 0:
            return rgba(colour, float(alphas))
        colours = [colour] * alphas.size if isinstance(colour, str) else list(colour)
        spread = np.broadcast_to(alphas, len(colours))
        return [rgba(c, float(a)) for c, a in zip(colours, spread, strict=True)]

    @property
    def width(self) -> Any:
        """Width of lines in points."""
        width = self.get("line_width")
        return POINTS * np.asarray(1.0 if width is None else width, dtype=float)

    @property
    def dash(self) -> Any:
        """Style of lines, as Matplotlib takes it."""
        dash = self.get("line_dash")
        pattern = DASHES.get(dash, dash) if isinstance(dash, str) else dash
        if isinstance(pattern, str):
            pattern = [int(n) for n in pattern.split()]
        if not pattern or not all(isinstance(n, (int, float, np.number)) for n in pattern):
            return "-"
        pattern = list(pattern) * (1 + len(pattern) % 2)
        width = max(float(np.max(self.width)), 1e-3)
        return (0, [POINTS * n / width for n in pattern])


def _places(values: np.ndarray, axes: Any) -> np.ndarray:
    names = getattr(axes, "workbench_factors", {})
    return np.asarray([names.get(str(v), np.nan) if isinstance(v, str) else float(v) for v in values])


def _mapped(values: Any, mapper: Any) -> list[str]:
    palette = list(mapper.palette)
    if isinstance(mapper, CategoricalColorMapper):
        table = {str(f): palette[i % len(palette)] for i, f in enumerate(mapper.factors)}
        return [table.get(str(v), "gray") for v in values]
    numbers = np.asarray(values, dtype=float)
    place = _normalised(numbers, mapper) * len(palette)
    index = np.clip(np.nan_to_num(place), 0, len(palette) - 1).astype(int)
    return ["#00000000" if not np.isfinite(v) else palette[i] for v, i in zip(numbers, index, strict=True)]


def _normalised(values: np.ndarray, mapper: Any) -> np.ndarray:
    low = np.nanmin(values) if mapper.low is None else mapper.low
    high = np.nanmax(values) if mapper.high is None else mapper.high
    with np.errstate(all="ignore"):
        if isinstance(mapper, LogColorMapper):
            values, low, high = np.log(values), np.log(low), np.log(high)
        return (values - low) / ((high - low) or 1.0)


# ---- glyphs
def _scatter(glyph: Glyph) -> None:
    x, y, marker = glyph.numbers("x"), glyph.numbers("y"), glyph.get("marker")
    markers = marker if isinstance(marker, str) else next(iter(marker), "circle")
    shape = MARKERS.get(markers, "o")
    line, fill = glyph.colour("line"), glyph.colour("fill")
    size = np.broadcast_to(np.asarray(glyph.get("size"), dtype=float), len(x)) * POINTS
    colours = {"color": line} if shape in _OPEN_MARKERS else {"facecolors": fill, "edgecolors": line}
    style = {"marker": shape, "linewidths": glyph.width, "zorder": glyph.order}
    glyph.axes.scatter(x, y, s=size**2, **style, **colours)


def _line(glyph: Glyph) -> None:
    glyph.axes.plot(
        glyph.numbers("x"),
        glyph.numbers("y"),
        color=glyph.colour("line"),
        linewidth=float(glyph.width),
        linestyle=glyph.dash,
        zorder=glyph.order,
    )


def _step(glyph: Glyph) -> None:
    where = {"before": "pre", "after": "post", "center": "mid"}[glyph.glyph.mode]
    x, y = glyph.numbers("x"), glyph.numbers("y")
    glyph.axes.step(x, y, where=where, color=glyph.colour("line"), linewidth=float(glyph.width))


def _lines(glyph: Glyph, paths: list[np.ndarray]) -> None:
    from matplotlib.collections import LineCollection

    style = {"colors": glyph.colour("line"), "linewidths": glyph.width, "linestyles": glyph.dash}
    glyph.axes.add_collection(LineCollection(paths, zorder=glyph.order, **style))


def _multi_line(glyph: Glyph) -> None:
    pairs = zip(glyph.get("xs"), glyph.get("ys"), strict=True)
    _lines(glyph, [np.column_stack([np.asarray(x, float), np.asarray(y, float)]) for x, y in pairs])


def _segment(glyph: Glyph) -> None:
    ends = [glyph.numbers(name) for name in ("x0", "y0", "x1", "y1")]
    _lines(glyph, list(np.stack(ends, 1).reshape(-1, 2, 2)))


def _shapes(glyph: Glyph, outlines: list[np.ndarray]) -> None:
    from matplotlib.collections import PolyCollection

    glyph.axes.add_collection(
        PolyCollection(
            outlines,
            facecolors=glyph.colour("fill"),
            edgecolors=glyph.colour("line"),
            linewidths=glyph.width,
            zorder=glyph.order - 0.5,
        )
    )


def _patches(glyph: Glyph) -> None:
    pairs = zip(glyph.get("xs"), glyph.get("ys"), strict=True)
    _shapes(glyph, [np.column_stack([np.asarray(x, float), np.asarray(y, float)]) for x, y in pairs])


def _patch(glyph: Glyph) -> None:
    outline = np.column_stack([glyph.numbers("x"), glyph.numbers("y")])
    _shapes(glyph, [outline[np.isfinite(outline).all(1)]])


def _multi_polygons(glyph: Glyph) -> None:
    outlines = [
        np.column_stack([np.asarray(x[0], float), np.asarray(y[0], float)])
        for xs, ys in zip(glyph.get("xs"), glyph.get("ys"), strict=True)
        for x, y in zip(xs, ys, strict=True)
    ]
    _shapes(glyph, outlines)


def _boxes(glyph: Glyph, left: Any, right: Any, bottom: Any, top: Any) -> None:
    edges = np.broadcast_arrays(left, bottom, right, bottom, right, top, left, top)
    _shapes(glyph, list(np.stack(edges, -1).reshape(-1, 4, 2)))


def _quad(glyph: Glyph) -> None:
    _boxes(glyph, *(glyph.numbers(side) for side in ("left", "right", "bottom", "top")))


def _rect(glyph: Glyph) -> None:
    x, y, width, height = (glyph.numbers(name) for name in ("x", "y", "width", "height"))
    _boxes(glyph, x - width / 2, x + width / 2, y - height / 2, y + height / 2)


def _vertical_bar(glyph: Glyph) -> None:
    x, half = glyph.numbers("x"), glyph.numbers("width") / 2
    _boxes(glyph, x - half, x + half, glyph.numbers("bottom"), glyph.numbers("top"))


def _horizontal_bar(glyph: Glyph) -> None:
    y, half = glyph.numbers("y"), glyph.numbers("height") / 2
    _boxes(glyph, glyph.numbers("left"), glyph.numbers("right"), y - half, y + half)


def _vertical_area(glyph: Glyph) -> None:
    x, low, high = (glyph.numbers(name) for name in ("x", "y1", "y2"))
    glyph.axes.fill_between(x, low, high, color=glyph.colour("fill"), linewidth=0, zorder=glyph.order - 0.5)


def _image(glyph: Glyph) -> None:
    from matplotlib.colors import ListedColormap, LogNorm, Normalize

    mapper = glyph.glyph.color_mapper
    palette = ListedColormap([rgba(c, 1.0) for c in mapper.palette])
    alpha = glyph.get("global_alpha")
    sides = zip(*(np.atleast_1d(glyph.get(n)) for n in ("x", "y", "dw", "dh")), strict=False)
    for image, (x, y, width, height) in zip(glyph.get("image"), sides, strict=False):
        values = np.ma.masked_invalid(np.asarray(image, dtype=float))
        low = values.min() if mapper.low is None else mapper.low
        high = values.max() if mapper.high is None else mapper.high
        norm = (LogNorm if isinstance(mapper, LogColorMapper) else Normalize)(low, high)
        glyph.axes.imshow(
            values,
            cmap=palette,
            norm=norm,
            origin="lower",
            extent=(x, x + width, y, y + height),
            aspect="auto",
            alpha=float(np.max(1.0 if alpha is None else alpha)),
            interpolation="nearest",
            zorder=1,
        )


def _text(glyph: Glyph) -> None:
    across = {"left": "left", "right": "right", "center": "center"}
    down = {"top": "top", "bottom": "bottom", "middle": "center", "alphabetic": "baseline"}
    size, colour = glyph.get("text_font_size"), glyph.colour("text")
    unit = POINTS if str(size).endswith("px") else 1.0
    size = float(str(size).removesuffix("pt").removesuffix("px")) * unit
    texts = np.atleast_1d(np.asarray(glyph.get("text"), dtype=object))
    for x, y, text in zip(glyph.numbers("x"), glyph.numbers("y"), texts, strict=True):
        glyph.axes.text(
            x,
            y,
            plain(text),
            fontsize=size,
            color=colour[0] if isinstance(colour, list) else colour,
            ha=across.get(glyph.get("text_align"), "center"),
            va=down.get(glyph.get("text_baseline"), "center"),
            zorder=glyph.order + 1,
            clip_on=True,
        )


PAINTERS: dict[str, Callable[[Glyph], None]] = {
    "Scatter": _scatter,
    "Circle": _scatter,
    "Line": _line,
    "Step": _step,
    "MultiLine": _multi_line,
    "Segment": _segment,
    "Patch": _patch,
    "Patches": _patches,
    "MultiPolygons": _multi_polygons,
    "Quad": _quad,
    "Rect": _rect,
    "VBar": _vertical_bar,
    "HBar": _horizontal_bar,
    "VArea": _vertical_area,
    "Image": _image,
    "Text": _text,
}


def _draw_span(span: Span, axes: Any) -> None:
    draw = axes.axhline if span.dimension == "width" else axes.axvline
    colour = rgba(span.line_color or "#000000", float(span.line_alpha))
    draw(float(span.location), color=colour, linewidth=POINTS * float(span.line_width), zorder=2)


def _draw_whisker(whisker: Whisker, axes: Any) -> None:
    columns = whisker.source.data
    names = {name: whisker.lookup(name).get_value(whisker).field for name in ("base", "lower", "upper")}
    base, low, high = (np.asarray(columns[name], dtype=float) for name in names.values())
    upright = whisker.dimension == "height"
    ends = (base, base, low, high) if upright else (low, high, base, base)
    colour = whisker.line_color.value if isinstance(whisker.line_color, Value) else whisker.line_color
    axes.plot(ends[:2], ends[2:], color=rgba(str(colour or "#000000"), 1.0), linewidth=1)


# ---- legend
def _legend_entries(figure: Any) -> Iterator[tuple[Any, str, Legend]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    for legend in figure.select(Legend):
        for item in legend.items if legend.visible else ():
            renderer = next(iter(item.renderers), None)
            label = item.label.value if isinstance(item.label, Value) else None
            if renderer is None or not item.visible or not label or not renderer.visible:
                continue
            if not _has_data(renderer):
                continue
            glyph, kind = Glyph(renderer, None), type(renderer.glyph).__name__
            line, fill = (_first(glyph.colour(part)) for part in ("line", "fill"))
            if kind == "Scatter":
                marker = glyph.get("marker")
                shape = MARKERS.get(marker if isinstance(marker, str) else "circle", "o")
                face = line if shape in _OPEN_MARKERS or not fill[3] else fill
                style = {"markerfacecolor": fill, "markeredgecolor": face, "markersize": 5}
                handle = Line2D([], [], linestyle="", marker=shape, **style)
            elif kind in ("Line", "MultiLine", "Segment", "Step"):
                width = float(np.max(glyph.width))
                handle = Line2D([], [], color=line, linestyle=glyph.dash, linewidth=width)
            else:
                handle = Patch(facecolor=fill, edgecolor=line)
            yield handle, plain(label), legend


def _has_data(renderer: GlyphRenderer) -> bool:
    return any(len(np.atleast_1d(column)) for column in renderer.data_source.data.values())


def _first(colour: Any) -> Any:
    return colour[0] if isinstance(colour, list) and colour else colour or (0, 0, 0, 0)


def _add_legend(figure: Any, axes: Any) -> None:
    entries = list(_legend_entries(figure))
    if not entries:
        return
    handles, labels, legends = zip(*entries, strict=True)
    inside = legends[0] in figure.center
    upright = legends[0].orientation == "vertical"
    place = {"loc": "upper right"} if inside else {"loc": "lower left", "bbox_to_anchor": (0, 1.0)}
    if not inside and legends[0] in figure.right:
        place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    elif not inside and axes.get_title():
        axes.set_title(axes.get_title(), fontsize=10, pad=16 + 12 * (len(labels) if upright else 1))
    axes.legend(
        handles, labels, fontsize=8, frameon=False, ncols=1 if upright else min(len(labels), 4), **place
    )
