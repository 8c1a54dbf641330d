"""Maximum likelihood, for models with a density and for invertible networks from x to [y, z].

Flow   L = -E log p(x | y)                                          in nats, with x in data units
INN    L = E[ |y - T_y(x)|²/(2σ²) + |pad|²/(2τ²) + |z|²/2 - log|det ∂T/∂x| ],  z = T_z(x)
Source: Mehta et al., A review of invertible neural networks, eqs. (1) and (14); with a decoder eq. (15).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability, unmet_need
from workbench.core.lazy import torch
from workbench.objectives.base import OBJECTIVES, Batch, Context, Loss, Objective

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.architectures.base import Architecture
    from workbench.core.model import Model
    from workbench.problems.base import Problem


@OBJECTIVES.register
class MaximumLikelihood(Objective):
    """Objective: the negative log-likelihood (NLL) of the data under the model."""

    key = "maximum_likelihood"
    title = "Maximum likelihood"
    summary = "Makes the data likely: forward KL, the usual way to train a flow; loss (14) for the INN."
    reference = "Review of invertible neural networks, eqs. 1 and 14; Kruse et al. (2021)"
    live = frozenset({"sigma_y"})

    sigma_y = param.Number(
        0.1,
        bounds=(1e-3, 10.0),
        doc="INN only: standard deviation σ of y around T_y(x), in "
        "standardised units. Smaller is sharper and harder to train.",
    )
    sigma_padding = param.Number(
        0.1,
        bounds=(1e-3, 10.0),
        doc="INN only: standard deviation of the padding outputs and of the noise on padded inputs.",
    )

    weight_reconstruction = param.Number(
        1.0,
        bounds=(0, 1e4),
        doc="Flows with a decoder only: weight α of the squared misfit of x after the decoder.",
    )

    def conflicts(self, problem: Problem, architecture: Architecture) -> list[str]:
        if Capability.VELOCITY in architecture.capabilities:
            return [
                f"{self.title} would integrate {architecture.title} at every step; choose flow matching, "
                "which does not"
            ]
        if {Capability.DENSITY, Capability.JOINT_LIKELIHOOD} & architecture.capabilities:
            return []
        return [unmet_need(self.title, Capability.DENSITY, architecture.title)]

    def unused(self, architecture: Architecture) -> frozenset[str]:
        needs = {
            "sigma_y": Capability.JOINT_LIKELIHOOD,
            "sigma_padding": Capability.JOINT_LIKELIHOOD,
            "weight_reconstruction": Capability.DECODER,
        }
        return frozenset(name for name, need in needs.items() if need not in architecture.capabilities)

    def build(self, model: Model, context: Context) -> Loss:
        if Capability.JOINT_LIKELIHOOD in model.capabilities:
            return InnLikelihood(self, context)
        return FlowLikelihood(self, context)


class FlowLikelihood(Loss):
    """Negative log-likelihood -E log p(x | y) in nats, with x in data units (not standardised)."""

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        offset = self.context.log_volume(batch.x).mean()
        if model.training:
            density = model.log_prob_to_train(batch.x, batch.y, batch.rows)
        else:
            density = model.log_prob(batch.x, batch.y)
        return {"negative_log_likelihood": offset - density.mean()}


class InnLikelihood(Loss):
    """Negative log-likelihood of y, z and padding of an invertible network, each modelled as normal.

    For a flow with a decoder, the squared misfit of x after the decoder is added, which is no likelihood.
    """

    objective: MaximumLikelihood

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        spec = self.objective
        noise = (
            torch.randn(
                len(batch),
                model.width - model.features,
                generator=generator,
                device=batch.x.device,
                dtype=batch.x.dtype,
            )
            * spec.sigma_padding
        )
        out, log_det = model.forward_full(model.pad_x(batch.x, noise))
        y, z, padding = model.split(out)
        parts = {
            "misfit_y": ((y - batch.y).square().sum(-1) / (2 * spec.sigma_y**2)).mean(),
            "padding": (padding.square().sum(-1) / (2 * spec.sigma_padding**2)).mean(),
            "latent": (0.5 * z.square().sum(-1)).mean(),
            "log_volume": -log_det.mean(),
            "constant": self._constant(model, batch),
        }
        if Capability.DECODER in model.capabilities:
            parts["reconstruction"] = (batch.x - model.decode(y, z)).square().sum(-1).mean()
        return parts

    def weights(self, progress: float) -> dict[str, float]:
        return {"reconstruction": self.objective.weight_reconstruction}

    def _constant(self, model: Model, batch: Batch) -> Tensor:
        """Return the constant, a scalar, that makes the sum of the parts a negative log-likelihood.

        In nats, with x in data units; without the reconstruction, which is no likelihood.
        """
        spec, shapes = self.objective, self.context.shapes
        n_padding_out = model.width - shapes.y - model.latent_features
        value = (
            0.5 * math.log(2 * math.pi) * model.width
            + shapes.y * math.log(spec.sigma_y)
            + n_padding_out * math.log(spec.sigma_padding)
        )
        # the entropy of the noise in padded inputs is no part of the model's likelihood
        n_padding_in = model.width - shapes.x
        value -= n_padding_in * (0.5 * math.log(2 * math.pi * math.e) + math.log(spec.sigma_padding))
        return self.context.log_volume(batch.x).mean() + value
