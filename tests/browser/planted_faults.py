"""Controls with a fault each, which `inspected_server` adds to the inversion page: a test of the test."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui
from param.parameterized import discard_events


def fail(_event: Any) -> None:
    raise ValueError("planted")


def controls() -> list[Any]:
    failing = pmui.Button(label="planted exception")
    failing.on_click(fail)
    wrong = pmui.TextInput(label="planted wrong value", value="3")

    def lose(_event: Any) -> None:
        with discard_events(wrong):
            wrong.value = "another"

    wrong.param.watch(lose, "value")
    console = pmui.Button(label="planted console error", js_on_click="console.error('planted')")
    foreign = pmui.Button(label="planted request", js_on_click="fetch('https://example.org/planted')")
    works = pmui.Checkbox(label="planted and sound", value=False)
    sign = pn.pane.HTML("off")
    works.param.watch(lambda event: setattr(sign, "object", str(event.new)), "value")
    return [
        pmui.Button(label="planted dead button"),
        pmui.Select(label="planted dead menu", options=["one", "two"], value="one"),
        failing, wrong, console, foreign, works, sign,
    ]  # fmt: skip


def plant() -> None:
    """Add the controls to the inversion page, above its message."""
    from workbench.ui.inversion_page import InversionPage

    build = InversionPage.__panel__

    def __panel__(self: Any) -> Any:
        page = build(self)
        page.main = [pn.Column(*controls()), *page.main]
        return page

    InversionPage.__panel__ = __panel__
