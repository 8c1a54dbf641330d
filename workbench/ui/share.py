"""Share the chosen experiment as a link, Python code, a notebook or a JSON file."""

from __future__ import annotations

import io
from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import WorkbenchError
from workbench.export import notebook
from workbench.ui import text
from workbench.ui.session import Session

#: Copies the text of ``field`` and says on the button for two seconds whether that worked. Without the
#: browser's clipboard, as on a page that is served without HTTPS, a selected text field is copied.
COPY = """
const say = (words) => {
    button.data.label = words
    setTimeout(() => { button.data.label = label }, 2000)
}
const by_hand = () => {
    const area = document.createElement("textarea")
    area.value = field.data.value
    document.body.appendChild(area)
    area.select()
    const done = document.execCommand("copy")
    area.remove()
    say(done ? copied : failed)
}
if (navigator.clipboard) navigator.clipboard.writeText(field.data.value).then(() => say(copied), by_hand)
else by_hand()
"""
#: Words on the button after the text was copied, and where the browser did not allow it.
COPIED, FAILED = "Copied", "Not copied: select the text"


class Share(pn.viewable.Viewer):
    """Link and Python code to copy, notebook and JSON file to download, of the choices including the seed."""

    def __init__(self, session: Session, guard: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.session, self._guard = session, guard
        self._texts = ("", "")  # link and Python code of the choices
        self.link = pmui.TextInput(
            label="Link",
            sizing_mode="stretch_width",
            size="small",
            css_classes=["wb-link"],
            description="Opens the studio with this experiment, including its seed.",
        )
        self.python = pmui.TextAreaInput(
            label="Python",
            sizing_mode="stretch_width",
            rows=12,
            css_classes=["wb-python"],
            sx={"& textarea": {"fontFamily": "monospace", "fontSize": "13px"}},
            description="Repeats this experiment in a script or a notebook.",
        )
        self.message = pn.pane.HTML("", margin=(2, 10))
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
        for field in (self.link, self.python):
            field.param.watch(lambda _: self._restore(), "value")
        copies = [
            copy_button("Copy link", self.link, "wb-copy-link"),
            copy_button("Copy as Python", self.python, "wb-copy-python"),
        ]
        # also while this page is open: the choices stand beside it
        session.param.watch(lambda *_: self.refresh(), "dirty")
        self._layout = pn.Column(
            pn.pane.HTML(
                '<div class="wb-heading">Share the choices on the left</div>', margin=(10, 10, 4, 10)
            ),
            self.message,
            pn.Row(self.link, copies[0], sizing_mode="stretch_width", margin=0),
            self.python,
            pn.Row(copies[1], self.notebook, self.file, margin=0),
            sizing_mode="stretch_width",
            max_width=980,
            margin=(0, 12),
        )

    def refresh(self) -> None:
        """Update the page to the current choices."""
        self._texts, reason = self._written()
        self._restore()
        self.notebook.disabled = bool(self.session.choices.refusal())
        self.message.object = f'<div class="wb-message bad">{text.escape(reason)}</div>' if reason else ""

    def _written(self) -> tuple[tuple[str, str], str]:
        """Return link and Python code of the choices, and the reason why they cannot be shared or trained."""
        experiment, reason = self.session.choices.experiment(), self.session.choices.refusal()
        link = ""
        try:
            link = f"{address()}?e={experiment.to_link()}"
        except WorkbenchError as error:
            reason = str(error)
        return (link, experiment.to_python()), reason

    def _restore(self) -> None:
        """Show link and code of the choices, also after the user has typed into their fields."""
        self.link.value, self.python.value = self._texts

    def _notebook(self) -> io.BytesIO:
        buffer = io.BytesIO()
        self._guard(lambda: buffer.write(notebook(self.session.choices.experiment()).encode()))
        buffer.seek(0)
        return buffer

    def _json(self) -> io.BytesIO:
        return io.BytesIO(self.session.choices.experiment().to_json().encode())

    def __panel__(self):
        return self._layout


def copy_button(label: str, field: pn.widgets.Widget, css: str) -> pmui.Button:
    """Return a button that copies a field's value to the clipboard, within the browser."""
    button = pmui.Button(
        label=label, icon="content_copy", variant="outlined", css_classes=[css], margin=(8, 10)
    )
    words = {"label": label, "copied": COPIED, "failed": FAILED}
    button.js_on_click(args={"field": field, "button": button, **words}, code=COPY)
    return button


def address() -> str:
    """Return the page's address without query and fragment; empty outside a browser session."""
    location = pn.state.location
    if location is None or not location.href:
        return ""
    return location.href.partition("?")[0].partition("#")[0]
