"""Terms beside the divergence: reconstruction and prior losses of VINA §4.1.

independent   E|T⁻¹(Y,Z) - X|²  (eq. 50)  or  E|T(X) - (Y,Z)|²  (eq. 52): pairs x with an independent z. Its
              minimiser is the posterior's mean: it shrinks the posterior
cycle         E|T⁻¹(T_y(X) + s e, T_z(X) + s e') - X|² with normal e, e' (Ardizzone et al. 2019): zero without
              noise where T inverts exactly, otherwise it limits the inverse's slope and the padding
gaussian      E Σ_d (T⁻¹(Y,Z) - X)_d² / (2 σ_d²)  (eq. 47, scaled as in the authors' code): with σ_d that of
              the data it is half of the independent reconstruction in standardised units
uniform       E Σ_d [max(0, x̂_d - b) + max(0, a - x̂_d)],  x̂ = T⁻¹(Y,Z)  (eq. 48), in the units of the data
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.objectives.directions import is_forward

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.model import Model
    from workbench.objectives.base import Batch, Context
    from workbench.objectives.directions import Pair

RECONSTRUCTIONS = ("cycle", "independent")
PRIORS = ("none", "gaussian", "uniform")


def reconstruction(
    kind: str,
    direction: str,
    model: Model,
    batch: Batch,
    samples: Pair,
    noise: float,
    generator: torch.Generator,
) -> Tensor:
    """Return the reconstruction term, a scalar in squared standardised units."""
    if kind == "cycle":
        return _squared(_cycle(model, batch, noise, generator) - batch.x)
    if not is_forward(direction):
        return _squared(samples.x - batch.x)
    misfit = _squared(model.latent(batch.x, batch.y)[0] - samples.z)
    if Capability.FORWARD in model.capabilities:
        misfit = misfit + _squared(model.predict(batch.x) - batch.y)
    return misfit


def _cycle(model: Model, batch: Batch, noise: float, generator: torch.Generator) -> Tensor:
    z, _ = model.latent(batch.x, batch.y)
    y = batch.y
    if Capability.FORWARD in model.capabilities:
        y = _noisy(model.predict(batch.x), noise, generator)
    return model.inverse(_noisy(z, noise, generator), y)[0]


def _noisy(values: Tensor, size: float, generator: torch.Generator) -> Tensor:
    if size == 0:
        return values
    noise = torch.randn(values.shape, generator=generator, device=values.device, dtype=values.dtype)
    return values + size * noise


def prior_loss(
    kind: str, model: Model, batch: Batch, samples: Pair, context: Context, low: float, high: float
) -> Tensor:
    """Return the prior loss, a scalar.

    ``low`` and ``high`` are the bounds of every component, in the units of the data.
    """
    x = samples.x if samples.x is not None else model.inverse(samples.z, batch.y)[0]
    if kind == "gaussian":
        return 0.5 * _squared(x - batch.x)
    x = context.shift_x + context.scale_x * x
    return ((x - high).clamp_min(0) + (low - x).clamp_min(0)).sum(-1).mean()


def _squared(difference: Tensor) -> Tensor:
    return difference.square().sum(-1).mean()
