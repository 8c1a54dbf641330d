"""Form: widgets for the settings of a Spec, read off the Spec itself (label, tooltip, bounds, options,
live)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import SpecError
from workbench.core.spec import Setting, Spec
from workbench.critics import CRITICS
from workbench.divergences import DIVERGENCES
from workbench.ui import text

#: A positive range that spans more than this factor gets a logarithmic slider.
LOGARITHMIC_SPAN = 1e3
WIDTH = 296
HALF = {"width": 138, "margin": (5, 3), "size": "small"}
FULL = {"width": 282, "margin": (5, 3), "size": "small"}
#: Letters that a choice of half the width has room for.
LONGEST = 20
#: Members of catalogues that settings choose among have titles.
TITLES = {member.key: member.title for catalogue in (DIVERGENCES, CRITICS) for member in catalogue}


class Form(pn.viewable.Viewer):
    """One widget a setting. A refused value is put back and `on_error` hears why; an accepted one reaches
    `on_change`."""

    def __init__(
        self,
        spec: Spec,
        *,
        on_change: Callable[[str, Any], None] | None = None,
        on_error: Callable[[SpecError], None] | None = None,
        skip: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.spec, self._on_change, self._on_error, self._putting = spec, on_change, on_error, False
        self.unused: frozenset[str] = (
            frozenset()
        )  # what the owner left out, so that it can tell when that changes
        self.settings = {s.name: s for s in spec.settings() if s.name not in skip}
        self.widgets = {name: widget_for(s, getattr(spec, name)) for name, s in self.settings.items()}
        for name, widget in self.widgets.items():
            watched = "value_throttled" if isinstance(widget, pmui.DiscreteSlider) else "value"
            widget.param.watch(lambda event, name=name: self._take(name, event.new), watched)
        self._layout = wrapping(*self.widgets.values())

    def _take(self, name: str, shown: Any) -> None:
        if self._putting or shown is None:
            return
        try:
            value = from_widget(self.settings[name], shown)
            if value == getattr(self.spec, name):
                return
            self.spec.set(name, value)
        except SpecError as error:
            self.put(name)
            if self._on_error:
                self._on_error(error)
            return
        if self._on_change:
            self._on_change(name, value)

    def put(self, name: str) -> None:
        """Show the value that the Spec has."""
        self._putting = True
        try:
            widget, shown = self.widgets[name], to_widget(self.settings[name], getattr(self.spec, name))
            if isinstance(widget, pmui.DiscreteSlider) and shown not in widget.options:
                widget.options = sorted({*widget.options, shown})
            widget.value = shown
        finally:
            self._putting = False

    def set(self, name: str, value: Any) -> None:
        """Change a setting from the program, with the Spec's checks, and show it."""
        self.spec.set(name, value)
        self.put(name)

    def __panel__(self):
        return self._layout


def wrapping(*objects: Any) -> pn.Row:
    """Side by side while there is room, then on the next line."""
    return pn.Row(*objects, styles={"flex-wrap": "wrap"}, margin=0, width=WIDTH)


def widget_for(setting: Setting, value: Any) -> pn.widgets.Widget:
    """The pmui widget that fits the kind and bounds of a setting."""
    shared = {
        "label": text.label(setting.name) + (" ⚡" if setting.live else ""),
        "css_classes": [f"wb-set-{setting.name}"],
        "description": setting.doc + (" It may change while the run goes on." if setting.live else ""),
    }
    shown = to_widget(setting, value)
    if setting.kind == "boolean":
        return pmui.Checkbox(value=bool(shown), **{**shared, **FULL})
    if setting.kind == "choice":
        options = choices(setting.options)
        return pmui.Select(
            value=shown, options=options, **shared, **(FULL if max(map(len, options)) > LONGEST else HALF)
        )
    if is_logarithmic(setting):
        options = sorted({*logarithmic_steps(*setting.bounds), shown})
        return pmui.DiscreteSlider(
            value=shown,
            options=options,
            formatter="%g",
            **{**shared, **FULL, "width": 262, "margin": (5, 12)},
        )
    if setting.kind in ("integer", "number"):
        low, high = setting.bounds or (None, None)
        widget = pmui.IntInput if setting.kind == "integer" else pmui.FloatInput
        step = 1 if setting.kind == "integer" else number_step(low, high)
        return widget(value=shown, start=low, end=high, step=step, **shared, **HALF)
    return pmui.TextInput(value=shown, **shared, **FULL)


def choices(options: Sequence[Any]) -> dict[str, Any]:
    """Name on the screen -> option; where all are members of a catalogue, by their titles."""
    members = all(option in TITLES for option in options)
    return {TITLES[o] if members else text.label(str(o)): o for o in options}


def is_logarithmic(setting: Setting) -> bool:
    """Learning rates and their like: positive numbers over several orders of magnitude."""
    if setting.kind != "number" or len(setting.bounds) != 2 or None in setting.bounds:
        return False
    low, high = setting.bounds
    rate = setting.name.endswith("learning_rate")
    return rate or (low > 0 and high / low >= LOGARITHMIC_SPAN)


def logarithmic_steps(low: float, high: float) -> list[float]:
    """1, 2, 3, 5 times powers of ten inside the bounds; an open lower end begins at a millionth of the
    upper."""
    low = low if low and low > 0 else high * 1e-6
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = [float(f"{m}e{e}") for e in exponents for m in (1, 2, 3, 5)]
    return [s for s in steps if low <= s <= high]


def number_step(low: float | None, high: float | None) -> float:
    """About a fiftieth of the range, as a power of ten."""
    if low is None or high is None or not math.isfinite(high - low):
        return 0.1
    return float(10 ** math.floor(math.log10((high - low) / 20)))


def to_widget(setting: Setting, value: Any) -> Any:
    """A setting's value as its widget holds it; lists are typed with commas."""
    if setting.kind == "list":
        return ", ".join(str(v) for v in value)
    if setting.kind == "text":
        return str(value)
    return float(value) if setting.kind == "number" else value


def from_widget(setting: Setting, shown: Any) -> Any:
    """The other way round; what cannot be read is a SpecError."""
    if setting.kind != "list":
        return shown
    parts = [p.strip() for p in str(shown).split(",") if p.strip()]
    kind = type(setting.default[0]) if setting.default else str
    try:
        return [kind(p) for p in parts]
    except ValueError as error:
        raise SpecError(
            f"'{text.label(setting.name)}' cannot be '{shown}'",
            found=shown,
            expected=f"values of kind {kind.__name__} separated by commas",
        ) from error
