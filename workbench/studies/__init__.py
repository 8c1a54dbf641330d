"""Grids of experiments, each measured cell by cell into one Dataset: published tables and case studies.

`run` measures, `load` reads a result again, `rows` and `text` make a table of it.
"""

from workbench.studies.base import STUDIES, TAGS, Cell, Column, Figure, Published, Study
from workbench.studies.execution import gather, load, run
from workbench.studies.figure import figure_data, figures
from workbench.studies.folder import StudyFolder
from workbench.studies.study_context import Bench
from workbench.studies.table import columns, heading, rows, setting, text

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

__all__ = [
    "Bench",
    "Cell",
    "Column",
    "Figure",
    "Published",
    "STUDIES",
    "Study",
    "StudyFolder",
    "TAGS",
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
