"""Public entries: functions and classes whose arguments are checked, and whose errors name the argument.

``@public`` compares every argument with its annotation before the call. A value that no call could use is
refused by a `SpecError` with the argument's name; numbers of NumPy and torch become Python's. An object of a
class of its own passes, since it may have all that the call needs without deriving from our classes; where
the call then fails, the error names the arguments that are not of the annotated kind. Errors of the operating
system become a `FileError`, and a lack of memory a `MemoryShortage`.

Annotations are read as text, so that a class need not be imported to be recognised: an object is a ``Tensor``
where a class of this name is among its classes. What they do not say, such as a range, is checked by the
function itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

from workbench.core.argument_kinds import Kind, describe, kind_of
from workbench.core.errors import FileError, MemoryShortage, SpecError, WorkbenchError, is_memory_error

Target = TypeVar("Target", bound=Callable[..., Any] | type)
#: Dunder methods of a public class that users call with arguments.
_OPERATORS = ("__init__", "__getitem__")
#: Numbers that functions pass to `whole_number` and `checked_seed`, whose sentences say what is counted.
_COUNTS = ("n", "draws", "chunk", "seed")
#: Errors that an argument of another kind than the annotated one leads to.
_BLAMABLE = (
    TypeError,
    AttributeError,
    ValueError,
    KeyError,
    IndexError,
    RuntimeError,
    ArithmeticError,
    NotImplementedError,
)


def public(target: Target) -> Target:
    """Check the arguments of a function, or of all public methods of a class; use as a decorator."""
    if not isinstance(target, type):
        return _guarded(target)  # type: ignore[return-value]
    for name, member in list(vars(target).items()):
        if name.startswith("_") and name not in _OPERATORS:
            continue
        if isinstance(member, classmethod | staticmethod):
            setattr(target, name, type(member)(_guarded(member.__func__)))
        elif inspect.isfunction(member):
            setattr(target, name, _guarded(member))
    return target


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with checks around it."""
    parameters = list(inspect.signature(function).parameters.values())
    bound = bool(parameters) and parameters[0].name in ("self", "cls")
    kinds = {p.name: _kind(p) for p in parameters[bound:] if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    in_order = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    places = [kinds.get(name) for name in in_order]
    title = function.__qualname__.removesuffix(".__init__").removesuffix(".__getitem__")

    @wraps(function)
    def entry(*arguments: Any, **named: Any) -> Any:
        values = list(arguments)
        for place, kind in enumerate(places[: len(values)]):
            if kind is not None:
                values[place] = _checked(kind, values[place], in_order[place], title)
        for name, value in named.items():
            kind = kinds.get(name)
            if kind is not None:
                named[name] = _checked(kind, value, name, title)
        try:
            return function(*values, **named)
        except WorkbenchError:
            raise
        except OSError as error:
            raise FileError.of(error) from error
        except MemoryError as error:
            raise MemoryShortage.of(title) from error
        except _BLAMABLE as error:
            if is_memory_error(error):
                raise MemoryShortage.of(title) from error
            for name, value in (*zip(in_order, values, strict=False), *named.items()):
                kind = kinds.get(name)
                if kind is not None and not kind.suits(value):
                    raise _refusal(kind, value, name, title) from error
            raise

    return entry


def _kind(parameter: inspect.Parameter) -> Kind | None:
    """Return the kind of a parameter; counts and seeds are refused by the function itself."""
    kind = kind_of(_annotation(parameter), seed=parameter.name == "seed")
    return replace(kind, may_be=lambda value: True) if kind and parameter.name in _COUNTS else kind


def _annotation(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return "Any"
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "Any")
    return f"{text} | None" if parameter.default is None else text


def _checked(kind: Kind, value: Any, name: str, title: str) -> Any:
    """Return the value, a number as Python's. Raises `SpecError` for one that no call could use."""
    if type(value) in kind.types:
        return value
    if kind.may_be(value):
        return kind.convert(value)
    raise _refusal(kind, value, name, title)


def _refusal(kind: Kind, value: Any, name: str, title: str) -> SpecError:
    return SpecError(
        f"The argument '{name}' of {title} cannot be used",
        expected=kind.sentence,
        found=describe(value),
        suggestion=_advice(kind, value),
    )


def _advice(kind: Kind, value: Any) -> str:
    """Return what to try for a table in the place of a problem; empty for other values."""
    is_table = any(base.__name__ in ("DataFrame", "Dataset") for base in type(value).__mro__)
    if is_table and "Spec" in kind.sentence:
        return "make a problem of it: TableProblem(table, x=[…], y=[…])"
    return ""
