"""Kinds of arguments: which values an annotation, given as text, allows.

``int`` takes whole numbers of Python, NumPy and torch (no truth values, nothing with a fraction), ``Path``
paths without a NUL, ``Tensor`` and ``ndarray`` arrays and lists of numbers, and the name of any other class
objects of that class.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from workbench.core.numbers import plain

#: Whole numbers that PyTorch, NumPy and files take.
_LARGEST = 2**63
#: Objects of these classes are never in the place of one of another class.
_PLAIN = (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset, os.PathLike, type)
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, ModuleType)
_ARRAYS = ("Tensor", "ndarray")
_TABLES = frozenset({"ndarray", "Tensor", "DataFrame", "Series", "Dataset", "DataArray"})


@dataclass(frozen=True)
class Kind:
    """Values that an annotation allows.

    Attributes
    ----------
    sentence : the allowed values in words.
    may_be : False for values that no call could use.
    suits : True for values that are of the annotated kind.
    convert : turns numbers of NumPy and torch into Python's.
    types : classes all of whose objects are allowed; it grows with what is passed, so that a second call
        need not find out again.
    """

    sentence: str
    may_be: Callable[[Any], bool]
    suits: Callable[[Any], bool]
    convert: Callable[[Any], Any]
    types: set[type] = field(default_factory=set)


def _identity(value: Any) -> Any:
    return value


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    if type(value) is int:
        return -_LARGEST < value < _LARGEST
    value = plain(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST


def _is_number(value: Any) -> bool:
    value = plain(value)
    return _number(value) and (isinstance(value, float) or abs(value) < _LARGEST)


def _is_path(value: Any) -> bool:
    try:
        text = os.fspath(value)
    except (TypeError, AttributeError):
        return False
    return isinstance(text, str) and "\0" not in text


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) != 0


def _is_array(value: Any) -> bool:
    return isinstance(value, list | tuple) or hasattr(value, "__array__")


def _is_number_array(value: Any) -> bool:
    from workbench.core.named_values import number_array

    return hasattr(value, "__array__") and number_array(value) is not None


def _is_number_tensor(value: Any) -> bool:
    return _has_class(value, "Tensor") and _is_number_array(value)


def _has_class(value: Any, name: str) -> bool:
    return any(parent.__name__ == name for parent in type(value).__mro__)


def _may_have_class(value: Any, name: str) -> bool:
    if _has_class(value, name):
        return True
    plain_data = value is None or isinstance(value, (*_PLAIN, *_FUNCTIONS))
    return not plain_data and not any(_has_class(value, table) for table in _TABLES)


def _always(_: Any) -> bool:
    return True


#: Allowed values in words, test and conversion of the kinds that are no class of their own.
_SIMPLE: dict[str, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    "None": ("None", lambda value: value is None, _identity),
    "int": ("a whole number, such as 10", _is_whole, plain),
    "float": ("a number, such as 0.5", _is_number, plain),
    "bool": ("True or False", lambda value: isinstance(plain(value), bool), plain),
    "str": ("a text", lambda value: isinstance(value, str), _identity),
    "bytes": ("bytes", lambda value: isinstance(value, bytes), _identity),
    "Path": ("the path of a file or folder", _is_path, _identity),
    "dict": ("a table of names and values", lambda value: isinstance(value, Mapping), _identity),
    "Mapping": ("a table of names and values", lambda value: isinstance(value, Mapping), _identity),
    "Sequence": ("a list", _is_sequence, _identity),
    "Iterable": ("a list", _is_sequence, _identity),
    "list": ("a list", _is_sequence, _identity),
    "tuple": ("a list", _is_sequence, _identity),
    "Callable": ("a function", callable, _identity),
}
#: Classes all of whose objects an annotation allows as they are.
_EXACT: dict[str, type] = {"None": type(None), "float": float, "bool": bool, "str": str, "dict": dict}
_SYNONYMS = {"Float": "float", "PathLike": "Path"}
#: Numbers that a generator of random numbers takes as its seed, in words.
_SEED = "a whole number of at most 18 digits, such as 0"


@cache
def kind_of(annotation: str, *, seed: bool = False) -> Kind | None:
    """Return the kind that an annotation describes; None for one that allows everything."""
    names = [_name(part) for part in _split(annotation, "|")]
    if "Path" in names:  # a path as a text is a path: without a NUL
        names = [name for name in names if name != "str"]
    if any(name in ("Any", "object", "T", "Literal", "TypeVar") for name in names):
        return None
    parts = [_part(name) for name in names]
    sentences = [sentence for name, (sentence, *_) in zip(names, parts, strict=True) if name != "None"]
    sentence = _SEED if seed and "int" in names else " or ".join(dict.fromkeys(sentences))

    def may_be(value: Any) -> bool:
        return any(test(value) for _, test, _, _ in parts)

    def suits(value: Any) -> bool:
        return any(test(value) for _, _, test, _ in parts)

    types = {_EXACT[name] for name in names if name in _EXACT}
    classes = [name for name in names if name not in _SIMPLE and name not in _ARRAYS]

    def learn(value: Any) -> Any:
        if any(_has_class(value, name) for name in classes):
            types.add(type(value))
        return plain(value) if scalars else value

    scalars = [convert for name, (*_, convert) in zip(names, parts, strict=True) if convert is plain]
    without_classes = plain if scalars else _identity
    return Kind(sentence, may_be, suits, learn if classes else without_classes, types)


def _part(name: str) -> tuple[str, Callable[[Any], bool], Callable[[Any], bool], Callable[[Any], Any]]:
    """Return sentence, loose test, strict test and conversion of one name in an annotation."""
    if name in _SIMPLE:
        sentence, test, convert = _SIMPLE[name]
        return sentence, test, test, convert
    if name in _ARRAYS:
        sentence = "a tensor of numbers" if name == "Tensor" else "an array of numbers"
        return sentence, _is_array, _is_number_tensor if name == "Tensor" else _is_number_array, _identity
    article = "an" if name[:1] in "AEIOU" else "a"
    return (
        f"{article} {name}",
        lambda value: _may_have_class(value, name),
        lambda value: _has_class(value, name),
        _identity,
    )


def _name(annotation: str) -> str:
    """Return the last part of a dotted name, without what stands in brackets."""
    name = annotation.strip().strip("'\"").partition("[")[0].rpartition(".")[2]
    return _SYNONYMS.get(name, name)


def _split(annotation: str, separator: str) -> list[str]:
    """Split a text at a separator outside of brackets."""
    parts, depth = [""], 0
    for letter in annotation:
        depth += (letter in "[(") - (letter in "])")
        if letter == separator and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def describe(value: Any) -> str:
    """Describe a value in a few words, for the part of an error that says what was found."""
    if value is None:
        return "None"
    if isinstance(value, str | bytes | int | float | complex):
        text = repr(value) if not isinstance(value, int) or abs(value) < 10**80 else "a number of many digits"
        return text if len(text) <= 80 else f"{text[:77]}…"
    shape = getattr(value, "shape", None)
    size = f" of shape {tuple(shape)}" if isinstance(shape, tuple) else ""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, list | tuple | dict | set | frozenset):
        size = f" with {len(value)} entries" if value else " without entries"
    return f"{type(value).__module__}.{type(value).__name__}{size}".removeprefix("builtins.")
