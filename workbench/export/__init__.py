"""A run leaves the house: weights that load anywhere, programs, notebooks, and samples as files."""

from workbench.export.weights import check, load, save

__all__ = ["check", "load", "save"]
