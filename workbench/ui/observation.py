"""Number fields in the studio for the observation y whose posterior is shown."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import DataError
from workbench.core.observation import checked_values, parse_values
from workbench.core.variable import Variable
from workbench.ui.session import Session

#: Largest number of components with a field each; more of them share one text field, with commas.
MAX_FIELDS = 4


class Observation(pn.viewable.Viewer):
    """A number field per component of y, or one text field for many; hidden without y."""

    def __init__(self, session: Session, guard: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.session, self._guard, self._updating, self._variables = session, guard, False, ()
        self.fields: list[pmui.FloatInput] = []
        self.line = pmui.TextInput(size="small", width=300, margin=(6, 3), css_classes=["wb-observed-all"])
        self.line.param.watch(self._on_line, "value")
        self._layout = pn.Row(margin=0, css_classes=["wb-observation"])
        session.param.watch(lambda *_: self.refresh(), ["experiment", "observation"])
        self.refresh()

    def refresh(self) -> None:
        """Update the fields to the observation of the session."""
        experiment, values = self.session.experiment, self.session.observation
        variables = experiment.problem.y if experiment is not None and values else ()
        if variables != self._variables:
            self._variables = variables
            self._build(variables)
        self._updating = True
        try:
            self.line.value = ", ".join(f"{value:.6g}" for value in values)
            for field, value in zip(self.fields, values, strict=False):
                if field.value != value:
                    field.value = round(value, 6)
        finally:
            self._updating = False

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
            for i, v in enumerate(variables if len(variables) <= MAX_FIELDS else ())
        ]
        for field in self.fields:
            field.param.watch(self._on_field, "value")
        heading = pn.pane.HTML('<span class="wb-name">posterior at</span>', margin=(14, 2, 0, 6))
        if len(variables) > MAX_FIELDS:
            self.line.label = f"y, {len(variables)} numbers"
            self.line.description = ", ".join(v.label for v in variables)
        fields = self.fields or ([self.line] if variables else [])
        self._layout.objects = [heading, *fields] if fields else []
        self._layout.visible = bool(fields)

    def _on_field(self, _event) -> None:
        if self._updating or any(field.value is None for field in self.fields):
            return
        values = tuple(float(field.value) for field in self.fields)
        if values != self.session.observation:
            self._guard(lambda: self.session.observe(values))

    def _on_line(self, _event) -> None:
        if not self._updating:
            self._guard(lambda: self.session.observe(self._read()))

    def _read(self) -> tuple[float, ...]:
        """Parse the text field. Raises `DataError` for other text or the wrong number of values."""
        return checked_values(
            parse_values(self.line.value, error=DataError), self._variables, error=DataError
        )

    def __panel__(self):
        return self._layout
