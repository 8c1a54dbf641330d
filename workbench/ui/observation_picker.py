"""Choose the observation of the explorer: by sliders, a row of the data, numbers, a file, or by the true
parameters from which it is simulated."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import DataError
from workbench.core.observation import parse_values
from workbench.core.variable import Variable
from workbench.ui import process_pool, text
from workbench.ui.curve_editor import CurveEditor
from workbench.ui.exploration import Exploration
from workbench.ui.menus import Menu
from workbench.ui.notifications import report_error
from workbench.ui.observation_file import SUFFIXES, read_observations, validate_file
from workbench.ui.pairs import is_curve
from workbench.ui.upload import clean_uploads

#: Sliders and a curve exclude each other: an observation of many components is one curve.
MODES = {
    **{"Sliders": "sliders", "Curve": "curve", "Row": "row", "Typed": "typed", "File": "file"},
    "Truth": "truth",
}
#: Largest number of rows of the data in the table.
TABLE_ROWS = 200
#: Largest number of sliders on the screen and of columns in the table; margin of a slider's range on either
#: side of the range of the data, as a fraction of that.
MAX_SLIDERS, COLUMNS, MARGIN = 6, 4, 0.15
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


class ObservationPicker(pn.viewable.Viewer):
    """One panel of controls per mode in `MODES`; only that of the chosen mode is shown."""

    def __init__(self, exploration: Exploration, guard: Callable[[Callable[[], None]], bool]) -> None:
        super().__init__()
        self.exploration, self._guard, self._updating = exploration, guard, False
        self.mode = pmui.RadioButtonGroup(
            options=MODES,
            value="sliders",
            size="small",
            color="default",
            sx=SX,
            margin=(4, 4),
            css_classes=["wb-observation-mode"],
        )
        self.sliders: list[pmui.FloatSlider] = []
        self.parameter_sliders: list[pmui.FloatSlider] = []
        self.curve = CurveEditor(self._on_curve, width=WIDTH)
        self.part = Menu(
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
        self.text = pmui.TextInput(
            label="Numbers, with commas",
            size="small",
            width=WIDTH,
            margin=(10, 4),
            css_classes=["wb-observation-text"],
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
        self.message = pn.pane.HTML("", margin=(4, 6), width=WIDTH, css_classes=["wb-observation-message"])
        self._panel = pn.Column(margin=0)
        self._listen()
        exploration.param.watch(lambda _: self.rebuild(), "model_count")
        exploration.param.watch(lambda _: self.show_observation(), ["observation", "answer_count"])

    def _listen(self) -> None:
        self.mode.param.watch(lambda _: self._guard(self._on_mode), "value")
        self.part.param.watch(lambda _: self._guard(self._fill), "value")
        self.table.on_click(lambda event: self._guard(lambda: self._select_row(int(event.row))))
        self.text.param.watch(lambda _: self._on_text(), "value")
        self.file.param.watch(self._on_upload, "value")
        self.row.param.watch(
            lambda _: self._guard(lambda: self._from_file(int(self.row.value or 0))), "value"
        )

    # ---- the controls
    def rebuild(self) -> None:
        """Create the modes, sliders and table rows for the model that was opened."""
        info = self.exploration.info
        can_simulate = "simulate" in info.problem_capabilities
        modes = {label: mode for label, mode in MODES.items() if mode != "truth" or can_simulate}
        modes = {label: mode for label, mode in modes.items() if mode != "row" or len(info.rows)}
        # many components are one curve
        one_curve = is_curve(info.y)
        other_mode = "sliders" if one_curve else "curve"
        modes = {label: mode for label, mode in modes.items() if mode != other_mode}
        self.mode.param.update(options=modes, value="curve" if one_curve else "sliders")
        self.sliders = [
            _slider(v, window, "y")
            for v, window in zip(info.y, info.observation_window, strict=True)
            if not one_curve
        ]
        if one_curve:
            self.curve.open(info.y, info.observation_window)
        self.parameter_sliders = [
            _slider(v, window, "x") for v, window in zip(info.x, info.window, strict=True)
        ]
        for slider in self.sliders:
            slider.param.watch(self._on_slider, "value")
        for slider in self.parameter_sliders:
            slider.param.watch(self._on_parameter_slider, "value")
        self.show_observation()  # before the browser creates the sliders: later values may be lost
        count = max(1, len(self.sliders))
        parts = [f"{i + 1} to {min(i + MAX_SLIDERS, count)} of {count}" for i in range(0, count, MAX_SLIDERS)]
        self.part.param.update(options=parts, value=parts[0])
        columns = info.y[:COLUMNS]
        self.table.value = pd.DataFrame(
            {
                v.symbol or v.name: [text.number(r, 2) for r in info.rows[:TABLE_ROWS, i]]
                for i, v in enumerate(columns)
            },
            index=pd.RangeIndex(min(TABLE_ROWS, len(info.rows)), name="row"),
        )
        self._rows, self.row.visible = [], False
        self._show_message("", "")
        self._fill()

    def _on_mode(self) -> None:
        self._show_message("", "")
        self._fill()
        if self.mode.value == "truth":
            self._on_parameter_slider()

    def _fill(self) -> None:
        """Show the controls of the chosen mode."""
        if self.exploration.info is None:  # no model yet
            return
        parts = list(self.part.options)
        at = MAX_SLIDERS * parts.index(self.part.value) if self.part.value in parts else 0
        self.part.visible = len(self.sliders) > MAX_SLIDERS
        panels = {
            "sliders": [self.part, *self.sliders[at : at + MAX_SLIDERS]],
            "curve": [_note("Choose a part of the curve and move it up or down."), self.curve],
            "row": [
                _note("Choose a row of the data; its true parameters are marked in the plots."),
                self.table,
            ],
            "typed": [self.text],
            "file": [
                _note("CSV, NPZ or NetCDF with one number per component, or one row per observation."),
                self.file,
                self.row,
            ],
            "truth": [
                _note("Set the true parameters; the observation is simulated from them."),
                *self.parameter_sliders[:MAX_SLIDERS],
            ],
        }
        self._panel.objects = panels[self.mode.value]

    def show_observation(self) -> None:
        """Update the controls to the current observation."""
        values = self.exploration.observation
        info = self.exploration.info
        if self._updating or info is None or len(values) != len(info.y):
            return
        if len(self.sliders) != (0 if is_curve(info.y) else len(values)):  # not yet rebuilt for this model
            return
        self._updating = True
        try:
            if not self.sliders and values:
                self.curve.show(values)
            for slider, value in zip(self.sliders, values, strict=False):
                if abs(slider.value - value) > 1e-9 * (slider.end - slider.start):
                    inside = min(max(value, slider.start), slider.end)
                    if inside != value:  # widen the slider to a value outside its range
                        slider.param.update(start=min(slider.start, value), end=max(slider.end, value))
                    slider.value = value
            numbers = ", ".join(f"{v:.6g}" for v in values)
            if self.text.value != numbers and not self.has_error:
                self.text.value = numbers
        finally:
            self._updating = False

    @property
    def has_error(self) -> bool:
        """True while an error is shown; the user's text then stays, to be corrected."""
        return "bad" in self.message.object

    # ---- what the user does
    def _on_slider(self, _event: Any = None) -> None:
        if not self._updating:
            self._observe([slider.value for slider in self.sliders])

    def _on_curve(self, values: list[float]) -> None:
        if not self._updating:
            self._updating = True  # the curve stays as it was when the movement began
            try:
                self._observe(values)
            finally:
                self._updating = False

    def _on_parameter_slider(self, _event: Any = None) -> None:
        if not self._updating:
            self._guard(lambda: self.exploration.move_truth(tuple(s.value for s in self.parameter_sliders)))

    def _select_row(self, row: int) -> None:
        info = self.exploration.info
        if info is None:
            return
        self._observe(info.rows[row], tuple(float(v) for v in info.truths[row]))

    def _on_text(self) -> None:
        if self._updating or not self.text.value.strip():
            return
        try:
            values = parse_values(self.text.value, error=DataError)
        except DataError as error:
            self._show_message(str(error), "bad")
            return
        self._observe(values)

    def _observe(self, values: Any, truth: tuple[float, ...] = ()) -> None:
        try:
            self.exploration.observe(values, truth)
        except DataError as error:
            self._show_message(str(error), "bad")
            return
        self._show_message("", "")

    async def _on_upload(self, event: Any) -> None:
        if not event.new:
            return
        data, name = bytes(event.new), str(self.file.filename or "")
        self.file.value = None
        self._show_message("Reading the file …", "info")
        path = None
        try:
            if self.exploration.info is None:
                raise DataError("The model is still being opened", suggestion="choose the file again then")
            suffix = validate_file(data, name)
            uploads = process_pool.transfer_folder("uploads")
            clean_uploads(uploads, len(data))
            path = uploads / process_pool.new_name(suffix)
            path.write_bytes(data)
            names = [v.name for v in self.exploration.info.y]
            work = process_pool.QUICK.submit(read_observations, str(path), names)
            self.load_rows(await asyncio.wrap_future(work))
        except Exception as error:
            self._show_message(report_error(error), "bad")
        finally:
            if path is not None:
                path.unlink(missing_ok=True)

    def load_rows(self, rows: list[tuple[float, ...]]) -> None:
        """Set the observation to the first of ``rows``, read from a file, and offer the others by number."""
        self._rows = rows
        self.row.param.update(visible=len(rows) > 1, end=max(0, len(rows) - 1), value=0)
        self._from_file(0)

    def _from_file(self, row: int) -> None:
        if row < len(self._rows):
            self._observe(self._rows[row])
            if not self.has_error:
                self._show_message(f"Observation {row + 1} of {len(self._rows)} in the file.", "info")

    def _show_message(self, sentence: str, kind: str) -> None:
        html = f'<div class="wb-message {kind}">{text.escape(sentence)}</div>' if sentence else ""
        self.message.object = html

    def __panel__(self) -> Any:
        return pn.Column(self.mode, self._panel, self.message, margin=0, sizing_mode="stretch_width")


