"""Members of catalogues made of functions: settings from the arguments, texts from the docstring.

``def my_flow(features, context, width=64)`` has the setting ``width``, a whole number, 64 by default. A
default that is a `param` parameter gives bounds: ``width=param.Integer(64, bounds=(4, 512))``.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Collection
from typing import Any, TypeVar, cast

import param

from workbench.core.errors import SpecError
from workbench.core.spec import Spec

Base = TypeVar("Base", bound=Spec)
#: Kinds of settings by the type of an argument's default.
_PARAMETERS: tuple[tuple[type, type[param.Parameter]], ...] = (
    (bool, param.Boolean),
    (int, param.Integer),
    (float, param.Number),
    (str, param.String),
)


def settings_of(function: Callable[..., Any], inputs: Collection[str]) -> dict[str, param.Parameter]:
    """Return the arguments of a function as settings by name, without its ``inputs``.

    Raises `SpecError` for a further argument without a default, or with one that no setting can have.
    """
    settings = {}
    for name, argument in inspect.signature(function).parameters.items():
        if name in inputs or argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            continue
        default = argument.default
        if isinstance(default, param.Parameter):
            settings[name] = default
            continue
        kind = next((p for t, p in _PARAMETERS if isinstance(default, t)), None)
        if kind is None:
            raise SpecError(
                f"The argument '{name}' of {_name_of(function)} cannot be a setting",
                expected="a default that is a number, a truth value, a text or a param parameter",
                found="no default" if default is argument.empty else repr(default)[:100],
                suggestion="fix it by functools.partial, or by a function around this one",
            )
        settings[name] = kind(default=default, doc=f"Argument '{name}' of {_name_of(function)}.")
    return settings


def accepted(function: Callable[..., Any], inputs: Collection[str]) -> tuple[str, ...]:
    """Return those of the names ``inputs`` that a function takes as arguments; all, where it takes any."""
    arguments = inspect.signature(function).parameters
    if any(a.kind is a.VAR_KEYWORD for a in arguments.values()):
        return tuple(inputs)
    return tuple(name for name in inputs if name in arguments)


def member_class(
    base: type[Base],
    function: Callable[..., Any],
    settings: dict[str, param.Parameter],
    *,
    key: str = "",
    title: str = "",
    summary: str = "",
    reference: str = "",
    **attributes: Any,
) -> type[Base]:
    """Make a subclass of ``base`` with the function's name as key, and texts from its docstring.

    It stands in the module that calls the wrapper, and files name the package of that module. Raises
    `SpecError` where there is no key in snake_case.
    """
    name = key or getattr(function, "__name__", "")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise SpecError(
            "A member of a catalogue needs a key",
            expected="small letters, digits and underscores, for files and links",
            found=repr(name),
            suggestion="pass key='my_member'",
        )
    is_own = inspect.isfunction(function)  # the docstrings of classes and partials are not about this use
    first_line = (inspect.getdoc(function) or "").partition("\n")[0].strip() if is_own else ""
    home = _calling_module()
    title = title or name.replace("_", " ").capitalize()
    return cast(Any, type(base))(
        name,
        (base,),
        {
            **settings,
            **attributes,
            "key": name,
            "title": title,
            "summary": (summary or first_line or f"{title}, from {home}").rstrip(".") + ".",
            "reference": reference or f"{home}.{name}",
            "__doc__": first_line or title,
            "__module__": home,
            "__qualname__": function.__qualname__ if is_own else name,
        },
    )


def _calling_module() -> str:
    """Return the name of the nearest module on the call stack that is not the workbench's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "workbench":
        frame = frame.f_back
    return str(frame.f_globals.get("__name__") or "__main__")


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", repr(function)))
