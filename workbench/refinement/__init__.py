"""Refinement: improve the posterior at one observation beyond the trained network's answer."""

# ruff: noqa: I001  (the order of these lines is the order of every menu and table)
from workbench.refinement.base import Gain, REFINEMENT, RefinedPosterior, Refinement
from workbench.refinement.importance import ImportanceSampling
from workbench.refinement.markov_chain import MarkovChain
from workbench.refinement.signal_model import SignalModel
from workbench.refinement.truncated import TruncatedProposals
from workbench.refinement.refine import refine

__all__ = [
    "REFINEMENT",
    "Gain",
    "ImportanceSampling",
    "MarkovChain",
    "RefinedPosterior",
    "Refinement",
    "SignalModel",
    "TruncatedProposals",
    "refine",
]
