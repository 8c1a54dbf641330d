"""The posterior explorer: a page that shows the posterior of any trained model at any observation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.core.kinds_of_values import calendar, value_text
from workbench.diagnostics.posterior_explorer import PHYSICAL
from workbench.plots.corner import box_within
from workbench.ui import style, text
from workbench.ui.diagnostics_page import DiagnosticsPage
from workbench.ui.exploration import MAX_VARIABLES, Exploration
from workbench.ui.live_figure import LiveFigure
from workbench.ui.menus import Menu
from workbench.ui.models import Models
from workbench.ui.navigation import Navigation
from workbench.ui.notifications import guard, report_error
from workbench.ui.numbers import numbers
from workbench.ui.observation_picker import ObservationPicker
from workbench.ui.page import prepare
from workbench.ui.page_redraws import PageRedraws
from workbench.ui.predictive_view import PredictiveView
from workbench.ui.process_pool import ProcessPool
from workbench.ui.refinement_panel import RefinementPanel, warnings_of
from workbench.ui.studio import detach_busy_state

DRAWS = {"2 000": 2000, "20 000": 20_000, "200 000": 200_000, "1 000 000": 1_000_000}
PAGES = {"Posterior": "live", "Marginals": "marginals", "Diagnostics": "diagnostics"}
#: Milliseconds that the browser gets to render the page after loading, before the model is opened.
RENDER_DELAY = 300
#: Height of the plots below the header and the status line.
HEIGHT = {"height": "calc(100vh - 108px)", "min-height": "420px"}
HALF = {"size": "small", "width": 138, "margin": (8, 4)}


class ExplorerPage(pn.viewable.Viewer):
    """Sidebar with model and observation on the left; plots of the posterior on the right.

    ``run`` and ``observation`` come from the page's address; ``pool`` runs the queries.
    """

    def __init__(self, *, run: str = "", observation: str = "", pool: ProcessPool | None = None) -> None:
        super().__init__()
        style.dress_plots()
        document = pn.state.curdoc
        self.redraws = PageRedraws(document)
        self.state = Exploration(document, pool=pool)
        self.state.on_error = self._on_error
        self.message = pn.pane.HTML(
            "", margin=(4, 10, 0, 10), sizing_mode="stretch_width", css_classes=["wb-status"]
        )
        self.models = Models(self.state, self._show_message)
        self.observation_picker = ObservationPicker(self.state, guard)
        self.refinement_panel = RefinementPanel(self.state, document=document, pool=pool)
        self.diagnostics_page = DiagnosticsPage(
            lambda: self.state.sources.get("model", ""),
            lambda: self.state.observation,
            document=document,
            pool=pool,
        )
        self.corner, self.intervals, self.predictive_view = (
            LiveFigure("corner"),
            LiveFigure("intervals"),
            PredictiveView(self.state),
        )
        self._widgets()
        self._arrange()
        self._listen()
        self.models.choose(run, observation)
        if document is None:
            self.models.start()
        else:
            self._show_message("Opening the model …")
            pn.state.onload(lambda: document.add_timeout_callback(self._begin, RENDER_DELAY))

    def _begin(self) -> None:
        """Open the model once the browser has rendered the page, as earlier updates may be lost."""
        self.redraws.begin()
        guard(self.models.start)

    def _widgets(self) -> None:
        self.variables = pmui.MultiChoice(
            label="Variables drawn",
            options=[],
            max_items=MAX_VARIABLES,
            width=292,
            margin=(8, 4),
            css_classes=["wb-variables"],
        )
        self.draws = Menu(label="Draws at rest", options=DRAWS, value=2000, css_classes=["wb-draws"], **HALF)
        self.view = Menu(label="Physical view", options={}, visible=False, **HALF)
        self.fit = _small("Fit axes", "fit_screen", "Axes around this posterior; they stay fixed.", "wb-fit")
        self.whole = _small("Whole prior", "zoom_out_map", "Axes as wide as the prior.", "wb-whole")
        self.brush = pmui.Checkbox(
            label="Brush: draw a box in the pair plot", value=False, margin=(4, 4), css_classes=["wb-brush"]
        )
        self.table = pn.pane.HTML("", margin=(6, 14), sizing_mode="stretch_width", css_classes=["wb-numbers"])

    def _listen(self) -> None:
        state = self.state
        self.corner.on_box(lambda box: guard(lambda: self.on_box(box)))
        self.variables.param.watch(lambda event: guard(lambda: self._on_variables(event.new)), "value")
        self.draws.param.watch(lambda event: guard(lambda: state.set_draws(event.new)), "value")
        self.view.param.watch(lambda event: guard(lambda: state.show_picture(event.new or "")), "value")
        self.fit.on_click(lambda _: guard(state.fit_axes))
        self.whole.on_click(lambda _: guard(state.whole_axes))
        self.brush.param.watch(lambda event: guard(lambda: self._on_brush(event.new)), "value")
        state.param.watch(lambda _: guard(self._on_model), "model_count")
        state.param.watch(lambda _: guard(self.draw), "answer_count")

    # ---- model, variables and brush
    def _on_model(self) -> None:
        info = self.state.info
        labels = [v.label for v in info.x]
        self.brush.value = False
        self.variables.param.update(options=labels, value=[labels[i] for i in self.state.variables])
        views = {PHYSICAL[key].title: key for key in info.pictures}
        self.view.param.update(options=views, value=self.state.picture or None, visible=len(views) > 1)
        self.predictive_view.on_model()
        self.diagnostics_page.clear()
        if self.navigation.buttons.value == "diagnostics":
            self.diagnostics_page.refresh()

    def _on_variables(self, labels: list[str]) -> None:
        if self.state.info is None:  # a model is being opened, and brings variables of its own
            return
        places = {v.label: i for i, v in enumerate(self.state.info.x)}
        self.state.choose_variables(tuple(places[label] for label in labels if label in places))

    def _on_brush(self, on: bool) -> None:
        self.corner.select(on)
        if not on and self.state.within:
            self.state.brush(())

    def on_box(self, box: dict[str, float]) -> None:
        """Restrict the other plots to the draws inside a box that was drawn in the pair plot."""
        answer = self.state.answers.get("model")
        if answer is not None and self.brush.value:
            self.state.brush(box_within(box, answer.histogram, self.state.variables))

    # ---- drawing
    def draw(self) -> None:
        """Update the status line to the latest posterior, and have the plots of the open page (posterior or
        marginals) drawn in their turn, each from the posterior that is the latest then."""
        steps: dict[str, Callable[[], None]] = {}
        if self.navigation.buttons.value == "live":
            steps = {"corner": self._draw_corner} | self.predictive_view.steps()
        elif self.navigation.buttons.value == "marginals":
            steps = {"intervals": self._draw_intervals}
        if self._has_answer():
            self._status()
            self.redraws.draw({name: partial(self._draw_latest, step) for name, step in steps.items()})

    def _has_answer(self) -> bool:
        """False while a model is being opened: then the page still shows the last one."""
        return "model" in self.state.answers and self.state.info is not None

    def _draw_latest(self, step: Callable[[], None]) -> None:
        if self._has_answer():
            step()

    def _draw_corner(self) -> None:
        self.corner.show(self.state.histograms())

    def _draw_intervals(self) -> None:
        histograms = self.state.histograms()
        self.intervals.show(histograms)
        self.table.object = numbers(
            histograms["model"],
            histograms.get("other"),
            self.state.prior,
            self.state.info.x,
            histograms.get("refined"),
        )

    def _status(self) -> None:
        answer, state = self.state.answers["model"], self.state
        histogram = answer.histogram
        values = ", ".join(
            value_text(v, value, unit=False, spread=high - low).replace("-", "−" if not calendar(v) else "-")
            for v, value, (low, high) in zip(
                state.info.y, answer.observation[:4], state.info.observation_window, strict=False
            )
        )
        values += ", …" if len(answer.observation) > 4 else ""
        parts = [f"y = ({values})", f"{histogram.attrs['total']:,} draws".replace(",", " ")]
        parts.append(f"{1000 * answer.seconds:.0f} ms")
        if state.within:
            parts.append(f"{int(state.brush_mask().sum())} of {histogram.sizes['kept']} in the brush")
        parts += [sentence for sentence in (state.no_reference, state.info.note) if sentence]
        has_refined = state.refined is not None and "refined" in (state.histograms() or {})
        warnings = [f"Refined draws: {w}" for w in warnings_of(state.refined)] if has_refined else []
        self._show_message(" · ".join(parts), warnings=(*answer.warnings, *warnings))

    def _show_message(self, sentence: str, kind: str = "", warnings: tuple[str, ...] = ()) -> None:
        notes = "".join(
            f'<div class="wb-message bad wb-warning" style="margin-top:3px">{text.escape(warning)}</div>'
            for warning in warnings
        )
        self.message.object = f'<div class="wb-message {kind}">{text.escape(sentence)}</div>{notes}'

    def _on_error(self, error: BaseException) -> None:
        if "other" not in self.state.sources:  # it was refused: the menu says that none is compared
            self.models.second.value = ""
        self._show_message(report_error(error), "bad")

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
            self.predictive_view, sizing_mode="stretch_both", margin=0, styles={"flex": "2 1 320px", **HEIGHT}
        )
        live = pn.Row(pair, world, sizing_mode="stretch_both", margin=0, styles={"flex-wrap": "wrap"})
        tall = pn.Column(
            self.intervals,
            sizing_mode="stretch_width",
            height=430,
            margin=0,
            css_classes=["wb-view-intervals"],
        )
        marginals = StaticPage(pn.Column(tall, self.table, sizing_mode="stretch_width", margin=0))
        self.navigation = Navigation(
            live,
            {"marginals": lambda: marginals, "diagnostics": lambda: self.diagnostics_page},
            lambda page: self.draw(),
            pages=PAGES,
        )
        self.page = pmui.Page(
            title="Posterior explorer",
            sidebar=[pn.Column(*self._side(), margin=0, sizing_mode="stretch_width")],
            main=[self.message, *self.navigation.main],
            sidebar_width=316,
            header=[pn.layout.HSpacer(), self.navigation, self.redraws.echo],
            sidebar_variant="persistent",
            theme_config=style.THEME,
            sx=style.PAGE_SX,
            busy_indicator=None,
        )
        detach_busy_state(self.page)

    def _side(self) -> list[Any]:
        return [
            self.models,
            _heading("Observation"),
            self.observation_picker,
            _heading("Refinement"),
            self.refinement_panel,
            self.variables,
            pn.Row(self.draws, self.view, margin=0),
            pn.Row(self.fit, self.whole, margin=0),
            self.brush,
        ]

    def close(self) -> None:
        """Cancel all queries, diagnostics and refinements when the page is closed."""
        self.redraws.close()
        self.refinement_panel.close()
        self.state.close()
        self.diagnostics_page.close()

    def __panel__(self) -> Any:
        return self.page


class StaticPage(pn.viewable.Viewer):
    """A page of `Navigation` that needs no refresh when it is opened."""

    def __init__(self, content: Any) -> None:
        super().__init__()
        self._content = content

    def refresh(self) -> None:
        """Do nothing: `ExplorerPage.draw` updates the content."""

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


def explorer() -> ExplorerPage:
    """Build the posterior explorer for one browser session; called by ``apps/posterior.py`` and `serve`."""
    # not throttled: the posterior follows every movement of a slider
    prepare("tabulator", reconnect=True)
    arguments = {
        key: values[0].decode("utf-8", "replace") for key, values in pn.state.session_args.items() if values
    }
    page = ExplorerPage(run=arguments.get("run", ""), observation=arguments.get("y", ""))
    pn.state.on_session_destroyed(lambda context: page.close())
    return page
