"""The inversion page: search for inputs that a trained network maps to a target, and replay the search."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

from workbench import diagnostics
from workbench.core.capability import Capability
from workbench.core.errors import DataError, WorkbenchError
from workbench.core.observation import checked_values, parse_values
from workbench.inversion import INVERSION
from workbench.problems import PROBLEMS, Problem
from workbench.training import Runs
from workbench.ui import process_pool, style, text
from workbench.ui.card import Heading, ViewCard
from workbench.ui.form import HALF, Form, wrapping
from workbench.ui.menus import Menu
from workbench.ui.notifications import guard, report_error
from workbench.ui.page import prepare
from workbench.ui.page_redraws import PageRedraws
from workbench.ui.pairs import is_curve, pairs_label, pairs_of
from workbench.ui.studio import detach_busy_state

if TYPE_CHECKING:
    import xarray as xr

#: Problems for which a forward network is trained on request, and those whose exact formula is inverted.
TRAINED = ("two_moons_posterior", "inverse_kinematics", "inverse_ballistics")
EXACT = ("sine_wave",)
#: Milliseconds between two frames of the replay.
INTERVAL = 150

SEARCH = Heading(
    "search",
    "Search",
    "Blue where the network's output is near the target; on each blue line one component equals its target.",
)
PROGRESS = Heading("inversion", "Misfit", "Distance of the output from the target, in scales of y.")


def sources() -> dict[str, str]:
    """Return the menu of networks and formulas: label -> source, as `process_pool.run_inversion` takes it."""
    result = {f"Network: {PROBLEMS[key].title}": f"trained:{key}" for key in TRAINED}
    result |= {f"Formula: {PROBLEMS[key].title}": f"exact:{key}" for key in EXACT}
    damages = {}
    for info in Runs().list():
        try:
            if info.state == "damaged":
                raise WorkbenchError(info.message)
            capabilities = Runs().folder(info.id).experiment().architecture.capabilities
        except (WorkbenchError, OSError) as error:
            damages[f"damaged: run {info.id}. {error}"] = f"run:{info.id}"
            continue
        if Capability.FORWARD in capabilities and Runs().folder(info.id).has_checkpoint:
            result[f"Run {info.id}: {info.title}"] = f"run:{info.id}"
    return result | damages


def problem_of(source: str) -> Problem:
    """Return the problem of a source (see `sources`); its y is the target of the inversion."""
    kind, _, name = source.partition(":")
    return Runs().folder(name).experiment().problem if kind == "run" else PROBLEMS.make(name)


class InversionPage(pn.viewable.Viewer):
    """Page with network, target and method on the left; plots of search and misfit on the right."""

    def __init__(self) -> None:
        super().__init__()
        style.dress_plots()
        self.redraws = PageRedraws(pn.state.curdoc)
        if pn.state.curdoc is not None:
            pn.state.onload(self.redraws.begin)
            pn.state.on_session_destroyed(lambda context: self.redraws.close())
        self.result: xr.Dataset | None = None
        self.form, self.fields = None, []
        self.source = Menu(
            label="Network",
            options=sources(),
            size="small",
            width=292,
            margin=(8, 3),
            css_classes=["wb-source"],
        )
        self.method = Menu(
            label="Method",
            options={member.title: member.key for member in INVERSION},
            size="small",
            width=292,
            margin=(8, 3, 0, 3),
            css_classes=["wb-method"],
        )
        self.pairs = Menu(label="Variables drawn", css_classes=["wb-pair"], **HALF)
        self.line = pmui.TextInput(
            size="small",
            width=292,
            margin=(6, 3),
            css_classes=["wb-target-all"],
            description="The target output as numbers with commas, in the order of y.",
        )
        self.about = pn.pane.HTML("", margin=(2, 6), sizing_mode="stretch_width")
        self.targets, self.settings = pn.Column(margin=0), pn.Column(margin=0)
        self.start = pmui.Button(
            label="Search", icon="search", width=140, margin=(10, 6), css_classes=["wb-search"]
        )
        self.message = pn.pane.HTML(
            "", margin=(6, 10), sizing_mode="stretch_width", css_classes=["wb-verdict"]
        )
        self.player, self.timeline = None, pn.Row(margin=0)
        self.plots = pn.Row(
            styles={"flex-wrap": "wrap", "padding-right": "20px", "box-sizing": "border-box"},
            sizing_mode="stretch_both",
            visible=False,
            css_classes=["wb-view-grid"],
        )
        self.search, self.progress = ViewCard(SEARCH), ViewCard(PROGRESS)
        self.source.param.watch(lambda _: guard(self._on_source), "value")
        self.method.param.watch(lambda _: guard(self._on_method), "value")
        self.start.on_click(self._search)
        self._on_source()
        self._on_method()
        self._show_message("Choose a network and a target, and press Search.", "")

    # ---- choices
    def _on_source(self) -> None:
        problem = problem_of(self.source.value)
        y, values = problem.y, problem.default_observation
        self.fields = [
            pmui.FloatInput(
                label=v.label, value=float(value), step=0.1, description=v.description or v.name, **HALF
            )
            for v, value in zip(y, values, strict=True)
            if not is_curve(y)
        ]
        self.line.param.update(
            label=f"y, {len(y)} numbers", value=", ".join(f"{value:.6g}" for value in values)
        )
        self._outputs = y
        pairs = pairs_of(problem.x)
        self.pairs.param.update(
            label=pairs_label(problem.x, "Variables drawn"),
            options=pairs,
            value=next(iter(pairs.values()), (0, 1)),
            visible=len(problem.x) > 2,
        )
        heading = pn.pane.HTML('<span class="wb-name">Target output</span>', margin=(8, 6, 0, 6))
        fields = wrapping(*self.fields) if self.fields else self.line
        self.targets.objects = [heading, fields, self.pairs]

    @property
    def target(self) -> list[float]:
        """The target output (M,). Raises `DataError` for a line of numbers that is not one."""
        if self.fields:
            return [float(field.value) for field in self.fields]
        return list(
            checked_values(parse_values(self.line.value, error=DataError), self._outputs, error=DataError)
        )

    def _on_method(self) -> None:
        spec = INVERSION.make(self.method.value)
        self.form = Form(spec, on_error=report_error)
        note = f'<div class="wb-note" title="{text.escape(spec.reference)}">{text.escape(spec.summary)}</div>'
        self.about.object, self.settings.objects = note, [self.form]

    # ---- the search
    async def _search(self, _event: Any = None) -> None:
        self.start.loading = True
        self._show_message("Searching; if there is no network yet, one is trained first …", "")
        try:
            work = process_pool.POOL.submit(
                process_pool.run_inversion,
                self.source.value,
                self.target,
                self.method.value,
                self.form.spec.values(),
                list(self.pairs.value or (0, 1)),
            )
            self.show(await asyncio.wrap_future(work))
        except Exception as error:
            self._show_message(report_error(error), "bad")
        finally:
            self.start.loading = False

    def show(self, result: xr.Dataset) -> None:
        """Plot the Dataset that `process_pool.run_inversion` returns, with the replay at its last frame."""
        self.result, self.plots.visible = result, True
        # a new one each time: the slider of an existing player does not shrink
        self.player = player(result.sizes["moment"] - 1)
        self.player.param.watch(lambda _: self._draw(), "value")
        self.timeline.objects = [self.player]
        self.redraws.draw({"progress": lambda: self.progress.show(self.result)})
        self._draw()
        self._show_message(result.attrs["sentence"], "" if result.attrs["verdict"] == "reached" else "bad")

    def _draw(self) -> None:
        self.redraws.draw({"search": self._draw_search})

    def _draw_search(self) -> None:
        """Plot the search at the frame of the replay that is the latest now."""
        page = diagnostics.search(self.result, frame=int(self.player.value))
        self.search.show(page)
        iteration = f"iteration {page.attrs['iteration']}: {page.attrs['title']}"
        self.search.heading.object = self.search._heading(iteration)

    def _show_message(self, sentence: str, kind: str) -> None:
        self.message.object = f'<div class="wb-message {kind}">{text.escape(sentence)}</div>'

    def __panel__(self) -> Any:
        side = pn.Column(
            self.source,
            self.targets,
            self.method,
            self.about,
            self.settings,
            self.start,
            margin=0,
            sizing_mode="stretch_width",
        )
        styles = {"height": "calc(100vh - 200px)", "min-height": "320px"}
        wide = pn.Column(self.search, styles={"flex": "3 1 480px", **styles}, margin=0)
        narrow = pn.Column(self.progress, styles={"flex": "2 1 320px", **styles}, margin=0)
        self.plots.objects = [wide, narrow]
        main = pn.Column(self.message, self.timeline, self.plots, sizing_mode="stretch_both", margin=0)
        page = pmui.Page(
            title="Inverting a trained network",
            sidebar=[side],
            main=[main],
            sidebar_width=316,
            header=[pn.layout.HSpacer(), self.redraws.echo],
            sidebar_variant="persistent",
            theme_config=style.THEME,
            sx=style.PAGE_SX,
            busy_indicator=None,
        )
        detach_busy_state(page)
        return page


def player(last: int) -> pn.widgets.Player:
    """Return a Panel player of the frames 0 to ``last``; it is at the last, from where it plays anew."""
    result = pn.widgets.Player(
        start=0,
        end=last,
        value=last,
        interval=INTERVAL,
        loop_policy="once",
        visible_buttons=["first", "previous", "pause", "play", "next", "last"],
        show_loop_controls=False,
        height=70,
        sizing_mode="stretch_width",
        max_width=520,
        margin=(0, 10),
        css_classes=["wb-moment"],
    )
    # Panel's own button does nothing at the last frame
    anew = "if (cb_obj.direction > 0 && cb_obj.value >= cb_obj.end) cb_obj.value = cb_obj.start"
    result.jscallback(direction=anew)
    return result


def inverter() -> pmui.Page:
    """Build the inversion page for one browser session; called by ``apps/inversion.py`` and `serve`."""
    prepare(throttled=True, reconnect=True)
    return InversionPage().__panel__()
