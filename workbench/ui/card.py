"""ViewCard: one live plot, built once and then only fed."""

from __future__ import annotations

from typing import Any

import holoviews as hv
import panel as pn
import panel_material_ui as pmui

from workbench import diagnostics, plots
from workbench.training import Experiment
from workbench.ui import style, text
from workbench.ui.view_choice import View

#: Views that say in a sentence what they found.
JUDGED = ("bound", "critic", "precision_recall", "calibration")
#: The page's theme sizes the texts of a plot relative to this; legends bring a size of their own.
FONT = ".bk-Canvas { font-size: 11px !important; }"


class ViewCard(pn.viewable.Viewer):
    """A titled plot with its Pipe. Nothing is built before it is shown, and nothing is drawn while it is
    hidden."""

    def __init__(self, view: View) -> None:
        super().__init__()
        style.dress_plots()
        self.view, self.data, self.pipe, self.plot = view, None, None, None
        self.heading = pn.pane.HTML(self._heading(""), margin=(2, 8, 0, 10), sizing_mode="stretch_width")
        self.body = pn.Column(margin=0, sizing_mode="stretch_both")
        self._layout = pn.Column(
            pn.Row(self.heading, *self.tools(), margin=0, sizing_mode="stretch_width"),
            *self.below(),
            self.body,
            sizing_mode="stretch_both",
            margin=0,
            css_classes=["wb-card", f"wb-view-{view.name}"],
        )

    def tools(self) -> list[Any]:
        """What stands right of the title."""
        return []

    def below(self) -> list[Any]:
        """What stands between the title and the plot."""
        return []

    def draw(self, data: Any) -> Any:
        """Dataset -> HoloViews; called by the DynamicMap."""
        return getattr(plots, self.view.name)(data).relabel("")  # the card has a title of its own

    def streams(self) -> list[hv.streams.Stream]:
        self.pipe = hv.streams.Pipe(data=self.data)
        return [self.pipe]

    def wait(self, *, hidden: bool) -> None:
        """Nothing to show yet; what is there may stay when it is of the same problem."""
        self.body.visible = not hidden
        self.heading.object = self._heading("…")

    def show(self, data: Any) -> None:
        """Draw this Dataset; the first one builds the plot."""
        self.data, self.body.visible = data, True
        if self.plot is None:
            self.plot = hv.DynamicMap(self.draw, streams=self.streams())
            self.body.objects = [
                pn.pane.HoloViews(
                    self.plot,
                    sizing_mode="stretch_both",
                    linked_axes=False,
                    margin=0,
                    min_height=150,
                    stylesheets=[FONT],
                )
            ]
        else:
            self.pipe.send(data)
        self.heading.object = self._heading(self.caption(data))

    def caption(self, data: Any) -> str:
        """What is said beside the title; by default what the Dataset's own title adds."""
        return ""

    def _heading(self, caption: str) -> str:
        said = f' <span class="wb-caption">{text.escape(caption)}</span>' if caption else ""
        return f'<div class="wb-title" title="{text.escape(self.view.about)}">{self.view.title}{said}</div>'

    def __panel__(self):
        return self._layout


class LayerCard(ViewCard):
    """The warped lattice with a slider through the layers."""

    def tools(self) -> list[Any]:
        self.slider = pmui.IntSlider(
            label="",
            start=0,
            end=1,
            value=1,
            width=118,
            margin=(0, 12, 0, 0),
            size="small",
            show_value=False,
            css_classes=["wb-layer"],
        )
        self.slider.param.watch(self._slid, "value")
        return [self.slider]

    def streams(self) -> list[hv.streams.Stream]:
        self.stage = hv.streams.Stream.define("Layer", layer=-1)()
        return [*super().streams(), self.stage]

    def draw(self, data: Any, layer: int = -1) -> Any:
        return plots.grid(data, layer).relabel("")

    def show(self, data: Any) -> None:
        last = max(1, data.sizes["stage"] - 1)
        if last != self.slider.end:
            self.slider.param.update(end=last, value=last)
        super().show(data)

    def _slid(self, event) -> None:
        if self.plot is not None:
            self.stage.event(layer=event.new)
            self.heading.object = self._heading(self.caption(self.data))

    def caption(self, data: Any) -> str:
        names = data["stage_name"].values
        return str(names[min(self.slider.value, len(names) - 1)])


class ObservationCard(ViewCard):
    """Observations; a tap chooses the one whose posterior is looked at."""

    def __init__(self, view: View, on_tap) -> None:
        super().__init__(view)
        self._on_tap = on_tap

    def streams(self) -> list[hv.streams.Stream]:
        # among the streams and not with `source=`: only so does an overlay's figure listen to it
        self.tap = hv.streams.Tap(x=None, y=None)
        self.tap.add_subscriber(self._tapped)
        return [*super().streams(), self.tap]

    def draw(self, data: Any, x: float | None = None, y: float | None = None) -> Any:
        return super().draw(data)

    def _tapped(self, x=None, y=None, **_) -> None:
        if x is not None and y is not None:
            self._on_tap(float(x), float(y))

    def caption(self, data: Any) -> str:
        error = float(data["error"])
        return f"tap to choose · rms distance {error:.2g}" if error == error else "tap to choose"


class TitledCard(ViewCard):
    """A view whose Dataset says in its title what is seen."""

    def caption(self, data: Any) -> str:
        title = str(data.attrs["title"])
        return title.partition(self.view.title)[2].strip() if title.startswith(self.view.title) else ""


class LossCard(ViewCard):
    """The loss; says what the dashed lines are as soon as there are some."""

    def caption(self, data: Any) -> str:
        return "validation dashed" if bool(data["validation"].notnull().any()) else ""


class JudgedCard(ViewCard):
    """A view whose Dataset carries a verdict and a sentence, which stands under the title."""

    def below(self) -> list[Any]:
        self.said = pn.pane.HTML("", margin=(0, 8, 0, 10), sizing_mode="stretch_width")
        return [self.said]

    def show(self, data: Any) -> None:
        super().show(data)
        verdict, sentence = str(data.attrs["verdict"]), text.escape(data.attrs["sentence"])
        self.said.object = f'<div class="wb-said {verdict}">{sentence}</div>'


def make_card(view: View, on_tap) -> ViewCard:
    """The card that fits a view."""
    if view.name == "grid":
        return LayerCard(view)
    if view.name == "resimulation":
        return ObservationCard(view, on_tap)
    if view.name in JUDGED:
        return JudgedCard(view)
    return {"posterior": TitledCard, "losses": LossCard}.get(view.name, ViewCard)(view)


def dataset(view: View, snapshot: Any, experiment: Experiment, records: list, pair: tuple[int, int]) -> Any:
    """The labelled numbers of a view; before the first snapshot (None) empty ones on the problem's axes."""
    over_time = view.name in ("losses", "divergences")
    settings = {"steps": experiment.steps} if over_time else {}
    if view.name in ("samples", "density", "posterior", "latent"):
        settings["pair"] = pair
    if snapshot is None:
        return diagnostics.empty(view.name, experiment.problem, **settings)
    if over_time:
        settings["records"] = records
    return diagnostics.VIEWS[view.name](snapshot, **settings)
