"""Inverse problems: unknowns x behind an observation y."""

from workbench.problems.base import members_of

__getattr__ = members_of(__name__)
