"""Links between the pages of one server. Which pages it serves is said once, when it starts."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.ui.session import Session

#: Addresses that the running server has besides the studio; empty where an app is served by itself.
SERVED: set[str] = set()
EXPLORER = "/posterior"


class ExploreLink(pn.viewable.Viewer):
    """From the studio to the posterior explorer, with the run that is shown; there for problems with y."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.button = pmui.Button(
            label="Explore",
            icon="open_in_new",
            variant="text",
            size="small",
            target="_blank",
            margin=(4, 0),
            align="center",  # the pages beside it stay where they are when this one comes
            visible=False,
            css_classes=["wb-explore"],
            sx={"color": "#ffffff", "textTransform": "none", "fontSize": "14px", "whiteSpace": "nowrap"},
        )
        session.param.watch(lambda *_: self.refresh(), ["shown", "title"])
        self.refresh()

    def refresh(self) -> None:
        """Name the run that is shown."""
        session = self.session
        has_y = session.shown is not None and bool(session.shown.problem.shapes.y)
        run = f"?run={session.job.handle.folder.name}" if session.job is not None else ""
        self.button.param.update(visible=has_y and EXPLORER in SERVED, href=f".{EXPLORER}{run}")

    def __panel__(self) -> Any:
        return self.button
