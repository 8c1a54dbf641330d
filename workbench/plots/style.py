"""Style of every plot: colours, sizes, and the hook that fixes the axes.

Colours: blue for data, reference and target, orange for the model. Both have a contrast of at least 3 to 1
against white and against a dark page, differ for every kind of colour vision, and are never the only
distinction: the marker or the dash differs too. Backgrounds are transparent, and text has the colour of the
page.

Options are registered once for each plot's own HoloViews group instead of being set at every update: that
halves its time. Ranges, labels and titles are those of the elements' dimensions and label, and the hook
writes them to the figure only when they have changed: a user's zoom survives an update, and another problem
gets its own ranges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh  # noqa: F401  registers the renderer
import numpy as np
import xarray as xr
from bokeh.models import Legend

hv.Store.set_current_backend("bokeh")
# on a machine without a fast graphics card WebGL draws slower than the canvas
hv.renderer("bokeh").webgl = False

REFERENCE, MODEL = "#2e7fcb", "#d4670c"
#: Colours of plots with more than two series, in order of use.
SERIES = ("#d4670c", "#2e7fcb", "#1f9270", "#bd5fa5", "#8a7b1c", "#8673c8", "#c9524a", "#6c7f8c")
#: Grey of rings, thresholds and frames, visible on light and dark pages.
NEUTRAL = "#868686"
#: Colour map of densities, from transparent to the model's orange.
DENSITY_RAMP = [f"#d4670c{round(255 * min(1.0, i / 254) ** 0.75):02x}" for i in range(255)]
#: Colours of the map of signed values: negative, zero, positive.
SIGNED_RAMP_ENDS = ("#d4670c", "#b9b4ac", "#2e7fcb")

SIDES = ("horizontal", "vertical")
MIN_HEIGHT = 260
TOOLS = ["pan", "wheel_zoom", "reset", "save"]
FONT_SIZES = {
    "title": "10pt",
    "labels": "9pt",
    "xticks": "8pt",
    "yticks": "8pt",
    "legend": "8pt",
    "cticks": "8pt",
    "clabel": "8pt",
}
FIGURE = {
    "responsive": True,
    "min_height": MIN_HEIGHT,
    "framewise": False,
    "show_title": False,
    "fontsize": FONT_SIZES,
    "default_tools": TOOLS,
    "active_tools": [],
    "toolbar": "above",
    "autohide_toolbar": True,
}
#: Options of a low figure in a card: tools inside the frame, where they take no room from the plot.
COMPACT = {"min_height": 150, "backend_opts": {"plot.toolbar_inner": True}}
#: Options of a low figure without a toolbar, where there is nothing to pan or zoom.
COMPACT_WITHOUT_TOOLS = {"min_height": 150, "toolbar": None}
_compact_options: list[hv.Options] = []
_compact_figures = False
COLOUR_BAR = {
    "width": 8,
    "padding": 4,
    "background_fill_alpha": 0.0,
    "border_line_alpha": 0.0,
    "bar_line_alpha": 0.0,
    "major_tick_line_color": NEUTRAL,
    "title_text_font_style": "normal",
}
LEGEND = {
    "legend_position": "top",
    "legend_opts": {
        "background_fill_alpha": 0.0,
        "border_line_alpha": 0.0,
        "padding": 0,
        "margin": 2,
        "spacing": 12,
        "label_standoff": 3,
        "glyph_width": 16,
        "glyph_height": 14,
        "orientation": "horizontal",
        "styles": {"font-size": "11px"},  # a page may size the texts relative to this
    },
}


def signed_ramp(steps: int = 255) -> list[str]:
    """Return ``steps`` hex colours from orange over grey to blue, interpolated linearly."""
    low, middle, high = (
        np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)], dtype=float) for c in SIGNED_RAMP_ENDS
    )
    places = np.linspace(-1, 1, steps)
    colours = [middle + abs(t) * ((high if t > 0 else low) - middle) for t in places]
    return ["#" + "".join(f"{round(v):02x}" for v in colour) for colour in colours]


def register(*options: hv.Options, compact: Mapping[str, Any] = COMPACT) -> None:
    """Set default options of HoloViews groups, and give every figure the standard tools.

    ``compact`` are further options of the whole figure that `use_compact_figures` sets; empty for a plot that
    keeps its size.
    """
    for option in options:
        option.kwargs.setdefault("default_tools", TOOLS)
    hv.opts.defaults(*options)
    figures = [option.key for option in options if "min_height" in option.kwargs]
    _compact_options.extend(_options(key, compact) for key in figures if compact)
    if _compact_figures:
        use_compact_figures()


def use_compact_figures() -> None:
    """Reduce the height of all plots, also of those imported later, and put toolbars inside the frame."""
    global _compact_figures
    _compact_figures = True
    hv.opts.defaults(*_compact_options)
    _compact_options.clear()


def _options(key: str, options: Mapping[str, Any]) -> hv.Options:
    element, _, group = key.partition(".")
    return getattr(hv.opts, element)(group, **options)


def dimensions(data: xr.Dataset, prefix: str) -> list[hv.Dimension]:
    """Return horizontal and vertical axis of a plot, with label and range from the Dataset's attributes.

    They are named after the plot, so that HoloViews links the axes of no two plots.
    """
    return axes(
        prefix,
        [str(data.attrs[f"{side}_label"]) for side in SIDES],
        [data.attrs[f"{side}_window"] for side in SIDES],
    )


def axes(prefix: str, labels: Sequence[str], windows: Sequence[Sequence[float]]) -> list[hv.Dimension]:
    """Return two HoloViews dimensions, named after the plot, with these labels and ranges.

    A blank distinguishes equal labels, since HoloViews would take them for one axis.
    """
    first, second = labels
    labels = (first or " ", (second or " ") + (" " if (second or " ") == (first or " ") else ""))
    return [
        hv.Dimension(f"{prefix}_{side}", label=label, range=tuple(float(v) for v in window))
        for side, label, window in zip(SIDES, labels, windows, strict=True)
    ]


def points(data: xr.Dataset, name: str, axes: list[hv.Dimension], group: str, label: str) -> hv.Points:
    """Return the Dataset's variables ``<name>_horizontal`` and ``<name>_vertical`` as points."""
    columns = {axis.name: data[f"{name}_{side}"].values for axis, side in zip(axes, SIDES, strict=True)}
    return hv.Points(columns, axes, group=group, label=label, datatype=["dictionary"])


