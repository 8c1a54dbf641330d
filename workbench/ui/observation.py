"""Observation: the y whose posterior is looked at, typed as numbers (or tapped in the plot of
observations)."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui

from workbench.core.variable import Variable
from workbench.ui.session import Session

MOST_INPUTS = 4


class Observation(pn.viewable.Viewer):
    """One number field a component of y; hidden for problems without y."""

    def __init__(self, session: Session, guard: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.session, self._guard, self._putting, self._variables = session, guard, False, ()
        self.fields: list[pmui.FloatInput] = []
        self._layout = pn.Row(margin=0, css_classes=["wb-observation"])
        session.param.watch(lambda *_: self.refresh(), ["shown", "observation"])
        self.refresh()

    def refresh(self) -> None:
        shown, values = self.session.shown, self.session.observation
        variables = shown.problem.y if shown is not None and values else ()
        if variables != self._variables:
            self._variables = variables
            self._build(variables)
        self._putting = True
        try:
            for field, value in zip(self.fields, values, strict=False):
                if field.value != value:
                    field.value = round(value, 6)
        finally:
            self._putting = False

    def _build(self, variables: tuple[Variable, ...]) -> None:
        self.fields = [
            pmui.FloatInput(
                label=v.label,
                value=0.0,
                size="small",
                width=104,
                margin=(6, 3),
                step=0.1,
                description=v.description or f"Observed value of {v.name}.",
                css_classes=[f"wb-observed-{i}"],
            )
            for i, v in enumerate(variables)
        ]
        for field in self.fields:
            field.param.watch(self._typed, "value")
        heading = pn.pane.HTML('<span class="wb-name">posterior at</span>', margin=(14, 2, 0, 6))
        self._layout.objects = [heading, *self.fields] if self.fields else []
        self._layout.visible = bool(self.fields)

    def _typed(self, _event) -> None:
        if self._putting or any(field.value is None for field in self.fields):
            return
        values = tuple(float(field.value) for field in self.fields)
        if values != self.session.observation:
            self._guard(lambda: self.session.observe(values))

    def __panel__(self):
        return self._layout
