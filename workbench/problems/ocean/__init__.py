"""Underwater acoustics: geoacoustic inversion."""

from workbench.problems.base import members_of

__getattr__ = members_of(__name__)
