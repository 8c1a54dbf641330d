"""Menus whose entries may change their labels while a page is open."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui


class Menu(pmui.Select):
    """Menu that shows its value, and what is disabled, under the present labels.

    The browser knows entries by their labels, which may hold a reason or a unit. Panel sends the value and
    the disabled entries only when these themselves change: after a change of labels alone, the old label
    would stay on display, and entries that were disabled could be chosen.
    """

    def _process_param_change(self, params: dict[str, Any]) -> dict[str, Any]:
        if "options" in params:
            params = {"value": self.value, "disabled_options": self.disabled_options, **params}
        return super()._process_param_change(params)
