"""Plots of the posterior outside parameter space: the problem's physical view, and the observations that its
draws predict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn

from workbench.core.capability import Capability
from workbench.ui import text
from workbench.ui.exploration import Exploration
from workbench.ui.live_figure import LiveFigure, figure
from workbench.ui.notifications import guard

#: Largest number of components of y for which observations are plotted in a plane, to be chosen by a tap.
MAX_PLANAR = 2


class PredictiveView(pn.viewable.Viewer):
    """Column of physical view and predicted observations; plots that do not apply are hidden."""

    def __init__(self, state: Exploration) -> None:
        super().__init__()
        self.state = state
        self.figures = {"plane": LiveFigure("plane"), "band": LiveFigure("band")}
        self.figures["plane"].on_tap(lambda x, y: guard(lambda: self.on_plane_tap(x, y)))
        self.figures["band"].on_tap(lambda x, y: guard(lambda: self.on_band_tap(x, y)))
        self.heads = {name: pn.pane.HTML("", margin=(2, 8, 0, 10)) for name in ("physical", "plane", "band")}
        self.places = {
            name: pn.Column(
                head,
                sizing_mode="stretch_both",
                margin=0,
                visible=name == "plane",
                css_classes=[f"wb-view-{name}"],
            )
            for name, head in self.heads.items()
        }
        for name in ("plane", "band"):
            self.places[name].append(self.figures[name])
        self.physical: dict[str, Any] = {}
        self._plot = ""

    def on_model(self) -> None:
        """Show the plots that apply to the model that was opened, and hide the others."""
        info = self.state.info
        planar = len(info.y) <= MAX_PLANAR
        can_simulate = Capability.SIMULATE in info.problem_capabilities
        self.places["physical"].visible = bool(info.pictures)
        self.places["plane"].visible = planar
        self.places["band"].visible = not planar and can_simulate
        self.heads["plane"].object = head(
            "Observations", "tap to choose" + ("" if can_simulate else ", cannot be simulated")
        )
        self.heads["band"].object = head(
            "Resimulated", "draws passed through the simulator · tap to change a component"
        )

    def steps(self) -> dict[str, Callable[[], None]]:
        """Return functions that update the visible plots to the latest posterior, by the plot's name."""
        steps = {"physical": self._draw_physical, "plane": self._draw_plane, "band": self._draw_band}
        return {name: step for name, step in steps.items() if self.places[name].visible}

    def _draw_plane(self) -> None:
        self.figures["plane"].show(self.state.observation_plane())

    def _draw_band(self) -> None:
        answers = self.state.answers.items()
        resimulations = {n: a.resimulation for n, a in answers if a.resimulation is not None}
        if "model" in resimulations:
            self.figures["band"].show(resimulations)

    def _draw_physical(self) -> None:
        """Update the physical view to the Datasets of `Exploration.pictures`; each type of plot has its
        figure."""
        pictures = self.state.pictures()
        if pictures is None:
            return
        plot, data = pictures["model"].attrs["plot"], pictures["model"]
        if plot not in self.physical:
            self.physical[plot] = figure(plot)
        view, place = self.physical[plot], self.places["physical"]
        if plot != self._plot:  # each change of a layout makes Bokeh walk the whole page
            place.objects, self._plot = [self.heads["physical"], view], plot
        view.show(pictures)
        self.heads["physical"].object = head(data.attrs["title"], str(data.attrs.get("about", "")))

    def on_plane_tap(self, x: float, y: float) -> None:
        """Set the observation to the point (x, y) that was tapped in the plane of observations."""
        info = self.state.info
        if info is not None and len(info.y) <= MAX_PLANAR:
            self.state.observe((x, y)[: len(info.y)])

    def on_band_tap(self, x: float, y: float) -> None:
        """Set the tapped component of the observation to the tapped value, within its bounds."""
        state, answer = self.state, self.state.answers.get("model")
        band, place = getattr(answer, "resimulation", None), round(x)
        if state.info is None or band is None or not 0 <= place < len(state.info.y):
            return
        value = float(band["middle"][place] + y * band["scale"][place])
        variable, values = state.info.y[place], list(state.observation)
        values[place] = min(max(value, variable.low), variable.high)
        state.observe(tuple(values))

    def __panel__(self) -> Any:
        return pn.Column(*self.places.values(), sizing_mode="stretch_both", margin=0)


def head(title: str, caption: str) -> str:
    """Format the title and caption of a plot as HTML."""
    span = f'<span class="wb-caption">{text.escape(caption)}</span>'
    return f'<div class="wb-title">{text.escape(title)} {span}</div>'
