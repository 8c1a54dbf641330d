"""Banner: one line above the views when something needs a decision, with the button that makes it."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui
import param

from workbench.ui import text
from workbench.ui.session import Session


class Banner(pn.viewable.Viewer):
    """Says that a worker was killed or failed, or that the choices are for a new run; where only the
    objective differs, the run may go on with it."""

    #: Pixels that the line takes while it is there.
    HEIGHT = 40

    height = param.Integer(0, doc="Pixels that the banner takes now.")

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
            description="Go on from the last checkpoint.",
        )
        self.resume.on_click(lambda _: guard(session.resume))
        self.change = pmui.Button(
            label="Train on with this objective",
            icon="swap_horiz",
            variant="outlined",
            color="default",
            size="small",
            margin=(3, 6),
            css_classes=["wb-change-objective"],
            description="The network, the optimiser and the curves stay; a critic starts anew.",
        )
        self.change.on_click(lambda _: guard(session.change_objective))
        self._layout = pn.Row(
            self._text,
            self.resume,
            self.change,
            margin=0,
            sizing_mode="stretch_width",
            visible=False,
            css_classes=["wb-banner"],
        )
        session.param.watch(lambda *_: self.refresh(), ["status", "dirty", "shown"])
        self.refresh()

    def refresh(self) -> None:
        kind, sentence, resumable = message(self.session)
        self._text.object = f'<div class="wb-message {kind}" role="alert">{text.escape(sentence)}</div>'
        self.resume.visible = resumable
        self.change.visible = not self.session.choices.refusal() and self.session.only_objective
        self._layout.visible = bool(sentence)
        self.height = self.HEIGHT if sentence else 0

    def __panel__(self):
        return self._layout


def message(session: Session) -> tuple[str, str, bool]:
    """Kind, sentence and whether resuming is offered."""
    status = session.status
    refusal = session.choices.refusal()
    if refusal:
        return "info" if session.choices.spec("problem").refusals() else "bad", refusal, False
    if status.state == "killed":
        kept = f" up to step {status.saved}" if status.saved >= 0 else ""
        return "bad", f"The worker of this run was killed. Its checkpoint{kept} is safe.", True
    if status.state in ("failed", "stopped"):
        return (
            "bad" if status.state == "failed" else "info",
            status.message or f"This run is {status.state}.",
            True,
        )
    if session.only_objective:
        return "info", "The objective on the left differs from that of the run that is shown.", False
    if session.dirty and session.shown is not None and status.state != "none":
        return (
            "info",
            "The choices on the left differ from the run that is shown: they are for a new run.",
            False,
        )
    return "", "", False
