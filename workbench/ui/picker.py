"""Menu of problems, architectures or objectives, with settings; those that do not fit are disabled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import param

from workbench.core.errors import SpecError
from workbench.core.spec import Spec
from workbench.ui import text
from workbench.ui.choices import CATALOGUES, Choices
from workbench.ui.divergence_card import DivergenceCard
from workbench.ui.form import Form
from workbench.ui.menus import Menu

LONGEST_REASON = 84


class Picker(pn.viewable.Viewer):
    """A menu of one catalogue, the summary of the selected entry, and the form of its settings.

    Parameters
    ----------
    kind : "problem", "architecture" or "objective".
    on_pick : called with (kind, key) when the user selects another entry.
    on_change : called with (name, value) after a setting has changed.
    on_error : called with the `SpecError` of a setting that is refused.
    extra : for a Spec, returns an editor for the user's own data (a table, a drawing) or None, and the names
        of the settings that the editor replaces.
    """

    def __init__(
        self,
        kind: str,
        choices: Choices,
        *,
        on_pick: Callable[[str, str], None],
        on_change: Callable[[str, Any], None],
        on_error: Callable[[SpecError], None],
        extra: Callable[[Spec], tuple[Any, frozenset[str]]] | None = None,
    ) -> None:
        super().__init__()
        self.kind, self.choices, self._on_pick = kind, choices, on_pick
        self._notify_change, self._on_error, self._extra = on_change, on_error, extra
        self._silent, self.form, self.editor = False, None, None
        self.select = Menu(
            label=text.label(kind),
            size="small",
            width=292,
            margin=(8, 3, 0, 3),
            css_classes=[f"wb-{kind}"],
            dropdown_height=420,
        )
        self.about = pn.pane.HTML(
            "", margin=(2, 6, 5, 6), sizing_mode="stretch_width", css_classes=["wb-about"]
        )
        self.card = DivergenceCard()
        self._settings = pn.Column(margin=0, sizing_mode="stretch_width")
        self.select.param.watch(self._on_select, "value")
        self._layout = pn.Column(
            self.select,
            self.about,
            self.card,
            self._settings,
            margin=(0, 0, 4, 0),
            sizing_mode="stretch_width",
        )
        self.refresh()

    def _on_select(self, event: param.parameterized.Event) -> None:
        if not self._silent and event.new:
            self._on_pick(self.kind, event.new)

    def _on_change(self, name: str, value: Any) -> None:
        """Report a changed setting, then update the divergence card, which live settings affect too."""
        self._notify_change(name, value)
        self._show_card()

    def _show_card(self) -> None:
        if self.kind == "objective":
            others = (self.choices.spec(kind) for kind in ("problem", "architecture"))
            self.card.show(self.choices.spec(self.kind), *others)

    def refresh(self) -> None:
        """Update menu, summary and settings form to the current choices."""
        reasons, spec = self.choices.reasons(self.kind), self.choices.spec(self.kind)
        options = {
            option_label(member.title, reasons[member.key]): member.key for member in CATALOGUES[self.kind]
        }
        misfits = [key for key, reason in reasons.items() if reason]
        self._silent = True
        try:
            if spec.key in self.select.disabled_options:
                self.select.disabled_options = []  # a value must not be among the ones of the last choices
            self.select.param.update(options=options, value=spec.key, disabled_options=misfits)
        finally:
            self._silent = False
        self.about.object = about(spec)
        self._show_card()
        ignored_settings = self._unused(spec)
        if self.form is None or self.form.spec is not spec or self.form.unused != ignored_settings:
            self.editor, skip = self._extra(spec) if self._extra else (None, frozenset())
            skip |= ignored_settings
            self.form = Form(spec, on_change=self._on_change, on_error=self._on_error, skip=skip)
            self.form.unused = ignored_settings
            self._settings.objects = [self.form] if self.editor is None else [self.editor, self.form]
        else:
            self.form.show_values()
            if hasattr(self.editor, "refresh"):  # it shows settings that the form changes
                self.editor.refresh()

    def _unused(self, spec: Spec) -> frozenset[str]:
        """Return the names of a Spec's settings that have no effect with the other choices, and so get no
        widget."""
        if self.kind == "architecture":
            return spec.unused(self.choices.spec("problem").shapes)
        if self.kind == "objective":
            return frozenset(spec.unused(self.choices.spec("architecture")))
        return frozenset()

    def __panel__(self):
        return self._layout


def option_label(title: str, reason: str) -> str:
    """Return a menu label: the title and, if it cannot be selected, the (shortened) reason."""
    if not reason:
        return title
    short = reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 1].rsplit(" ", 1)[0] + " …"
    return f"{title} — {short}"


def about(spec: Spec) -> str:
    """Format a problem's, architecture's or objective's summary as HTML, with its reference as a tooltip."""
    reference = (
        f' <span class="wb-source" title="{text.escape(spec.reference)}">source</span>'
        if spec.reference
        else ""
    )
    return f'<div class="wb-note">{text.escape(spec.summary)}{reference}</div>'
