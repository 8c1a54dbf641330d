"""Run controls: play, pause, step 1, step 100, reset and the state of the run as text."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui

from workbench.ui import text
from workbench.ui.session import Session

COLOURS = {"running": "running", "failed": "bad", "killed": "bad", "finished": "good"}


class RunControls(pn.viewable.Viewer):
    """Buttons and readout of the run on display; ``guard`` reports errors of the actions to the user."""

    def __init__(self, session: Session, guard: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.session = session
        options = {"size": "small", "margin": (6, 3)}
        self.play = pmui.Button(
            label="Train",
            icon="play_arrow",
            color="primary",
            variant="contained",
            width=118,
            css_classes=["wb-play"],
            description="Start a run, or continue the one on display.",
            **options,
        )
        self.pause = button("pause", "Pause after the current step, and save.", "wb-pause")
        self.one = button("skip_next", "Train exactly one step.", "wb-step", label="1")
        self.hundred = button("fast_forward", "Train exactly 100 steps.", "wb-step-100", label="100")
        self.reset = button(
            "restart_alt", "Back to iteration 0: a new, untrained run of the current choices.", "wb-reset"
        )
        self.readout = pn.pane.HTML(
            readout(session), margin=(6, 6, 6, 14), sizing_mode="stretch_width", css_classes=["wb-readout"]
        )
        self.play.on_click(lambda _: guard(session.play))
        self.pause.on_click(lambda _: guard(session.pause))
        self.one.on_click(lambda _: guard(lambda: session.step(1)))
        self.hundred.on_click(lambda _: guard(lambda: session.step(100)))
        self.reset.on_click(lambda _: guard(lambda: session.new_run(run=False)))
        session.param.watch(lambda *_: self.refresh(), ["status", "dirty", "snapshot"])
        self._layout = pn.Row(
            self.play,
            self.pause,
            self.one,
            self.hundred,
            self.reset,
            self.readout,
            margin=0,
            sizing_mode="stretch_width",
            css_classes=["wb-run-controls"],
        )
        self.refresh()

    def refresh(self) -> None:
        """Update labels, enabled buttons and the readout to the session's state."""
        session, state = self.session, self.session.status.state
        running = state == "running"
        is_over = state in ("finished", "failed", "killed", "stopped", "none") or (
            session.unopened and not session.can_continue
        )
        label = "New run" if session.dirty or is_over else "Continue" if session.status.iteration else "Train"
        self.play.param.update(label=label, disabled=running and not session.dirty)
        self.pause.disabled = not running
        for step in (self.one, self.hundred):
            step.disabled = running or (is_over and not session.dirty)
        self.readout.object = readout(session)

    def __panel__(self):
        return self._layout


def button(icon: str, tooltip: str, css: str, label: str = "") -> pmui.Button:
    """Return a small outlined button with an icon and a tooltip; ``css`` is a CSS class."""
    return pmui.Button(
        label=label,
        icon=icon,
        description=tooltip,
        css_classes=[css],
        size="small",
        margin=(6, 2),
        variant="outlined",
        color="default",
        width=76 if label else 64,
    )


#: Short labels of loss parts by name, so that the readout fits on a small screen.
SHORT = {"negative_log_likelihood": "−log p"}


def readout(session: Session) -> str:
    """Format the run's state, iteration, loss parts, speed and device as accessible HTML."""
    status, parts = session.status, {}
    if session.history:
        parts = session.history[-1].parts
    cells = [
        cell("state", text.STATES.get(status.state, status.state), COLOURS.get(status.state, "")),
        cell("iteration", text.counter(status.iteration), "number wb-iteration"),
    ]
    loss = parts.get("loss", status.loss)
    cells.append(cell("loss", text.number(loss) if loss == loss else "–", "number wb-loss"))
    cells += [
        cell(SHORT.get(name) or text.label(name).lower(), text.number(value), "number")
        for name, value in list(parts.items())[:5]
        if name != "loss" and len(parts) > 2
    ]
    speed = f"{status.steps_per_second:.0f}" if status.steps_per_second else "–"
    cells += [cell("steps/s", speed, "number"), cell("device", text.escape(status.device or "–"))]
    if session.title:
        cells.append(cell("run", text.escape(session.title), "wb-run-title", "last"))
    return '<div class="wb-cells" role="status">' + "".join(cells) + "</div>"


def cell(name: str, value: str, kind: str = "", place: str = "") -> str:
    """Format a name and its value as HTML; ``kind`` and ``place`` are CSS classes."""
    span = f'<span class="wb-value {kind}">{value}</span>'
    return f'<div class="wb-cell {place}"><span class="wb-name">{name}</span>{span}</div>'