def line(horizontal: Any, vertical: Any, axes: list[hv.Dimension], group: str, label: str) -> hv.Curve:
    """Return a curve that is interrupted at NaN."""
    columns = {
        axes[0].name: np.asarray(horizontal, dtype=float),
        axes[1].name: np.asarray(vertical, dtype=float),
    }
    return hv.Curve(columns, axes[:1], axes[1:], group=group, label=label, datatype=["dictionary"])


def overlay(elements: Sequence[hv.Element], data: xr.Dataset, group: str) -> hv.Overlay:
    """Lay the elements over each other on one pair of axes, with the title of the Dataset."""
    return hv.Overlay(list(elements), group=group, label=str(data.attrs["title"]))


def fix_axes(plot: Any, element: Any) -> None:
    """HoloViews hook: style the figure once; set ranges, axis labels and title whenever they have changed."""
    figure = plot.state
    state = plot.handles.setdefault("workbench", {})
    if not state:
        _style_figure(figure)
        if isinstance(element, hv.Overlay):
            _keep_legend(plot)
    first = next(iter(element.values())) if isinstance(element, hv.Overlay) else element
    for side, axis in zip("xy", first.dimensions()[:2], strict=True):
        if state.get(side) != axis.range:
            state[side] = axis.range
            plot.handles[f"{side}_range"].update(
                start=axis.range[0], end=axis.range[1], reset_start=axis.range[0], reset_end=axis.range[1]
            )
        if state.get(f"{side}_label") != axis.label:
            state[f"{side}_label"] = plot.handles[f"{side}axis"].axis_label = axis.label
    if state.get("title") != element.label:
        state["title"] = figure.title.text = element.label


def _keep_legend(plot: Any) -> None:
    """Have HoloViews build the legend of a figure anew only where the figure has got another glyph.

    Otherwise each update takes the legend out of the figure and puts it back, after which Bokeh traverses all
    models of the page, and the browser lays the figure out again.
    """
    build, renderers = plot._process_legend, list(plot.state.renderers)

    def build_if_changed(overlay: Any) -> None:
        if plot.state.renderers != renderers:
            renderers[:] = plot.state.renderers
            build(overlay)

    plot._process_legend = build_if_changed


def hide_empty_entries(plot: Any, element: Any) -> None:
    """HoloViews hook: hide the legend entries of elements without data."""
    visible = {part.label: len(part) > 0 for part in element}
    legend = plot.state.select_one(Legend)
    for item in legend.items if legend is not None else ():
        is_visible = visible.get(str(getattr(item.label, "value", item.label)), True)
        if item.visible != is_visible:
            item.visible = is_visible


def _style_figure(figure: Any) -> None:
    figure.update(background_fill_alpha=0.0, border_fill_alpha=0.0, outline_line_color=None)
    # a page is scrolled over its plots: zooming and panning wait until a tool is chosen
    figure.toolbar.update(active_drag=None, active_scroll=None, active_tap=None)
    # over a plot that leaves it no room it would hide what is below
    figure.toolbar.stylesheets = [":host(.bk-inner) { background-color: transparent; }"]
    figure.xgrid.visible = figure.ygrid.visible = False
    figure.title.update(text_font_size=FONT_SIZES["title"], text_font_style="normal")
    for axis in (*figure.xaxis, *figure.yaxis):
        axis.update(
            axis_label_text_font_style="normal",
            axis_label_standoff=4,
            minor_tick_line_alpha=0.0,
            axis_line_color=NEUTRAL,
            axis_line_alpha=0.6,
            major_tick_line_color=NEUTRAL,
        )
