"""LiveFigure: a HoloViews plot that is built once and updated through the data sources of its Bokeh figure.

The usual update of a HoloViews plot takes some 30 ms on the server, which is too slow for a posterior that
follows a slider. Legend entries of layers without data are hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import bokeh.events
import holoviews as hv
import numpy as np
import panel as pn
from bokeh.models import BoxSelectTool, ColumnDataSource, Legend

from workbench import plots
from workbench.ui.card import FONT

#: Name of the column of a plot or data source that holds an image.
PICTURE = "image"


class LiveFigure(pn.viewable.Viewer):
    """Figure that is built once for one kind of plot and then updated with new data.

    ``plot`` is the name of a module of `workbench.plots`, which has a function of that name that draws the
    data and two more functions of the same data: ``columns`` returns the numbers of each element of the plot,
    which are sent to the browser; ``frame`` returns labels and axis ranges, and the figure is rebuilt only
    where these change.
    """

    def __init__(self, plot: str, *, min_height: int = 150) -> None:
        super().__init__()
        self._plot, self._name = import_module(f"workbench.plots.{plot}"), plot
        self._frame: Any = None
        self.figure, self.columns = None, {}
        self._sources: dict[str, ColumnDataSource] = {}
        self._entries: dict[str, Any] = {}
        self._listeners: list[tuple[type, Callable[[Any], None]]] = []
        self._selecting = self._boxes = False
        self.pane = pn.pane.Bokeh(
            None, sizing_mode="stretch_both", margin=0, min_height=min_height, stylesheets=[FONT]
        )

    def on_tap(self, callback: Callable[[float, float], None]) -> None:
        """Have ``callback(x, y)`` called on each tap, with its position in data units."""
        self._listeners.append((bokeh.events.Tap, lambda event: callback(float(event.x), float(event.y))))

    def on_box(self, callback: Callable[[dict[str, float]], None]) -> None:
        """Have ``callback`` called with each box (x0, x1, y0, y1) that the user drags, see `select`."""

        def on_geometry(event: Any) -> None:
            if event.final and event.geometry.get("type") == "rect":
                callback({side: float(event.geometry[side]) for side in ("x0", "x1", "y0", "y1")})

        self._listeners.append((bokeh.events.SelectionGeometry, on_geometry))
        self._boxes = True

    def select(self, on: bool) -> None:
        """Enable or disable drawing a box by dragging."""
        self._selecting = on
        if self.figure is not None:
            tools = self.figure.toolbar.tools
            box = next((tool for tool in tools if isinstance(tool, BoxSelectTool)), None)
            self.figure.toolbar.active_drag = box if on else None

    def show(self, data: Mapping[str, Any]) -> None:
        """Plot the data; the figure is rebuilt only if labels or axis ranges (the plot's ``frame``)
        change."""
        self.columns = self._plot.columns(data)
        frame = self._plot.frame(data)
        if frame != self._frame:
            self._build(data)
            self._frame = frame
        else:
            for label, source in self._sources.items():
                source.data = _as_source(self.columns[label], source)
        self._legend()

    def _build(self, data: Mapping[str, Any]) -> None:
        plot = hv.renderer("bokeh").get_plot(getattr(self._plot, self._name)(data))
        self.figure = plot.state
        elements = [element for element in plot.hmap.last if element.label in self.columns]
        by_group = {(key[0], element.label): sub for element, (key, sub) in _matched(elements, plot)}
        self._sources = {label: sub.handles["source"] for (_, label), sub in by_group.items()}
        for legend in self.figure.select({"type": Legend}):
            legend.update(label_text_font_size="11px", styles={"font-size": "11px"})  # not the page's size
        entries = [item for legend in self.figure.select({"type": Legend}) for item in legend.items]
        self._entries = {str(getattr(item.label, "value", item.label)): item for item in entries}
        for event, callback in self._listeners:
            self.figure.on_event(event, callback)
        if self._boxes:  # before the figure is sent: a tool that is added later moves the toolbar
            self.figure.add_tools(BoxSelectTool(renderers=[], persistent=False, visible=False))
        self.select(self._selecting)
        self.pane.object = self.figure

    def _legend(self) -> None:
        for label, entry in self._entries.items():
            columns = self.columns.get(label)
            visible = columns is None or any(len(values) for values in columns.values())
            if entry.visible != visible:
                entry.visible = visible

    def __panel__(self) -> Any:
        return self.pane


class PipedFigure(pn.viewable.Viewer):
    """Figure of any plot of `workbench.plots`, updated through a HoloViews Pipe, which is slower."""

    def __init__(self, plot: str) -> None:
        super().__init__()
        self._plot, self.pipe = getattr(plots, plot), None
        self._place = pn.Column(margin=0, sizing_mode="stretch_both", min_height=150)

    def show(self, data: Mapping[str, Any]) -> None:
        """Plot ``data['model']``, a Dataset; other entries are ignored."""
        if self.pipe is not None:
            return self.pipe.send(data["model"])
        self.pipe = hv.streams.Pipe(data=data["model"])
        live = hv.DynamicMap(lambda data: self._plot(data).relabel(""), streams=[self.pipe])
        self._place.objects = [
            pn.pane.HoloViews(
                live,
                sizing_mode="stretch_both",
                linked_axes=False,
                margin=0,
                stylesheets=[FONT],
                styles={"font-size": "11px"},  # legends take their size from the page
            )
        ]

    def __panel__(self) -> Any:
        return self._place


def figure(plot: str) -> LiveFigure | PipedFigure:
    """Return a `LiveFigure` if the plot's module supports it, else a `PipedFigure`."""
    return (
        LiveFigure(plot)
        if hasattr(import_module(f"workbench.plots.{plot}"), "columns")
        else PipedFigure(plot)
    )


def _matched(elements: list[Any], plot: Any) -> list[tuple[Any, tuple[tuple, Any]]]:
    """Return (element, (key, subplot)) pairs: each HoloViews element with the subplot that renders it.

    ``plot`` is the renderer's plot of an overlay; its ``subplots`` are a dict by key, which starts with the
    element's group. Elements of one group are paired with its subplots in order.
    """
    pairs, subplots = [], dict(plot.subplots)
    for element in elements:
        key = next(key for key in subplots if key[0] == element.group)
        pairs.append((element, (key, subplots.pop(key))))
    return pairs


def _as_source(columns: Mapping[str, Any], source: ColumnDataSource) -> dict[str, Any]:
    """Convert one element's columns to the data of its Bokeh source; images are flipped, as Bokeh's first row
    is the lowest."""
    if PICTURE not in columns:
        return {name: np.asarray(values) for name, values in columns.items()}
    return {**source.data, PICTURE: [np.ascontiguousarray(picture[::-1]) for picture in columns[PICTURE]]}
