"""Kinds of the chosen columns of a table: what each suggests, and a menu to choose otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.core.spec import Spec
from workbench.ui.menus import Menu

#: Kinds of columns by their label in the menu; the settings of `TableProblem` have the names of the kinds.
LABELS = {
    "Number": "number",
    "Positive, by its logarithm": "log",
    "Heavy tails": "robust",
    "Whole numbers": "whole",
    "Cyclic, such as an angle": "period",
    "Categories": "categories",
}
LISTS = ("log", "robust", "whole", "categories")


class ColumnKinds(pn.viewable.Viewer):
    """One menu for each chosen column, which starts with the kind that the column suggests.

    Parameters
    ----------
    spec : the `TableProblem` whose settings log, robust, whole, categories and period the menus set.
    on_change : called with (name, value) of each setting that has changed.
    """

    def __init__(self, spec: Spec, on_change: Callable[[str, Any], None]) -> None:
        super().__init__()
        self.spec, self._on_change = spec, on_change
        #: Descriptions of the columns of the table by name, as `describe` gives them.
        self.columns: dict[str, dict[str, Any]] = {}
        self.menus: dict[str, Menu] = {}
        self._periods: dict[str, float] = dict(spec.period)
        self._layout = pn.Column(margin=0)
        self._choices = {name: kind for kind in LISTS for name in getattr(spec, kind)}
        self._choices |= dict.fromkeys(spec.period, "period")
        self.show([*spec.x_columns, *spec.y_columns])

    def offer(self, columns: Iterable[dict[str, Any]]) -> None:
        """Take the columns of another table, and forget what was chosen for the last one."""
        self.columns, self._choices = {c["name"]: c for c in columns}, {}
        self._periods = {c["name"]: c["period"] for c in self.columns.values() if c["period"]}
        self.show([])

    def show(self, names: list[str]) -> None:
        """Show the menus of the columns ``names``; a column that was not chosen before gets its proposal."""
        for name in names:
            self._choices.setdefault(name, self.columns.get(name, {}).get("kind", "number"))
        self.menus = {name: self.menus.get(name) or self._menu(name) for name in names}
        parts: list[Any] = []
        for name, menu in self.menus.items():
            parts.append(menu)
            if self._choices[name] == "period":
                parts.append(self._period(name))
        self._layout.objects = parts
        self._apply()

    def _menu(self, name: str) -> Menu:
        column = self.columns.get(name, {})
        menu = Menu(
            label=name,
            options=LABELS,
            value=self._choices[name],
            size="small",
            width=282,
            margin=(5, 4),
            css_classes=["wb-column-kind"],
            description=f"Suggested: {column['reason']}." if column.get("reason") else "Kind of this column.",
        )
        menu.param.watch(lambda event: self._on_kind(name, event.new), "value")
        return menu

    def _period(self, name: str) -> pmui.FloatInput:
        field = pmui.FloatInput(
            label=f"period of {name}",
            value=self._periods.setdefault(name, 360.0),
            start=0.0,
            size="small",
            width=282,
            margin=(5, 4),
        )
        field.param.watch(lambda event: self._on_period(name, event.new), "value")
        return field

    def _on_kind(self, name: str, kind: str) -> None:
        self._choices[name] = kind
        self.show(list(self.menus))

    def _on_period(self, name: str, period: float | None) -> None:
        if period and period > 0:
            self._periods[name] = float(period)
            self._apply()

    def _apply(self) -> None:
        """Set the settings to the chosen kinds, and report those that have changed."""
        kinds = {name: self._choices[name] for name in self.menus}
        values: dict[str, Any] = {
            setting: [name for name, kind in kinds.items() if kind == setting] for setting in LISTS
        }
        values["period"] = {
            name: self._periods.get(name, 360.0) for name, kind in kinds.items() if kind == "period"
        }
        changes = {name: value for name, value in values.items() if value != getattr(self.spec, name)}
        for name, value in changes.items():
            self.spec.set(name, value)
        for name, value in changes.items():
            self._on_change(name, value)

    def __panel__(self):
        return self._layout
