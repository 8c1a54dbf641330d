"""Share: the picked experiment as a link, as Python, and as a notebook."""

from __future__ import annotations

import io
from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import WorkbenchError
from workbench.export import notebook
from workbench.ui import text
from workbench.ui.session import Session

COPY = "navigator.clipboard && navigator.clipboard.writeText(source.value)"


class Share(pn.viewable.Viewer):
    """Link and Python to copy, notebook to download: all of what is picked on the left, seed included."""

    def __init__(self, session: Session, guard: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.session, self._guard = session, guard
        self.link = pmui.TextInput(
            label="Link",
            sizing_mode="stretch_width",
            size="small",
            css_classes=["wb-link"],
            description="Opens the studio with this experiment, seed included.",
        )
        self.python = pmui.TextAreaInput(
            label="Python",
            sizing_mode="stretch_width",
            rows=12,
            css_classes=["wb-python"],
            sx={"& textarea": {"fontFamily": "monospace", "fontSize": "13px"}},
            description="Repeats this experiment in a script or a notebook.",
        )
        self.said = pn.pane.HTML("", margin=(2, 10))
        self.notebook = pmui.FileDownload(
            label="Open as notebook (.ipynb)",
            callback=self._notebook,
            filename="experiment.ipynb",
            icon="menu_book",
            css_classes=["wb-notebook"],
        )
        self.file = pmui.FileDownload(
            label="Experiment (.json)",
            callback=self._json,
            filename="experiment.json",
            icon="data_object",
            css_classes=["wb-json"],
        )
        copies = [
            copy_button("Copy link", self.link, "wb-copy-link"),
            copy_button("Copy as Python", self.python, "wb-copy-python"),
        ]
        self._layout = pn.Column(
            pn.pane.HTML(
                '<div class="wb-heading">Share what is picked on the left</div>', margin=(10, 10, 4, 10)
            ),
            self.said,
            pn.Row(self.link, copies[0], sizing_mode="stretch_width", margin=0),
            self.python,
            pn.Row(copies[1], self.notebook, self.file, margin=0),
            sizing_mode="stretch_width",
            max_width=980,
            margin=(0, 12),
        )

    def refresh(self) -> None:
        """Show the experiment that is picked now."""
        experiment, said = self.session.choices.experiment(), self.session.choices.refusal()
        try:
            self.link.value = f"{address()}?e={experiment.to_link()}"
        except WorkbenchError as error:
            self.link.value, said = "", str(error)
        self.python.value = experiment.to_python()
        self.notebook.disabled = bool(self.session.choices.refusal())
        self.said.object = f'<div class="wb-message bad">{text.escape(said)}</div>' if said else ""

    def _notebook(self) -> io.BytesIO:
        made = io.BytesIO()
        self._guard(lambda: made.write(notebook(self.session.choices.experiment()).encode()))
        made.seek(0)
        return made

    def _json(self) -> io.BytesIO:
        return io.BytesIO(self.session.choices.experiment().to_json().encode())

    def __panel__(self):
        return self._layout


def copy_button(label: str, source: pn.widgets.Widget, css: str) -> pmui.Button:
    """Copies in the browser; nothing goes over the wire."""
    button = pmui.Button(
        label=label, icon="content_copy", variant="outlined", css_classes=[css], margin=(8, 10)
    )
    button.js_on_click(args={"source": source}, code=COPY)
    return button


def address() -> str:
    """The page's own address without its arguments."""
    location = pn.state.location
    if location is None or not location.href:
        return ""
    return location.href.partition("?")[0].partition("#")[0]
