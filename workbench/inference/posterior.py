"""Posterior: the distribution p(x | y) of a trained network at one observation y: samples and density."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.core.lazy import torch
from workbench.core.observation import checked_values
from workbench.inference.datatree import CHAINS, to_dataset, to_datatree

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.inference.fitted_model import FittedModel


class Posterior:
    """The distribution p(x | y = observation) of a trained network.

    Parameters
    ----------
    fitted : the network in data units.
    observation : the M values of y, in the order of its variables.

    ``concerns`` lists reasons to doubt this posterior, as sentences. Raises `SpecError` for a wrong number of
    values or values that are not finite.
    """

    def __init__(self, fitted: FittedModel, observation: Any) -> None:
        self.fitted, self.observation = fitted, checked_values(observation, fitted.y)
        fitted.standardised_observation(
            [self.observation], 1
        )  # the model has a y; no overflow in its precision
        self.concerns = fitted.concerns(self.observation)

    def sample(self, n: int = 1000, *, seed: int = 0) -> xr.Dataset:
        """Draw n samples as a Dataset: dimension ``draw``, one data variable per parameter, with its unit."""
        generator = torch.Generator(device=self.fitted.model.device).manual_seed(seed)
        draws = to_dataset(self.fitted.sample(n, [self.observation], generator), self.fitted.x)
        return draws.assign_attrs(
            observation=list(self.observation), observation_names=[v.name for v in self.fitted.y]
        )

    def to_datatree(self, n: int = 1000, *, chains: int = CHAINS, seed: int = 0) -> xr.DataTree:
        """Draw n samples and return them with all related quantities in the groups of ArviZ.

        The groups are posterior, sample_stats, observed_data and, where the problem can give them, prior,
        prior_predictive and posterior_predictive. `workbench.export.write_datatree` writes the tree, and so
        do xarray's own ``to_netcdf`` and ``to_zarr``.
        """
        return to_datatree(self, n, chains=chains, seed=seed)

    def log_prob(self, x: Any) -> Tensor:
        """Return log p(x | y) (n,) in nats, for x (n, D) in data units."""
        with torch.no_grad():
            return self.fitted.log_prob(x, [self.observation])
