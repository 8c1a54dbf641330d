"""Catalogues that studies choose from (architectures, critics, divergences, objectives, problems), imported
at first use, so that listing the studies stays fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import lazy_attributes

if TYPE_CHECKING:
    from workbench.architectures import ARCHITECTURES as ARCHITECTURES
    from workbench.critics import CRITICS as CRITICS
    from workbench.divergences import DIVERGENCES as DIVERGENCES
    from workbench.objectives import OBJECTIVES as OBJECTIVES
    from workbench.problems import PROBLEMS as PROBLEMS

__getattr__ = lazy_attributes(
    __name__,
    {
        "ARCHITECTURES": "workbench.architectures",
        "CRITICS": "workbench.critics",
        "DIVERGENCES": "workbench.divergences",
        "OBJECTIVES": "workbench.objectives",
        "PROBLEMS": "workbench.problems",
    },
)
