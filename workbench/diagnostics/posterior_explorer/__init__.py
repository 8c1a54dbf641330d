"""Interactive posteriors: histograms with highest-density regions, physical views and resimulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import lazy_attributes

if TYPE_CHECKING:
    from workbench.diagnostics.posterior_explorer.explorer import PosteriorExplorer
    from workbench.diagnostics.posterior_explorer.histogram import RunningHistogram
    from workbench.diagnostics.posterior_explorer.physical import PHYSICAL, Physical
    from workbench.diagnostics.posterior_explorer.query import Answer, ModelInfo, Query

_FOLDER = "workbench.diagnostics.posterior_explorer"
__getattr__ = lazy_attributes(
    __name__,
    {
        "Answer": f"{_FOLDER}.query",
        "ModelInfo": f"{_FOLDER}.query",
        "PHYSICAL": f"{_FOLDER}.physical",
        "Physical": f"{_FOLDER}.physical",
        "PosteriorExplorer": f"{_FOLDER}.explorer",
        "Query": f"{_FOLDER}.query",
        "RunningHistogram": f"{_FOLDER}.histogram",
    },
)

__all__ = [
    "Answer",
    "ModelInfo",
    "PHYSICAL",
    "Physical",
    "PosteriorExplorer",
    "Query",
    "RunningHistogram",
]
