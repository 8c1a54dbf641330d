"""Section: a heading button with collapsible content, which is built even while collapsed."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui


class Section(pn.viewable.Viewer):
    """A button that collapses and expands its content."""

    def __init__(self, title: str, content: pn.viewable.Viewable, *, open: bool = False) -> None:
        super().__init__()
        self.content = content
        self.button = pmui.Button(
            label=title,
            icon="expand_more",
            variant="text",
            color="default",
            size="small",
            sizing_mode="stretch_width",
            margin=(4, 0, 0, 0),
            css_classes=["wb-section"],
            sx={"justifyContent": "flex-start", "textTransform": "none", "fontWeight": 600},
        )
        self.button.on_click(lambda _: self.fold(self.content.visible))
        self._layout = pn.Column(self.button, content, margin=0, sizing_mode="stretch_width")
        self.fold(not open)

    def fold(self, folded: bool) -> None:
        """Hide the content if ``folded``, else show it."""
        self.content.visible = not folded
        self.button.icon = "chevron_right" if folded else "expand_more"

    def __panel__(self):
        return self._layout
