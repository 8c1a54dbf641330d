"""Form: widgets for the settings of a Spec, with label, tooltip, bounds and options from the Spec itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import SpecError
from workbench.core.names import quoted_names, split_names
from workbench.core.spec import Setting, Spec
from workbench.critics import CRITICS
from workbench.divergences import DIVERGENCES
from workbench.ui import text
from workbench.ui.menus import Menu

#: A positive range that spans more than this factor gets a logarithmic slider.
LOGARITHMIC_SPAN = 1e3
WIDTH = 296
HALF = {"width": 138, "margin": (5, 3), "size": "small"}
FULL = {"width": 282, "margin": (5, 3), "size": "small"}
#: Longest option, in characters, for which a menu has half the width.
MAX_LETTERS = 20
#: Settings that hold several members of a catalogue, by name.
MEMBERS = {"measured": DIVERGENCES}
#: Titles of the divergences and critics that settings choose from, by key.
TITLES = {member.key: member.title for catalogue in (DIVERGENCES, CRITICS) for member in catalogue}


class OptionSlider(pmui.DiscreteSlider):
    """Discrete slider whose ``value_throttled`` is one of the options, as ``value`` is, and not its index.

    The browser sends indices into the list of options. Panel Material UI converts only that of ``value``, and
    ``pn.config.throttled`` copies the other one unconverted to ``value``, where an index is not valid.
    """

    def _process_property_change(self, msg: dict[str, Any]) -> dict[str, Any]:
        if "value_throttled" in msg:
            msg = {**msg, "value_throttled": self.labels[int(msg["value_throttled"])]}
        changes = super()._process_property_change(msg)
        if "value_throttled" in changes:
            changes["value_throttled"] = self._items[changes["value_throttled"]]
        return changes


class Form(pn.viewable.Viewer):
    """One widget per setting of a Spec, except those in ``skip``.

    Valid input is stored in the Spec and passed to ``on_change`` as (name, value). Invalid input is reset,
    and its `SpecError` passed to ``on_error``.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        on_change: Callable[[str, Any], None] | None = None,
        on_error: Callable[[SpecError], None] | None = None,
        skip: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.spec, self._on_change, self._on_error, self._updating = spec, on_change, on_error, False
        self.unused: frozenset[str] = frozenset()  # settings without effect, which the owner left out
        self.settings = {s.name: s for s in spec.settings() if s.name not in skip}
        self.widgets = {name: widget_for(s, getattr(spec, name)) for name, s in self.settings.items()}
        for name, widget in self.widgets.items():
            widget.param.watch(lambda event, name=name: self._apply(name, event.new), "value")
        self._layout = wrapping(*self.widgets.values())

    def _apply(self, name: str, content: Any) -> None:
        if self._updating or content is None:
            return
        try:
            value = from_widget(self.settings[name], content)
            if value == getattr(self.spec, name):
                return
            self.spec.set(name, value)
        except SpecError as error:
            self.show_value(name)
            if self._on_error:
                self._on_error(error)
            return
        if self._on_change:
            self._on_change(name, value)

    def show_value(self, name: str) -> None:
        """Set the widget of a setting to its value in the Spec."""
        self._updating = True
        try:
            widget, content = self.widgets[name], to_widget(self.settings[name], getattr(self.spec, name))
            if isinstance(widget, OptionSlider) and content not in widget.options:
                widget.options = sorted({*widget.options, content})
            widget.value = content
        finally:
            self._updating = False

    def show_values(self) -> None:
        """Set all widgets to the values in the Spec, of which code may have changed some."""
        for name, setting in self.settings.items():
            if self.widgets[name].value != to_widget(setting, getattr(self.spec, name)):
                self.show_value(name)

    def set(self, name: str, value: Any) -> None:
        """Set a setting of the Spec from code, and its widget. Raises `SpecError` for an invalid value."""
        self.spec.set(name, value)
        self.show_value(name)

    def __panel__(self):
        return self._layout


def wrapping(*objects: Any) -> pn.Row:
    """Return a row of Panel objects that wraps onto further lines where it is full."""
    return pn.Row(*objects, styles={"flex-wrap": "wrap"}, margin=0, width=WIDTH)


