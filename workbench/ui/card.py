"""Cards: titled live plots that are built once and then updated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import panel as pn
import panel_material_ui as pmui
import xarray as xr

from workbench.plots import PLOTS
from workbench.snapshots import Snapshot, View, empty
from workbench.training import Experiment, Record
from workbench.ui import style, text

#: Base font size of a plot, which the page's theme scales for its text; legends have a size of their own.
FONT = ".bk-Canvas { font-size: 11px !important; }"


@dataclass(frozen=True)
class Heading:
    """Key, title and tooltip of a card whose plot is not a registered view."""

    key: str
    title: str
    summary: str

    def caption(self, data: xr.Dataset) -> str:
        """Return an empty caption; views have one that depends on the data."""
        return ""


class ViewCard(pn.viewable.Viewer):
    """A titled HoloViews plot of one view, updated through a Pipe. It is built when first shown."""

    def __init__(self, view: View | Heading) -> None:
        super().__init__()
        style.dress_plots()
        self.view = view
        self.data: xr.Dataset | None = None
        self.pipe: hv.streams.Pipe | None = None
        self.plot: hv.DynamicMap | None = None
        self.heading = pn.pane.HTML(self._heading(""), margin=(2, 8, 0, 10), sizing_mode="stretch_width")
        self.body = pn.Column(margin=0, sizing_mode="stretch_both")
        self._layout = pn.Column(
            pn.Row(self.heading, *self.tools(), margin=0, sizing_mode="stretch_width"),
            *self.below(),
            self.body,
            sizing_mode="stretch_both",
            margin=0,
            css_classes=["wb-card", f"wb-view-{view.key}"],
        )

    def tools(self) -> list[Any]:
        """Return the widgets to the right of the title; none by default."""
        return []

    def below(self) -> list[Any]:
        """Return the panes between title and plot; none by default."""
        return []

    def draw(self, data: xr.Dataset) -> hv.Overlay:
        """Plot the view's Dataset as a HoloViews element; called by the DynamicMap."""
        return PLOTS[self.view.key](data).relabel("")  # the card has a title of its own

    def streams(self) -> list[hv.streams.Stream]:
        """Create the HoloViews streams whose events redraw the plot."""
        self.pipe = hv.streams.Pipe(data=self.data)
        return [self.pipe]

    def wait(self, *, hidden: bool) -> None:
        """Mark the plot as outdated by an ellipsis in its title; ``hidden`` hides it until `show`."""
        self.body.visible = not hidden
        self.heading.object = self._heading("…")

    def show(self, data: xr.Dataset) -> None:
        """Update the plot to this Dataset of the view; the first one builds it."""
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

    def caption(self, data: xr.Dataset) -> str:
        """Return the caption beside the title for a Dataset of the view."""
        return self.view.caption(data)

    def _heading(self, caption: str) -> str:
        beside = f' <span class="wb-caption">{text.escape(caption)}</span>' if caption else ""
        tooltip = text.escape(self.view.summary)
        return f'<div class="wb-title" title="{tooltip}">{self.view.title}{beside}</div>'

    def __panel__(self) -> pn.Column:
        return self._layout


class LayerCard(ViewCard):
    """Card of the lattice that the network warps layer by layer, with a slider over the layers."""

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
        self.slider.param.watch(self._on_slide, "value")
        return [self.slider]

    def streams(self) -> list[hv.streams.Stream]:
        self.stage = hv.streams.Stream.define("Layer", layer=-1)()
        return [*super().streams(), self.stage]

    def draw(self, data: xr.Dataset, layer: int = -1) -> hv.Overlay:
        return PLOTS[self.view.key](data, layer).relabel("")

    def show(self, data: xr.Dataset) -> None:
        last = max(1, data.sizes["stage"] - 1)
        if last != self.slider.end:
            self.slider.param.update(end=last, value=last)
        super().show(data)

    def _on_slide(self, event: Any) -> None:
        if self.plot is not None:
            self.stage.event(layer=event.new)
            self.heading.object = self._heading(self.caption(self.data))

    def caption(self, data: xr.Dataset) -> str:
        names = data["stage_name"].values
        return str(names[min(self.slider.value, len(names) - 1)])


class ObservationCard(ViewCard):
    """Card of the observations, of which a tap chooses the one whose posterior is shown."""

    def __init__(self, view: View | Heading, on_tap: Callable[[float, float], None]) -> None:
        super().__init__(view)
        self._on_tap = on_tap

    def streams(self) -> list[hv.streams.Stream]:
        # among the streams and not with `source=`: only so does an overlay's figure listen to it
        self.tap = hv.streams.Tap(x=None, y=None)
        self.tap.add_subscriber(self._tapped)
        return [*super().streams(), self.tap]

    def draw(self, data: xr.Dataset, x: float | None = None, y: float | None = None) -> hv.Overlay:
        return super().draw(data)

    def _tapped(self, x: float | None = None, y: float | None = None, **_: Any) -> None:
        if x is not None and y is not None:
            self._on_tap(float(x), float(y))

    def caption(self, data: xr.Dataset) -> str:
        error = float(data["error"])
        return f"tap to choose · rms distance {error:.2g}" if error == error else "tap to choose"


class SentenceCard(ViewCard):
    """Card of a view with a verdict and a sentence in its Dataset's attributes, shown below the title."""

    def below(self) -> list[Any]:
        self.sentence = pn.pane.HTML("", margin=(0, 8, 0, 10), sizing_mode="stretch_width")
        return [self.sentence]

    def show(self, data: xr.Dataset) -> None:
        super().show(data)
        verdict, sentence = str(data.attrs["verdict"]), text.escape(data.attrs["sentence"])
        self.sentence.object = f'<div class="wb-sentence {verdict}">{sentence}</div>'


def make_card(view: View, on_tap: Callable[[float, float], None]) -> ViewCard:
    """Return the card of a view; ``on_tap`` receives (x, y) of a tap on the plot of observations."""
    if view.key == "grid":
        return LayerCard(view)
    if view.key == "resimulation":
        return ObservationCard(view, on_tap)
    return SentenceCard(view) if view.has_sentence else ViewCard(view)


def dataset(
    view: View,
    snapshot: Snapshot | None,
    experiment: Experiment,
    records: Sequence[Record],
    pair: tuple[int, int],
) -> xr.Dataset:
    """Return the Dataset of a view; before the first snapshot one without data, with the problem's axes.

    ``pair`` has the indices of the two variables on the axes, for views that take them.
    """
    settings: dict[str, Any] = {"steps": experiment.steps} if view.over_time else {}
    if view.takes_pair:
        settings["pair"] = pair
    if snapshot is None:
        return empty(view.key, experiment.problem, **settings)
    if view.over_time:
        settings["records"] = records
    return view(snapshot, **settings)
