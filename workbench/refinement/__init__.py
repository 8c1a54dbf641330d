"""Refinement: the posterior of one observation made better than the trained network gives it."""

from workbench.core.catalogue import Catalogue
from workbench.refinement.base import Gain, RefinedPosterior, Refinement
from workbench.refinement.importance import ImportanceSampling
from workbench.refinement.markov_chain import MarkovChain
from workbench.refinement.refine import refine
from workbench.refinement.signal_model import SignalModel
from workbench.refinement.truncated import TruncatedProposals

REFINEMENT = Catalogue("refinements", "refinement")
for _member in (ImportanceSampling, MarkovChain, SignalModel, TruncatedProposals):
    REFINEMENT.register(_member)

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
