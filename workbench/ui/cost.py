"""Cost card: the cost of the chosen architecture, before anything is trained."""

from __future__ import annotations

import panel as pn

from workbench.core.capability import Capability
from workbench.ui import text
from workbench.ui.choices import Choices


class CostCard(pn.viewable.Viewer):
    """Table of the chosen architecture: cost of density, sampling and inverse, number of parameters."""

    def __init__(self, choices: Choices) -> None:
        super().__init__()
        self.choices = choices
        self._pane = pn.pane.HTML("", margin=(4, 6), sizing_mode="stretch_width", css_classes=["wb-cost"])
        self.refresh()

    def refresh(self, parameters: int | None = None) -> None:
        """Update the table; ``parameters`` is None until a worker has built the chosen network."""
        spec = self.choices.spec("architecture")
        cost = spec.cost
        count = f"{parameters:,}".replace(",", " ") if parameters else "counted when the run starts"
        exact = "exact" if Capability.EXACT_INVERSE in spec.capabilities else "numerical"
        inverse = (
            cost.inverse
            if cost.inverse.startswith(("exact", "numerical", "none", "learned"))
            else f"{exact}, {cost.inverse}"
        )
        rows = (
            ("density", cost.density),
            ("sampling", cost.sampling),
            ("inverse", inverse),
            ("parameters", count),
            *([("note", cost.warning)] if cost.warning else []),
        )
        self._pane.object = (
            '<table class="wb-table">'
            + "".join(f"<tr><th>{name}</th><td>{text.escape(value)}</td></tr>" for name, value in rows)
            + "</table>"
        )

    def __panel__(self):
        return self._pane
