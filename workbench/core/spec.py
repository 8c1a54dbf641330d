"""Spec: base class of all catalogue entries (architectures, problems, objectives, …) and of their settings.

Settings are `param` parameters with defaults, from which forms, tooltips, the command line, links and files
are made. A Spec holds a user's choices only; shapes and statistics of the data are added when it builds a
module.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

import param

from workbench.core.entries import public
from workbench.core.errors import SpecError, did_you_mean, unknown
from workbench.core.markup import html_table
from workbench.core.names import split_names
from workbench.core.numbers import plain

_KINDS = (
    (param.Boolean, "boolean"),
    (param.Integer, "integer"),
    (param.Number, "number"),
    (param.Selector, "choice"),
    (param.List, "list"),
    (param.Dict, "mapping"),
    (param.String, "text"),
)


@dataclass(frozen=True)
class Setting:
    """Description of one setting of a Spec, for forms, tables and the command line.

    ``kind`` is boolean, integer, number, choice, list, mapping or text; ``live`` settings may change
    during a run.
    """

    name: str
    kind: str
    default: Any
    bounds: tuple[Any, ...]
    options: tuple[Any, ...]
    doc: str
    live: bool

    @property
    def allowed(self) -> str:
        """The allowed values in words; empty where there is no short description of them."""
        if self.kind == "choice":
            return "one of " + ", ".join(map(str, self.options))
        if self.kind == "boolean":
            return "true or false"
        if self.kind in ("integer", "number") and len(self.bounds) == 2:
            low, high = self.bounds
            noun = "a whole number" if self.kind == "integer" else "a number"
            limits = [f"of at least {low}"] * (low is not None) + [f"of at most {high}"] * (high is not None)
            if len(limits) == 2:
                limits = [f"between {low} and {high}"]
            return " ".join([noun, *limits])
        return ""


class Spec(param.Parameterized):
    """Base of every catalogue entry. Two specs are equal when their classes and values are.

    A subclass defines ``key`` (its identifier in files and links, which never changes), ``title``,
    ``summary`` (one sentence), ``reference`` (the source) and ``live``, the names of the settings that may
    change during a run; its settings are `param` parameters.
    """

    key: ClassVar[str] = ""
    title: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    live: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **values: Any) -> None:
        names = {name for name in type(self).param if name != "name"}
        for name in values:
            if name not in names:
                raise unknown("setting", name, sorted(names), owner=self._label())
        try:
            super().__init__(**values)
        except SpecError:
            raise
        except (ValueError, TypeError) as error:
            raise self._refusal(values, error) from error

    def __setattr__(self, name: str, value: Any) -> None:
        # a number of NumPy's would pass as a setting, and then not be stored in a file
        super().__setattr__(name, _as_setting(value) if name in _setting_names(type(self)) else value)

    @classmethod
    def _label(cls) -> str:
        return f"'{cls.key}'" if cls.key else cls.__name__

    @classmethod
    def _refusal(cls, values: dict[str, Any], error: Exception) -> SpecError:
        """Return the `SpecError` for an error that param raised; it says which values are allowed."""
        for setting in cls.settings():
            if setting.name in values and f".{setting.name}'" in str(error) and setting.allowed:
                value = values[setting.name]
                return SpecError(
                    f"Setting '{setting.name}' of {cls._label()} cannot be {value!r}",
                    expected=setting.allowed,
                    suggestion=did_you_mean(value, map(str, setting.options)) if setting.options else "",
                )
        return SpecError(f"A setting of {cls._label()} is out of range", found=str(error))

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        """Describe every public parameter by a `Setting`, in the order of definition."""
        settings = []
        for name in cls.param:
            parameter = cls.param[name]
            if name == "name" or (parameter.precedence is not None and parameter.precedence < 0):
                continue
            kind = next((k for p, k in _KINDS if isinstance(parameter, p)), None)
            if kind is None:
                continue
            options = tuple(parameter.objects) if kind == "choice" else ()
            bounds = tuple(getattr(parameter, "bounds", None) or ())
            settings.append(
                Setting(
                    name,
                    kind,
                    parameter.default,
                    bounds,
                    options,
                    " ".join((parameter.doc or "").split()),
                    name in cls.live,
                )
            )
        return tuple(settings)

    def values(self) -> dict[str, Any]:
        """Return all settings by name, as JSON-ready values."""
        return {s.name: _plain(getattr(self, s.name)) for s in self.settings()}

    def changed(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults by name, as JSON-ready values."""
        return {
            s.name: _plain(getattr(self, s.name))
            for s in self.settings()
            if _plain(getattr(self, s.name)) != _plain(s.default)
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Self:
        """Build from a dict of settings. Unknown names and values out of bounds raise `SpecError`."""
        if not isinstance(values, dict):
            raise SpecError(
                f"The settings of {cls._label()} must be a table of names and values",
                found=type(values).__name__,
            )
        return cls(**values)

    @public
    def set(self, name: str, value: Any) -> None:
        """Change one setting. Raises `SpecError`, and changes nothing, for an unknown name or a bad value."""
        names = [s.name for s in self.settings()]
        if name not in names:
            raise unknown("setting", name, names, owner=self._label())
        try:
            setattr(self, name, value)
        except SpecError:
            raise
        except (ValueError, TypeError) as error:
            raise self._refusal({name: value}, error) from error

    def copy(self) -> Self:
        """Return an independent Spec with the same values."""
        return type(self).from_values(self.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and type(self) is type(other) and self.values() == other.values()

    __hash__ = param.Parameterized.__hash__

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.changed().items())
        return f"{type(self).__name__}({inside})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        rows = ((s.name, getattr(self, s.name), s.default, s.doc) for s in self.settings())
        return html_table(
            rows, head=("setting", "value", "default", "effect"), title=self.title or "Settings"
        )


@cache
def _setting_names(spec: type[Spec]) -> frozenset[str]:
    return frozenset(setting.name for setting in spec.settings())


def _as_setting(value: Any) -> Any:
    """Convert numbers of NumPy and torch to Python's, and arrays of them to lists."""
    if getattr(value, "ndim", 0) and hasattr(value, "tolist"):
        return value.tolist()
    return plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(name): _plain(v) for name, v in value.items()}
    return plain(value)


