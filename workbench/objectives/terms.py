"""Terms that a variational loss may add to the divergence: reconstruction and prior losses.

independent   reconstruction E|T⁻¹(Y,Z) - X|²  (eq. 50)  or  E|T(X) - (Y,Z)|²  (eq. 52), Z independent of X.
              Its minimiser is the posterior mean: it narrows the posterior
cycle         reconstruction E|T⁻¹(T_y(X) + s e, T_z(X) + s e') - X|² with normal e, e' (Ardizzone et al.
              2019): zero for s = 0 if T is inverted exactly; with noise it limits the slope of T⁻¹
gaussian      prior loss E Σ_d (T⁻¹(Y,Z) - X)_d² / (2 σ_d²)  (eq. 47, scaled as in the authors' code): with
              σ_d the standard deviation of the data it is half of the independent reconstruction
uniform       prior loss E Σ_d [max(0, x̂_d - b) + max(0, a - x̂_d)],  x̂ = T⁻¹(Y,Z)  (eq. 48), in data units
Source: VINA, arXiv:2602.20480, section 4.1, to which the equation numbers refer.
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
    """Return the reconstruction loss of ``kind``, cycle or independent: a scalar, x and z standardised.

    ``noise`` is the standard deviation of the noise of cycle; ``samples`` are the samples that the divergence
    compares, which independent uses.
    """
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
    """Return the prior loss of model samples x̂ = T⁻¹(y, z), a scalar.

    gaussian: half the mean squared distance of x̂ from the batch's x, in standardised units. uniform: the
    mean distance of x̂ from [low, high], in data units, summed over components.
    """
    x = samples.x if samples.x is not None else model.inverse(samples.z, batch.y)[0]
    if kind == "gaussian":
        return 0.5 * _squared(x - batch.x)
    raw = context.to_data(x)
    return ((raw - high).clamp_min(0) + (low - raw).clamp_min(0)).sum(-1).mean().to(x)


def _squared(difference: Tensor) -> Tensor:
    return difference.square().sum(-1).mean()
