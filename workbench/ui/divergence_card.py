"""Divergence card: definition, estimator, bias, cost and requirements of the objective's divergence."""

from __future__ import annotations

import panel as pn

from workbench.architectures import Architecture
from workbench.core.errors import WorkbenchError
from workbench.core.spec import Spec
from workbench.problems import Problem
from workbench.ui import text


class DivergenceCard(pn.viewable.Viewer):
    """A table below the objective's summary; hidden for objectives without a choice of divergence."""

    def __init__(self) -> None:
        super().__init__()
        self._pane = pn.pane.HTML(
            "", margin=(4, 6), sizing_mode="stretch_width", visible=False, css_classes=["wb-divergence-card"]
        )

    def show(self, objective: Spec, problem: Problem, architecture: Architecture) -> None:
        """Show the properties of an objective's divergence, with warnings for problem and architecture."""
        rows = card(objective, problem, architecture)
        self._pane.visible = bool(rows)
        self._pane.object = table(rows)

    def __panel__(self):
        return self._pane


def card(objective: Spec, problem: Problem, architecture: Architecture) -> list[tuple[str, str]]:
    """Return (name, text) per row of the card; empty without a divergence or with incompatible settings."""
    make = getattr(objective, "make_divergence", None)
    if make is None:
        return []
    try:
        divergence = make()
        warnings = [] if problem.refusals() else objective.warnings(problem, architecture)
    except WorkbenchError:
        return []  # the banner shows the refusal
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
        *(("note", warning) for warning in warnings),
    ]


def table(rows: list[tuple[str, str]]) -> str:
    """Format (name, text) rows as an HTML table; rows without text are left out."""
    cells = "".join(f"<tr><th>{name}</th><td>{text.escape(value)}</td></tr>" for name, value in rows if value)
    return f'<table class="wb-table">{cells}</table>'
