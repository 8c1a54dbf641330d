"""Picker: a member of a catalogue and its settings; members that do not fit are disabled with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from workbench.core.errors import SpecError
from workbench.core.spec import Spec
from workbench.ui import text
from workbench.ui.choices import CATALOGUES, Choices
from workbench.ui.divergence_card import DivergenceCard
from workbench.ui.form import Form

LONGEST_REASON = 84


class Picker(pn.viewable.Viewer):
    """A menu of the members, a sentence about the selected one, and the form of its settings.

    Parameters
    ----------
    on_pick : called with (kind, key) when the user selects another member.
    on_change : called with (name, value) after a setting has changed.
    extra : returns an editor for members with data of the user's own (a table, a drawing), or None, and the
        settings that it replaces.
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
        self._silent, self.form = False, None
        self.select = pmui.Select(
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
        """Update the divergence card as well, since live settings refresh nothing else."""
        self._notify_change(name, value)
        self._show_card()

    def _show_card(self) -> None:
        if self.kind == "objective":
            others = (self.choices.spec(kind) for kind in ("problem", "architecture"))
            self.card.show(self.choices.spec(self.kind), *others)

    def refresh(self) -> None:
        """Update menu, sentence and form to the current choices."""
        reasons, spec = self.choices.reasons(self.kind), self.choices.spec(self.kind)
        options = {
            option_label(member.title, reasons[member.key]): member.key for member in CATALOGUES[self.kind]
        }
        self._silent = True
        try:
            self.select.param.update(
                options=options,
                value=spec.key,
                disabled_options=[k for k, reason in reasons.items() if reason],
            )
        finally:
            self._silent = False
        self.about.object = about(spec)
        self._show_card()
        ignored_settings = self._unused(spec)
        if self.form is None or self.form.spec is not spec or self.form.unused != ignored_settings:
            extra, skip = self._extra(spec) if self._extra else (None, frozenset())
            skip |= ignored_settings
            self.form = Form(spec, on_change=self._on_change, on_error=self._on_error, skip=skip)
            self.form.unused = ignored_settings
            self._settings.objects = [self.form] if extra is None else [extra, self.form]

    def _unused(self, spec: Spec) -> frozenset[str]:
        """Return the settings without effect under the other choices or settings."""
        if self.kind == "architecture":
            return spec.unused(self.choices.spec("problem").shapes)
        if self.kind == "objective":
            return frozenset(spec.unused(self.choices.spec("architecture")))
        return frozenset()

    def __panel__(self):
        return self._layout


def option_label(title: str, reason: str) -> str:
    """Return the line of a menu: the title, followed by the reason why it cannot be selected."""
    if not reason:
        return title
    short = reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 1].rsplit(" ", 1)[0] + " …"
    return f"{title} — {short}"


def about(spec: Spec) -> str:
    """Format the summary of a member as HTML, with its paper as a tooltip."""
    reference = (
        f' <span class="wb-source" title="{text.escape(spec.reference)}">source</span>'
        if spec.reference
        else ""
    )
    return f'<div class="wb-note">{text.escape(spec.summary)}{reference}</div>'
