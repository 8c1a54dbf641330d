"""Banner: one line above the views for what the user has to decide, with the button to do so."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui
import param

from workbench.ui import text
from workbench.ui.session import SAVED, Session


class Banner(pn.viewable.Viewer):
    """Line that says that the choices do not fit, that a worker has ended, or that a new run is needed.

    Where the choices differ from the run in the objective alone, a button continues it with the chosen one.
    """

    #: Height of the visible line in pixels.
    HEIGHT = 40

    height = param.Integer(0, doc="Current height of the banner in pixels.")

    def __init__(self, session: Session, guard: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.session = session
        self._text = pn.pane.HTML("", margin=(4, 8), sizing_mode="stretch_width")
        self.resume = pmui.Button(
            label="Resume",
            icon="restore",
            size="small",
            margin=(3, 6),
            css_classes=["wb-resume"],
            description="Continue from the last checkpoint.",
        )
        self.resume.on_click(lambda _: guard(session.resume))
        self.change = pmui.Button(
            label="Continue with this objective",
            icon="swap_horiz",
            variant="outlined",
            color="default",
            size="small",
            margin=(3, 6),
            css_classes=["wb-change-objective"],
            description="The network, the optimiser and the curves stay; a critic starts again.",
        )
        self.change.on_click(lambda _: guard(session.change_objective))
        self.open = pmui.Button(
            label="Show plots",
            icon="visibility",
            variant="outlined",
            color="default",
            size="small",
            margin=(3, 6),
            css_classes=["wb-open"],
            description="Open it in a worker, which trains nothing before you press the button above.",
        )
        self.open.on_click(lambda _: guard(session.ensure_job))
        self._layout = pn.Row(
            self._text,
            self.open,
            self.resume,
            self.change,
            margin=0,
            sizing_mode="stretch_width",
            visible=False,
            css_classes=["wb-banner"],
        )
        session.param.watch(lambda *_: self.refresh(), ["status", "dirty", "experiment"])
        self.refresh()

    def refresh(self) -> None:
        """Update the banner to the state of the session."""
        kind, sentence, resumable = message(self.session)
        self._text.object = f'<div class="wb-message {kind}" role="alert">{text.escape(sentence)}</div>'
        self.resume.visible = resumable
        self.open.visible = self.session.unopened and not self.session.dirty
        self.change.visible = not self.session.choices.refusal() and self.session.only_objective
        self._layout.visible = bool(sentence)
        self.height = self.HEIGHT if sentence else 0

    def __panel__(self):
        return self._layout


def message(session: Session) -> tuple[str, str, bool]:
    """Return the banner's CSS class, its sentence (empty: no banner), and True if the run can be resumed."""
    status = session.status
    refusal = session.choices.refusal()
    if refusal:
        return "info" if session.choices.spec("problem").refusals() else "bad", refusal, False
    if session.unopened and status.state == SAVED:
        return "info", f"This run is saved at step {status.iteration}; no worker has it open.", False
    if session.unopened:
        return (
            "info",
            "This experiment is ready and nothing has been started: look at its settings on the left, and "
            "press the button above to train it.",
            False,
        )
    if status.state == "killed":
        extent = f" up to step {status.saved}" if status.saved >= 0 else ""
        return "bad", f"The worker of this run was killed. Its checkpoint{extent} is safe.", True
    if status.state in ("failed", "stopped"):
        return (
            "bad" if status.state == "failed" else "info",
            status.message or f"This run is {status.state}.",
            True,
        )
    if session.only_objective:
        return "info", "The objective on the left differs from that of the run on display.", False
    if session.dirty and session.experiment is not None and status.state != "none":
        return (
            "info",
            "The choices on the left differ from the run on display: they are for a new run.",
            False,
        )
    return "", "", False
