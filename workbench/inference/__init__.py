"""What a trained network answers: densities, samples and posteriors in the data's own units."""

from workbench.inference.fitted_model import FittedModel, Posterior
from workbench.inference.standardisation import Standardisation

__all__ = ["FittedModel", "Posterior", "Standardisation"]
