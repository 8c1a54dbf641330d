"""Editor of a long observation as one curve: a part of it is chosen and moved up or down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from workbench.core.variable import Variable

HEIGHT, SHADE = 190, "#2e7fcb"


class CurveEditor(pn.viewable.Viewer):
    """A curve of M values over their numbers 1 to M; ``part`` is moved by ``shift``.

    Parameters
    ----------
    on_change : called with the M values after the user has moved a part of the curve.
    """

    def __init__(self, on_change: Callable[[list[float]], None], *, width: int) -> None:
        super().__init__()
        self._on_change, self._updating, self._base = on_change, False, np.empty(0)
        self.source = ColumnDataSource({"place": [], "value": []})
        self.figure = figure(width=width, height=HEIGHT, toolbar_location=None, tools="")
        self.figure.line("place", "value", source=self.source, color=SHADE, line_width=1.5)
        self.part = pmui.IntRangeSlider(
            label="Part of the curve", start=1, end=2, value=(1, 2), size="small", width=width - 24,
            margin=(6, 14, 0, 14), css_classes=["wb-curve-part"],
        )  # fmt: skip
        self.shift = pmui.FloatSlider(
            label="Moved by", start=-1.0, end=1.0, value=0.0, size="small", width=width - 24,
            margin=(6, 14, 0, 14), css_classes=["wb-curve-shift"],
        )  # fmt: skip
        self.part.param.watch(lambda _: self._begin(), "value")
        self.shift.param.watch(lambda _: self._move(), "value")

    def open(self, variables: Sequence[Variable], windows: Sequence[tuple[float, float]]) -> None:
        """Set up the editor for observations of these variables, whose values lie in ``windows``."""
        count, spans = len(variables), np.asarray([high - low for low, high in windows])
        size = float(np.median(spans)) or 1.0
        self._updating = True
        try:
            self.part.param.update(end=count, value=(1, count))
            self.shift.param.update(start=-size, end=size, step=size / 200, value=0.0)
        finally:
            self._updating = False
        units = {v.unit for v in variables}
        self.figure.yaxis.axis_label = units.pop() if len(units) == 1 else ""

    def show(self, values: Sequence[float]) -> None:
        """Show an observation (M,), from which the next movement starts."""
        self._base = np.asarray(values, dtype=float)
        self._draw(self._base)
        self._updating = True
        try:
            self.shift.value = 0.0
        finally:
            self._updating = False

    @property
    def values(self) -> list[float]:
        """The curve's values (M,) with the movement so far."""
        low, high = self.part.value
        place = np.arange(1, len(self._base) + 1)
        return (self._base + self.shift.value * ((place >= low) & (place <= high))).tolist()

    def _begin(self) -> None:
        """Keep the movement so far and start another, with another part."""
        if not self._updating and len(self._base):
            self.show(self.source.data["value"])

    def _move(self) -> None:
        if not self._updating and len(self._base):
            values = self.values
            self._draw(values)
            self._on_change(values)

    def _draw(self, values: Sequence[float]) -> None:
        self.source.data = {"place": np.arange(1, len(values) + 1), "value": np.asarray(values, dtype=float)}

    def __panel__(self) -> Any:
        return pn.Column(pn.pane.Bokeh(self.figure, margin=(4, 4)), self.part, self.shift, margin=0)