def widget_for(setting: Setting, value: Any) -> pn.widgets.Widget:
    """Return a widget that fits the kind and bounds of a setting and shows ``value``."""
    common = {
        "label": text.label(setting.name) + (" ⚡" if setting.live else ""),
        "css_classes": [f"wb-set-{setting.name}"],
        "description": setting.doc + (" It may be changed during training." if setting.live else ""),
    }
    content = to_widget(setting, value)
    if setting.name in MEMBERS:
        options = {member.title: member.key for member in MEMBERS[setting.name]}
        return pmui.MultiChoice(value=content, options=options, width=FULL["width"], margin=(5, 3), **common)
    if setting.kind == "boolean":
        return pmui.Checkbox(value=bool(content), **{**common, **FULL})
    if setting.kind == "choice":
        options = choices(setting.options)
        return Menu(
            value=content,
            options=options,
            **common,
            **(FULL if max(map(len, options)) > MAX_LETTERS else HALF),
        )
    if is_logarithmic(setting):
        options = sorted({*logarithmic_steps(*setting.bounds), content})
        return OptionSlider(
            value=content,
            options=options,
            formatter="%g",
            **{**common, **FULL, "width": 262, "margin": (5, 12)},
        )
    if setting.kind in ("integer", "number"):
        low, high = setting.bounds or (None, None)
        widget = pmui.IntInput if setting.kind == "integer" else pmui.FloatInput
        step = 1 if setting.kind == "integer" else number_step(low, high, setting.default)
        return widget(value=content, start=low, end=high, step=step, **common, **HALF)
    return pmui.TextInput(value=content, **common, **FULL)


def choices(options: Sequence[Any]) -> dict[str, Any]:
    """Return a menu's options by label; divergences and critics are labelled by their titles."""
    members = all(option in TITLES for option in options)
    return {TITLES[o] if members else text.label(str(o)): o for o in options}


def is_logarithmic(setting: Setting) -> bool:
    """Return True for learning rates, and positive numbers whose bounds span orders of magnitude."""
    if setting.kind != "number" or len(setting.bounds) != 2 or None in setting.bounds:
        return False
    low, high = setting.bounds
    rate = setting.name.endswith("learning_rate")
    return rate or (low > 0 and high / low >= LOGARITHMIC_SPAN)


def logarithmic_steps(low: float, high: float) -> list[float]:
    """Return 1, 2, 3 and 5 times powers of ten within the bounds.

    Without a positive lower bound they start at a millionth of the upper one.
    """
    low = low if low and low > 0 else high * 1e-6
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = [float(f"{m}e{e}") for e in exponents for m in (1, 2, 3, 5)]
    return [s for s in steps if low <= s <= high]


def number_step(low: float | None, high: float | None, default: float = 1.0) -> float:
    """Return the step of a number field: a power of ten near a twentieth of the range between the bounds, at
    most half the default value (half of one, where that is zero)."""
    sizes = [abs(default) / 2 or 0.5]
    if low is not None and high is not None and math.isfinite(high - low):
        sizes.append((high - low) / 20)
    return float(10 ** math.floor(math.log10(min(sizes))))


def to_widget(setting: Setting, value: Any) -> Any:
    """Convert a setting's value to the content of its widget; lists and mappings become text with commas."""
    if setting.name in MEMBERS:
        return [str(key) for key in value]
    if setting.kind == "list":
        return quoted_names(str(v) for v in value)
    if setting.kind == "mapping":
        return quoted_names(f"{name}:{number:g}" for name, number in value.items())
    if setting.kind == "text":
        return str(value)
    return float(value) if setting.kind == "number" else value


def from_widget(setting: Setting, content: Any) -> Any:
    """Convert a widget's content to the setting's value. Raises `SpecError` for an unreadable list."""
    if setting.kind not in ("list", "mapping") or setting.name in MEMBERS:
        return content
    parts = split_names(str(content))
    if setting.kind == "mapping":
        try:
            pairs = [part.rpartition(":") for part in parts]
            return {name.strip(): float(number) for name, _, number in pairs}
        except ValueError as error:
            raise SpecError(
                f"'{text.label(setting.name)}' cannot be '{content}'",
                found=content,
                expected="names and numbers, as in depth:0,speed:1500",
            ) from error
    kind = type(setting.default[0]) if setting.default else str
    try:
        return [kind(p) for p in parts]
    except ValueError as error:
        raise SpecError(
            f"'{text.label(setting.name)}' cannot be '{content}'",
            found=content,
            expected=f"values of kind {kind.__name__} separated by commas",
        ) from error
