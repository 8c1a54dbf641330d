"""Tasks of the simulation-based inference benchmark (Lueckmann et al. 2021, arXiv 2101.04653)."""

from workbench.problems.base import members_of

__getattr__ = members_of(__name__)
