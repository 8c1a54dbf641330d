"""Inverse problems: the posterior of unknowns x given an observation y."""
