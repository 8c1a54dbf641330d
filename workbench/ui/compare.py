"""The comparison page: studies and runs in a table to sort and filter, and plots of the selected rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models import HTMLTemplateFormatter

from workbench import plots
from workbench.studies import Column
from workbench.studies.posterior_comparison import MOST, observations, parameters, posterior_data, spread_data
from workbench.studies.results_table import Entry, Source, entries, frame, sources
from workbench.ui import style, text
from workbench.ui.card import FONT
from workbench.ui.menus import Menu
from workbench.ui.notifications import guard
from workbench.ui.overlay import loss_data, overlay
from workbench.ui.page import prepare
from workbench.ui.studio import detach_busy_state

FILTER = {"type": "input", "func": "like", "placeholder": "filter"}
#: Folder of the results that come with the repository; an installed package has none.
RESULTS = Path(__file__).resolve().parents[2] / "datasets" / "results"
SELECT = {"size": "small", "margin": (4, 6), "variant": "outlined"}
SHEET = """
.tabulator { font-size: 12.5px !important; }
.tabulator-row, .tabulator-row .tabulator-cell { min-height: 25px !important; height: 25px !important; }
.tabulator-row .tabulator-cell { padding: 3px 6px !important; }
.tabulator-row.tabulator-selected, .tabulator-row.tabulator-selected .tabulator-cell {
    background-color: #2e7fcb26 !important; color: inherit !important; }
"""
PLOTS = ("spread", "losses", "posterior")
#: Height in pixels of a plot, and of a row in the plot of a metric.
HEIGHT, ROW = 340, 24
#: Number of rows that are selected at first: those with the smallest values in the first column of numbers.
INITIAL_ROWS = 5


class Compare(pn.viewable.Viewer):
    """Table and plots of the comparison page, with results in ``folders`` and in the workbench's home."""

    def __init__(self, folders: Iterable[str | Path] = ()) -> None:
        super().__init__()
        style.dress_plots()
        self._folders, self._busy = tuple(folders), False
        self.available: dict[str, Source] = {}
        self.entries: list[Entry] = []
        self.columns: list[Column] = []
        self._widgets()
        self.table = _table()
        self.note = pn.pane.HTML("", margin=(2, 12), sizing_mode="stretch_width")
        self.places = {name: pn.Column(margin=0, sizing_mode="stretch_width") for name in PLOTS}
        self.third = pn.Column(
            pn.Row(self.observation, self.horizontal, self.vertical, margin=0, sizing_mode="stretch_width"),
            self.places["posterior"], sizing_mode="stretch_width", margin=(0, 6),
        )  # fmt: skip
        self._listen()
        self.refresh()
        if pn.state.curdoc is not None:
            pn.state.onload(self._restore_selection)

    def _restore_selection(self) -> None:
        """Select the same table rows again once the page has loaded; the browser ignores earlier
        selections."""
        selection, self._busy = self.table.selection, True
        self.table.selection = []
        self.table.selection = selection
        self._busy = False

    def _widgets(self) -> None:
        self.source = pmui.MultiChoice(
            label="Compare", options=[], width=620, margin=(4, 6), css_classes=["wb-source-pick"]
        )
        self.reload = pmui.Button(
            label="Refresh", icon="refresh", variant="outlined", size="small", margin=(14, 6)
        )
        self.metric = Menu(label="Number", options=[], width=190, css_classes=["wb-metric"], **SELECT)
        self.log = pmui.Switch(label="logarithmic", value=True, margin=(14, 6))
        self.observation = Menu(label="Observation", options={}, sizing_mode="stretch_width", **SELECT)
        self.horizontal = Menu(label="Horizontal", options=[], sizing_mode="stretch_width", **SELECT)
        self.vertical = Menu(label="Vertical", options=[], sizing_mode="stretch_width", **SELECT)

    def _listen(self) -> None:
        self.source.param.watch(lambda _: guard(self._on_source), "value")
        self.reload.on_click(lambda _: guard(self.refresh))
        self.table.param.watch(lambda _: guard(self.draw), "selection")
        for widget in (self.metric, self.log, self.observation, self.horizontal, self.vertical):
            widget.param.watch(lambda _: guard(self.draw), "value")

    # ---- sources and table
    def refresh(self) -> None:
        """Read the available runs and study results from disk again; the chosen sources stay chosen."""
        self.available = {source.title: source for source in sources(self._folders)}
        titles = [title for title in self.source.value if title in self.available]
        titles = titles or list(self.available)[:1]
        self.source.options = list(self.available)
        if self.source.value != titles:
            self.source.value = titles
        else:
            self._on_source()

    def _on_source(self) -> None:
        selection = [self.available[title] for title in self.source.value]
        self.entries = [entry for source in selection for entry in entries(source)]
        self.columns = list({c.name: c for source in selection for c in source.columns}.values())
        table = frame(self.entries, self.columns)
        if len(selection) > 1:
            titles = {source.key: title for title, source in self.available.items()}
            table.insert(1, "from", [titles[entry.source] for entry in self.entries])
        able = [i for i, e in enumerate(self.entries) if e.numbers]
        best = sorted(able, key=lambda i: self.entries[i].numbers.get(self.columns[0].name, float("inf")))
        self._busy = True
        try:
            # first clear the selection, which refers to the old rows
            self.table.selection = []
            self.table.param.update(
                value=table, formatters=_formatters(self.columns), header_filters=_filters(table),
                titles={"what": "", "from": ""},
                widths={"what": _width(table["what"]), "seed": 70, "state": 90}
                | {c.label: 108 for c in self.columns},
            )  # fmt: skip
            # the browser scrolls to the last one, which is the uppermost row
            self.table.selection = sorted(best[:INITIAL_ROWS], reverse=True)
            _choose(self.metric, {c.label: c.name for c in self.columns})
            _choose(self.observation, observations(self.entries))
            names = parameters(self.entries)
            _choose(self.horizontal, names)
            _choose(self.vertical, names[1:] + names[:1])
        finally:
            self._busy = False
        self.draw()

    @property
    def selection(self) -> list[Entry]:
        """Results of the selected rows, in the order of the table's data."""
        return [self.entries[i] for i in sorted(self.table.selection) if i < len(self.entries)]

    # ---- plots
    def draw(self) -> None:
        """Plot the chosen metric, losses and posteriors of the selected rows; every plot is built anew."""
        if self._busy:
            return
        column = next((c for c in self.columns if c.name == self.metric.value), None)
        complete = [e for e in self.entries if column and column.name in e.numbers]
        rows = [e for e in self.selection if e in complete] or complete
        tall = max(HEIGHT, ROW * len(rows) + 90)
        if column is not None and rows:
            data = spread_data(rows, column, log=self.log.value)
            self._put("spread", plots.spread(data, log=self.log.value), tall)
        self._put("losses", overlay(loss_data(self.selection)), tall)
        pair, place = (self.horizontal.value, self.vertical.value), self.observation.value
        able = [e for e in self.selection if e.draws is not None]
        if able and all(pair) and place is not None:
            self._put("posterior", plots.posteriors(posterior_data(able, place, pair)), tall)
        self.third.visible = bool(able)  # visible plots share the width
        self.note.object = f'<div class="wb-note">{text.escape(self._sentence())}</div>'

    def _put(self, name: str, plot: Any, height: int) -> None:
        """Show a plot in a new pane; updates cannot change the scale of an axis or a legend's entries."""
        pane = pn.pane.HoloViews(
            plot,
            height=height,
            sizing_mode="stretch_width",
            linked_axes=False,
            margin=0,
            stylesheets=[FONT],
        )
        self.places[name].objects = [pane]

    def _sentence(self) -> str:
        if not self.entries:
            return (
                "There is nothing to compare yet: train a run in the studio, or try "
                "`workbench study kinematics --fast`."
            )
        missing = [e for e in self.selection if e.note]
        sentence = f"{len(self.selection)} of {len(self.entries)} selected"
        sentence += (
            f"; curves and draws of the first {MOST} are shown. " if len(self.selection) > MOST else ". "
        )
        return sentence + " ".join(f"{e.title}: {e.note}" for e in missing[:2])

    def __panel__(self) -> Any:
        bar = pn.FlexBox(self.source, self.reload, sizing_mode="stretch_width", margin=(6, 6))
        title = '<div class="wb-title">Losses <span class="wb-caption">dashed: held out</span></div>'
        heads = {
            "spread": pn.Row(self.metric, self.log, margin=0),
            "losses": pn.pane.HTML(title, margin=(18, 10, 16, 10)),
        }
        parts = [
            pn.Column(head, self.places[name], sizing_mode="stretch_width", margin=(0, 6))
            for name, head in heads.items()
        ]
        row = pn.Row(*parts, self.third, sizing_mode="stretch_width", margin=0)
        return pn.Column(bar, self.table, self.note, row, sizing_mode="stretch_width", margin=(0, 8))


def _width(names: Iterable[str]) -> int:
    """Return the width in pixels of a table column for its longest entry, between 190 and 430."""
    return min(max(190, 7 * max((len(str(name)) for name in names), default=0) + 20), 430)


def _choose(widget: Any, options: Any) -> None:
    """Set a menu's options; its value stays if it is among them, else the first is selected."""
    values = list(options.values()) if isinstance(options, dict) else list(options)
    value = widget.value if widget.value in values else (values[0] if values else None)
    widget.param.update(options=options, value=value)


def _formatters(columns: Iterable[Column]) -> dict[str, Any]:
    """Return a table formatter per column that shows three significant digits; sorting uses all digits."""
    template = (
        "<%= value === null || isNaN(value) ? '–' : (value !== 0 && (Math.abs(value) < 1e-3 || "
        "Math.abs(value) >= 1e5)) ? value.toExponential(1) : Number(value.toPrecision(3)).toString() %>"
    )
    return {column.label: HTMLTemplateFormatter(template=template) for column in columns}


def _filters(table: pd.DataFrame) -> dict[str, Any]:
    return {name: FILTER for name in ("what", "from", "state", "seed") if name in table}


def _table() -> pn.widgets.Tabulator:
    return pn.widgets.Tabulator(
        pd.DataFrame(columns=["id", "what", "seed", "state"]),
        selectable="checkbox",
        show_index=False,
        disabled=True,
        hidden_columns=["id"],
        layout="fit_data_fill",
        height=330,
        sizing_mode="stretch_width",
        css_classes=["wb-compare-table"],
        theme="simple",
        # rows without a number come last in both directions of sorting
        configuration={"columnDefaults": {"sorterParams": {"alignEmptyValues": "bottom"}}},
        stylesheets=[SHEET],
    )


def compare() -> pmui.Page:
    """Build the comparison page for one browser session; called by ``apps/compare.py`` and `serve`."""
    prepare("tabulator", throttled=True, reconnect=True)
    page = pmui.Page(
        title="VINA workbench: compare",
        main=[Compare([RESULTS])],
        theme_config=style.THEME,
        sx=style.PAGE_SX,
        busy_indicator=None,
    )
    detach_busy_state(page)
    return page
