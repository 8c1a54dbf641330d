"""Inverse problems: an observation, and the unknowns behind it."""
