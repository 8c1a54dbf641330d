"""Navigation: the pages behind the buttons in the bar above. A page is built when it is first looked
at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

PAGES = {"Train": "live", "Side by side": "beside", "Runs": "runs", "Export": "exchange", "Share": "share"}
SX = {
    "& .MuiToggleButton-root": {
        "textTransform": "none",
        "color": "#ffffffcc",
        "borderColor": "#ffffff55",
        "padding": "3px 14px",
        "fontSize": "14px",
        "whiteSpace": "nowrap",
    },
    "& .MuiToggleButton-root.Mui-selected, & .MuiToggleButton-root.Mui-selected:hover": {
        "color": "#ffffff !important",
        "backgroundColor": "#ffffff40 !important",
    },
}


class Navigation(pn.viewable.Viewer):
    """One page at a time; `makers` build the others on their first visit and refresh them on every one."""

    def __init__(
        self,
        live: Any,
        makers: dict[str, Callable[[], Any]],
        on_change: Callable[[str], None],
        *,
        pages: dict[str, str] = PAGES,
    ) -> None:
        super().__init__()
        self._makers, self._made, self._on_change = makers, {}, on_change
        self.buttons = pmui.RadioButtonGroup(
            options=pages,
            value="live",
            size="small",
            sx=SX,
            css_classes=["wb-pages"],
            margin=(4, 8),
            align="center",
            color="default",
        )
        self.places = {"live": pn.Column(live, margin=0, sizing_mode="stretch_both")}
        self.places |= {
            name: pn.Column(margin=0, sizing_mode="stretch_width", visible=False) for name in makers
        }
        self.buttons.param.watch(lambda event: self.show(event.new), "value")

    @property
    def main(self) -> list[pn.Column]:
        return list(self.places.values())

    def show(self, page: str) -> None:
        """Turn to a page."""
        if page in self._makers:
            if page not in self._made:
                self._made[page] = self._makers[page]()
                self.places[page].objects = [self._made[page]]
            self._made[page].refresh()
        for name, place in self.places.items():
            place.visible = name == page
        if self.buttons.value != page:
            self.buttons.value = page
        self._on_change(page)

    def __panel__(self):
        return self.buttons
