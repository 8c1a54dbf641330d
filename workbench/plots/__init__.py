"""Datasets as HoloViews elements: ``hv.DynamicMap(plots.samples, streams=[hv.streams.Pipe(data=dataset)])``.

A plot has the key of its snapshot view or diagnostic check as name: ``samples`` is drawn by the function
`samples` of the module `workbench.plots.samples`, which is imported when ``plots.samples`` or
``PLOTS["samples"]`` is first read. Every plot is a pure function of a Dataset (fresh, or read from a file),
returns the same elements for any data, and takes its axis ranges from the Dataset's attributes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache, wraps
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from workbench.core import plugins
from workbench.core.entries import public
from workbench.core.errors import DataError, WorkbenchError, unknown

#: Functions that the package offers besides the plots, with their modules.
_FUNCTIONS = {"figure": "trends", "save_figure": "trends", "save": "files"}
#: Plots of a view that has another key.
_VIEWS = {"marginals": "posterior"}


class PlotTable(Mapping[str, Callable[..., Any]]):
    """Mapping from name to plot function: that of ``workbench.plots.NAME``, or one added by `register`."""

    def __init__(self) -> None:
        self._registered: dict[str, Callable[..., Any]] = {}
        self._complete = False  # the plots of other packages are loaded

    def register(self, plot: Callable[..., Any]) -> Callable[..., Any]:
        """Add a plot of another package under its function's name; use as a decorator."""
        self._registered[plot.__name__] = plot
        return plot

    def __getitem__(self, name: str) -> Callable[..., Any]:
        plot = self._find(name)
        if plot is None:
            raise unknown("plot", name, self)
        return plot

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def _find(self, name: str) -> Callable[..., Any] | None:
        """Return a plot, of another package where the workbench has none of this name; else None."""
        plot = self._registered.get(name) or _plot_of_module(name)
        if plot is None and not self._complete and plugins.can_load("plots"):
            self._complete = True
            plugins.load("plots", "plot", lambda point, plot: self._registered.update({point.name: plot}))
            plot = self._registered.get(name)
        return plot

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all plots; imports every module of the package."""
        modules = (module.name for module in iter_modules(__path__))
        yield from dict.fromkeys([*(name for name in modules if name in self), *self._registered])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _module(name: str) -> ModuleType | None:
    full = f"{__name__}.{name}"
    exists = name.isidentifier() and not name.startswith("_") and find_spec(full) is not None
    return import_module(full) if exists else None


def _plot_of_module(name: str) -> Callable[..., Any] | None:
    plot = getattr(_module(name), name, None)
    return plot and _taking_runs(plot, name)


@cache
def _taking_runs(plot: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Make a plot take a run or a snapshot as well, in place of the Dataset of its view.

    A Dataset that lacks what the plot shows is refused by a `DataError`.
    """
    checked_plot, first = public(plot), next(iter(signature(plot).parameters))

    @wraps(plot)
    def drawn(*arguments: Any, **settings: Any) -> Any:
        data = arguments[0] if arguments else settings.pop(first, None)
        # the class of a run is not known here, since it needs torch
        if callable(getattr(data, "snapshot", None)):
            data = data.snapshot(_VIEWS.get(name, name))
        if callable(getattr(data, "labelled", None)):
            data = data.labelled(_VIEWS.get(name, name))
        try:
            return checked_plot(data, *arguments[1:], **settings)
        except WorkbenchError:
            raise
        except (KeyError, AttributeError, IndexError, TypeError, ValueError) as error:
            raise DataError(
                f"The plot '{name}' cannot be drawn from these data",
                expected=f"the Dataset of the view or check '{name}'",
                found=_contents(data) or f"{type(error).__name__}: {error}",
            ) from error

    return drawn


def _contents(data: Any) -> str:
    """Name the variables of a Dataset in words; "" for anything else."""
    names = [str(name) for name in getattr(data, "data_vars", ())]
    if not hasattr(data, "data_vars"):
        return ""
    return f"a Dataset of {', '.join(names[:8])}" if names else "an empty Dataset"


PLOTS = PlotTable()
#: Plots of the diagnostic checks: another name of `PLOTS`, which holds them by key like all others.
JUDGED = PLOTS


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    attribute = PLOTS[name] if name in PLOTS else _module(name)
    if attribute is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return attribute


def __dir__() -> list[str]:
    return sorted({*globals(), *_FUNCTIONS, *(module.name for module in iter_modules(__path__))})


class _Package(ModuleType):
    """Class of this package's module object: ``plots.NAME`` stays the plot when its submodule is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and value.__name__ == f"{__name__}.{name}":
            value = _plot_of_module(name) or value
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

__all__ = ["JUDGED", "PLOTS", "PlotTable"]
