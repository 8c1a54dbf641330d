"""Board: the live views of what is shown, in a grid that fits on one screen."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import panel as pn
import panel_material_ui as pmui

from workbench.training import Experiment
from workbench.ui import text
from workbench.ui.badge import Badge
from workbench.ui.card import ViewCard, dataset, make_card
from workbench.ui.observation import Observation
from workbench.ui.session import Session
from workbench.ui.view_choice import VIEWS, applicable, asked, at_first, missing

#: Height of the line that warns of an unusual observation, in pixels.
CONCERN = 34
#: Height that header, transport bar and tool row take from the window, in pixels.
ABOVE = 174
CHOOSER_SX = {
    "& .MuiToggleButton-root": {
        "textTransform": "none",
        "padding": "2px 8px",
        "fontSize": "12px",
        "whiteSpace": "nowrap",
    }
}


class Board(pn.viewable.Viewer):
    """Cards for the views that apply, the badge, and the choice of variables, observation and views."""

    def __init__(self, session: Session, guard: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.session, self._guard, self.active = session, guard, True
        self._silent, self._pairs_offered = False, None
        self._said = ""
        self._drawn = None  # the problem that the cards show
        self.pair, self.shown_names, self._offered, self._room = (0, 1), (), None, 0
        self.cards: dict[str, ViewCard] = {}
        self.badge, self.observation = Badge(), Observation(session, guard)
        self.pairs = pmui.Select(
            label="variables drawn",
            size="small",
            width=150,
            margin=(6, 3),
            visible=False,
            css_classes=["wb-pair"],
            description="The two variables of x that the plots draw.",
        )
        self.chooser = pmui.CheckButtonGroup(
            size="small", margin=(8, 4), css_classes=["wb-views"], color="default", sx=CHOOSER_SX
        )
        self.pairs.param.watch(self._pair_chosen, "value")
        self.chooser.param.watch(self._views_chosen, "value")
        self.grid = pn.Row(
            styles={"flex-wrap": "wrap", "gap": "6px"},
            margin=(0, 6),
            sizing_mode="stretch_both",
            css_classes=["wb-board"],
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
        self.views.on_click(self._choose)
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
        self.concern = pn.pane.HTML("", margin=(0, 8), visible=False, css_classes=["wb-concern"])
        parts = (tools, self.concern, self.chooser, self.missing, self.grid)
        self._layout = pn.Column(*parts, margin=0, sizing_mode="stretch_both")
        session.param.watch(lambda *_: self.refresh(), "shown")
        session.param.watch(lambda *_: self.draw(), "snapshot")
        self.refresh()

    # ---- which views
    def refresh(self) -> None:
        """Offer what applies to what is shown now."""
        experiment = self.session.shown
        if experiment is None:
            return
        self._silent = True
        try:
            self._offer(experiment)
        finally:
            self._silent = False
        self.place()
        self.draw()

    def _offer(self, experiment: Experiment) -> None:
        names = applicable(experiment)
        if names != self._offered:
            self._offered = names
            self.chooser.param.update(
                options={VIEWS[n].title: n for n in names}, value=list(at_first(experiment))
            )
        self.missing.object = "<br>".join(text.escape(sentence) for sentence in missing(experiment))
        self.missing.visible = self.chooser.visible and bool(self.missing.object)
        x = experiment.problem.x
        pairs = {f"{x[i].label}, {x[j].label}": (i, j) for i, j in combinations(range(len(x)), 2)}
        if pairs != self._pairs_offered:
            self._pairs_offered, self.pair = pairs, (0, 1)
            self.pairs.param.update(options=pairs or {"x": (0, 1)}, value=(0, 1), visible=len(x) > 2)

    def _choose(self, _) -> None:
        """The chooser, and below it why some views are not in it."""
        self.chooser.visible = not self.chooser.visible
        self.missing.visible = self.chooser.visible and bool(self.missing.object)

    def _views_chosen(self, event) -> None:
        if event.new is not None and self.session.shown is not None and not self._silent:
            self.place()
            self.draw()
            self.session.look()

    def _pair_chosen(self, event) -> None:
        if not self._silent:
            self.pair = tuple(event.new or (0, 1))
            self.draw()

    def place(self) -> None:
        """Put the chosen cards into the grid and tell the session what to ask for."""
        experiment = self.session.shown
        names = tuple(n for n in self._offered if n in self.chooser.value)
        self.session.views = asked(names, experiment)
        if names == self.shown_names:
            return
        self.shown_names = names
        for name in names:
            if name not in self.cards:
                self.cards[name] = make_card(VIEWS[name], self._tapped)
        self._size()
        self.grid.objects = [self.cards[name] for name in names]

    def make_room(self, pixels: int) -> None:
        """Leave this much height to a line above the tools, so that the last row stays on the screen."""
        if pixels != self._room:
            self._room = pixels
            self._size()

    def _size(self) -> None:
        count = len(self.shown_names)
        columns = min(3, count) or 1
        for name in self.shown_names:
            above = ABOVE + self._room + CONCERN * self.concern.visible
            style = place_style(columns, -(-count // columns), above)
            self.cards[name].__panel__().styles = style

    # ---- drawing
    def draw(self) -> None:
        """Feed every visible card; the badge is always fed."""
        session = self.session
        if session.shown is None or not self.active:
            return
        # one message to the browser, and the page's models are gone through once instead of once a plot
        with pn.io.hold(freeze=True):
            self._feed()

    def _feed(self) -> None:
        session = self.session
        same = self._drawn is not None and self._drawn == session.shown.problem
        self._drawn = session.shown.problem
        for name in self.shown_names:
            card = self.cards[name]
            if session.snapshot is None:  # it comes in a moment: no flash of emptiness meanwhile
                card.wait(hidden=not same or name == "losses")
                continue
            self._guard(
                lambda card=card: card.show(
                    dataset(card.view, session.snapshot, session.shown, session.history, self.pair)
                )
            )
        self._warn(session.snapshot)
        self.badge.show(session.snapshot, " ".join(s for s in missing(session.shown) if "Round trips" in s))

    def _warn(self, snapshot) -> None:
        """One line over the cards while the observation is not like those of the training."""
        said = snapshot.notes.get("observation", "") if snapshot is not None else ""
        if said != self._said:
            self._said = said
            self.concern.object = f'<div class="wb-message" role="status">{text.escape(said)}</div>'
            if self.concern.visible != bool(said):
                self.concern.visible = bool(said)
                self._size()

    def _tapped(self, first: float, second: float) -> None:
        session = self.session
        if session.shown is None or not session.observation:
            return
        tapped = (first, second) if len(session.observation) > 1 else (first,)
        self._guard(lambda: session.observe(tapped + tuple(session.observation[len(tapped) :])))

    def __panel__(self):
        return self._layout


def place_style(columns: int, rows: int, above: int) -> dict[str, str]:
    """Width and height of one card: the whole grid fits under the bars, ``above`` pixels high."""
    return {
        "flex": f"1 1 calc({100 / columns:.2f}% - 8px)",
        "max-width": f"calc({100 / columns:.2f}% - 4px)",
        "height": f"calc((100vh - {above}px) / {min(rows, 2)} - 6px)",
        "min-height": "220px",
    }
