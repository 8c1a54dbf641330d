"""Plug-ins: members of the catalogues that other installed packages bring, found by their entry points.

A package declares each member in the group of its catalogue, under the member's key:

    [project.entry-points."workbench.architectures"]
    my_flow = "my_package.flows:MyFlow"

The value is the member's class, or a module whose import registers members by decorators. Entry points are
read when a catalogue is listed, or asked for a key that it does not have; nothing else is imported. A file
says which package a member came from, and no file is a reason to import a module.
Source: https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

import re
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import (
    EntryPoint,
    PackageNotFoundError,
    entry_points,
    packages_distributions,
    version,
)
from types import ModuleType
from typing import Any

#: Beginning of the name of every group of entry points.
PREFIX = "workbench."
#: Package of the built-in members.
BUILT_IN = "workbench"
#: Names of packages and modules that a message repeats from a file.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


#: Whether a plug-in is being imported, for each thread.
_state = threading.local()


class PluginWarning(UserWarning):
    """Warning that an installed plug-in could not be loaded; the rest of its catalogue works."""


@cache
def installed() -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of the installed packages by group, for the groups of the workbench."""
    every = entry_points()
    return {g: tuple(every.select(group=g)) for g in sorted(every.groups) if g.startswith(PREFIX)}


def package_of(point: EntryPoint) -> str:
    """Return name and version of the package that declares an entry point."""
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"


def can_load(group: str) -> bool:
    """Return False while a plug-in is being imported, which may read a catalogue: it is completed later."""
    return not getattr(_state, "loading", False) and not any(
        _is_importing(point.module) for point in installed().get(PREFIX + group, ())
    )


def _is_importing(module: str) -> bool:
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def load(group: str, noun: str, add: Callable[[EntryPoint, Any], None]) -> dict[str, str]:
    """Load the plug-ins of a group and pass each to ``add``, with its entry point.

    A plug-in that cannot be loaded, or that ``add`` refuses, is named in a `PluginWarning`.

    Returns
    -------
    Name of each such entry point -> a sentence that says what happened, without a full stop.
    """
    failures = {}
    for point in installed().get(PREFIX + group, ()):
        _state.loading = True
        try:
            add(point, point.load())
        except Exception as error:  # noqa: BLE001  whatever another package raises
            reason = f"{type(error).__name__}: {error}".rstrip(".")
            failures[point.name] = f"the package '{package_of(point)}' cannot be loaded ({reason})"
            warnings.warn(
                f"The {noun} '{point.name}' is missing: {failures[point.name]}. The rest of the catalogue "
                f"is not affected. Update or uninstall that package.",
                PluginWarning,
                stacklevel=2,
            )
        finally:
            _state.loading = False
    return failures


def is_module(value: object) -> bool:
    """True for a module, which registers members when it is imported."""
    return isinstance(value, ModuleType)


def origin(member: type) -> dict[str, str]:
    """Return what a file says about where a class came from; empty for a class of the workbench.

    ``{"package": …, "version": …}`` for a class of an installed package, else ``{"module": …}``.
    """
    module = str(member.__module__)
    top = module.partition(".")[0]
    if top == BUILT_IN:
        return {}
    if top != "__main__" and (packages := _packages().get(top)):
        return {"package": packages[0], "version": version(packages[0])}
    return {"module": _script_name() if top == "__main__" else module}


@cache
def _packages() -> Mapping[str, list[str]]:
    """Return the names of the installed packages by the modules at their top."""
    return packages_distributions()


def _script_name() -> str:
    """Return the file name of the running script, without its folder; "__main__" in a notebook."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return re.split(r"[\\/]", path)[-1] if path else "__main__"


def advice(table: Any) -> str:
    """Return what to do about members that are missing here; empty where the table does not say.

    ``table`` has what `origin` returned, by part of the experiment. It comes from a file: its names are
    repeated where they are plain ones, and nothing is imported for them.
    """
    origins = list(table.values()) if isinstance(table, dict) else []
    sentences = (_advice(entry) for entry in origins if isinstance(entry, dict))
    return next((sentence for sentence in sentences if sentence), "")


def _advice(entry: dict[Any, Any]) -> str:
    """Return what to do about a member's package or module, and nothing about a package that is installed."""
    names = {k: v for k, v in entry.items() if isinstance(v, str) and _PLAIN_NAME.fullmatch(v)}
    if "package" in names:
        if _is_installed(names["package"]):
            return ""
        package = f"{names['package']} {names['version']}" if "version" in names else names["package"]
        return (
            f"it belongs to the package '{package}', which is not installed here: install it, if you trust "
            "whoever sent this file, and try again"
        )
    if "module" in names:
        return f"it was registered in '{names['module']}': run or import that first, and try again"
    return ""


def _is_installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False
