"""The studio's grid of live plots of the run on display, sized to fit on one screen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import panel as pn
import panel_material_ui as pmui
import param

from workbench.problems import Problem
from workbench.snapshots import VIEWS, Snapshot, applicable, at_first, missing, requested_parts
from workbench.training import Experiment
from workbench.ui import text
from workbench.ui.badge import Badge
from workbench.ui.card import ViewCard, dataset, make_card
from workbench.ui.menus import Menu
from workbench.ui.model_graph import one_message
from workbench.ui.observation import Observation
from workbench.ui.pairs import pairs_of
from workbench.ui.session import Session

#: Height in pixels of the line that warns of an unusual observation.
WARNING_HEIGHT = 34
#: Height in pixels of header, run controls and tool row.
BARS_HEIGHT = 174
CHOOSER_SX = {
    "& .MuiToggleButton-root": {
        "textTransform": "none",
        "padding": "2px 8px",
        "fontSize": "12px",
        "whiteSpace": "nowrap",
    }
}


class ViewGrid(pn.viewable.Viewer):
    """Cards of the views that apply to a run, the badge, and menus of variables, observation and views."""

    def __init__(self, session: Session, guard: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.session, self._guard, self.active = session, guard, True
        self.redraw: Callable[[dict[str, Callable[[], None]]], None] = partial(draw_now, guard)
        self._silent, self._pairs, self._warning = False, None, ""
        self._problem: Problem | None = None  # problem of the data in the cards
        self._applicable: tuple[str, ...] | None = None
        self.visible_names: tuple[str, ...] = ()
        self.pair, self._reserved = (0, 1), 0
        self.cards: dict[str, ViewCard] = {}
        self.badge, self.observation = Badge(), Observation(session, guard)
        self.pairs = Menu(
            label="variables shown",
            size="small",
            width=150,
            margin=(6, 3),
            visible=False,
            css_classes=["wb-pair"],
            description="The two variables of x on the axes of the plots.",
        )
        self.chooser = pmui.CheckButtonGroup(
            size="small", margin=(8, 4), css_classes=["wb-views"], color="default", sx=CHOOSER_SX
        )
        self.pairs.param.watch(self._on_pair, "value")
        self.chooser.param.watch(self._on_views, "value")
        self.grid = pn.Row(
            styles={"flex-wrap": "wrap", "gap": "6px"},
            margin=(0, 6),
            sizing_mode="stretch_both",
            css_classes=["wb-view-grid"],
        )
        self.chooser.visible = False
        self.missing = pn.pane.HTML("", margin=(0, 8), visible=False, css_classes=["wb-note", "wb-missing"])
        self.views = pmui.Button(
            label="Views",
            icon="grid_view",
            variant="outlined",
            color="default",
            size="small",
            margin=(8, 4),
            css_classes=["wb-choose-views"],
            description="Choose which views are shown.",
        )
        self.views.on_click(self._toggle_chooser)
        tools = pn.Row(
            self.badge,
            self.pairs,
            self.observation,
            pn.layout.HSpacer(),
            self.views,
            margin=0,
            sizing_mode="stretch_width",
            css_classes=["wb-tools"],
        )
        self.warning = pn.pane.HTML("", margin=(0, 8), visible=False, css_classes=["wb-observation-warning"])
        parts = (tools, self.warning, self.chooser, self.missing, self.grid)
        self._layout = pn.Column(*parts, margin=0, sizing_mode="stretch_both")
        session.param.watch(lambda *_: self.refresh(), "experiment")
        session.param.watch(lambda *_: self.draw(), "snapshot")
        self.refresh()

    # ---- which views
    def refresh(self) -> None:
        """Offer the views and pairs of variables of the run on display, and redraw."""
        experiment = self.session.experiment
        if experiment is None:
            return
        self._silent = True
        try:
            self._offer(experiment)
        finally:
            self._silent = False
        self.place_cards()
        self.draw()

    def _offer(self, experiment: Experiment) -> None:
        names = applicable(experiment)
        if names != self._applicable:
            self._applicable = names
            self.chooser.param.update(
                options={VIEWS[n].title: n for n in names}, value=list(at_first(experiment))
            )
        self.missing.object = "<br>".join(text.escape(sentence) for sentence in missing(experiment))
        self.missing.visible = self.chooser.visible and bool(self.missing.object)
        x = experiment.problem.x
        pairs = pairs_of(x)
        if pairs != self._pairs:
            self._pairs, self.pair = pairs, next(iter(pairs.values()), (0, 1))
            self.pairs.param.update(options=pairs or {"x": (0, 1)}, value=self.pair, visible=len(x) > 2)

    def _toggle_chooser(self, _event: param.parameterized.Event) -> None:
        """Show or hide the choice of views, and the reasons why some are not available."""
        self.chooser.visible = not self.chooser.visible
        self.missing.visible = self.chooser.visible and bool(self.missing.object)

    def _on_views(self, event: param.parameterized.Event) -> None:
        if event.new is not None and self.session.experiment is not None and not self._silent:
            self.place_cards()
            self.draw()
            self.session.poll()

    def _on_pair(self, event: param.parameterized.Event) -> None:
        if not self._silent:
            self.pair = tuple(event.new or (0, 1))
            self.draw()

    def place_cards(self) -> None:
        """Lay out the cards of the chosen views, and have the session request their data."""
        experiment = self.session.experiment
        names = tuple(n for n in self._applicable if n in self.chooser.value)
        self.session.views = requested_parts(names, experiment)
        if names == self.visible_names:
            return
        self.visible_names = names
        for name in names:
            if name not in self.cards:
                self.cards[name] = make_card(VIEWS[name], self._on_tap)
        self._size()
        self.grid.objects = [self.cards[name] for name in names]

    def reserve(self, pixels: int) -> None:
        """Shrink the plots so that ``pixels`` of height remain for a line above the grid, such as the
        banner."""
        if pixels != self._reserved:
            self._reserved = pixels
            self._size()

    def _size(self) -> None:
        count = len(self.visible_names)
        columns = min(3, count) or 1
        for name in self.visible_names:
            above = BARS_HEIGHT + self._reserved + WARNING_HEIGHT * self.warning.visible
            style = place_style(columns, -(-count // columns), above)
            self.cards[name].__panel__().styles = style

    # ---- drawing
    def draw(self) -> None:
        """Update every visible card and the badge to the session's snapshot."""
        session = self.session
        if session.experiment is None or not self.active:
            return
        if self.grid.visible == session.unopened:
            self.grid.visible = not session.unopened  # there is nothing to plot before it is started
        same = self._problem is not None and self._problem == session.experiment.problem
        self._problem = session.experiment.problem
        steps = {
            name: partial(self._draw_card, name, hidden=not same or name == "losses")
            for name in self.visible_names
        }
        self.redraw(steps | {"": self._draw_notes})

    def _draw_card(self, name: str, *, hidden: bool) -> None:
        """Draw one card from the snapshot that is the newest now; ``hidden`` hides its plot without one."""
        session, card = self.session, self.cards[name]
        if session.snapshot is None:  # it arrives in a moment: avoid an empty flash
            return card.wait(hidden=hidden)
        return card.show(dataset(card.view, session.snapshot, session.experiment, session.history, self.pair))

    def _draw_notes(self) -> None:
        session = self.session
        self._warn(session.snapshot)
        self.badge.show(
            session.snapshot, " ".join(s for s in missing(session.experiment) if "Round trips" in s)
        )

    def _warn(self, snapshot: Snapshot | None) -> None:
        """Show a warning above the cards if the observation is unlike the training data, else hide it."""
        warning = snapshot.notes.get("observation", "") if snapshot is not None else ""
        if warning != self._warning:
            self._warning = warning
            self.warning.object = f'<div class="wb-message" role="status">{text.escape(warning)}</div>'
            if self.warning.visible != bool(warning):
                self.warning.visible = bool(warning)
                self._size()

    def _on_tap(self, first: float, second: float) -> None:
        session = self.session
        if session.experiment is None or not session.observation:
            return
        position = (first, second) if len(session.observation) > 1 else (first,)
        rest = tuple(session.observation[len(position) :])
        self._guard(lambda: session.observe(position + rest))

    def __panel__(self):
        return self._layout


def draw_now(guard: Callable[[Callable[[], None]], None], steps: dict[str, Callable[[], None]]) -> None:
    """Draw plots at once."""
    with one_message(pn.state.curdoc):
        for step in steps.values():
            guard(step)


def place_style(columns: int, rows: int, above: int) -> dict[str, str]:
    """Return the CSS properties of a card in a grid of ``columns`` × ``rows`` that fills the screen below
    ``above`` pixels of other content."""
    return {
        "flex": f"1 1 calc({100 / columns:.2f}% - 8px)",
        "max-width": f"calc({100 / columns:.2f}% - 4px)",
        "height": f"calc((100vh - {above}px) / {min(rows, 2)} - 6px)",
        "min-height": "220px",
    }