def parse_setting(spec: type[Spec], name: str, text: str) -> Any:
    """Convert a string from a command line or link (``"8"``, ``"true"``, ``"a,b"``) to the setting's type.

    A mapping is ``"a:1,b:2"``. A name with a comma stands between quotation marks, as in a CSV file.
    Raises `SpecError` for a setting that ``spec`` lacks and for a string that is no value of its type.
    """
    setting = next((s for s in spec.settings() if s.name == name), None)
    if setting is None:
        names = [s.name for s in spec.settings()]
        raise unknown("setting", name, names, owner=spec._label())
    try:
        if setting.kind == "boolean":
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[
                text.lower()
            ]
        if setting.kind == "integer":
            return int(text)
        if setting.kind == "number":
            return float(text)
        if setting.kind == "choice":
            return next((o for o in setting.options if str(o) == text), text)
        if setting.kind == "list":
            default = setting.default or [""]
            return [type(default[0])(part) for part in split_names(text)]
        if setting.kind == "mapping":
            pairs = [part.rpartition(":") for part in split_names(text)]
            if not all(key.strip() for key, _, _ in pairs):
                raise ValueError(text)
            return {key.strip(): float(number) for key, _, number in pairs}
    except (KeyError, ValueError) as error:
        expected = setting.allowed or f"a value of kind {setting.kind}"
        if setting.kind == "mapping":
            expected = "NAME:NUMBER, such as hour:24, or several with commas between them"
        raise SpecError(f"Setting '{name}' cannot be '{text}'", expected=expected, found=text) from error
    return text
