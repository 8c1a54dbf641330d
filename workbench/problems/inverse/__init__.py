"""Inverse problems: unknowns x behind an observation y."""
