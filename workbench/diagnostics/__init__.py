"""Checks of a trained model with a verdict, the inversion of networks, and the views of a snapshot.

``diagnostics.NAME(snapshot)`` returns the Dataset of the view called NAME. Most names are imported on first
use, so that titles and settings of the checks can be listed without importing torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from workbench.core.lazy import lazy_attributes
from workbench.diagnostics.checks import BUDGETS, DIAGNOSTICS, Diagnostic

if TYPE_CHECKING:
    from workbench.diagnostics.network_inversion import distances, invert
    from workbench.diagnostics.report import Report, diagnose
    from workbench.diagnostics.search_progress import search
    from workbench.diagnostics.two_samples import c2st, exact_wasserstein
    from workbench.snapshots import empty

_MODULES = {
    "Report": "workbench.diagnostics.report",
    "c2st": "workbench.diagnostics.two_samples",
    "diagnose": "workbench.diagnostics.report",
    "distances": "workbench.diagnostics.network_inversion",
    "empty": "workbench.snapshots",
    "exact_wasserstein": "workbench.diagnostics.two_samples",
    "invert": "workbench.diagnostics.network_inversion",
    "search": "workbench.diagnostics.search_progress",
}
_lookup = lazy_attributes(__name__, _MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES and not name.startswith("_") and find_spec(f"{__name__}.{name}") is None:
        views = import_module("workbench.snapshots").VIEWS.shown()
        if name == "VIEWS":
            return views
        if name in views:
            return views[name]
    return _lookup(name)


__all__ = [
    "BUDGETS",
    "DIAGNOSTICS",
    "Diagnostic",
    "Report",
    "VIEWS",
    "c2st",
    "diagnose",
    "distances",
    "empty",
    "exact_wasserstein",
    "invert",
    "search",
]
