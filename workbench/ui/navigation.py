"""Buttons in a page's header that switch between its subpages, each built when it is first opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

PAGES = {
    "Train": "live",
    "Side by side": "side_by_side",
    "Runs": "runs",
    "Export": "import_export",
    "Share": "share",
}
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
    """Buttons that show one of several pages: ``live``, which exists already, or one of ``factories``.

    A factory builds its page on the first visit; every visit calls the page's ``refresh``. ``on_change`` gets
    the name of each page that is opened.
    """

    def __init__(
        self,
        live: Any,
        factories: dict[str, Callable[[], Any]],
        on_change: Callable[[str], None],
        *,
        pages: dict[str, str] = PAGES,
    ) -> None:
        super().__init__()
        self._factories, self._pages, self._on_change = factories, {}, on_change
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
            name: pn.Column(margin=0, sizing_mode="stretch_width", visible=False) for name in factories
        }
        self.buttons.param.watch(lambda event: self.show(event.new), "value")

    @property
    def main(self) -> list[pn.Column]:
        """The containers of all pages, of which one is visible."""
        return list(self.places.values())

    def show(self, page: str) -> None:
        """Show the page of this name and hide the others."""
        if page in self._factories:
            if page not in self._pages:
                self._pages[page] = self._factories[page]()
                self.places[page].objects = [self._pages[page]]
            self._pages[page].refresh()
        for name, place in self.places.items():
            place.visible = name == page
        if self.buttons.value != page:
            self.buttons.value = page
        self._on_change(page)

    def __panel__(self):
        return self.buttons
