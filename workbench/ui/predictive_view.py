"""World: what the posterior means outside the space of its parameters. The physical view of the problem,
and the observations that its draws would give."""

from __future__ import annotations

from typing import Any

import panel as pn

from workbench.core.capability import Capability
from workbench.ui import text
from workbench.ui.exploration import Exploration
from workbench.ui.live_figure import LiveFigure, figure
from workbench.ui.notifications import guard

#: With at most so many components, y is shown as a plane that can be tapped.
PLANAR = 2


class World(pn.viewable.Viewer):
    """Figures under each other; those that mean nothing for a problem are not there."""

    def __init__(self, state: Exploration) -> None:
        super().__init__()
        self.state = state
        self.figures = {"plane": LiveFigure("plane"), "band": LiveFigure("band")}
        self.figures["plane"].on_tap(lambda x, y: guard(lambda: self.tapped(x, y)))
        self.figures["band"].on_tap(lambda x, y: guard(lambda: self.moved(x, y)))
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

    def opened(self) -> None:
        """Another model: which figures mean something."""
        about = self.state.about
        planar = len(about.y) <= PLANAR
        can = Capability.SIMULATE in about.given
        self.places["physical"].visible = bool(about.pictures)
        self.places["plane"].visible = planar
        self.places["band"].visible = not planar and can
        self.heads["plane"].object = head(
            "Observations", "tap to choose" + ("" if can else ", cannot be simulated")
        )
        self.heads["band"].object = head(
            "Resimulated", "draws sent through the simulator again · tap to move a number"
        )

    def draw(self) -> None:
        """Show the newest answers."""
        pictures = self.state.pictures()
        if pictures is not None and self.places["physical"].visible:
            self._physical(pictures)
        if self.places["plane"].visible:
            self.figures["plane"].show(self.state.seen())
        again = {n: a.resimulated for n, a in self.state.answers.items() if a.resimulated is not None}
        if self.places["band"].visible and "model" in again:
            self.figures["band"].show(again)

    def _physical(self, pictures: dict[str, Any]) -> None:
        """Each plot of a physical view has its own figure."""
        plot, data = pictures["model"].attrs["plot"], pictures["model"]
        if plot not in self.physical:
            self.physical[plot] = figure(plot)
        shown, place = self.physical[plot], self.places["physical"]
        if plot != self._plot:  # each change of a layout makes Bokeh walk the whole page
            place.objects, self._plot = [self.heads["physical"], shown], plot
        shown.show(pictures)
        self.heads["physical"].object = head(data.attrs["title"], str(data.attrs.get("about", "")))

    def tapped(self, x: float, y: float) -> None:
        """The observation at a place of the plane."""
        about = self.state.about
        if about is not None and len(about.y) <= PLANAR:
            self.state.observe((x, y)[: len(about.y)])

    def moved(self, x: float, y: float) -> None:
        """The observation with the tapped component at the tapped height, within its bounds."""
        state, answer = self.state, self.state.answers.get("model")
        drawn, place = getattr(answer, "resimulated", None), round(x)
        if state.about is None or drawn is None or not 0 <= place < len(state.about.y):
            return
        value = float(drawn["middle"][place] + y * drawn["scale"][place])
        variable, values = state.about.y[place], list(state.observation)
        values[place] = min(max(value, variable.low), variable.high)
        state.observe(tuple(values))

    def __panel__(self) -> Any:
        return pn.Column(*self.places.values(), sizing_mode="stretch_both", margin=0)


def head(title: str, caption: str) -> str:
    """A title with what is said beside it."""
    said = text.escape(caption)
    return f'<div class="wb-title">{text.escape(title)} <span class="wb-caption">{said}</span></div>'
