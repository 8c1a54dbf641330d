"""Observing: the ways to say which observation is looked at. Sliders, a row of the data, numbers, a file,
or the parameters from which an observation is simulated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import DataError
from workbench.core.observation import parse_values
from workbench.diagnostics.posterior_explorer import ModelInfo
from workbench.ui import process_pool, text
from workbench.ui.exploration import Exploration
from workbench.ui.notifications import tell
from workbench.ui.observation_file import SUFFIXES, checked_file, read_observations
from workbench.ui.upload import sweep

WAYS = {"Sliders": "sliders", "Row": "row", "Typed": "typed", "File": "file", "Truth": "truth"}
#: Rows of the table.
TABLED = 200
#: Sliders that are shown at once, columns of the table, and by how much sliders leave the window of the data.
MOST, COLUMNS, WIDER = 6, 4, 0.15
WIDTH = 284
SX = {
    "& .MuiToggleButton-root": {"textTransform": "none", "padding": "2px 9px", "fontSize": "12px"},
    "& .MuiToggleButton-root.Mui-selected, & .MuiToggleButton-root.Mui-selected:hover": {
        "color": "inherit !important",
        "backgroundColor": "#2e7fcb33 !important",
    },
}
SHEET = """
.tabulator { font-size: 11.5px !important; }
.tabulator-row, .tabulator-row .tabulator-cell { min-height: 25px !important; height: 25px !important; }
.tabulator-row .tabulator-cell { padding: 3px 6px !important; }
.tabulator-footer { padding: 2px !important; }
"""


class Observing(pn.viewable.Viewer):
    """One panel a way; only the one that is chosen is shown."""

    def __init__(self, exploration: Exploration, guard: Callable[[Callable[[], None]], bool]) -> None:
        super().__init__()
        self.exploration, self._guard, self._putting = exploration, guard, False
        self.ways = pmui.RadioButtonGroup(
            options=WAYS,
            value="sliders",
            size="small",
            color="default",
            sx=SX,
            margin=(4, 4),
            css_classes=["wb-ways"],
        )
        self.sliders: list[pmui.FloatSlider] = []
        self.truths: list[pmui.FloatSlider] = []
        self.part = pmui.Select(
            label="Components", options=[], size="small", width=WIDTH, margin=(8, 4), visible=False
        )
        self.table = pn.widgets.Tabulator(
            pd.DataFrame(),
            selectable=1,
            show_index=True,
            disabled=True,
            height=290,
            width=WIDTH,
            theme="simple",
            layout="fit_columns",
            pagination="local",
            page_size=8,
            css_classes=["wb-rows"],
            stylesheets=[SHEET],
        )
        self.typed = pmui.TextInput(
            label="Numbers, with commas",
            size="small",
            width=WIDTH,
            margin=(10, 4),
            css_classes=["wb-typed"],
            description="The observed values in the order of y. Press Enter.",
        )
        self.file = pmui.FileInput(
            label="Choose a file",
            accept=",".join(SUFFIXES),
            multiple=False,
            width=WIDTH,
            margin=(8, 4),
            css_classes=["wb-observation-file"],
        )
        self.row = pmui.IntInput(
            label="Row of the file", value=0, start=0, size="small", width=130, margin=(10, 4), visible=False
        )
        self._rows: list[tuple[float, ...]] = []
        self.said = pn.pane.HTML("", margin=(4, 6), width=WIDTH, css_classes=["wb-observation-said"])
        self._panel = pn.Column(margin=0)
        self._listen()
        exploration.param.watch(lambda _: self.rebuild(), "opened")
        exploration.param.watch(lambda _: self.put(), ["observation", "changed"])

    def _listen(self) -> None:
        self.ways.param.watch(lambda _: self._guard(self._turned), "value")
        self.part.param.watch(lambda _: self._guard(self._fill), "value")
        self.table.on_click(lambda event: self._guard(lambda: self._picked(int(event.row))))
        self.typed.param.watch(lambda _: self._type(), "value")
        self.file.param.watch(self._uploaded, "value")
        self.row.param.watch(
            lambda _: self._guard(lambda: self._from_file(int(self.row.value or 0))), "value"
        )

    # ---- what there is
    def rebuild(self) -> None:
        """The controls of another model."""
        about = self.exploration.about
        can_simulate = "simulate" in about.problem_capabilities
        ways = {label: way for label, way in WAYS.items() if way != "truth" or can_simulate}
        ways = {label: way for label, way in ways.items() if way != "row" or len(about.rows)}
        self.ways.param.update(options=ways, value="sliders")
        self.sliders = [
            _slider(v, window, "y") for v, window in zip(about.y, about.observation_window, strict=True)
        ]
        self.truths = [_slider(v, window, "x") for v, window in zip(about.x, about.window, strict=True)]
        for slider in self.sliders:
            slider.param.watch(self._slid, "value")
        for slider in self.truths:
            slider.param.watch(self._truth_slid, "value")
        self.put()  # before the browser makes the sliders: what is sent to one that is being made may be lost
        count = len(about.y)
        parts = [f"{i + 1} to {min(i + MOST, count)} of {count}" for i in range(0, count, MOST)]
        self.part.param.update(options=parts, value=parts[0])
        shown = about.y[:COLUMNS]
        self.table.value = pd.DataFrame(
            {
                v.symbol or v.name: [text.number(r, 2) for r in about.rows[:TABLED, i]]
                for i, v in enumerate(shown)
            },
            index=pd.RangeIndex(min(TABLED, len(about.rows)), name="row"),
        )
        self._rows, self.row.visible = [], False
        self._say("", "")
        self._fill()

    def _turned(self) -> None:
        self._say("", "")
        self._fill()
        if self.ways.value == "truth":
            self._truth_slid()

    def _fill(self) -> None:
        """The panel of the chosen way."""
        if self.exploration.about is None:  # it comes with the model
            return
        about, at = self.exploration.about, MOST * self.part.options.index(self.part.value)
        self.part.visible = len(about.y) > MOST
        panels = {
            "sliders": [self.part, *self.sliders[at : at + MOST]],
            "row": [_note("Pick a pair of the data: its true parameters are marked."), self.table],
            "typed": [self.typed],
            "file": [
                _note("CSV, NPZ or NetCDF with one number a component, or one row an observation."),
                self.file,
                self.row,
            ],
            "truth": [_note("Move the parameters; the observation is simulated."), *self.truths[:MOST]],
        }
        self._panel.objects = panels[self.ways.value]

    def put(self) -> None:
        """Show the observation that is looked at."""
        values = self.exploration.observation
        if self._putting or len(values) != len(self.sliders):
            return
        self._putting = True
        try:
            for slider, value in zip(self.sliders, values, strict=True):
                if abs(slider.value - value) > 1e-9 * max(1.0, abs(value)):
                    inside = min(max(value, slider.start), slider.end)
                    if inside != value:  # the slider makes room for what was typed
                        slider.param.update(start=min(slider.start, value), end=max(slider.end, value))
                    slider.value = value
            shown = ", ".join(f"{v:.6g}" for v in values)
            if self.typed.value != shown and not self.said_badly:
                self.typed.value = shown
        finally:
            self._putting = False

    @property
    def said_badly(self) -> bool:
        """An error stands under the controls; what was typed stays until it is mended."""
        return "bad" in self.said.object

    # ---- what is done
    def _slid(self, _event: Any = None) -> None:
        if not self._putting:
            self._observe([slider.value for slider in self.sliders])

    def _truth_slid(self, _event: Any = None) -> None:
        if not self._putting:
            self._guard(lambda: self.exploration.move_truth(tuple(s.value for s in self.truths)))

    def _picked(self, row: int) -> None:
        about = self.exploration.about
        if about is None:
            return
        self._observe(about.rows[row], tuple(float(v) for v in about.truths[row]))

    def _type(self) -> None:
        if self._putting or not self.typed.value.strip():
            return
        try:
            values = parse_values(self.typed.value, error=DataError)
        except DataError as error:
            self._say(str(error), "bad")
            return
        self._observe(values)

    def _observe(self, values: Any, truth: tuple[float, ...] = ()) -> None:
        try:
            self.exploration.observe(values, truth)
        except DataError as error:
            self._say(str(error), "bad")
            return
        self._say("", "")

    async def _uploaded(self, event: Any) -> None:
        if not event.new:
            return
        data, name = bytes(event.new), str(self.file.filename or "")
        self.file.value = None
        path = None
        try:
            suffix = checked_file(data, name)
            uploads = process_pool.shelf("uploads")
            sweep(uploads, len(data))
            path = uploads / process_pool.new_name(suffix)
            path.write_bytes(data)
            names = [v.name for v in self.exploration.about.y]
            work = process_pool.POOL.send(read_observations, str(path), names)
            self.take(await asyncio.wrap_future(work))
        except Exception as error:
            self._say(tell(error), "bad")
        finally:
            if path is not None:
                path.unlink(missing_ok=True)

    def take(self, rows: list[tuple[float, ...]]) -> None:
        """Look at the first of these observations of a file, and offer the others."""
        self._rows = rows
        self.row.param.update(visible=len(rows) > 1, end=max(0, len(rows) - 1), value=0)
        self._from_file(0)

    def _from_file(self, row: int) -> None:
        if row < len(self._rows):
            self._observe(self._rows[row])
            if not self.said_badly:
                self._say(f"Observation {row + 1} of {len(self._rows)} in the file.", "info")

    def _say(self, sentence: str, kind: str) -> None:
        said = f'<div class="wb-message {kind}">{text.escape(sentence)}</div>' if sentence else ""
        self.said.object = said

    def __panel__(self) -> Any:
        return pn.Column(self.ways, self._panel, self.said, margin=0, sizing_mode="stretch_width")


def _slider(variable: Any, window: tuple[float, float], side: str) -> pmui.FloatSlider:
    """A slider over the window of the data and somewhat beyond, whose every movement counts."""
    low, high = window
    room = WIDER * (high - low) if side == "y" else 0.0
    start, end = max(low - room, variable.low), min(high + room, variable.high)
    made = pmui.FloatSlider(
        label=variable.label,
        start=start,
        end=end,
        value=min(max(0.5 * (low + high), start), end),
        step=(end - start) / 400,
        format="0.000",
        size="small",
        width=WIDTH - 24,
        margin=(6, 14, 0, 14),
        css_classes=[f"wb-{side}-slider"],
    )
    # without this, Panel waits 50 ms before it looks at what a slider says
    made._priority_changes = ["value"]
    return made


def _note(sentence: str) -> pn.pane.HTML:
    return pn.pane.HTML(f'<div class="wb-note">{sentence}</div>', margin=(6, 6, 0, 6), width=WIDTH)


__all__ = ["Observing", "ModelInfo"]
