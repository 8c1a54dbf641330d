"""Divergence card: what the picked objective measures, how, in which direction it errs, and what it needs."""

from __future__ import annotations

from typing import Any

import panel as pn

from workbench.core.errors import WorkbenchError
from workbench.core.spec import Spec
from workbench.ui import text


class DivergenceCard(pn.viewable.Viewer):
    """A table under the objective's sentence; hidden for objectives without a divergence to choose."""

    def __init__(self) -> None:
        super().__init__()
        self._pane = pn.pane.HTML(
            "", margin=(4, 6), sizing_mode="stretch_width", visible=False, css_classes=["wb-divergence-card"]
        )

    def show(self, objective: Spec, problem: Any, architecture: Any) -> None:
        """The card of this objective's divergence beside these two."""
        rows = card(objective, problem, architecture)
        self._pane.visible = bool(rows)
        self._pane.object = table(rows)

    def __panel__(self):
        return self._pane


def card(objective: Spec, problem: Any, architecture: Any) -> list[tuple[str, str]]:
    """Name and text of each row; empty without a divergence, or where its settings do not fit each other."""
    make = getattr(objective, "make_divergence", None)
    if make is None:
        return []
    try:
        divergence = make()
        warnings = [] if problem.refusals() else objective.warnings(problem, architecture)
    except WorkbenchError:
        return []  # the refusal stands where the run would be started
    return [
        ("D", f"{divergence.title}: {divergence.summary}"),
        ("definition", divergence.definition),
        ("estimator", divergence.estimator),
        ("bias", divergence.bias),
        ("cost", divergence.expense),
        ("needs", divergence.needs),
        ("theorem", divergence.pinsker_reason),
        ("paper", divergence.reference),
        *([("reach", divergence.unreached)] if divergence.unreached else []),
        *(("mind", warning) for warning in warnings),
    ]


def table(rows: list[tuple[str, str]]) -> str:
    """The rows as HTML."""
    cells = "".join(f"<tr><th>{name}</th><td>{text.escape(value)}</td></tr>" for name, value in rows if value)
    return f'<table class="wb-table">{cells}</table>'
