"""Controls: the sidebar, where an experiment is chosen and its settings are changed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import SpecError
from workbench.core.spec import Spec
from workbench.ui.choices import KINDS
from workbench.ui.cost import CostCard
from workbench.ui.devices import DEVICES, known_devices, probe_devices
from workbench.ui.drawing import Drawing
from workbench.ui.form import HALF, Form, wrapping
from workbench.ui.menus import Menu
from workbench.ui.picker import Picker
from workbench.ui.section import Section
from workbench.ui.session import Session
from workbench.ui.upload import Upload

if TYPE_CHECKING:
    from bokeh.document import Document

EDITORS = {
    "drawn": (Drawing, frozenset({"points"})),
    "table": (Upload, Upload.settings),
}
#: Milliseconds that the browser gets to render the page after loading it.
RENDER_DELAY = 1000
FIRST_SETTINGS = ("learning_rate", "batch_size", "samples")


class Controls(pn.viewable.Viewer):
    """The sidebar: problem, architecture, objective and training with settings, cost card and device."""

    def __init__(
        self,
        session: Session,
        guard: Callable[[Callable[[], None]], None],
    ) -> None:
        super().__init__()
        self.session, self.choices, self._guard = session, session.choices, guard
        self.cost = CostCard(self.choices)
        self.pickers = {
            kind: Picker(
                kind,
                self.choices,
                on_pick=self._on_pick,
                on_error=self._on_error,
                on_change=lambda name, value, kind=kind: self._on_change(kind, name, value),
                extra=lambda spec, kind=kind: self._extra(kind, spec),
            )
            for kind in KINDS
        }
        self._training = pn.Column(margin=0, sizing_mode="stretch_width")
        self._more = pn.Column(margin=0, sizing_mode="stretch_width")
        self.sections = [Section("Training", self._training, open=True), Section("More training", self._more)]
        self.device = self._device_picker()
        self._request_devices()
        self.recommend = pmui.Button(
            label="Recommended settings",
            icon="auto_fix_high",
            variant="text",
            size="small",
            margin=(2, 3, 0, 3),
            description="The network, objective and training to begin with on this problem, "
            "for the number of samples below. Each of them can be changed afterwards.",
            css_classes=["wb-recommend"],
            on_click=lambda event: self._guard(self._recommend),
        )
        self._put_training()
        self.notice = pn.pane.HTML("", visible=False, margin=(4, 6), sizing_mode="stretch_width")
        self._layout = pn.Column(
            self.notice,
            self.pickers["problem"],
            self.recommend,
            self.pickers["architecture"],
            self.cost,
            self.pickers["objective"],
            *self.sections,
            margin=(4, 4),
            width=304,
            css_classes=["wb-controls"],
        )
        session.param.watch(lambda *_: self.cost.refresh(self._parameters()), ["snapshot", "dirty"])

    def _parameters(self) -> int | None:
        session = self.session
        return session.snapshot.parameters if session.snapshot is not None and not session.dirty else None

    def _extra(self, kind: str, spec: Spec) -> tuple[Any, frozenset[str]]:
        """Return the editor for a user's own data, None for most problems, and the settings it replaces."""
        editor, skip = EDITORS.get(spec.key if kind == "problem" else "", (None, frozenset()))
        if editor is None:
            return None, skip
        return editor(spec, lambda name, value: self._on_change(kind, name, value), self._on_error), skip

    # ---- what the user does
    def _on_pick(self, kind: str, key: str) -> None:
        sentences = self.choices.select(kind, key)
        self.refresh()
        for sentence in sentences:
            self.session.notify("info", sentence)

    def _recommend(self) -> None:
        self.choices.recommend()
        self.refresh()

    def _on_change(self, kind: str, name: str, value: Any) -> None:
        part = self.choices.training if kind == "training" else self.choices.spec(kind)
        if name in part.live:
            self._guard(lambda: self.session.set_live(f"{kind}.{name}", value))
        elif kind in KINDS:
            for sentence in self.choices.adapt(kind):
                self.session.notify("info", sentence)
            for picker in self.pickers.values():
                picker.refresh()
            self.recommend.visible = self.choices.recommendable
        self.session.compare_choices()
        self.cost.refresh(self._parameters())

    def _on_error(self, error: SpecError) -> None:
        self.session.notify("error", str(error))

    # ---- updates
    def refresh(self) -> None:
        """Update all controls to the choices, which a selection, a link or an opened run has changed."""
        for picker in self.pickers.values():
            picker.refresh()
        self.recommend.visible = self.choices.recommendable
        if self.form.spec is not self.choices.training:
            self._put_training()
        self._steps.value, self._seed.value = self.choices.steps, self.choices.seed
        self.session.compare_choices()
        self.cost.refresh(self._parameters())

    def _put_training(self) -> None:
        spec = self.choices.training
        names = {s.name for s in spec.settings()}
        callbacks = {
            "on_change": lambda name, value: self._on_change("training", name, value),
            "on_error": self._on_error,
        }
        self.form = Form(spec, skip=frozenset(names - set(FIRST_SETTINGS)), **callbacks)
        self.more = Form(spec, skip=frozenset(FIRST_SETTINGS), **callbacks)
        self._steps = pmui.IntInput(
            label="Steps",
            value=self.choices.steps,
            start=1,
            end=100_000_000,
            step=100,
            description="Planned number of optimiser steps; the schedule's length.",
            css_classes=["wb-set-steps"],
            **HALF,
        )
        self._seed = pmui.IntInput(
            label="Seed",
            value=self.choices.seed,
            start=0,
            end=2**31 - 1,
            step=1,
            description="Seed of all random numbers: the same seed gives the same run.",
            css_classes=["wb-set-seed"],
            **HALF,
        )
        self._steps.param.watch(lambda event: self._on_number("steps", event.new), "value")
        self._seed.param.watch(lambda event: self._on_number("seed", event.new), "value")
        self._training.objects = [wrapping(self._steps, self._seed), self.form, self.device]
        self._more.objects = [self.more]

    def _on_number(self, name: str, value: int | None) -> None:
        if value is not None and value != getattr(self.choices, name):
            setattr(self.choices, name, value)
            self.session.compare_choices()

    def _device_picker(self) -> Menu:
        picker = Menu(
            label="Device",
            options={title: name for name, title in DEVICES.items()},
            value="auto",
            size="small",
            width=282,
            margin=(5, 3),
            description="Where a new run is trained.",
            css_classes=["wb-device"],
        )
        picker.param.watch(lambda event: setattr(self.session, "device", event.new), "value")
        return picker

    def _request_devices(self) -> None:
        """Show which devices are available; the answer comes from another process."""
        document = pn.state.curdoc
        if document is None:
            return
        reasons = known_devices()
        if reasons is not None:
            return self.show_devices(reasons)

        def probe() -> None:
            probe_devices().add_done_callback(partial(_on_next_tick, document, self.show_devices))

        # once the browser has rendered the page: a mere request starts no process, and an earlier update
        # would be lost
        pn.state.onload(lambda: document.add_timeout_callback(probe, RENDER_DELAY))

    def show_devices(self, reasons: dict[str, str]) -> None:
        """Disable the devices with a reason in ``reasons``, and show it in the menu."""
        options = {
            f"{title} — {reasons[name]}" if reasons[name] else title: name for name, title in DEVICES.items()
        }
        unavailable = [name for name, reason in reasons.items() if reason]
        self.device.param.update(options=options, disabled_options=unavailable)

    def __panel__(self):
        return self._layout


def _on_next_tick(document: Document, action: Callable[[Any], None], future: Future) -> None:
    """Call ``action`` with the result of a future on the event loop of a document."""
    if future.exception() is None:
        with suppress(Exception):  # the page was closed in the meantime
            document.add_next_tick_callback(partial(action, future.result()))
