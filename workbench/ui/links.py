"""Links between the pages of one server."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.ui.session import Session, run_query

#: Paths of the pages on this server, set at its start; empty where a page is served on its own.
SERVED_PAGES: set[str] = set()
EXPLORER = "/posterior"


class ExploreLink(pn.viewable.Viewer):
    """Link from the studio to the posterior explorer for the run on display; hidden without y."""

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
            align="center",  # the buttons beside it do not move when it appears
            visible=False,
            css_classes=["wb-explore"],
            sx={"color": "#ffffff", "textTransform": "none", "fontSize": "14px", "whiteSpace": "nowrap"},
        )
        session.param.watch(lambda *_: self.refresh(), ["experiment", "title"])
        self.refresh()

    def refresh(self) -> None:
        """Point the link to the run on display, and hide it for problems without y."""
        session = self.session
        has_y = session.experiment is not None and bool(session.experiment.problem.shapes.y)
        run = session.address if session.address.startswith("?run=") else ""
        if session.job is not None:
            run = run_query(session.job.handle.folder.name)
        self.button.param.update(visible=has_y and EXPLORER in SERVED_PAGES, href=f".{EXPLORER}{run}")

    def __panel__(self) -> Any:
        return self.button
