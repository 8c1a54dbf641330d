"""Studies: grids of experiments, each cell measured into one Dataset; published tables and case studies.

`run` measures all cells of a study, `load` reads a stored result, and `rows` and `text` convert a result to
JSON-ready table rows or to a printed table. `Study.measure` receives a `StudyContext` (`Bench` is its older
name).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import lazy_attributes
from workbench.studies.base import STUDIES, TAGS, Cell, Column, Figure, Published, Study

# The members. A new one is one file and one line here.
from workbench.studies import kinematics  # isort: skip  # noqa: F401
from workbench.studies import ballistics  # isort: skip  # noqa: F401
from workbench.studies import moments  # isort: skip  # noqa: F401
from workbench.studies import architectures_and_divergences  # isort: skip  # noqa: F401
from workbench.studies import prior_loss  # isort: skip  # noqa: F401
from workbench.studies import latent_dimension  # isort: skip  # noqa: F401
from workbench.studies import entropic_regularisation  # isort: skip  # noqa: F401
from workbench.studies import disjoint_supports  # isort: skip  # noqa: F401
from workbench.studies import every_divergence  # isort: skip  # noqa: F401
from workbench.studies import realisable_moments  # isort: skip  # noqa: F401
from workbench.studies import geoacoustic  # isort: skip  # noqa: F401
from workbench.studies import posteriors  # isort: skip  # noqa: F401
from workbench.studies import recipe  # isort: skip  # noqa: F401
from workbench.studies import tables  # isort: skip  # noqa: F401
from workbench.studies import diagnostics  # isort: skip  # noqa: F401

if TYPE_CHECKING:
    from workbench.studies.execution import gather, load, run
    from workbench.studies.figure import figure_data, figures
    from workbench.studies.folder import StudyFolder
    from workbench.studies.study_context import Bench, StudyContext
    from workbench.studies.table import columns, heading, rows, setting, text

# Running and reading need torch and xarray, which the list of studies does not.
__getattr__ = lazy_attributes(
    __name__,
    {
        "Bench": "workbench.studies.study_context",
        "StudyContext": "workbench.studies.study_context",
        "StudyFolder": "workbench.studies.folder",
        "columns": "workbench.studies.table",
        "figure_data": "workbench.studies.figure",
        "figures": "workbench.studies.figure",
        "gather": "workbench.studies.execution",
        "heading": "workbench.studies.table",
        "load": "workbench.studies.execution",
        "rows": "workbench.studies.table",
        "run": "workbench.studies.execution",
        "setting": "workbench.studies.table",
        "text": "workbench.studies.table",
    },
)

__all__ = [
    "STUDIES",
    "TAGS",
    "Bench",
    "Cell",
    "Column",
    "Figure",
    "Published",
    "Study",
    "StudyContext",
    "StudyFolder",
    "columns",
    "figure_data",
    "figures",
    "gather",
    "heading",
    "load",
    "rows",
    "run",
    "setting",
    "text",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