def _slider(variable: Variable, window: tuple[float, float], side: str) -> pmui.FloatSlider:
    """Return a slider over the range ``window`` (low, high), widened by a margin if ``side`` is "y", that
    reports every movement."""
    low, high = window
    margin = MARGIN * (high - low) if side == "y" else 0.0
    start, end = max(low - margin, variable.low), min(high + margin, variable.high)
    whole = bool(variable.levels or variable.categories)
    if whole:  # the network is not asked for values between
        start, end = (
            float(math.ceil(max(start, 0.0) if variable.categories else start)),
            float(math.floor(end)),
        )
    slider = pmui.FloatSlider(
        label=variable.label,
        start=start,
        end=end,
        value=min(max(round(0.5 * (low + high)) if whole else 0.5 * (low + high), start), end),
        step=1.0 if whole else (end - start) / 400,
        format="0" if whole else "0.000",
        size="small",
        width=WIDTH - 24,
        margin=(6, 14, 0, 14),
        css_classes=[f"wb-{side}-slider"],
    )
    # without this, Panel waits 50 ms before it handles a slider's value
    slider._priority_changes = ["value"]
    return slider


def _note(sentence: str) -> pn.pane.HTML:
    return pn.pane.HTML(f'<div class="wb-note">{sentence}</div>', margin=(6, 6, 0, 6), width=WIDTH)
