"""Names of variables in labelled arrays and in files, where some names are taken or not allowed.

A variable keeps its own name wherever that is possible. Elsewhere it gets another one, and the attribute
`ORIGINAL` holds its own name, so that `original_names` brings it back. No two variables get the same name.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

#: Dimensions of labelled arrays: a variable of the same name would become their coordinate.
DIMENSIONS = ("draw", "chain", "observation")
#: Attribute of an array with the variable's own name, where the array has another one.
ORIGINAL = "original_name"
#: Longest name in a file, in bytes: file systems and NetCDF allow 255.
_LONGEST = 200
_FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f]")


def array_names(names: Iterable[str], dimensions: Iterable[str] = DIMENSIONS) -> dict[str, str]:
    """Return {name: name in a Dataset}; a name of one of the ``dimensions`` gets an underscore."""
    return _unique(names, lambda name: name, dimensions)


def file_names(names: Iterable[str], dimensions: Iterable[str] = DIMENSIONS) -> dict[str, str]:
    """Return {name: name in NetCDF, Zarr and DataTree}.

    Slashes, backslashes and control characters become underscores, blanks at the ends are left out, a first
    character that NetCDF forbids follows an underscore, and names too long are cut.
    """
    return _unique(names, _file_name, (*dimensions, "zarr.json"))


def original_names(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return {name: own name} of the arrays with the ``attributes`` {name: its attributes}."""
    return {name: str(values.get(ORIGINAL, name)) for name, values in attributes.items()}


def original_attribute(name: str, array_name: str) -> dict[str, str]:
    """Return the attribute that holds ``name``; empty where the array has that name itself."""
    return {} if name == array_name else {ORIGINAL: name}


def split_names(text: str) -> list[str]:
    """Split names at commas, as in a line of CSV: a name with a comma stands between quotation marks.

    Blanks around names and empty names are left out.
    """
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    return [name.strip() for row in rows for name in row if name.strip()]


def quoted_names(names: Iterable[str]) -> str:
    """Join names with commas, so that `split_names` takes them apart again."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(list(names))
    return line.getvalue()


def _file_name(name: str) -> str:
    text = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", name)).strip()
    if not text or (text[0].isascii() and not (text[0].isalnum() or text[0] == "_")):
        text = "_" + text
    return text.encode()[:_LONGEST].decode(errors="ignore").rstrip()


def _unique(names: Iterable[str], mapping: Any, reserved: Iterable[str]) -> dict[str, str]:
    """Return {name: another name}, without duplicates; names that stay as they are come first."""
    names, in_use = list(names), set(reserved)
    permanent = {name for name in names if mapping(name) == name and name not in in_use}
    in_use |= permanent
    result = {}
    for name in names:
        if name in permanent:
            result[name] = name
            continue
        base = mapping(name) + "_" * (mapping(name) in reserved)
        options = (base, *(f"{base}_{i}" for i in range(2, len(names) + len(in_use) + 2)))
        result[name] = next(option for option in options if option not in in_use)
        in_use.add(result[name])
    return result
