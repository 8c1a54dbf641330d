"""Runs: the shelf of all runs, with open, resume, delete and their losses laid over each other."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import holoviews as hv
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import RunError
from workbench.training import RunInfo, Runs
from workbench.ui import text
from workbench.ui.choices import CATALOGUES
from workbench.ui.overlay import curves, overlay
from workbench.ui.session import Session

COLUMNS = ["run", "state", "iteration", "steps", "started", "id"]
MOST_CURVES = 8
# pixels, not shares: a table that is filled before it is seen would take shares of nothing
WIDTHS = {"run": 440, "state": 130, "iteration": 100, "steps": 90, "started": 140}


class RunsPanel(pn.viewable.Viewer):
    """A table of runs; what is ticked can be opened, resumed, deleted (after a second click) and compared."""

    def __init__(
        self, session: Session, guard: Callable[[Callable[[], None]], None], on_open: Callable[[], None]
    ) -> None:
        super().__init__()
        self.session, self._guard, self._on_open, self.runs = session, guard, on_open, Runs()
        self.table = empty_table()
        self.open = action("Open", "visibility", "Look at this run, at its last checkpoint.", "wb-open")
        self.resume = action("Resume", "play_arrow", "Open it and train on.", "wb-resume-run")
        self.delete = action(
            "Delete", "delete", "Remove the folder of every ticked run, for good.", "wb-delete"
        )
        self.sure = pmui.Button(
            label="Yes, delete",
            icon="delete_forever",
            color="error",
            visible=False,
            size="small",
            css_classes=["wb-delete-sure"],
            margin=(6, 4),
        )
        self.again = action("Refresh", "refresh", "Read the shelf again.", "wb-refresh")
        self.note = pn.pane.HTML("", margin=(10, 8), sizing_mode="stretch_width")
        self.pipe = hv.streams.Pipe(data=curves([]))
        self.plot = pn.pane.HoloViews(
            hv.DynamicMap(overlay, streams=[self.pipe]),
            sizing_mode="stretch_width",
            height=300,
            linked_axes=False,
            stylesheets=[".bk-Canvas { font-size: 12px !important; }"],
        )
        self._listen()
        buttons = [self.open, self.resume, self.delete, self.sure, self.again, self.note]
        bar = pn.Row(*buttons, margin=0, sizing_mode="stretch_width")
        self._layout = pn.Column(bar, self.table, self.plot, sizing_mode="stretch_width", margin=(4, 12))

    def _listen(self) -> None:
        guard = self._guard
        self.open.on_click(lambda _: guard(lambda: self._open(resume=False)))
        self.resume.on_click(lambda _: guard(lambda: self._open(resume=True)))
        self.delete.on_click(lambda _: self._ask())
        self.sure.on_click(lambda _: guard(self._delete))
        self.again.on_click(lambda _: guard(self.refresh))
        self.table.param.watch(lambda _: guard(self._ticked), "selection")

    def refresh(self) -> None:
        """Read the shelf."""
        self.infos = self.runs.list()
        rows = [
            (titled(i.title), state(i), i.iteration, i.steps or "", when(i.created), i.id) for i in self.infos
        ]
        self.table.param.update(value=pd.DataFrame(rows, columns=COLUMNS), selection=[])
        self._ticked()

    @property
    def ticked(self) -> list[RunInfo]:
        ids = self.table.value["id"].tolist() if len(self.table.value) else []
        return [self.infos[i] for i in self.table.selection if i < len(ids)]

    def _ticked(self) -> None:
        ticked = self.ticked
        self.open.disabled = self.resume.disabled = len(ticked) != 1
        self.delete.disabled, self.sure.visible = not ticked, False
        self._say("Tick runs to compare their losses." if self.infos else "There are no runs yet: train one.")
        self.pipe.send(
            curves(
                [
                    (f"{titled(i.title).split(' · ')[0]} · {i.id[-4:]}", self.runs.folder(i.id).history())
                    for i in ticked[:MOST_CURVES]
                ]
            )
        )

    def _open(self, *, resume: bool) -> None:
        if len(self.ticked) != 1:
            raise RunError("Tick one run", suggestion="only one can be looked at at a time")
        self.session.open(self.ticked[0].path)
        if resume:
            self.session.play_shown()
        self._on_open()

    def _ask(self) -> None:
        self.sure.visible = True
        count = len(self.ticked)
        self._say(f"This removes {count} run{'s' if count > 1 else ''} for good.")

    def _delete(self) -> None:
        for info in self.ticked:
            self.session.forget(info.path)
            self.runs.delete(info.id)
        self.refresh()

    def _say(self, sentence: str) -> None:
        self.note.object = f'<div class="wb-note">{text.escape(sentence)}</div>'

    def __panel__(self):
        return self._layout


def empty_table() -> pn.widgets.Tabulator:
    """The shelf before it was read."""
    return pn.widgets.Tabulator(
        pd.DataFrame(columns=COLUMNS),
        selectable="checkbox",
        show_index=False,
        disabled=True,
        hidden_columns=["id"],
        pagination="local",
        page_size=9,
        layout="fit_columns",
        height=330,
        sizing_mode="stretch_width",
        css_classes=["wb-runs-table"],
        theme="simple",
        widths=WIDTHS,
        stylesheets=[".tabulator { font-size: 12.5px !important; }"],
    )


def action(label: str, icon: str, tooltip: str, css: str) -> Any:
    return pmui.Button(
        label=label,
        icon=icon,
        description=tooltip,
        variant="outlined",
        size="small",
        css_classes=[css],
        margin=(6, 4),
    )


def titled(keys: str) -> str:
    """The titles of the members whose keys a run's folder names."""
    parts = dict(zip(CATALOGUES, keys.split(" · "), strict=False))
    return " · ".join(CATALOGUES[k][v].title if v in CATALOGUES[k] else v for k, v in parts.items())


def state(info: RunInfo) -> str:
    """A run that was let go after its last step is a finished one."""
    done = info.state == "stopped" and 0 < info.steps <= info.iteration
    return "finished" if done else text.STATES.get(info.state, info.state).rstrip(" …")


def when(created: float) -> str:
    return time.strftime("%d %b %H:%M", time.localtime(created))
