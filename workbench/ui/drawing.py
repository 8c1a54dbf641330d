"""Drawing: a canvas on which the user draws the planar training data of the problem ``drawn``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import holoviews as hv
import numpy as np
import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import SpecError
from workbench.core.spec import Spec
from workbench.plots.style import MODEL, REFERENCE
from workbench.problems.planar.drawn import CANVAS, MAXIMUM_POINTS
from workbench.ui import text

#: Distance between two points along a stroke, in units of the canvas.
SPACING = 0.12
AXES = ["drawn_horizontal", "drawn_vertical"]
BORDER = {"border": "1px dashed #868686", "border-radius": "6px"}
FRAME = {
    "xlim": CANVAS[0],
    "ylim": CANVAS[1],
    "width": 288,
    "height": 270,
    "toolbar": None,
    "xaxis": None,
    "yaxis": None,
    "default_tools": [],
    "bgcolor": "#88888822",
}


class Drawing(pn.viewable.Viewer):
    """A canvas whose freehand strokes are sampled as points, which are all data of the problem."""

    def __init__(
        self, spec: Spec, on_change: Callable[[str, Any], None], on_error: Callable[[SpecError], None]
    ) -> None:
        super().__init__()
        self.spec, self._on_change, self._on_error = spec, on_change, on_error
        self._base: list[list[float]] = list(spec.points)
        self.dots = hv.streams.Pipe(data=np.empty((0, 2)))
        self.canvas = pn.Column(margin=0)
        self._fresh_canvas()
        self.clear = pmui.Button(
            label="Clear", icon="clear", variant="outlined", size="small", css_classes=["wb-clear"]
        )
        self.shape = pmui.Button(
            label="Draw a heart",
            icon="gesture",
            variant="outlined",
            size="small",
            css_classes=["wb-draw-heart"],
            description="Fill the canvas with a heart, as an example.",
        )
        self.clear.on_click(lambda _: self.begin([]))
        self.shape.on_click(lambda _: self.begin(heart()))
        self.note = pn.pane.HTML("", margin=(0, 6))
        self._layout = pn.Column(
            self.canvas,
            pn.Row(self.clear, self.shape, margin=0),
            self.note,
            margin=0,
        )
        self._show()

    def _fresh_canvas(self) -> None:
        """Replace the canvas by one without strokes, which exist only in the browser and cannot be erased."""
        path = hv.Path([], AXES).opts(line_width=5, color=REFERENCE, active_tools=["freehand_draw"], **FRAME)
        self.stream = hv.streams.FreehandDraw(source=path, num_objects=200)
        self.stream.add_subscriber(self._on_stroke)
        points = hv.DynamicMap(dots, streams=[self.dots])
        pane = pn.pane.HoloViews(
            path * points, linked_axes=False, margin=(4, 4), css_classes=["wb-canvas"], styles=BORDER
        )
        self.canvas.objects = [pane]

    def begin(self, points: list[list[float]]) -> None:
        """Replace the problem's data by these points, and remove all strokes from the canvas."""
        self._base = points
        self._fresh_canvas()
        self.put(points)

    def _on_stroke(self, data: dict | None = None) -> None:
        strokes = zip(*((data or {}).get(side, []) for side in ("xs", "ys")), strict=False)
        fresh = [point for xs, ys in strokes for point in along(xs, ys)]
        if fresh:
            self.put(self._base + fresh)

    def put(self, points: list[list[float]]) -> None:
        """Set the problem's data to these points, or to every n-th of them if there are too many."""
        every = max(1, math.ceil(len(points) / MAXIMUM_POINTS))
        try:
            self.spec.set("points", points[::every])
        except SpecError as error:
            self._on_error(error)
            return
        self._show()
        self._on_change("points", points)

    def _show(self) -> None:
        self.dots.send(np.asarray(self.spec.points, dtype=float).reshape(-1, 2))
        refusals = self.spec.refusals()
        n = len(self.spec.points)
        sentence = refusals[0] if refusals else f"{n} points. Continue drawing, or press New run."
        self.note.object = f'<div class="wb-note">{text.escape(sentence)}</div>'

    def __panel__(self):
        return self._layout


def dots(data: np.ndarray) -> hv.Points:
    """Plot the problem's points (n, 2) as dots on the canvas."""
    return hv.Points(data, AXES).opts(size=4, color=MODEL, **FRAME)


def along(xs: Any, ys: Any) -> list[list[float]]:
    """Resample a stroke with coordinates ``xs`` and ``ys`` at equal distances, clipped to the canvas."""
    line = np.column_stack([np.asarray(xs, dtype=float), np.asarray(ys, dtype=float)])
    line = line[np.isfinite(line).all(1)]
    if not len(line):
        return []
    (x0, x1), (y0, y1) = CANVAS
    line = np.clip(line, [x0, y0], [x1, y1])
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    places = np.arange(0.0, max(length[-1], SPACING / 2), SPACING)
    return [[round(float(np.interp(p, length, line[:, i])), 3) for i in (0, 1)] for p in places]


def heart() -> list[list[float]]:
    """Return points on a heart-shaped curve, whose cusps make it hard to learn."""
    t = np.linspace(0, 2 * np.pi, 400)
    x, y = 16 * np.sin(t) ** 3, 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return along(0.16 * x, 0.16 * y + 0.3)
