"""Spec: what a user may choose of a member of a catalogue, as `param` parameters with real defaults.

A Spec is the *chosen*; shapes and statistics of the data are the *known*; together they make a module.
Everything that a form, a tooltip, the command line, a link or a file needs is read off the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import param

from workbench.core.errors import SpecError, did_you_mean

_KINDS = (
    (param.Boolean, "boolean"),
    (param.Integer, "integer"),
    (param.Number, "number"),
    (param.Selector, "choice"),
    (param.List, "list"),
    (param.String, "text"),
)


@dataclass(frozen=True)
class Setting:
    """One parameter of a Spec, described for a form: ``kind`` is boolean, integer, number, choice, list or
    text."""

    name: str
    kind: str
    default: Any
    bounds: tuple
    options: tuple
    doc: str
    live: bool

    @property
    def allowed(self) -> str:
        """The values that may be chosen, in words; empty where only the setting itself knows."""
        if self.kind == "choice":
            return "one of " + ", ".join(map(str, self.options))
        if self.kind == "boolean":
            return "true or false"
        if self.kind in ("integer", "number") and len(self.bounds) == 2:
            low, high = self.bounds
            what = "a whole number" if self.kind == "integer" else "a number"
            limits = [f"of at least {low}"] * (low is not None) + [f"of at most {high}"] * (high is not None)
            if len(limits) == 2:
                limits = [f"between {low} and {high}"]
            return " ".join([what, *limits])
        return ""


class Spec(param.Parameterized):
    """Base of every pickable member. Two specs are equal when class and values are equal."""

    key: ClassVar[str] = ""
    title: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    live: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **values: Any) -> None:
        known = {n for n in type(self).param if n != "name"}
        for name in values:
            if name not in known:
                raise SpecError(
                    f"{self._called()} has no setting '{name}'",
                    expected=", ".join(sorted(known)) or "no settings",
                    found=name,
                    suggestion=did_you_mean(name, known),
                )
        try:
            super().__init__(**values)
        except (ValueError, TypeError) as error:
            raise self._unfit(values, error) from error

    @classmethod
    def _called(cls) -> str:
        return f"'{cls.key}'" if cls.key else cls.__name__

    @classmethod
    def _unfit(cls, values: dict[str, Any], error: Exception) -> SpecError:
        """The error of param as one that says which values would do."""
        for setting in cls.settings():
            if setting.name in values and f".{setting.name}'" in str(error) and setting.allowed:
                value = values[setting.name]
                return SpecError(
                    f"Setting '{setting.name}' of {cls._called()} cannot be {value!r}",
                    expected=setting.allowed,
                )
        return SpecError(f"A setting of {cls._called()} is out of range", found=str(error))

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        """Every public parameter in the order of its definition."""
        found = []
        for name in cls.param:
            parameter = cls.param[name]
            if name == "name" or (parameter.precedence is not None and parameter.precedence < 0):
                continue
            kind = next((k for p, k in _KINDS if isinstance(parameter, p)), None)
            if kind is None:
                continue
            options = tuple(parameter.objects) if kind == "choice" else ()
            bounds = tuple(getattr(parameter, "bounds", None) or ())
            found.append(
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
        return tuple(found)

    def values(self) -> dict[str, Any]:
        """All settings as JSON-ready values."""
        return {s.name: _plain(getattr(self, s.name)) for s in self.settings()}

    def changed(self) -> dict[str, Any]:
        """Only the settings that differ from their defaults."""
        return {
            s.name: _plain(getattr(self, s.name))
            for s in self.settings()
            if _plain(getattr(self, s.name)) != _plain(s.default)
        }

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Spec:
        """From JSON; unknown names and values out of bounds raise `SpecError`."""
        if not isinstance(values, dict):
            raise SpecError(
                f"The settings of {cls._called()} must be a table of names and values",
                found=type(values).__name__,
            )
        return cls(**values)

    def set(self, name: str, value: Any) -> None:
        """Change one setting with the same checks as the constructor; nothing changes when it is refused."""
        names = [s.name for s in self.settings()]
        if name not in names:
            raise SpecError(
                f"{self._called()} has no setting '{name}'",
                expected=", ".join(names) or "no settings",
                found=name,
                suggestion=did_you_mean(name, names),
            )
        try:
            setattr(self, name, value)
        except (ValueError, TypeError) as error:
            raise self._unfit({name: value}, error) from error

    def copy(self) -> Spec:
        """An independent Spec with the same values."""
        return type(self).from_values(self.values())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.values() == other.values()

    __hash__ = param.Parameterized.__hash__

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.changed().items())
        return f"{type(self).__name__}({inside})"


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def parse_setting(spec: type[Spec], name: str, text: str) -> Any:
    """A value typed on a command line or in a link (``"8"``, ``"true"``, ``"a,b"``) as the setting's own
    type."""
    setting = next((s for s in spec.settings() if s.name == name), None)
    if setting is None:
        names = [s.name for s in spec.settings()]
        raise SpecError(
            f"{spec._called()} has no setting '{name}'",
            expected=", ".join(names) or "no settings",
            found=name,
            suggestion=did_you_mean(name, names),
        )
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
            return [type(default[0])(part.strip()) for part in text.split(",") if part.strip()]
    except (KeyError, ValueError) as error:
        raise SpecError(
            f"Setting '{name}' cannot be '{text}'", expected=f"a value of kind {setting.kind}", found=text
        ) from error
    return text
