"""Explorer: the page on which the posterior of any trained model is looked at, at any observation."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.diagnostics.posterior_explorer import PHYSICAL
from workbench.plots.corner import box_within
from workbench.ui import style, text
from workbench.ui.diagnostics_page import Verdict
from workbench.ui.exploration import MOST_SHOWN, Exploration
from workbench.ui.live_figure import LiveFigure
from workbench.ui.models import Models
from workbench.ui.navigation import Navigation
from workbench.ui.notifications import guard, on_exception, tell
from workbench.ui.numbers import numbers
from workbench.ui.observation_picker import Observing
from workbench.ui.predictive_view import World
from workbench.ui.refinement_panel import Refining, warned
from workbench.ui.studio import never_busy

DRAWS = {"2 000": 2000, "20 000": 20_000, "200 000": 200_000, "1 000 000": 1_000_000}
PAGES = {"Posterior": "live", "Marginals": "marginals", "Diagnostics": "verdict"}
#: Milliseconds that a page gets to put itself together after it has been loaded.
ARRIVAL = 300
#: Height that the bar above and the status line leave.
HEIGHT = {"height": "calc(100vh - 108px)", "min-height": "420px"}
HALF = {"size": "small", "width": 138, "margin": (8, 4)}


class Explorer(pn.viewable.Viewer):
    """Sidebar with model and observation; the posterior from three sides on the right.

    ``run`` and ``observation`` come from the address; ``pool`` does the work (tests: here and now).
    """

    def __init__(self, *, run: str = "", observation: str = "", pool: Any = None) -> None:
        super().__init__()
        style.dress_plots()
        document = pn.state.curdoc
        self.state = Exploration(document, pool=pool)
        self.state.on_error = self._failed
        self.said = pn.pane.HTML(
            "", margin=(4, 10, 0, 10), sizing_mode="stretch_width", css_classes=["wb-status"]
        )
        self.models = Models(self.state, self._say)
        self.observing = Observing(self.state, guard)
        self.refining = Refining(self.state, document=document, pool=pool)
        self.verdict = Verdict(
            lambda: self.state.sources.get("model", ""),
            lambda: self.state.observation,
            document=document,
            pool=pool,
        )
        self.corner, self.intervals, self.world = (
            LiveFigure("corner"),
            LiveFigure("intervals"),
            World(self.state),
        )
        self._widgets()
        self._arrange()
        self._listen()
        self.models.choose(run, observation)
        if document is None:
            self.models.start()
        else:
            self._say("Opening the model …")
            pn.state.onload(lambda: document.add_timeout_callback(self._begin, ARRIVAL))

    def _begin(self) -> None:
        """The browser is there. What is sent while the page is on its way to it is lost in part, and would
        look for its styles elsewhere."""
        guard(self.models.start)

    def _widgets(self) -> None:
        self.chosen = pmui.MultiChoice(
            label="Variables drawn",
            options=[],
            max_items=MOST_SHOWN,
            width=292,
            margin=(8, 4),
            css_classes=["wb-chosen"],
        )
        self.draws = pmui.Select(
            label="Draws at rest", options=DRAWS, value=2000, css_classes=["wb-draws"], **HALF
        )
        self.view = pmui.Select(label="Physical view", options={}, visible=False, **HALF)
        self.fit = _small("Fit axes", "fit_screen", "Axes around this posterior; they stay there.", "wb-fit")
        self.whole = _small("Whole prior", "zoom_out_map", "Axes as wide as the prior.", "wb-whole")
        self.brush = pmui.Checkbox(
            label="Brush: draw a box in the pair plot", value=False, margin=(4, 4), css_classes=["wb-brush"]
        )
        self.table = pn.pane.HTML("", margin=(6, 14), sizing_mode="stretch_width", css_classes=["wb-numbers"])

    def _listen(self) -> None:
        state = self.state
        self.corner.on_box(lambda box: guard(lambda: self.boxed(box)))
        self.chosen.param.watch(lambda event: guard(lambda: self._choose(event.new)), "value")
        self.draws.param.watch(lambda event: guard(lambda: state.want(event.new)), "value")
        self.view.param.watch(lambda event: guard(lambda: state.show_picture(event.new or "")), "value")
        self.fit.on_click(lambda _: guard(state.fit_axes))
        self.whole.on_click(lambda _: guard(state.whole_axes))
        self.brush.param.watch(lambda event: guard(lambda: self._brushing(event.new)), "value")
        state.param.watch(lambda _: guard(self._opened), "opened")
        state.param.watch(lambda _: guard(self.draw), "changed")

    # ---- what is looked at
    def _opened(self) -> None:
        about = self.state.about
        labels = [v.label for v in about.x]
        self.brush.value = False
        self.chosen.param.update(options=labels, value=[labels[i] for i in self.state.chosen])
        views = {PHYSICAL[key].title: key for key in about.pictures}
        self.view.param.update(options=views, value=self.state.picture or None, visible=len(views) > 1)
        self.world.opened()
        self.verdict.clear()
        if self.navigation.buttons.value == "verdict":
            self.verdict.refresh()

    def _choose(self, labels: list[str]) -> None:
        places = {v.label: i for i, v in enumerate(self.state.about.x)}
        self.state.choose(tuple(places[label] for label in labels))

    def _brushing(self, on: bool) -> None:
        self.corner.select(on)
        if not on and self.state.within:
            self.state.brush(())

    def boxed(self, box: dict[str, float]) -> None:
        """A box was drawn in the pair plot: the other views show the draws inside."""
        answer = self.state.answers.get("model")
        if answer is not None and self.brush.value:
            self.state.brush(box_within(box, answer.law, self.state.chosen))

    # ---- drawing
    def draw(self) -> None:
        """Show what is known; only the page that is looked at is drawn."""
        laws, page = self.state.laws(), self.navigation.buttons.value
        if laws is None or self.state.about is None:
            return  # a model is being opened: what is shown is still the last one's
        with pn.io.hold():
            if page == "live":
                self.corner.show(laws)
                self.world.draw()
            elif page == "marginals":
                self.intervals.show(laws)
                labels = [v.label for v in self.state.about.x]
                laid, prior = (laws.get("other"), laws.get("refined")), self.state.prior
                self.table.object = numbers(laws["model"], laid[0], prior, labels, laid[1])
            self._status()

    def _status(self) -> None:
        answer, state = self.state.answers["model"], self.state
        law = answer.law
        shown = ", ".join(f"{v:.4g}".replace("-", "−") for v in answer.observation[:4])
        shown += ", …" if len(answer.observation) > 4 else ""
        said = [f"y = ({shown})", f"{law.attrs['total']:,} draws".replace(",", " ")]
        said.append(f"{1000 * answer.seconds:.0f} ms")
        if state.within:
            said.append(f"{int(state.brushed().sum())} of {law.sizes['kept']} in the brush")
        said += [sentence for sentence in (state.no_reference, state.about.note) if sentence]
        shown = state.refined is not None and "refined" in (state.laws() or {})
        told = [f"Refined draws: {warning}" for warning in warned(state.refined)] if shown else []
        self._say(" · ".join(said), warnings=(*answer.warnings, *told))

    def _say(self, sentence: str, kind: str = "", warnings: tuple[str, ...] = ()) -> None:
        notes = "".join(
            f'<div class="wb-message bad wb-warning" style="margin-top:3px">{text.escape(warning)}</div>'
            for warning in warnings
        )
        self.said.object = f'<div class="wb-message {kind}">{text.escape(sentence)}</div>{notes}'

    def _failed(self, error: BaseException) -> None:
        self._say(tell(error), "bad")

    # ---- the page
    def _arrange(self) -> None:
        pair = pn.Column(
            self.corner,
            sizing_mode="stretch_both",
            margin=0,
            styles={"flex": "3 1 420px", **HEIGHT},
            css_classes=["wb-view-corner"],
        )
        world = pn.Column(
            self.world, sizing_mode="stretch_both", margin=0, styles={"flex": "2 1 320px", **HEIGHT}
        )
        live = pn.Row(pair, world, sizing_mode="stretch_both", margin=0, styles={"flex-wrap": "wrap"})
        tall = pn.Column(
            self.intervals,
            sizing_mode="stretch_width",
            height=430,
            margin=0,
            css_classes=["wb-view-intervals"],
        )
        marginals = Still(pn.Column(tall, self.table, sizing_mode="stretch_width", margin=0))
        self.navigation = Navigation(
            live,
            {"marginals": lambda: marginals, "verdict": lambda: self.verdict},
            lambda page: self.draw(),
            pages=PAGES,
        )
        self.page = pmui.Page(
            title="Posterior explorer",
            sidebar=[pn.Column(*self._side(), margin=0, sizing_mode="stretch_width")],
            main=[self.said, *self.navigation.main],
            sidebar_width=316,
            header=[pn.layout.HSpacer(), self.navigation],
            sidebar_variant="persistent",
            theme_config=style.THEME,
            sx=style.PAGE_SX,
            busy_indicator=None,
        )
        never_busy(self.page)

    def _side(self) -> list[Any]:
        return [
            self.models,
            _heading("Observation"),
            self.observing,
            _heading("Refinement"),
            self.refining,
            self.chosen,
            pn.Row(self.draws, self.view, margin=0),
            pn.Row(self.fit, self.whole, margin=0),
            self.brush,
        ]

    def close(self) -> None:
        """The browser is gone."""
        self.refining.close()
        self.state.close()
        self.verdict.forget()

    def __panel__(self) -> Any:
        return self.page


class Still(pn.viewable.Viewer):
    """A page that needs nothing done when it is turned to."""

    def __init__(self, content: Any) -> None:
        super().__init__()
        self._content = content

    def refresh(self) -> None:
        """Nothing: drawing is done by who turns the page."""

    def __panel__(self) -> Any:
        return self._content


def _heading(title: str) -> Any:
    return pn.pane.HTML(f'<span class="wb-name">{title}</span>', margin=(2, 6, 0, 6))


def _small(label: str, icon: str, tooltip: str, css: str) -> Any:
    return pmui.Button(
        label=label,
        icon=icon,
        description=tooltip,
        variant="outlined",
        color="default",
        css_classes=[css],
        **HALF,
    )


def explorer() -> Explorer:
    """What an app script calls, once a browser session."""
    # not throttled: the posterior follows every movement of a slider
    pn.extension(
        "tabulator",
        notifications=True,
        raw_css=[style.SHEET],
        exception_handler=on_exception,
        reconnect=True,
    )
    given = {
        key: values[0].decode("utf-8", "replace") for key, values in pn.state.session_args.items() if values
    }
    made = Explorer(run=given.get("run", ""), observation=given.get("y", ""))
    pn.state.on_session_destroyed(lambda context: made.close())
    return made
