"""Table of all stored runs, to open, resume, delete and compare by their losses."""

from __future__ import annotations

import time
from collections.abc import Callable

import holoviews as hv
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import RunError
from workbench.training import History, RunInfo, Runs
from workbench.ui import text
from workbench.ui.choices import CATALOGUES
from workbench.ui.overlay import curves, overlay
from workbench.ui.session import Session

COLUMNS = ["run", "state", "iteration", "steps", "started", "id"]
MAX_CURVES = 8
#: Seconds within which a run that is to be deleted must have ended.
PATIENCE = 30.0
# pixels, not percentages: a table that is filled before it is visible has no width to divide
WIDTHS = {"run": 440, "state": 130, "iteration": 100, "steps": 90, "started": 140}


class RunsPanel(pn.viewable.Viewer):
    """A table of runs; selected ones can be opened, resumed, deleted (after confirmation) and compared."""

    def __init__(
        self, session: Session, guard: Callable[[Callable[[], None]], None], on_open: Callable[[], None]
    ) -> None:
        super().__init__()
        self.session, self._guard, self._on_open, self.runs = session, guard, on_open, Runs()
        self._ending: list[RunInfo] = []  # to be deleted as soon as their processes have ended
        self._deadline = 0.0
        self.table = empty_table()
        self.open = action("Open", "visibility", "Show this run at its last checkpoint.", "wb-open")
        self.resume = action("Resume", "play_arrow", "Open it and continue training.", "wb-resume-run")
        self.delete = action(
            "Delete", "delete", "Delete the folder of every selected run permanently.", "wb-delete"
        )
        self.confirm = pmui.Button(
            label="Yes, delete",
            icon="delete_forever",
            color="error",
            visible=False,
            size="small",
            css_classes=["wb-delete-confirm"],
            margin=(6, 4),
        )
        self.reload = action("Refresh", "refresh", "Read the list again.", "wb-refresh")
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
        buttons = [self.open, self.resume, self.delete, self.confirm, self.reload, self.note]
        bar = pn.Row(*buttons, margin=0, sizing_mode="stretch_width")
        self._layout = pn.Column(bar, self.table, self.plot, sizing_mode="stretch_width", margin=(4, 12))

    def _listen(self) -> None:
        guard = self._guard
        self.open.on_click(lambda _: guard(lambda: self._open(resume=False)))
        self.resume.on_click(lambda _: guard(lambda: self._open(resume=True)))
        self.delete.on_click(lambda _: self._ask())
        self.confirm.on_click(lambda _: guard(self._delete))
        self.reload.on_click(lambda _: guard(self.refresh))
        self.table.param.watch(lambda _: guard(self._on_selection), "selection")

    def refresh(self) -> None:
        """Read the stored runs from disk again and clear the selection."""
        self.infos = self.runs.list()
        rows = [
            (run_text(i), state_text(i), i.iteration, i.steps or "", format_time(i.created), i.id)
            for i in self.infos
        ]
        self.table.param.update(value=pd.DataFrame(rows, columns=COLUMNS), selection=[])
        self._on_selection()

    @property
    def selection(self) -> list[RunInfo]:
        """The `RunInfo` of each run that is selected in the table."""
        ids = self.table.value["id"].tolist() if len(self.table.value) else []
        return [self.infos[i] for i in self.table.selection if i < len(ids)]

    def _on_selection(self) -> None:
        selection = self.selection
        self.open.disabled = self.resume.disabled = len(selection) != 1
        self.delete.disabled, self.confirm.visible = not selection, False
        self._show_message(
            "Select runs to compare their losses." if self.infos else "There are no runs yet: train one."
        )
        self.pipe.send(
            curves(
                [
                    (f"{run_title(i.title).split(' · ')[0]} · {i.id[-4:]}", self._history(i))
                    for i in selection[:MAX_CURVES]
                ]
            )
        )

    def _history(self, info: RunInfo) -> History:
        """Return the history of a run; an empty one where it cannot be read."""
        try:
            return self.runs.folder(info.id).history()
        except RunError:
            return History()

    def _open(self, *, resume: bool) -> None:
        if len(self.selection) != 1:
            raise RunError("Select one run", suggestion="only one can be shown at a time")
        self.session.open(self.selection[0].path)
        if resume:
            self.session.continue_run()
        self._on_open()

    def _ask(self) -> None:
        """Ask before selected runs are deleted; say so instead where one of them trains elsewhere."""
        alive = [i for i in self.selection if not self._is_own(i) and self.runs.is_alive(i.id)]
        self.confirm.visible = not alive
        if alive:
            name = run_title(alive[0].title)
            more = f" and {len(alive) - 1} more" if len(alive) > 1 else ""
            self._show_message(
                f"'{name}' ({alive[0].id[-4:]}){more} is still in use by another page or program. "
                "Stop it there first, or take it out of the selection."
            )
            return
        count = len(self.selection)
        self._show_message(f"This deletes {count} run{'s' if count > 1 else ''} permanently.")

    def _is_own(self, info: RunInfo) -> bool:
        """Test whether this page trains a run: it is stopped when it is deleted."""
        return self.session.job is not None and self.session.job.handle.folder == info.path

    def _delete(self) -> None:
        """Delete the selected runs; one that this page trains is stopped, and deleted once it has ended."""
        self._ending, self._deadline = self.selection, time.monotonic() + PATIENCE
        for info in self._ending:
            self.session.forget(info.path)
        self.delete_ended()

    def delete_ended(self) -> None:
        """Delete those of the runs to be deleted whose process has ended; to be called again and again.

        Raises `RunError` for a run that does not end in time.
        """
        ending, self._ending = self._ending, []
        try:
            for info in ending:
                if self.runs.is_alive(info.id) and time.monotonic() < self._deadline:
                    self._ending.append(info)
                else:
                    self.runs.delete(info.id)
        finally:  # also where one of several could not be deleted
            if len(self._ending) < len(ending):
                self.refresh()
        if self._ending:
            self._show_message("The run is being stopped, and is deleted as soon as it has ended.")

    def _show_message(self, sentence: str) -> None:
        self.note.object = f'<div class="wb-note">{text.escape(sentence)}</div>'

    def __panel__(self):
        return self._layout


def empty_table() -> pn.widgets.Tabulator:
    """Return the Tabulator widget for the list of runs, without rows."""
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


def action(label: str, icon: str, tooltip: str, css: str) -> pmui.Button:
    """Return a small outlined button with an icon and a tooltip; ``css`` is a CSS class."""
    return pmui.Button(
        label=label,
        icon=icon,
        description=tooltip,
        variant="outlined",
        size="small",
        css_classes=[css],
        margin=(6, 4),
    )


def run_title(keys: str) -> str:
    """Convert the keys of problem, architecture and objective, joined by " · ", into their titles."""
    parts = dict(zip(CATALOGUES, keys.split(" · "), strict=False))
    return " · ".join(CATALOGUES[k][v].title if v in CATALOGUES[k] else v for k, v in parts.items())


def run_text(info: RunInfo) -> str:
    """Return the titles of a run's parts; of a damaged run also the reason."""
    return f"{run_title(info.title)}: {info.message}" if info.state == "damaged" else run_title(info.title)


def state_text(info: RunInfo) -> str:
    """Return a run's state in words; a run that was stopped after its last step counts as finished."""
    is_complete = info.state == "stopped" and 0 < info.steps <= info.iteration
    return "finished" if is_complete else text.STATES.get(info.state, info.state).rstrip(" …")


def format_time(created: float) -> str:
    """Format seconds since the epoch as a short local date and time."""
    return time.strftime("%d %b %H:%M", time.localtime(created))
