"""Inference with a trained network: densities, samples and posteriors in data units."""

from typing import TYPE_CHECKING

from workbench.core.lazy import lazy_attributes

if TYPE_CHECKING:
    from workbench.inference.fitted_model import FittedModel
    from workbench.inference.posterior import Posterior
    from workbench.inference.standardisation import Standardisation

__all__ = ["FittedModel", "Posterior", "Standardisation"]

__getattr__ = lazy_attributes(
    __name__,
    {
        "FittedModel": "workbench.inference.fitted_model",
        "Posterior": "workbench.inference.posterior",
        "Standardisation": "workbench.inference.standardisation",
    },
)
